"""What is specimen and what is not, on images made for each case."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.preparing import content_mask

Image = NDArray[np.uint8]


def texture(shape: tuple[int, int], seed: int = 0) -> Image:
    """Smooth noise: no two neighbouring rows alike."""
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return np.asarray(np.clip(128 + 180 * noise, 1, 254), np.uint8)


def test_a_whole_picture_is_all_specimen() -> None:
    """Nothing is masked without a reason."""
    assert content_mask(texture((200, 260))).all()


def test_black_border_is_masked_and_no_more_than_its_rim() -> None:
    """Padding must enter no statistic."""
    image = cv2.copyMakeBorder(texture((200, 260)), 20, 20, 20, 20, cv2.BORDER_CONSTANT)
    mask = content_mask(image)
    assert not mask[:18].any()
    assert not mask[:, -18:].any()
    assert mask[26:-26, 26:-26].all()


def test_wedges_of_a_turned_picture_are_masked() -> None:
    """Stitching programs leave black triangles."""
    turn = cv2.getRotationMatrix2D((150, 150), 25, 0.7)
    image = np.asarray(cv2.warpAffine(texture((300, 300)), turn, (300, 300)))
    mask = content_mask(image)
    assert not mask[:20, :20].any()
    assert mask[150, 150]
    assert 0.35 < mask.mean() < 0.52


def test_objects_on_clipped_background_are_not_padding() -> None:
    """Fluorescence with a background of exact zeros is still an image."""
    image = np.zeros((300, 300), np.uint8)
    for x, y in np.random.default_rng(1).integers(20, 280, (60, 2)):
        cv2.circle(image, (int(x), int(y)), 14, int(80 + x % 150), -1)
    assert content_mask(image).all()


def test_two_valued_bar_is_masked_without_metadata() -> None:
    """A PNG made of a vendor file keeps its info bar but not its tags."""
    image = texture((300, 400))
    image[-24:] = 0
    cv2.putText(image, "10 um  EHT 5 kV", (8, 294), 0, 0.5, 255, 1)
    mask = content_mask(image)
    assert not mask[-24:].any()
    assert mask[:-30].all()


def test_stated_bar_and_not_a_number_are_masked() -> None:
    """Metadata say how high the bar is; dead pixels say so themselves."""
    image = texture((100, 120)).astype(np.float32)
    image[10:12, 5:9] = np.nan
    mask = content_mask(image, info_bar_rows=17)
    assert not mask[83:].any()
    assert not mask[10:12, 5:9].any()
    assert mask[:8].all()
