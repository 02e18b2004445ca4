"""The rule for planes of interest: what a series of planes becomes."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.model import ChannelKind
from clemd_drivers.formats._choosing import PlaneKey, choose, largest, last_full_time


def series(
    *keys: PlaneKey, sharp: PlaneKey | None = None
) -> dict[PlaneKey, np.ndarray]:
    """Planes of noise, one of them with ten times the contrast."""
    dice = np.random.default_rng(5)
    return {
        key: dice.integers(0, 200 if key == sharp else 20, (32, 32), dtype=np.uint16)
        for key in keys
    }


def test_fluorescence_shows_every_depth() -> None:
    """Labels lie at several depths; one plane would lose some of them."""
    planes = series(*(PlaneKey(z=z) for z in range(4)))
    chosen = choose(ChannelKind.FLUORESCENCE, tuple(planes), planes.__getitem__)

    expected = np.max(list(planes.values()), axis=0)
    np.testing.assert_array_equal(chosen.pixels, expected)
    assert chosen.said == "the maximum over 4 depths"


@pytest.mark.parametrize(
    "kind", [k for k in ChannelKind if k is not ChannelKind.FLUORESCENCE]
)
def test_structure_shows_its_sharpest_depth(kind: ChannelKind) -> None:
    """A maximum over depths would blur what registration looks for."""
    sharp = PlaneKey(z=2)
    planes = series(*(PlaneKey(z=z) for z in range(4)), sharp=sharp)
    chosen = choose(kind, tuple(planes), planes.__getitem__)

    np.testing.assert_array_equal(chosen.pixels, planes[sharp])
    assert chosen.key == sharp
    assert chosen.said == "z 2, the sharpest of 4 depths"


def test_last_time_point_is_used_and_named() -> None:
    """The specimen goes to the electron microscope in its last state."""
    planes = series(*(PlaneKey(t=t) for t in range(3)))
    chosen = choose(ChannelKind.FLUORESCENCE, tuple(planes), planes.__getitem__)

    np.testing.assert_array_equal(chosen.pixels, planes[PlaneKey(t=2)])
    assert chosen.said == "time point 3 of 3"


def test_time_point_that_was_cut_short_is_passed_over() -> None:
    """A series that was stopped ends with a few planes of a stack."""
    full = [PlaneKey(t=t, z=z) for t in range(2) for z in range(3)]

    assert last_full_time([*full, PlaneKey(t=2, z=0)]) == 1


@pytest.mark.parametrize("kind", [ChannelKind.SPECTRAL, ChannelKind.FLUORESCENCE])
def test_spectrum_becomes_its_maximum(kind: ChannelKind) -> None:
    """Every structure that shines at any wavelength stays visible."""
    planes = series(*(PlaneKey(spectral=k) for k in range(5)))
    chosen = choose(kind, tuple(planes), planes.__getitem__)

    np.testing.assert_array_equal(chosen.pixels, np.max(list(planes.values()), axis=0))
    assert chosen.said == "the maximum over 5 wavelengths"


def test_a_single_plane_is_given_as_it_is_and_nothing_is_said() -> None:
    """Where there was no choice there is nothing to explain."""
    planes = series(PlaneKey())
    chosen = choose(ChannelKind.UNKNOWN, tuple(planes), planes.__getitem__)

    assert chosen.pixels is planes[PlaneKey()]
    assert chosen.said == ""


def test_projection_leaves_the_planes_alone() -> None:
    """Decoders may hand out views of what they keep."""
    planes = series(PlaneKey(z=0), PlaneKey(z=1))
    before = {key: plane.copy() for key, plane in planes.items()}
    choose(ChannelKind.FLUORESCENCE, tuple(planes), planes.__getitem__)

    for key, plane in planes.items():
        np.testing.assert_array_equal(plane, before[key])


def test_first_of_the_largest_positions_stands_for_the_file() -> None:
    """The choice does not depend on anything but the file."""
    assert largest([4, 9, 9, 1]) == 1
