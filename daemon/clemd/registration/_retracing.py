"""A few places of the way to a matrix, gone again with other means.

Fields and surfaces are what `_fields` and `_surfaces` say they are, here in double
precision by an image library and by NumPy: where they agree with the engine's, neither
has made a mistake of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from clemd.model import Matrix

from ._fields import RHO_PX, SIGMA_PX
from ._surfaces import Surfaces

Floats = NDArray[Any]
LEVELS = (1.0, 30.0)
LOCAL_BOX_PX = 39
"""As wide as the field's own mean around each px, which only sets a level."""


def edges_of(patches: Sequence[Floats], smooth: float) -> Floats:
    """The field of one place, whose layers are `patches`: (levels, 2, height, width).

    The field's level is that of the whole image; here it is as many times the place's
    as `LEVELS` say, and one of them is near enough. No mean is taken off.
    """
    tensor = np.zeros((3, *patches[0].shape))
    for patch in patches:
        smoothed = _blurred(patch, SIGMA_PX * math.sqrt(smooth))
        gx, gy = _slope(smoothed, 1, 0), _slope(smoothed, 0, 1)
        power = gx * gx + gy * gy
        energy = float(power.mean())
        if energy > 0:
            tensor += np.stack([power, gx * gx - gy * gy, 2 * gx * gy]) / energy
    power, cosine, sine = (_blurred(part, RHO_PX * smooth) for part in tensor)
    local = cv2.blur(power, (LOCAL_BOX_PX, LOCAL_BOX_PX))
    level, base = float(np.median(power)), power + 0.5 * local + 1e-12
    gains = [1.0 / (base + 0.5 * times * level) for times in LEVELS]
    return np.stack([np.stack([cosine * gain, sine * gain]) for gain in gains])


def _blurred(plane: Floats, sigma: float) -> Floats:
    side = 2 * max(1, math.ceil(3 * sigma)) + 1
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.GaussianBlur(plane, (side, side), sigma, borderType=edge))


def _slope(plane: Floats, dx: int, dy: int) -> Floats:
    """Central differences, per px."""
    edge = cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.Sobel(plane, cv2.CV_64F, dx, dy, ksize=1, scale=0.5, borderType=edge)
    )


def surface_of(
    em: Floats, lm: Floats, inner: Matrix, seen: Surfaces, tile: int
) -> Floats:
    """The surface of one tile of `seen`, up to its norm.

    `em`, `lm` are fields (3, height, width), `inner` maps EM field px to map field px.
    """
    rows, columns = seen.grid
    th, tw = -(-em.shape[1] // rows), -(-em.shape[2] // columns)
    top, left = tile // columns * th, tile % columns * tw
    r = seen.reach_px
    part = np.zeros((2, th, tw))
    piece = em[:2, top : top + th, left : left + tw]
    part[:, : piece.shape[1], : piece.shape[2]] = piece
    window = _window(lm, inner, (top - r, left - r), (th + 2 * r, tw + 2 * r))
    size = window.shape[1:]
    spectra = scipy.fft.rfft2(window) * scipy.fft.rfft2(part, s=size).conj()
    surface: Floats = scipy.fft.irfft2(spectra.sum(0), s=size)
    return surface[: 2 * r + 1, : 2 * r + 1]


def _window(
    lm: Floats, inner: Matrix, first: tuple[int, int], shape: tuple[int, int]
) -> Floats:
    """The map's field (2, height, width) on a part of the EM's grid, zero outside."""
    y = np.arange(first[0], first[0] + shape[0], dtype=np.float64)[:, None]
    x = np.arange(first[1], first[1] + shape[1], dtype=np.float64)[None, :]
    u, v, depth = (row[0] * x + row[1] * y + row[2] for row in inner)
    at = np.stack([v / depth, u / depth])
    re, im = (
        ndimage.map_coordinates(plane, at, np.float64, order=1, mode="grid-constant")
        for plane in lm[:2]
    )
    a = inner[:2, :2]
    sign = -1.0 if np.linalg.det(a) < 0 else 1.0
    angle = 2 * math.atan2(a[1, 0] * sign - a[0, 1], a[0, 0] * sign + a[1, 1])
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([c * re + s * im, sign * (c * im - s * re)])
