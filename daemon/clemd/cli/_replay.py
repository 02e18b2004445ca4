"""`clemd replay`: register a result's pair again, exactly as it was, and compare."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clemd.errors import UsageError
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Frame, Registration
from clemd.store import NoSuchRecordError, Reader, RegistrationRow
from clemd.supervising import configure_logging

from ._planes import load_planes

if TYPE_CHECKING:
    pass

SAME_LM_PX = 1e-6
_NOT_THE_SAME = 3


def replay(record_id: str, state: Path, *, as_json: bool) -> int:
    """Print how far the repeated matrix is from the kept one.

    Returns:
        0 if no corner moved by more than `SAME_LM_PX`, else 3.

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
    again = _again(row, frames[0].frame, frames[1].frame, state / "cache", parent)
    moved = _moved(row.registration, again, frames[0].frame.shape)
    same = moved <= SAME_LM_PX and again.verdict is row.registration.verdict
    answer = {
        "schema": "clemd.replay/1",
        "registration_id": row.id,
        "same": same,
        "moved_lm_px": moved if np.isfinite(moved) else None,
        "verdict": again.verdict.value,
        "kept_verdict": row.registration.verdict.value,
        "engine": f"{again.engine} {again.engine_version}",
        "kept_engine": f"{row.registration.engine} {row.registration.engine_version}",
        "device": again.device,
        "kept_device": row.registration.device,
    }
    if as_json:
        text = json.dumps(answer)
    else:
        text = (
            f"{'the same' if same else 'NOT the same'}: {again.verdict.value}, corners "
            f"moved by {moved:.2g} LM px ({answer['engine']} on {again.device})"
        )
    sys.stdout.write(text + "\n")
    return 0 if same else _NOT_THE_SAME


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
    em: Frame,
    lm: Frame,
    cache: Path,
    parent: tuple[RegistrationRow, Frame] | None,
) -> Registration:
    from clemd import cutting, nesting, pipeline

    kept = row.registration
    if kept.asked is None:
        raise UsageError(
            "this result kept no settings", row.id, "register its files again"
        )
    request = pipeline.Request(
        engine="auto" if parent or kept.asked.points else kept.engine,
        device=kept.device,
        pixel_ratio=kept.asked.pixel_ratio,
        scale_tolerance=kept.asked.scale_tolerance,
        mirror=kept.asked.mirror,
        tolerance=kept.asked.tolerance,
        expected=kept.asked.expected,
        seed=kept.seed,
    )
    with tempfile.TemporaryDirectory(prefix="clemd-replay-") as folder:
        loaded = [load_planes(frame, cache, Path(folder)) for frame in (em, lm)]
        if kept.asked.points:
            from clemd.placing import register_by_hand

            return register_by_hand(loaded[0], loaded[1], kept.asked.points, request)
        if parent is None:
            return pipeline.register_pair(loaded[0], loaded[1], request)
        known = cutting.Parent(
            image=load_planes(parent[1], cache, Path(folder)),
            registration=parent[0].registration,
            registration_id=parent[0].id,
        )
        found = (
            cutting.register_cut_out(loaded[0], [known])
            if kept.engine == cutting.ENGINE
            else nesting.register_nested(loaded[0], [known], request)
        )
    if found is None:
        raise UsageError(
            "it is not found in its parent any more", row.id, "register again"
        )
    return found


def _moved(kept: Registration, again: Registration, shape: tuple[int, int]) -> float:
    """Largest corner movement, LM px; infinite if only one of them has a matrix."""
    if kept.best_guess is None or again.best_guess is None:
        return 0.0 if kept.best_guess is again.best_guess else float("inf")
    old, new = as_matrix(kept.best_guess), as_matrix(again.best_guess)
    return float(corner_errors(new, old, shape).max())
