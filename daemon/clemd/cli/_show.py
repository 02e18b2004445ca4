"""`clemd show`: everything that is known about one result, frame, pair or file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.model import display_name, to_dict
from clemd.store import FrameRow, NoSuchRecordError, Reader
from clemd.supervising import configure_logging

ALL = 1_000_000


def show_record(record_id: str, state: Path, *, as_json: bool) -> int:
    """Print one record with its reasons; exit code 0.

    A file name stands for its newest result, else for its frame, else for the file.

    Raises:
        UsageError: no such id, and no file of that name.
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    with Reader.open(state) as reader, reader.consistent_view():
        found = _found(reader, record_id)
    if as_json:
        text = json.dumps({"schema": "clemd.record/1", **found})
    else:
        text = "\n".join(_lines(found))
    sys.stdout.write(text + "\n")
    return 0


def _found(reader: Reader, record_id: str) -> dict[str, Any]:
    for look in (_result, _frame, _pair):
        try:
            return look(reader, record_id)
        except NoSuchRecordError:
            continue
    named = _named(reader, record_id)
    if named is None:
        raise UsageError(
            "no such result, frame, pair or file",
            record_id,
            "clemd status lists the newest with their ids",
        )
    return named


def _named(reader: Reader, name: str) -> dict[str, Any] | None:
    """What a file name stands for, of several files the one read last."""
    frames = [row for row in reader.frames(limit=ALL) if _is_called(row, name)]
    if not frames:
        return _unread(reader, name)
    newest = _newest_result(reader, frames[0])
    if newest is None:
        found = _frame(reader, frames[0].id)
    else:
        found = _result(reader, newest)
    others = [{"id": row.id, "file": row.frame.path} for row in frames[1:]]
    return {**found, "other_frames_of_that_name": others} if others else found


def _is_called(row: FrameRow, name: str) -> bool:
    """By its last parts; of a file with several images each one, or one by its `#`."""
    path, position = row.frame.path, row.frame.position
    shown = {path, path if position is None else path.removesuffix(f" #{position + 1}")}
    return any(one == name or one.endswith(f"/{name}") for one in shown)


def _newest_result(reader: Reader, row: FrameRow) -> str | None:
    em, lm = (row.id, None) if row.side == "em" else (None, row.id)
    results = [
        result
        for pair in reader.pairs(em_frame_id=em, lm_frame_id=lm, limit=ALL)
        for result in reader.registrations(pair_id=pair.id, limit=1)
    ]
    newest = max(results, key=lambda result: result.created_at, default=None)
    return None if newest is None else newest.id


def _unread(reader: Reader, name: str) -> dict[str, Any] | None:
    """A file that waits or was refused has no frame, but a reason."""
    for state in ("waiting", "refused", "reading", "noticed"):
        for row in reader.files_in_state(state):
            shown = display_name(row.relative)
            if shown == name or shown.endswith(f"/{name}"):
                return {
                    "kind": "file",
                    "file": shown,
                    "root": row.root,
                    "state": row.state,
                    "reason": row.reason,
                    "since": row.noticed_at,
                }
    return None


def _result(reader: Reader, record_id: str) -> dict[str, Any]:
    row = reader.registration(record_id)
    link = reader.link(record_id)
    foretold = reader.prediction(row.em_frame_id, row.lm_frame_id)
    return {
        "kind": "result",
        "id": row.id,
        "em_file": reader.frame(row.em_frame_id).frame.path,
        "lm_file": reader.frame(row.lm_frame_id).frame.path,
        "em_frame_id": row.em_frame_id,
        "lm_frame_id": row.lm_frame_id,
        "session": row.session,
        "verdict": row.verdict.value,
        "decided_by": row.decided_by,
        "decided_reason": row.decided_reason,
        "is_best": row.is_best,
        "created_at": row.created_at,
        "paired_because": list(reader.pair(row.pair_id).reasons),
        "pairing": _pairing(reader, reader.frame(row.em_frame_id)),
        "foretold": None if foretold is None else json.loads(foretold.text),
        "taught_its_session": link is not None,
        "registration": row.told.to_contract(),
        "second": None if row.second is None else row.second.to_contract(),
        "outputs": row.outputs,
    }


def _frame(reader: Reader, record_id: str) -> dict[str, Any]:
    row = reader.frame(record_id)
    em, lm = (row.id, None) if row.side == "em" else (None, row.id)
    return {
        "kind": "frame",
        "id": row.id,
        "side": row.side,
        "session": row.session,
        "frame": to_dict(row.frame),
        "pairing": _pairing(reader, row),
        "pairs": [
            {"id": p.id, "state": p.state, "because": list(p.reasons)}
            for p in reader.pairs(em_frame_id=em, lm_frame_id=lm)
        ],
    }


def _pairing(reader: Reader, row: FrameRow) -> dict[str, Any] | None:
    """What holds about its partner, and how that came about."""
    story = reader.decisions(row.id)
    if not story:
        return None
    newest = story[0]
    partner = newest.partner_id and reader.frame(newest.partner_id).frame.path
    return {
        "state": newest.state,
        "partner_id": newest.partner_id,
        "partner_file": partner,
        "doubt": newest.doubt,
        "because": list(newest.reasons),
        "left_out": [
            f"{reader.frame(frame_id).frame.path}: {reason}"
            for frame_id, reason in newest.left_out.items()
        ],
        "since": newest.created_at,
        "before": [
            f"{one.created_at} {one.state}: {'; '.join(one.reasons)}"
            for one in story[1:20]
        ],
    }


def _pair(reader: Reader, record_id: str) -> dict[str, Any]:
    row = reader.pair(record_id)
    return {
        "kind": "pair",
        "id": row.id,
        "em_file": reader.frame(row.em_frame_id).frame.path,
        "lm_file": reader.frame(row.lm_frame_id).frame.path,
        "state": row.state,
        "paired_because": list(row.reasons),
        "pairing": _pairing(reader, reader.frame(row.em_frame_id)),
        "results": [
            {"id": r.id, "verdict": r.verdict.value}
            for r in reader.registrations(pair_id=row.id)
        ],
    }


def _lines(found: dict[str, Any], indent: str = "") -> list[str]:
    """Nested values as indented lines; long lists of numbers stay on one."""
    lines: list[str] = []
    for name, value in found.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and isinstance(value[0], dict):
            lines.append(f"{indent}{name}: {len(value)}")
            for one in value[:5]:
                lines.append(f"{indent}  - {json.dumps(one)[:160]}")
        elif isinstance(value, list) and isinstance(value[0], str):
            lines += [f"{indent}{name}:", *(f"{indent}  {v}" for v in value)]
        else:
            lines.append(f"{indent}{name}: {value}")
    return lines
