"""The parts of `mine`: which pixels, which bound, which matrices, which bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clemd.geometry import decompose, translation
from clemd.registration.mine import (
    EIGHT,
    PLAIN,
    PUBLISHED,
    SIX,
    STABLE,
    Climb,
    Level,
    Plane,
    Rates,
    Settings,
    levels_of,
)
from clemd.registration.mine._checkpoint import as_bytes, from_bytes
from clemd.registration.mine._network import network_of
from clemd.registration.mine._pose import SIMILARITY, matrices_of
from clemd.registration.mine._settling import settle

OURS = replace(PUBLISHED, permuted=True, held_out=0.2, isotropic=True, levels=3)


def textured(seed: int = 0, shape: tuple[int, int] = (90, 120)) -> NDArray[np.float32]:
    """Blobs, 0..1."""
    import cv2

    noise = np.random.default_rng(seed).normal(size=shape)
    grey = cv2.GaussianBlur(noise, (0, 0), 3.0)
    low, high = grey.min(), grey.max()
    return np.asarray((grey - low) / (high - low), np.float32)


def rows_of(level: Level, shape: tuple[int, int]) -> NDArray[Any]:
    """From -1 at the top to 1 at the bottom."""
    return level.places[:, 1].numpy() * max(shape) / shape[0]


def settings(**more: Any) -> Settings:
    """Small steps of a stable estimate."""
    given = {
        "generators": EIGHT,
        "estimate": STABLE,
        "rates": Rates(network=2e-3, pose=2e-3),
        "batch": 128,
    }
    return Settings(**(given | more))


def test_a_limit_in_raster_order_sees_only_the_top() -> None:
    """The published million is what makes the far corners of a large image drift."""
    plane = Plane(grey=textured())
    capped = replace(PUBLISHED, most=800, isotropic=True, levels=1)
    (top,) = levels_of(plane, plane, np.eye(3), capped)
    (drawn,) = levels_of(plane, plane, np.eye(3), replace(capped, permuted=True))
    assert len(top.places) == len(drawn.places) == 800
    assert rows_of(top, (90, 120)).max() < 0
    assert rows_of(drawn, (90, 120)).max() > 0.8


def test_held_out_places_are_whole_blocks_that_no_step_draws() -> None:
    """Neighbours know of each other: single held-out pixels would know the answer."""
    plane = Plane(grey=textured())
    (level, *_) = levels_of(plane, plane, np.eye(3), OURS)
    held = level.places[level.fitted :]
    assert 0.05 < len(held) / len(level.places) < 0.45
    fitted = {tuple(place) for place in level.places[: level.fitted].tolist()}
    assert not fitted & {tuple(place) for place in held.tolist()}


def test_plain_bound_does_not_know_its_constant_and_the_stable_loss_does() -> None:
    """Nothing holds T in the published loss: it wanders until exp T is no number."""
    together, shuffled = torch.randn(2, 500, generator=torch.Generator().manual_seed(0))
    moved = (together + 50, shuffled + 50)
    assert float(PLAIN.bound(together, shuffled)) == pytest.approx(
        float(PLAIN.bound(*moved)), abs=1e-3
    )
    assert float(STABLE.loss(*moved)) > float(STABLE.loss(together, shuffled)) + 1
    far = (together + 100, shuffled + 100)
    assert not np.isfinite(float(PLAIN.bound(*far)))
    assert np.isfinite(float(STABLE.bound(*far)))


def test_steps_along_the_first_generators_keep_shapes() -> None:
    """The settling begins with them; the rest must be earned."""
    vector = torch.zeros(1, len(EIGHT))
    vector[0, :SIMILARITY] = torch.tensor([0.1, -0.2, 0.3, 0.1])
    parts = decompose(matrices_of(vector, EIGHT)[0].double().numpy())
    assert parts.anisotropy == pytest.approx(0, abs=1e-5)
    assert parts.shear_deg == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("generators", [SIX, EIGHT])
def test_a_step_back_undoes_a_step(generators: torch.Tensor) -> None:
    """No step along a generator can leave the matrices that can be undone."""
    vector = 0.2 * torch.ones(1, len(generators))
    there, back = matrices_of(torch.cat([vector, -vector]), generators)
    assert torch.allclose(there @ back, torch.eye(3), atol=1e-5)


def test_pixels_off_the_map_take_part_in_nothing() -> None:
    """The mask decides, not a padding that looks like a structure."""
    grey, valid = textured(), np.ones((90, 120), np.bool_)
    valid[:, 60:] = False
    (level,) = levels_of(
        Plane(grey=grey),
        Plane(grey=np.where(valid, grey, 0).astype(np.float32), valid=valid),
        np.eye(3),
        replace(OURS, levels=1),
    )
    climb = Climb([level], settings(), seed=0)
    _, kept = climb.seen(level, torch.eye(3), slice(None))
    assert 0.3 < float(kept.float().mean()) < 0.7
    assert float(level.places[kept][:, 0].max()) < 0 < float(level.places[:, 0].max())


def test_a_state_as_bytes_is_plain_arrays_and_goes_on_to_the_same_bits() -> None:
    """Nothing is run when it is read, and nothing of it is lost."""
    plane = Plane(grey=textured(), valid=np.ones((90, 120), np.bool_))
    levels = levels_of(plane, plane, translation(2.0, 1.0), OURS)
    one = Climb(levels, settings(), seed=5)
    for _ in range(7):
        one.step()
    kept = from_bytes(as_bytes(one.state()))
    assert kept is not None
    other = Climb(levels, settings(), seed=0)
    other.resume(kept)
    for _ in range(7):
        one.step()
        other.step()
    assert np.array_equal(one.matrix(), other.matrix())
    assert one.held_out() == other.held_out()


def test_bytes_that_are_no_state_are_none() -> None:
    """Also a pickle: it is not run."""
    import pickle

    hostile = pickle.dumps({"a": 1})
    assert [from_bytes(given) for given in (b"", b"x" * 100, hostile)] == [None] * 3


def test_settling_finds_a_known_shift_with_a_network_that_knows_equal_greys() -> None:
    """A network that says `these belong together` is enough to find the place."""
    grey, valid = textured(), np.ones((90, 120), np.bool_)
    plane = Plane(grey=grey, valid=valid)
    levels = levels_of(plane, plane, translation(2.5, -1.5), OURS)
    found = settle(_Equal(), levels, np.zeros(len(EIGHT)))
    per_px = levels[0].px_per_unit
    assert found.vector[:2] * per_px == pytest.approx([-2.5, 1.5], abs=0.1)
    assert found.freedom == SIMILARITY, "no freer than held-out places ask for"


class _Equal(torch.nn.Module):
    """High where two greys are alike."""

    def forward(self, greys: torch.Tensor) -> torch.Tensor:
        """(n, 2) -> (n, 1)."""
        return -30 * (greys[:, :1] - greys[:, 1:]) ** 2


def test_a_network_is_its_seed() -> None:
    """And the caller's own draws are left alone."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other = network_of(1), network_of(1)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one[0].weight, other[0].weight)
