"""The weights in numbers and in words: what the answer was made of."""

from __future__ import annotations

import numpy as np

from ._cleaning import CleanCube
from ._refining import Refined

NAMED = 5
"""Bands that are named for each level: the heaviest."""
NEGLIGIBLE = 1e-3
"""Share of a level's weight below which a band does not count as used."""


def evidence_of(refined: Refined, cube: CleanCube) -> dict[str, float]:
    """Alpha and beta of every level, the heaviest bands, and how well they fit.

    `band_K_N_at` lies at that place of the spectrum and has the share `band_K_N` of
    the weights of level K; N counts from the heaviest.
    """
    told = {
        "gradient_correlation": refined.fine_correlation,
        "gradient_sum_correlation": refined.sum_correlation,
        "bands": float(len(cube.axis)),
        "components": float(len(cube.components)),
        "cosmic_rays": float(cube.spikes),
    }
    fused = refined.fused
    for level, weights in enumerate(fused.bands):
        told[f"alpha_{level}"] = float(fused.alpha[level])
        told[f"beta_{level}"] = float(fused.beta[level])
        shares = weights / max(float(weights.sum()), 1e-300)
        told[f"bands_used_{level}"] = float((shares > NEGLIGIBLE).sum())
        for rank, band in enumerate(np.argsort(-shares, kind="stable")[:NAMED]):
            if shares[band] > NEGLIGIBLE:
                told[f"band_{level}_{rank + 1}"] = float(shares[band])
                told[f"band_{level}_{rank + 1}_at"] = cube.axis[band]
    return told


def in_words(refined: Refined, cube: CleanCube) -> str:
    """Which bands carried the structure, for the operator."""
    weights = refined.fused.bands[0]
    heaviest = np.argsort(-weights, kind="stable")[:3]
    places = [f"{cube.axis[i]:.4g}" for i in heaviest if weights[i] > 0]
    said = " and ".join(places) if places else "none"
    return (
        f"the bands at {said} carry most of the guide's gradient (correlation "
        f"{refined.fine_correlation:.2f}); {len(cube.components)} components stand "
        f"out of the noise of {len(cube.axis)} bands"
    )
