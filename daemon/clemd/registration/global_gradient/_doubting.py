"""What the common witnesses forgive and a free affine matrix must not be forgiven.

A similarity that is laid on a torn specimen leaves its halves far apart. An affine
matrix takes most of the step up as shear, so what is left of it weighs more here.
"""

from __future__ import annotations

from dataclasses import replace

from clemd.model import ErrorRadius, Registration, Verdict

APART_PX, APART_SHARE = 1.5, 0.008
"""Halves further apart than this many px of the judge's grid, and than this share of
the map's width, are not one image; the noise of the affine fit is no excuse."""
MOST_SURE = 0.9


def doubted(answer: Registration) -> Registration:
    """`answer`, or the same for a person to look at."""
    seen = answer.evidence
    apart = seen["halves_lm_px"]
    torn = (
        apart > APART_PX * seen["judged_pitch_lm_px"]
        and apart > APART_SHARE * seen["width_lm_px"]
    )
    if answer.verdict is not Verdict.ACCEPTED or not torn:
        return answer
    reason = (
        f"the halves of the map want places {apart:.1f} px of the guide apart (a "
        "crack, a stage jump or drift during the scan)"
    )
    radius = answer.error_lm_px
    if radius is not None and radius.p95 < 2 * apart:
        radius = ErrorRadius(p50=apart, p95=2 * apart)
    return replace(
        answer,
        verdict=Verdict.REVIEW,
        confidence=min(answer.confidence, MOST_SURE),
        error_lm_px=radius,
        reasons=(reason, *answer.reasons),
    )
