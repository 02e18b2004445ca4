"""An image that was cut out of one that is already placed needs no registration."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clemd.geometry import as_matrix, as_rows, compose, translation
from clemd.model import Asked, Registration, Timing, Verdict
from clemd.sessions import cut_out_of
from clemd.sides import Loaded

ENGINE = "cut-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An earlier image of the session and where it lies."""

    image: Loaded
    registration: Registration
    registration_id: str = ""


def register_cut_out(em: Loaded, parents: Iterable[Parent]) -> Registration | None:
    """The parent's registration, moved to the crop; None if `em` is no crop of any.

    The crop lies within its parent, so the parent's radius holds for it.
    """
    began = time.perf_counter()
    for parent in parents:
        known = parent.registration
        if known.em_to_lm is None or known.verdict is not Verdict.ACCEPTED:
            continue
        at = cut_out_of(np.asarray(em.picture), np.asarray(parent.image.picture))
        if at is None:
            continue
        matrix = compose(as_matrix(known.em_to_lm), translation(*at))
        name = Path(parent.image.frame.path).name
        reason = (
            f"cut out of {name} at column {at[0]}, row {at[1]}, pixel for pixel: "
            "its matrix, moved"
        )
        return replace(
            known,
            em_to_lm=as_rows(matrix),
            best_guess=as_rows(matrix),
            engine=ENGINE,
            engine_version="1",
            asked=Asked(parent=parent.registration_id),
            reasons=(reason, *known.reasons[:1]),
            warnings=(),
            votes=None,
            corner_covariance_lm_px2=None,
            input_sha256=(em.frame.content_sha256, known.input_sha256[1]),
            seconds=Timing(total=time.perf_counter() - began),
        )
    return None


__all__ = ["ENGINE", "Parent", "register_cut_out"]
