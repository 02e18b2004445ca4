"""Which channel carries the structure, judged from content where nobody says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.model import Channel, ChannelKind
from clemd.preparing import structure_channels
from clemd.preparing._channels import density

SHAPE = (400, 500)


def dense(seed: int = 0) -> NDArray[np.uint16]:
    """A surface: structure everywhere, and noise."""
    rng = np.random.default_rng(seed)
    surface = cv2.GaussianBlur(rng.normal(0, 1, SHAPE).astype(np.float32), (0, 0), 2.5)
    return np.asarray(2000 + 4000 * surface + rng.normal(0, 60, SHAPE), np.uint16)


def sparse(seed: int = 1) -> NDArray[np.uint16]:
    """A few labels, far brighter than the surface, on noise."""
    rng = np.random.default_rng(seed)
    image = np.full(SHAPE, 300, np.float32)
    for x, y in rng.integers(20, 380, (9, 2)):
        cv2.circle(image, (int(x), int(y)), 12, 20_000.0, -1)
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), 1.5) + rng.normal(0, 20, SHAPE), np.uint16
    )


def noise(seed: int = 2) -> NDArray[np.uint16]:
    """A detector that saw nothing."""
    return np.random.default_rng(seed).poisson(100, SHAPE).astype(np.uint16)


def unnamed(count: int) -> list[Channel]:
    """Channels that say nothing about themselves."""
    return [Channel(name=f"c{k}") for k in range(count)]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_dense_channel_is_found_wherever_it_stands(at: int) -> None:
    """Order in the file means nothing."""
    planes = [sparse(), noise()]
    planes.insert(at, dense())
    chosen, why = structure_channels(unnamed(3), planes)
    assert chosen == (at,)
    assert f"c{at}" in why
    assert "not used" in why


def test_two_dense_channels_take_part_together() -> None:
    """Their gradients are summed."""
    planes = [dense(3), noise(), dense(4)]
    assert structure_channels(unnamed(3), planes)[0] == (0, 2)


def test_metadata_go_before_content() -> None:
    """Reflected light is what the SEM sees, dense or not."""
    channels = [
        Channel(name="a"),
        Channel(name="refl", kind=ChannelKind.REFLECTED),
    ]
    assert structure_channels(channels, [dense(), sparse()])[0] == (1,)


def test_nothing_but_noise_decides_nothing() -> None:
    """Then all take part, and the verdict has to say no."""
    chosen, why = structure_channels(unnamed(2), [noise(5), noise(6)])
    assert chosen == (0, 1)
    assert "noise" in why


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_brightness_does_not_count(gain: float) -> None:
    """A dim surface is still a surface."""
    image = dense() * np.float32(gain)
    assert density(image) == pytest.approx(density(dense()), abs=0.02)


def test_constant_and_tiny_planes_have_no_density() -> None:
    """Nothing to divide by."""
    assert density(np.full(SHAPE, 7, np.uint8)) == 0.0
    assert density(np.full((1, 9), 7, np.uint8)) == 0.0
    assert density(np.full((300, 300), np.nan, np.float32)) == 0.0
