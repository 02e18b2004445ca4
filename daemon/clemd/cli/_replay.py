"""`clemd replay`: register a result's pair again, exactly as it was, and compare.

Where a second engine was asked, its answer is repeated as well.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clemd.errors import UsageError
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Asked, Frame, Registration
from clemd.store import NoSuchRecordError, Reader, RegistrationRow
from clemd.supervising import configure_logging

from ._planes import load_planes

if TYPE_CHECKING:
    from clemd.pipeline import Request
    from clemd.sides import Loaded

SAME_LM_PX = 1e-6
_NOT_THE_SAME = 3


def replay(record_id: str, state: Path, *, as_json: bool) -> int:
    """Print how far the repeated matrix is from the kept one.

    Returns:
        0 if no corner of any answer moved by more than `SAME_LM_PX`, else 3.

    Raises:
        UsageError: no such result, it kept no settings, or a file is gone or changed.
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    with Reader.open(state) as reader, reader.consistent_view():
        try:
            row = reader.registration(record_id)
        except NoSuchRecordError as missing:
            raise UsageError(
                "no such result", record_id, "clemd status lists the newest"
            ) from missing
        frames = reader.frame(row.em_frame_id), reader.frame(row.lm_frame_id)
        parent = _parent_of(reader, row)
    em, lm = frames[0].frame, frames[1].frame
    with tempfile.TemporaryDirectory(prefix="clemd-replay-") as folder:
        pair = [load_planes(one, state / "cache", Path(folder)) for one in (em, lm)]
        again = _again(row, pair, state / "cache", Path(folder), parent)
        second = None if row.second is None else _asked_again(row.second.answer, pair)
    answer = {
        "schema": "clemd.replay/1",
        "registration_id": row.id,
        **_held_against(row.registration, again, em.shape),
    }
    if row.second is not None and second is not None:
        answer["second"] = _held_against(row.second.answer, second, em.shape)
    looks = [answer, *([answer["second"]] if "second" in answer else [])]
    text = json.dumps(answer) if as_json else "\n".join(_in_words(o) for o in looks)
    sys.stdout.write(text + "\n")
    return 0 if all(one["same"] for one in looks) else _NOT_THE_SAME


def _held_against(
    kept: Registration, again: Registration, em_shape: tuple[int, int]
) -> dict[str, Any]:
    moved = _moved(kept, again, em_shape)
    return {
        "same": moved <= SAME_LM_PX and again.verdict is kept.verdict,
        "moved_lm_px": moved if np.isfinite(moved) else None,
        "verdict": again.verdict.value,
        "kept_verdict": kept.verdict.value,
        "engine": f"{again.engine} {again.engine_version}",
        "kept_engine": f"{kept.engine} {kept.engine_version}",
        "device": again.device,
        "kept_device": kept.device,
    }


def _in_words(held: dict[str, Any]) -> str:
    moved = held["moved_lm_px"]
    by = "out of all bounds" if moved is None else f"by {moved:.2g} LM px"
    return (
        f"{'the same' if held['same'] else 'NOT the same'}: {held['verdict']}, corners "
        f"moved {by} ({held['engine']} on {held['device']})"
    )


def _parent_of(
    reader: Reader, row: RegistrationRow
) -> tuple[RegistrationRow, Frame] | None:
    """The result whose matrix this one took over, and its EM frame."""
    asked = row.registration.asked
    if asked is None or not asked.parent:
        return None
    try:
        parent = reader.registration(asked.parent)
    except NoSuchRecordError as missing:
        raise UsageError(
            "the result that this one was taken from is gone", row.id, "register again"
        ) from missing
    return parent, reader.frame(parent.em_frame_id).frame


def _again(
    row: RegistrationRow,
    pair: list[Loaded],
    cache: Path,
    folder: Path,
    parent: tuple[RegistrationRow, Frame] | None,
) -> Registration:
    from clemd import cutting, nesting, pipeline

    kept = row.registration
    if kept.asked is None:
        raise UsageError(
            "this result kept no settings", row.id, "register its files again"
        )
    engine = "auto" if parent or kept.asked.points else kept.engine
    request = _request_of(kept, kept.asked, engine)
    if kept.asked.points:
        from clemd.placing import register_by_hand

        return register_by_hand(pair[0], pair[1], kept.asked.points, request)
    if parent is None:
        return pipeline.register_pair(pair[0], pair[1], request)
    known = cutting.Parent(
        image=load_planes(parent[1], cache, folder),
        registration=parent[0].registration,
        registration_id=parent[0].id,
    )
    found = (
        cutting.register_cut_out(pair[0], [known])
        if kept.engine == cutting.ENGINE
        else nesting.register_nested(pair[0], [known], request)
    )
    if found is None:
        raise UsageError(
            "it is not found in its parent any more", row.id, "register again"
        )
    return found


def _asked_again(kept: Registration, pair: list[Loaded]) -> Registration:
    """What a second engine says once more."""
    from clemd.pipeline import register_pair

    request = _request_of(kept, kept.asked or Asked(), kept.engine)
    return register_pair(pair[0], pair[1], replace(request, afresh=True))


def _request_of(kept: Registration, asked: Asked, engine: str) -> Request:
    from clemd.pipeline import Request

    return Request(
        engine=engine,
        device=kept.device,
        pixel_ratio=asked.pixel_ratio,
        scale_tolerance=asked.scale_tolerance,
        mirror=asked.mirror,
        tolerance=asked.tolerance,
        expected=asked.expected,
        seed=kept.seed,
    )


def _moved(kept: Registration, again: Registration, shape: tuple[int, int]) -> float:
    """Largest corner movement, LM px; infinite if only one of them has a matrix."""
    if kept.best_guess is None or again.best_guess is None:
        return 0.0 if kept.best_guess is again.best_guess else float("inf")
    old, new = as_matrix(kept.best_guess), as_matrix(again.best_guess)
    return float(corner_errors(new, old, shape).max())
