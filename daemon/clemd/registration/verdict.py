"""May this overlay be shown as right?

One small logistic model over unlike witnesses gives the probability of being right;
hard gates, each with a sentence for the operator, keep what the model cannot see
(mirror twins, lattices, too little overlap) from being accepted. The coefficients
live in `verdict_model.json`, written by `clemd bench train-verdict` from tuning
trials only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from clemd.model import ErrorRadius, Verdict

HALVES_PX, HALVES_SHARE = 1.5, 0.008
"""Halves further apart than this, in px of the judge's grid and as a share of the EM
width, are not one rigid image."""
VOTE_REACH_PX = 8
"""How far the judge looks for each tile, px of its grid."""
MOST_CONFIDENT = 0.99
"""Nothing we measured supports a larger number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictModel:
    """Coefficients and thresholds, fitted on tuning trials."""

    weights: Mapping[str, float]
    constant: float
    accept: float
    """Least score (log odds) that may be accepted."""
    reject: float
    """Below this score nothing is claimed at all."""
    radius_factor: float
    """Raw radius -> 95 % radius."""
    source: str
    """What it was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict and why."""

    verdict: Verdict
    confidence: float
    radius_lm_px: ErrorRadius
    reasons: tuple[str, ...]


@cache
def default_model() -> VerdictModel:
    """The model shipped with this package."""
    text = files(__package__).joinpath("verdict_model.json").read_text("utf-8")
    return VerdictModel(**json.loads(text))


def features(evidence: Mapping[str, float]) -> dict[str, float]:
    """The numbers the model weighs, each of the order of 1, larger = likelier."""
    asked = 100 * evidence["asked_lm_px"] / max(evidence["width_lm_px"], 1.0)
    return {
        "vote": min(evidence["log_p"], 20.0) / 5,
        "coarse": 3 * max(evidence["hits_coarse"] - evidence["hits_null"], -0.3),
        "mind": 3 * evidence["mind_hits"],
        "mind_z": min(max(evidence["mind_z"], -2.0), 8.0) / 3,
        "null": 4 * math.log(min(max(evidence["null_ratio"], 0.3), 3.0)),
        "basin": 3 * math.log(min(max(evidence["basin_ratio"], 0.3), 3.0)),
        "still": -min(asked, 6.0) / 1.5,
        "score": 6 * evidence["score"],
    }


def score(evidence: Mapping[str, float], model: VerdictModel) -> float:
    """Log odds of being right."""
    seen = features(evidence)
    return model.constant + sum(w * seen[name] for name, w in model.weights.items())


def raw_radius_lm_px(evidence: Mapping[str, float]) -> float:
    """Error the evidence speaks of, before calibration: LM px, anywhere in the field.

    Independent parts: noise (block bootstrap), the movement the judge's own grid still
    asks for, the scatter of single tiles about the fit (deformation), how far a free
    affine would move the corners (the model may be wrong), the sampling pitch, and the
    reach of the vote for the share of tiles that did not confirm their place.
    The shares were chosen on tuning trials so that one factor serves both sharp
    simulated and deformed real pairs.
    """
    return math.sqrt(
        evidence["bootstrap_lm_px"] ** 2
        + (0.5 * evidence["asked_lm_px"]) ** 2
        + (0.1 * evidence["spread_lm_px"]) ** 2
        + (1.5 * evidence["model_lm_px"]) ** 2
        + (0.1 * evidence["pitch_lm_px"]) ** 2
        + ((1 - evidence["hits"]) * VOTE_REACH_PX * evidence["judged_pitch_lm_px"]) ** 2
    )


def judge(
    evidence: Mapping[str, float],
    *,
    tolerance: float,
    model: VerdictModel | None = None,
) -> Judgement:
    """Weigh the evidence.

    `tolerance` is the largest 95 % radius that may be accepted, as a fraction of the
    EM field width.
    """
    model = model or default_model()
    points = score(evidence, model)
    sure = 1 / (1 + math.exp(-max(-30.0, min(30.0, points))))
    p95 = model.radius_factor * raw_radius_lm_px(evidence)
    if _is_torn(evidence):  # no rigid pose is right for both halves
        p95 = max(p95, 2 * evidence["halves_lm_px"])
    radius = ErrorRadius(p50=p95 / 2, p95=p95)
    seen = _in_words(evidence)
    if points < model.reject:
        return Judgement(
            verdict=Verdict.REJECTED,
            confidence=max(sure, 0.01),
            radius_lm_px=radius,
            reasons=("the images do not agree beyond chance: " + seen,),
        )
    doubts = _doubts(evidence, p95, tolerance)
    if points < model.accept:
        doubts.insert(0, "weak agreement: " + seen)
    if doubts:
        return Judgement(
            verdict=Verdict.REVIEW,
            confidence=max(0.01, min(sure, 0.90)),
            radius_lm_px=radius,
            reasons=tuple(doubts),
        )
    return Judgement(
        verdict=Verdict.ACCEPTED,
        confidence=min(sure, MOST_CONFIDENT),
        radius_lm_px=radius,
        reasons=(seen,),
    )


def _in_words(evidence: Mapping[str, float]) -> str:
    return (
        f"{100 * evidence['hits']:.0f} % of {evidence['tiles']:.0f} tiles find this "
        f"place by themselves (chance 9 %), {100 * evidence['mind_hits']:.0f} % under "
        f"a second measure; next best place scores 1/{evidence['basin_ratio']:.2f}, "
        f"other orientations 1/{evidence['null_ratio']:.2f}"
    )


def _is_torn(evidence: Mapping[str, float]) -> bool:
    apart = evidence["halves_lm_px"]
    return (
        apart > HALVES_PX * evidence["judged_pitch_lm_px"]
        and apart > HALVES_SHARE * evidence["width_lm_px"]
    )


def _doubts(evidence: Mapping[str, float], p95: float, tolerance: float) -> list[str]:
    """The gates: each a reason to ask the operator."""
    width = evidence["width_lm_px"]
    apart = evidence["halves_lm_px"]
    gates = [
        (
            p95 > tolerance * width,
            f"the error may reach {p95:.1f} LM px "
            f"({100 * p95 / width:.1f} % of the EM field)",
        ),
        (
            evidence["basin_ratio"] < 1.10,
            "another place in the LM map fits as well (repetitive or poor content)",
        ),
        (
            evidence["null_ratio"] < 0.95,
            "turned or mirrored, the EM fits as well elsewhere (symmetric content, "
            "or the wrong mirror)",
        ),
        (
            _is_torn(evidence),
            f"the halves of the EM image want places {apart:.1f} LM px apart (crack, "
            "stitching error, stage jump or deformation)",
        ),
        (
            evidence["overlap"] < 0.5,
            f"only {100 * evidence['overlap']:.0f} % of the EM lies on the LM map",
        ),
        (
            evidence["tiles"] < 12,
            f"structure in only {evidence['tiles']:.0f} tiles of the EM image",
        ),
        (
            evidence["anisotropy"] > 0.10 or evidence["shear_deg"] > 5,
            f"the axes differ in scale by {100 * evidence['anisotropy']:.0f} %: "
            "tilted specimen, or a fit to nothing",
        ),
    ]
    return [words for broken, words in gates if broken]
