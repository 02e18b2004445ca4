"""The verdict: every gate can stop an acceptance, each with its own sentence."""

from __future__ import annotations

import pytest

from clemd.model import Verdict
from clemd.registration.verdict import default_model, features, judge, score

GOOD = {
    "hits": 0.9,
    "tiles": 35.0,
    "log_p": 25.0,
    "hits_coarse": 0.95,
    "hits_coarser": 0.97,
    "hits_coarser_null": 0.1,
    "hits_null": 0.1,
    "asked_px": 0.1,
    "asked_lm_px": 0.1,
    "spread_lm_px": 0.4,
    "model_lm_px": 0.2,
    "halves_lm_px": 0.3,
    "score": 0.5,
    "overlap": 1.0,
    "mind_hits": 0.9,
    "mind_z": 3.0,
    "mind_tiles": 16.0,
    "bootstrap_lm_px": 0.1,
    "pitch_lm_px": 1.0,
    "judged_pitch_lm_px": 1.2,
    "width_lm_px": 400.0,
    "working_px": 300.0,
    "anisotropy": 0.0,
    "shear_deg": 0.0,
    "affine_gain": 0.0,
    "prior_log_error": 0.03,
    "basin_ratio": 2.0,
    "null_ratio": 1.8,
    "opinions_lm_px": 0.2,
    "information_bits": 0.4,
    "information_z": 12.0,
}


def test_good_evidence_is_accepted_with_a_radius() -> None:
    """Otherwise nothing ever would be."""
    judged = judge(GOOD, tolerance=0.02)
    assert judged.verdict is Verdict.ACCEPTED
    assert 0 < judged.radius_lm_px.p95 < 8
    assert judged.confidence <= 0.99


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"basin_ratio": 1.05}, "another place"),
        ({"null_ratio": 0.9}, "mirrored"),
        ({"overlap": 0.4}, "lies on the LM map"),
        ({"tiles": 8.0}, "structure in only"),
        ({"halves_lm_px": 6.0}, "halves"),
        ({"anisotropy": 0.2}, "axes differ"),
        ({"shear_deg": 9.0}, "axes differ"),
        ({"asked_lm_px": 30.0, "spread_lm_px": 9.0}, "error may reach"),
    ],
)
def test_each_gate_asks_the_operator(change: dict[str, float], words: str) -> None:
    """What the model cannot see must not pass on the strength of the rest."""
    judged = judge(GOOD | change, tolerance=0.02)
    assert judged.verdict is Verdict.REVIEW
    assert any(words in reason for reason in judged.reasons)


def test_chance_agreement_is_rejected() -> None:
    """Nine percent of the tiles hit by luck: that is what wrong looks like."""
    poor = GOOD | {
        "hits": 0.09,
        "log_p": 0.3,
        "hits_coarse": 0.1,
        "mind_hits": 0.1,
        "mind_z": 0.3,
        "asked_lm_px": 12.0,
        "score": 0.07,
        "basin_ratio": 1.02,
        "null_ratio": 1.0,
    }
    assert judge(poor, tolerance=0.02).verdict is Verdict.REJECTED


def test_a_tighter_tolerance_only_takes_away() -> None:
    """The asked tolerance is a promise about the radius."""
    loose, tight = judge(GOOD, tolerance=0.02), judge(GOOD, tolerance=0.0001)
    assert loose.verdict is Verdict.ACCEPTED
    assert tight.verdict is Verdict.REVIEW


def test_no_witness_speaks_against_itself() -> None:
    """Weights are not negative: more agreement is never less likely."""
    model = default_model()
    assert all(weight >= 0 for weight in model.weights.values())
    assert set(model.weights) <= set(features(GOOD))
    better = GOOD | {"mind_hits": 1.0}
    assert score(better, model) >= score(GOOD, model)
    assert model.accept > model.reject
