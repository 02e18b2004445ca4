"""`clemd map`: a point of one image in the other's coordinates, or on the stage."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.geometry import apply, as_matrix
from clemd.model import Verdict
from clemd.sessions import target
from clemd.store import NoSuchRecordError, Reader
from clemd.supervising import configure_logging

from ._sessions import session_on


def map_point(
    state: Path,
    *,
    session: str,
    lm: str,
    map_id: str,
    em_frame: str,
    px: str,
    as_json: bool,
) -> int:
    """Print where the point is, with its 95 % radius; exit code 0.

    Raises:
        UsageError: half of a question, no such session or frame, or nothing is known.
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    if bool(session and lm) == bool(em_frame and px):
        raise UsageError(
            "which point?",
            "clemd map",
            "give --session and --lm X,Y, or --em-frame and --px X,Y",
        )
    with Reader.open(state) as reader, reader.consistent_view():
        if session:
            answer = _to_stage(reader, session, map_id, point_of(lm, "--lm"))
        else:
            answer = _to_map(reader, em_frame, point_of(px, "--px"))
    text = json.dumps(answer) if as_json else answer["in_words"]
    sys.stdout.write(text + "\n")
    return 0


def _to_stage(
    reader: Reader, name: str, map_id: str, point: tuple[float, float]
) -> dict[str, Any]:
    known, lm = session_on(reader, name, map_id)
    found = target(known, point)
    x, y = found.stage_um
    return {
        "schema": "clemd.map/1",
        "session": name,
        "lm_frame_id": lm.id,
        "lm_px": list(point),
        "stage_um": [x, y],
        "radius_um": {"p50": found.radius_um.p50, "p95": found.radius_um.p95},
        "field_um": found.field_um,
        "in_words": f"drive the stage to x = {x:.2f} µm, y = {y:.2f} µm (± "
        f"{found.radius_um.p95:.2f} µm, 95 %); a field of {found.field_um:.1f} µm "
        "holds the point",
    }


def _to_map(
    reader: Reader, frame_id: str, point: tuple[float, float]
) -> dict[str, Any]:
    try:
        reader.frame(frame_id)
    except NoSuchRecordError as missing:
        raise UsageError(
            "no such frame", frame_id, "clemd status lists the newest"
        ) from missing
    best = reader.registrations(em_frame_id=frame_id, best_only=True, limit=1)
    row = best[0] if best else None
    if (
        row is None
        or row.registration.em_to_lm is None
        or (row.verdict is Verdict.REJECTED)
    ):
        raise UsageError("this image is not registered", frame_id, "register it first")
    lm = reader.frame(row.lm_frame_id).frame
    matrix = as_matrix(row.registration.em_to_lm)
    x, y = apply(matrix, [point])[0].tolist()
    radius = row.registration.error_lm_px
    answer: dict[str, Any] = {
        "schema": "clemd.map/1",
        "em_frame_id": frame_id,
        "em_px": list(point),
        "lm_frame_id": row.lm_frame_id,
        "lm_px": [x, y],
        "verdict": row.verdict.value,
        "radius_lm_px": radius and {"p50": radius.p50, "p95": radius.p95},
        "lm_um": None,
    }
    said = f"{x:.2f}, {y:.2f} px on {Path(lm.path).name}"
    if radius:
        said += f" (± {radius.p95:.2f} LM px, 95 %)"
    if lm.pixel_size:
        answer["lm_um"] = [x * lm.pixel_size.x_um, y * lm.pixel_size.y_um]
        said += f" = {answer['lm_um'][0]:.3f}, {answer['lm_um'][1]:.3f} µm"
    if row.verdict is Verdict.REVIEW:
        said += "; the result is under review: not certain"
    return answer | {"in_words": said}


def point_of(text: str, option: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise UsageError(
            "not a point", f"{option} {text}", "give two numbers, e.g. 512.5,300"
        )
    return x, y
