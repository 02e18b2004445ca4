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
HALVES_NOISE = 6.0
"""Nor do halves that are apart by less than this many times the noise say anything."""
CONFIRMING, CONFIRMING_COARSELY = 0.35, 0.45
"""Least share of fine and of coarse tiles that confirm a place."""
HIT_PX = 2.5
"""How near a confirming tile finds itself, px of its grid."""
MEDIAN_SHARE = 0.58
"""Median error over the 95 % radius, on tuning trials with exact truth."""
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
    radius_shares: Mapping[str, float]
    """Variance of the error per variance of each of `doubts_lm_px`."""
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
        "coarser": 3
        * max(evidence["hits_coarser"] - evidence["hits_coarser_null"], -0.3),
        "information": min(max(evidence["information_z"], -2.0), 8.0) / 3,
    }


def score(evidence: Mapping[str, float], model: VerdictModel) -> float:
    """Log odds of being right."""
    seen = features(evidence)
    return model.constant + sum(w * seen[name] for name, w in model.weights.items())


def doubts_lm_px(evidence: Mapping[str, float]) -> dict[str, float]:
    """What the evidence says the error may come from, LM px each.

    noise: scatter of the corners over resampled tiles (block bootstrap); opinions: how
    far edges and mutual information are apart; asked: the movement the judge's own
    grid still wants; deformation: scatter of single tiles about the fit; model: how far
    a free affine would move the corners; pitch: the finest sampling; silence: the
    vote's reach, for the share of tiles that did not confirm their place.
    """
    silent = 1 - evidence["hits"]
    return {
        "noise": evidence["bootstrap_lm_px"],
        "opinions": evidence["opinions_lm_px"],
        "asked": evidence["asked_lm_px"],
        "deformation": evidence["spread_lm_px"],
        "model": evidence["model_lm_px"],
        "pitch": evidence["pitch_lm_px"],
        "silence": silent * VOTE_REACH_PX * evidence["judged_pitch_lm_px"],
    }


def raw_radius_lm_px(
    evidence: Mapping[str, float], shares: Mapping[str, float]
) -> float:
    """Error the evidence speaks of, before calibration: LM px, anywhere in the field.

    The doubts are taken as independent; `shares` were fitted on tuning trials.
    """
    doubts = doubts_lm_px(evidence)
    return math.sqrt(sum(share * doubts[name] ** 2 for name, share in shares.items()))


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
    p95 = model.radius_factor * raw_radius_lm_px(evidence, model.radius_shares)
    # never less than the movement that the judge's own grid still wants
    p95 = max(p95, evidence["asked_lm_px"])
    if evidence["hits"] < CONFIRMING:  # then nothing finer than coarse tiles speaks
        p95 = max(p95, 2 * HIT_PX * evidence["judged_pitch_lm_px"])
    if _is_torn(evidence):  # no rigid pose is right for both halves
        p95 = max(p95, 2 * evidence["halves_lm_px"])
    radius = ErrorRadius(p50=MEDIAN_SHARE * p95, p95=p95)
    seen = _in_words(evidence)
    if points < model.reject:
        return Judgement(
            verdict=Verdict.REJECTED,
            confidence=max(sure, 0.01),
            radius_lm_px=radius,
            reasons=("the images do not agree beyond chance: " + seen,),
        )
    doubts = gates(evidence)
    if p95 > tolerance * evidence["width_lm_px"]:
        doubts.insert(0, _too_wide(evidence, p95))
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
        and apart > HALVES_NOISE * evidence["bootstrap_lm_px"]
    )


def _too_wide(evidence: Mapping[str, float], p95: float) -> str:
    share = 100 * p95 / evidence["width_lm_px"]
    return f"the error may reach {p95:.1f} LM px ({share:.1f} % of the EM field)"


def gates(evidence: Mapping[str, float]) -> list[str]:
    """What the model cannot see: each sentence a reason to ask the operator."""
    apart = evidence["halves_lm_px"]
    checks = [
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
            evidence["hits"] < CONFIRMING
            and evidence["hits_coarse"] < CONFIRMING_COARSELY,
            f"only {100 * evidence['hits']:.0f} % of the tiles agree, and "
            f"{100 * evidence['hits_coarse']:.0f} % of coarse ones: a deformed "
            "specimen, or little that both images show",
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
    return [words for broken, words in checks if broken]
