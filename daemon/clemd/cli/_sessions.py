"""`clemd sessions`: what each session has learned, and what happened to it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.sessions import Epoch, Session, from_text
from clemd.store import FrameRow, Reader, TransformRow
from clemd.supervising import configure_logging


def show_sessions(name: str, state: Path, *, as_json: bool) -> int:
    """Print all session transforms, or one session with its story; exit code 0.

    Raises:
        UsageError: no such session.
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    with Reader.open(state) as reader, reader.consistent_view():
        known = [s.id for s in reader.sessions()]
        if name and name not in known:
            raise UsageError(
                "no such session", name, f"use one of {', '.join(known) or 'none yet'}"
            )
        found = [_told(reader, row) for row in reader.transforms(name or None)]
    if as_json:
        text = json.dumps({"schema": "clemd.sessions/1", "transforms": found})
    elif not found:
        text = "no image with a stage position is registered yet"
    else:
        text = "\n\n".join(_in_words(one, story=bool(name)) for one in found)
    sys.stdout.write(text + "\n")
    return 0


def session_on(reader: Reader, name: str, lm_frame_id: str) -> tuple[Session, FrameRow]:
    """The session's transform and its map; the newest map if none is named.

    Raises:
        UsageError: no such session or map, or nothing is registered there.
    """
    rows = [
        row for row in reader.transforms(name) if lm_frame_id in {"", row.lm_frame_id}
    ]
    if not rows:
        raise UsageError(
            "this session has no transform yet",
            f"{name} {lm_frame_id}".strip(),
            "clemd sessions lists those that have",
        )
    return _read(rows[0]), reader.frame(rows[0].lm_frame_id)


def _read(row: TransformRow) -> Session:
    try:
        return from_text(row.text)
    except (ValueError, KeyError, TypeError) as failed:
        raise UsageError(
            "this transform was kept by another clemd version",
            row.session,
            "start that daemon once, it adds the images up anew",
        ) from failed


def _told(reader: Reader, row: TransformRow) -> dict[str, Any]:
    session, lm = _read(row), reader.frame(row.lm_frame_id)
    events = reader.transform_events(row.session, row.lm_frame_id)
    return {
        "session": row.session,
        "lm_frame_id": row.lm_frame_id,
        "lm_file": lm.frame.path,
        "standing": row.standing,
        "epoch": row.epoch,
        "images": row.images,
        "updated_at": row.updated_at,
        "transform": None if session.epoch is None else _transform(session.epoch),
        "events": [
            {
                "at": e.created_at,
                "epoch": e.epoch,
                "event": e.event,
                "reason": e.reason,
                "registration_id": e.registration_id,
            }
            for e in events
        ],
    }


def _transform(epoch: Epoch) -> dict[str, Any]:
    estimate = epoch.estimate
    mean = estimate.means[estimate.best]
    return {
        "axes": estimate.axes[estimate.best].name,
        "axes_certain": round(float(estimate.weights[estimate.best]), 4),
        "origin_um": list(estimate.origin_um),
        "origin_lm_px": mean[:2].tolist(),
        "stage_um_to_lm_px": mean[2:6].reshape(2, 2).tolist(),
        "image_um_to_lm_px": mean[6:].reshape(2, 2).tolist(),
        "covariance": estimate.covariances[estimate.best].tolist(),
        "stage_sigma_um": estimate.learned.stage_um2**0.5,
        "worst_lm_px": epoch.worst_lm_px,
    }


def _in_words(one: dict[str, Any], *, story: bool) -> str:
    lines = [
        f"{one['session']} on {one['lm_file']}: {one['standing']}, epoch "
        f"{one['epoch']}, {one['images']} images"
    ]
    transform = one["transform"]
    if transform:
        lines.append(
            f"  {transform['axes']} ({100 * transform['axes_certain']:.0f} % sure); "
            f"the stage comes back to ± {transform['stage_sigma_um']:.2f} µm; farthest "
            f"from where it was expected: {transform['worst_lm_px']:.1f} LM px"
        )
    shown = one["events"] if story else one["events"][:1]
    lines += [
        f"  {e['at'][:19]}  epoch {e['epoch']} {e['event']}"
        + (f": {e['reason']}" if e["reason"] else "")
        for e in reversed(shown)
    ]
    return "\n".join(lines)
