"""The thesis's pre-processing: two images of one shape and pixel size, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import corner_errors
from clemd.registration.mine import image_pair, measured_ratio
from clemd.testing._engine_suite import EM_SHAPE, pair_of

Image = NDArray[Any]


def test_the_field_is_cut_out_of_every_channel_at_the_em_pixel_size() -> None:
    """The matrix says exactly where, so that nothing is rounded away."""
    em, lm, true = pair_of(3, rotation_deg=0.0)
    made = image_pair(em, [lm, 255 - lm], ratio=2.0)
    assert made.em.shape == EM_SHAPE
    assert [one.shape for one in made.lm] == [EM_SHAPE, EM_SHAPE]
    assert corner_errors(made.lm_from_pair, true, EM_SHAPE).max() < 1.0
    assert np.allclose(made.lm[0] + made.lm[1], 255, atol=0.01)


def test_the_ratio_is_measured_where_nobody_states_it() -> None:
    """The thesis takes it by hand between landmarks, and needs better than 1 %."""
    em, lm, true = pair_of(4, rotation_deg=0.0)
    made = image_pair(em, [lm])
    assert made.ratio == pytest.approx(2.0, rel=0.01)
    assert corner_errors(made.lm_from_pair, true, EM_SHAPE).max() < 2.0


def test_a_turned_image_has_its_ratio_measured_as_well() -> None:
    """The search knows rotations that template matching does not."""
    em, lm, _ = pair_of(5, rotation_deg=137.0)
    grey = [np.asarray(image, np.float32) / 255 for image in (em, lm)]
    assert measured_ratio(grey[0], grey[1]) == pytest.approx(2.0, rel=0.01)


def test_what_lies_beyond_the_map_is_grey() -> None:
    """Black would be structure: its border is the strongest edge of the pair."""
    em, lm, true = pair_of(3, rotation_deg=0.0)
    cut = np.ascontiguousarray(lm[:, :230])
    grey = image_pair(em, [cut], ratio=2.0)
    black = image_pair(em, [cut], ratio=2.0, padding="zero")
    assert grey.covered == black.covered < 0.95
    assert grey.lm[0][150, -1] == pytest.approx(cut.mean(), abs=1)
    assert black.lm[0][150, -1] == 0
    assert corner_errors(grey.lm_from_pair, true, EM_SHAPE).max() < 1.5


@pytest.mark.parametrize(
    ("em", "ratio", "said"),
    [
        (np.full(EM_SHAPE, 7, np.uint8), 2.0, "constant"),
        (np.zeros((*EM_SHAPE, 3), np.uint8), 2.0, "2-D"),
        (None, 20.0, "check the ratio"),
    ],
    ids=["constant", "colour", "a speck"],
)
def test_what_cannot_be_paired_is_refused_in_words(
    em: Image | None, ratio: float, said: str
) -> None:
    """What, where, and what to do."""
    right, lm, _ = pair_of(3, rotation_deg=0.0)
    with pytest.raises(RegistrationRefusedError, match=said):
        image_pair(right if em is None else em, [lm], ratio=ratio)


def test_an_image_that_is_nowhere_on_the_map_is_refused() -> None:
    """The published threshold, on a correlation that really is one."""
    _, lm, _ = pair_of(3, rotation_deg=0.0)
    noise = np.random.default_rng(0).integers(0, 255, EM_SHAPE).astype(np.uint8)
    with pytest.raises(RegistrationRefusedError, match="nowhere on the map"):
        image_pair(noise, [lm], ratio=2.0)


@pytest.mark.parametrize(("channels", "reference"), [(0, 0), (1, 1), (1, -1)])
def test_a_map_with_no_channel_of_that_number_is_refused(
    channels: int, reference: int
) -> None:
    """An empty list of planes is a mistake of the caller's, told as one."""
    em, lm, _ = pair_of(3, rotation_deg=0.0)
    with pytest.raises(RegistrationRefusedError, match=f"the map has {channels}"):
        image_pair(em, [lm] * channels, ratio=2.0, reference=reference)
