"""From stored pixels to working images, with the matrix that says where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clemd.errors import RegistrationRefusedError
from clemd.geometry import apply, invert
from clemd.model import Channel, ChannelKind
from clemd.preparing import prepare, structure_channels
from clemd.preparing._prepare import _average


@pytest.mark.parametrize("bin_px", [1, 2, 5, 7])
def test_averaging_is_the_matrix_it_reports(bin_px: int) -> None:
    """A ramp that holds each px's own x shows any half pixel that went astray."""
    y, x = np.mgrid[:203, :311].astype(np.float32)
    matrix = prepare([x + 0.1 * y], reduction=bin_px).from_full
    small_x, _ = _average([x], bin_px)
    small_y, _ = _average([y], bin_px)
    for u, v in ((3, 2), (17, 11), (40, 25)):
        full = apply(invert(matrix), [[u, v]])[0]
        assert full == pytest.approx([small_x[v, u], small_y[v, u]], abs=1e-4)


def test_strips_and_memory_maps_give_the_same_picture(tmp_path: Path) -> None:
    """A large file is averaged strip by strip; the strips must not show."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 60_000, (2600, 2100), dtype=np.uint16)
    np.save(tmp_path / "plane.npy", image)
    mapped = np.load(tmp_path / "plane.npy", mmap_mode="r")
    whole, streamed = prepare([image], reduction=4), prepare([mapped], reduction=4)
    assert np.array_equal(whole.layers[0], streamed.layers[0])
    assert whole.mask.shape == (650, 525)


def test_float_maps_are_read_only_and_stay_as_they_are(tmp_path: Path) -> None:
    """A float plane was once masked in place: a crash, or a damaged cache."""
    image = np.random.default_rng(1).normal(size=(120, 150)).astype(np.float32)
    image[3, 4] = np.inf
    np.save(tmp_path / "plane.npy", image)
    before = (tmp_path / "plane.npy").read_bytes()
    made = prepare([np.load(tmp_path / "plane.npy", mmap_mode="r")])
    assert not made.mask[3, 4]
    assert (tmp_path / "plane.npy").read_bytes() == before


def test_constant_image_is_refused_in_words() -> None:
    """Nothing to register, and the operator should look at the detector."""
    with pytest.raises(RegistrationRefusedError, match="constant"):
        prepare([np.full((200, 200), 7, np.uint8)])


def test_reflected_channel_is_preferred() -> None:
    """Reflected light shows the surface that the SEM scans."""
    channels = [
        Channel(name="DAPI", kind=ChannelKind.FLUORESCENCE),
        Channel(name="refl", kind=ChannelKind.REFLECTED),
    ]
    chosen, why = structure_channels(channels)
    assert chosen == (1,)
    assert "refl" in why


def test_without_reflected_light_all_channels_take_part() -> None:
    """Their gradients are summed: structure may be in any of them."""
    channels = [Channel(name=n, kind=ChannelKind.FLUORESCENCE) for n in "ab"]
    assert structure_channels(channels)[0] == (0, 1)
