"""Thrown pairs carry a truth that is true."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from clemd.bench._registration import wilson
from clemd.bench._throwing import TIERS, RealPair, throw
from clemd.bench._training import train
from clemd.geometry import apply
from clemd.registration.verdict import features

NOWHERE = np.zeros((0, 2))


def pair_with_spot() -> RealPair:
    """The same bright disc in both images, the LM shifted by (7, -4)."""
    em = np.full((400, 500), 60, np.uint8)
    cv2.circle(em, (250, 200), 9, 250, -1)
    lm = np.full((420, 520), 90, np.uint8)
    cv2.circle(lm, (257, 196), 9, 250, -1)
    affine = np.array([[1.0, 0, 7], [0, 1, -4], [0, 0, 1]])
    return RealPair(
        name="spot",
        kind="made",
        em=em,
        lm=lm,
        em_points=NOWHERE,
        lm_points=NOWHERE,
        affine=affine,
        floor_px=0.0,
    )


@pytest.mark.parametrize("tier", TIERS)
def test_truth_takes_the_spot_to_the_spot(tier: str) -> None:
    """However it was turned, mirrored, cropped, stretched, inverted and framed."""
    checked = 0
    for seed in range(1, 9):
        trial = throw(pair_with_spot(), tier, seed)
        assert trial.em_to_lm is not None
        where = apply(np.linalg.inv(trial.em_to_lm), [[257, 196]])[0]
        height, width = trial.em.shape
        if 20 < where[0] < width - 20 and 20 < where[1] < height - 60:
            x, y = np.round(where).astype(int)
            offset = spot_offset(trial.em[y - 18 : y + 19, x - 18 : x + 19])
            assert np.abs(offset).max() < 1.0
            checked += 1
    assert checked >= 3


def spot_offset(patch: np.ndarray) -> np.ndarray:
    """(x, y) of the centroid of what stands out, from the middle of `patch`."""
    values = patch.astype(float)
    contrast = np.abs(values - np.median(values[[0, -1]]))
    contrast[contrast < 0.6 * contrast.max()] = 0
    v, u = np.mgrid[-18:19, -18:19]
    return np.array([(contrast * u).sum(), (contrast * v).sum()]) / contrast.sum()


def test_same_seed_gives_the_same_trial() -> None:
    """A figure in the table can be made again."""
    one, other = (throw(pair_with_spot(), "wild", 9) for _ in range(2))
    assert np.array_equal(one.em, other.em)
    assert one.ratio_prior == other.ratio_prior


def test_wilson_interval_of_nothing_seen_is_not_zero() -> None:
    """No event in 300 trials leaves room for one in a hundred."""
    low, high = wilson(0, 300)
    assert low == 0.0
    assert 0.011 < high < 0.014


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
            "hits_null": 0.1,
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
