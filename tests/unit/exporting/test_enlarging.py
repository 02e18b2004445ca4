"""Enlarged light images: smooth to look at, and nothing in them that was not there."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.exporting import enlarged
from clemd.exporting._placement import PlacedLayer
from clemd.geometry import binning

Image = NDArray[Any]
FACTOR = 4


def grown(image: Image) -> Image:
    """Four times as fine, edge to edge."""
    shape = FACTOR * image.shape[0], FACTOR * image.shape[1]
    return enlarged(image, binning(FACTOR), shape)


def smooth_field(side: int) -> Image:
    """Blobs wider than a few recorded px, at the fine px."""
    noise = np.random.default_rng(2).normal(size=(side, side))
    field = cv2.GaussianBlur(noise, (0, 0), 6.0)
    return np.asarray((field - field.min()) / np.ptp(field), np.float32)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_no_value_leaves_the_range_of_the_px_around_it(kind: str) -> None:
    """A ring beside an edge would be structure that nobody has recorded."""
    step = np.zeros((24, 24), kind)
    step[:, 12:] = 200
    large = grown(step)
    assert large.dtype == step.dtype
    assert large.min() == 0
    assert large.max() == 200


def test_lanczos_alone_does_draw_rings() -> None:
    """The reason for holding it to its neighbours."""
    step = np.zeros((24, 24), np.float32)
    step[:, 12:] = 200
    plain = cv2.resize(step, None, fx=4, fy=4, interpolation=cv2.INTER_LANCZOS4)
    assert plain.max() > 205


def test_it_is_nearer_to_finer_px_than_linear_is() -> None:
    """Otherwise it would not be worth its time."""
    field = smooth_field(160)
    small = cv2.resize(field, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    linear = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    inner = np.s_[16:-16, 16:-16]
    ours = np.sqrt(((grown(np.asarray(small)) - field)[inner] ** 2).mean())
    theirs = np.sqrt(((linear - field)[inner] ** 2).mean())
    assert ours < 0.8 * theirs


def test_nothing_moves() -> None:
    """Half a pixel of shift in a picture would be taken for a registration error."""
    y, x = np.mgrid[:32, :32]
    blob = np.exp(-((x - 15.3) ** 2 + (y - 16.8) ** 2) / 18).astype(np.float32)
    large = grown(blob)
    v, u = np.mgrid[: large.shape[0], : large.shape[1]]
    at = [(large * axis).sum() / large.sum() for axis in (u, v)]
    assert at == pytest.approx([4 * 15.8 - 0.5, 4 * 17.3 - 0.5], abs=0.02)


def test_what_may_be_measured_stays_linear() -> None:
    """The overlay file holds values between its neighbours, as its page says."""
    small = np.asarray(255 * smooth_field(160)[::4, ::4], np.uint8)
    shape = (160, 160)
    plain = PlacedLayer(small, binning(FACTOR), shape).region(0, 0, *shape)
    fine = PlacedLayer(small, binning(FACTOR), shape, for_the_eye=True)
    linear = cv2.resize(small, shape, interpolation=cv2.INTER_LINEAR)
    assert np.abs(plain.astype(int) - linear)[8:-8, 8:-8].max() <= 1
    assert np.abs(fine.region(0, 0, *shape).astype(int) - linear).max() > 1
