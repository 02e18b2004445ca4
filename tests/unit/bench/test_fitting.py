"""The verdict's fit separates right from wrong."""

from __future__ import annotations

import numpy as np

from clemd.bench._fitting import train
from clemd.registration.verdict import features


def test_training_separates_and_never_weighs_against_a_witness() -> None:
    """Right and wrong evidence end on their own sides of the thresholds."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(120):
        is_right = index % 2 == 0
        strength = rng.uniform(0.5, 1.0) if is_right else rng.uniform(0.0, 0.3)
        evidence = {
            "log_p": 20 * strength,
            "hits_coarse": strength,
            "hits_coarser": strength,
            "hits_coarser_null": 0.1,
            "hits_null": 0.1,
            "tiles": 35.0,
            "overlap": 1.0,
            "halves_lm_px": 0.3,
            "anisotropy": 0.0,
            "shear_deg": 0.0,
            "opinions_lm_px": 0.2,
            "information_z": 6 * strength,
            "mind_hits": strength,
            "mind_z": 4 * strength,
            "null_ratio": 0.8 + strength,
            "basin_ratio": 0.9 + strength,
            "asked_lm_px": 6 * (1 - strength),
            "spread_lm_px": 1.0,
            "hits": strength,
            "judged_pitch_lm_px": 1.2,
            "model_lm_px": 0.3,
            "width_lm_px": 300.0,
            "score": strength,
            "bootstrap_lm_px": 0.2,
            "pitch_lm_px": 1.0,
        }
        rows.append(
            {
                "pair": f"pair{index % 6}",
                "tier": "session",
                "kind": "made",
                "negative": not is_right,
                "error": 0.005 if is_right else float("inf"),
                "error_lm_px": 1.0 if is_right else float("inf"),
                "error_most_lm_px": 1.2 if is_right else float("inf"),
                "source": "simulated",
                "evidence": evidence,
            }
        )
    model = train(rows, source="made up")
    scores = [
        model.constant
        + sum(model.weights[n] * v for n, v in features(r["evidence"]).items())
        for r in rows
    ]
    assert all(weight >= 0 for weight in model.weights.values())
    wrong = [s for s, r in zip(scores, rows, strict=True) if r["negative"]]
    right = [s for s, r in zip(scores, rows, strict=True) if not r["negative"]]
    assert max(wrong) < model.accept
    assert np.mean(np.array(right) > model.accept) > 0.9
