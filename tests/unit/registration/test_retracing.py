"""What is gone again with other means is what the engine computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from clemd.geometry import mirroring, similarity
from clemd.registration._fields import RHO_PX, SIGMA_PX, double_angle, field_of
from clemd.registration._images import Images, between
from clemd.registration._retracing import edges_of, surface_of
from clemd.registration._surfaces import tile_surfaces

TURNED = similarity(
    scale=0.9, rotation_deg=25.0, mirrored=False, about=(80.0, 60.0), onto=(150.0, 150)
)
LEANING = TURNED.copy()
LEANING[2, :2] = 2e-4, -1e-4
"""With perspective."""


@pytest.mark.parametrize("smooth", [1.0, 0.45])
def test_edges_are_those_of_the_field(
    texture: Callable[..., Any], smooth: float
) -> None:
    """In all of their directions, away from the rim, for two layers as for one."""
    layers = [texture(seed, 120) / 255.0 for seed in (3, 4)]
    z = double_angle(
        torch.from_numpy(np.stack(layers)),
        torch.ones(120, 120, dtype=torch.bool),
        SIGMA_PX * smooth**0.5,
        RHO_PX * smooth,
    ).numpy()
    own = edges_of(layers, smooth)[0]
    own -= own.mean((1, 2), keepdims=True)
    inner = np.s_[:, 14:-14, 14:-14]
    said, again = z[:2][inner], own[inner]
    alike = (said * again).sum() / np.linalg.norm(said) / np.linalg.norm(again)
    assert alike > 0.99
    turned = again[::-1]
    assert (said * turned).sum() / np.linalg.norm(said) / np.linalg.norm(turned) < 0.5


@pytest.mark.parametrize(
    "matrix",
    [TURNED, mirroring(300) @ TURNED, LEANING],
    ids=["turned", "mirrored", "perspective"],
)
def test_surface_is_the_one_of_the_tile(
    texture: Callable[..., Any],
    images: Callable[..., Images],
    view: Callable[..., Any],
    matrix: Any,
) -> None:
    """To single precision; at the image's rim and beside the map as in its middle."""
    lm = texture(5)
    both = images(view(lm, matrix, (125, 167)), lm)
    cpu = torch.device("cpu")
    em, on = field_of(both.em, 1.0, cpu), field_of(both.lm, 1.0, cpu)
    seen = tile_surfaces(em.z, on.z, between(em, on, [matrix]), 5, 6)
    (inner,) = between(em, on, [matrix]).numpy()
    checked = 0
    for tile in range(seen.grid[0] * seen.grid[1]):
        said = seen.values[0, tile].numpy()
        own = surface_of(em.z.numpy(), on.z.numpy(), inner, seen, tile)
        scale = (said * own).sum() / max((own * own).sum(), 1e-30)
        if scale > 0:
            checked += 1
            assert np.linalg.norm(said - scale * own) <= 1e-3 * np.linalg.norm(said)
    assert checked >= 20
