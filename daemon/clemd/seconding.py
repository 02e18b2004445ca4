"""Which engine is asked as well where one is in doubt, and what its answer means.

Two engines read the same pixels and are judged by the same witnesses. That they agree
is therefore no proof; that they do not is a reason to doubt both.
"""

from __future__ import annotations

import math

from clemd.geometry import apply, as_matrix, corner_errors, decompose, middle_of
from clemd.model import (
    Agreement,
    Matrix,
    Matrix3,
    Registration,
    SecondOpinion,
    Verdict,
)

BESIDE = {
    "multimodal": "mine",
    "spatio-spectral": "multimodal",
    "global-gradient": "multimodal",
}
"""What reads the images most unlike the first: grey values beside edges, the shape of
the whole beside spectra."""
CLIMBING = frozenset({"mine"})
"""Engines that begin at a pose."""
SAME_PLACE = 0.05
"""Corners further apart than this share of the EM's width are two places, however
wide the radii are."""


def second_engine(first: Registration, chosen: str, engine: str) -> str | None:
    """The engine to ask as well; None where nobody is asked.

    `chosen` is the profile's `second_engine`, `engine` the one it names for the first.
    Only a result in doubt that an engine has searched for itself has a second one: what
    was laid by hand, cut out of another image or found within one stands on others.
    """
    asked = first.asked
    if first.verdict is not Verdict.REVIEW or chosen == "none":
        return None
    if asked is None or asked.points or asked.parent:
        return None
    if chosen != "auto":
        return None if chosen == first.engine else chosen
    # who names an engine in the profile wants to hear that one
    return BESIDE.get(first.engine) if engine == "auto" else None


def guess_for(engine: str, first: Registration) -> Matrix3 | None:
    """Where the second engine looks as well: EM px -> LM px.

    One that climbs needs a start, and may find a better one itself. One that searches
    is told what the first was told, so that it has not heard the answer.
    """
    if engine in CLIMBING:
        return first.em_to_lm
    return None if first.asked is None else first.asked.expected


def compared(
    first: Registration, answer: Registration, em_shape: tuple[int, int]
) -> SecondOpinion:
    """What a second engine's answer says of the first.

    `em_shape` is (height, width), px.
    """
    if first.em_to_lm is None or answer.em_to_lm is None:
        return SecondOpinion(
            agreement=Agreement.SILENT, answer=answer, sentence=_silent(answer)
        )
    here, there = as_matrix(first.em_to_lm), as_matrix(answer.em_to_lm)
    apart = float(corner_errors(there, here, em_shape).max())
    width = em_shape[1] * decompose(here, middle_of(em_shape)).scale
    allowed = min(math.hypot(_p95(first), _p95(answer)), SAME_PLACE * width)
    agrees = apart <= allowed
    said = (
        _agrees(answer, apart, allowed)
        if agrees
        else _disagrees(first, answer, (here, there), em_shape, apart, allowed)
    )
    return SecondOpinion(
        agreement=Agreement.AGREES if agrees else Agreement.DISAGREES,
        answer=answer,
        apart_lm_px=apart,
        allowed_lm_px=allowed,
        sentence=said,
    )


def _p95(found: Registration) -> float:
    return 0.0 if found.error_lm_px is None else found.error_lm_px.p95


def _silent(answer: Registration) -> str:
    why = answer.reasons[0] if answer.reasons else "it gives no reason"
    return f"a second engine cannot confirm it: {answer.engine} has no answer ({why})"


def _agrees(answer: Registration, apart: float, allowed: float) -> str:
    return (
        f"a second engine agrees: {answer.engine} puts the corners within {apart:.2f} "
        f"LM px of it, {allowed:.2f} are allowed; it read the same pixels, so look "
        "nevertheless"
    )


def _disagrees(
    first: Registration,
    answer: Registration,
    matrices: tuple[Matrix, Matrix],
    em_shape: tuple[int, int],
    apart: float,
    allowed: float,
) -> str:
    here, there = (
        _place(found, matrix, em_shape)
        for found, matrix in zip((first, answer), matrices, strict=True)
    )
    return (
        f"two engines disagree by {apart:.1f} LM px, {allowed:.1f} are allowed: "
        f"{here}; {there}"
    )


def _place(found: Registration, matrix: Matrix, em_shape: tuple[int, int]) -> str:
    ((x, y),) = apply(matrix, [middle_of(em_shape)])
    turned = "" if found.rotation_deg is None else f", turned {found.rotation_deg:.1f}°"
    mirrored = ", mirrored" if found.mirrored else ""
    wide = em_shape[1] * decompose(matrix, middle_of(em_shape)).scale
    return (
        f"{found.engine} puts the middle of the image at ({x:.1f}, {y:.1f}) LM px"
        f"{turned}{mirrored}, {wide:.1f} LM px wide"
    )


__all__ = ["BESIDE", "CLIMBING", "compared", "guess_for", "second_engine"]
