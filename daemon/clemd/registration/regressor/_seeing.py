"""What the two heads look at: small gradient fields of both images.

The same fields as the other engines' (`clemd.registration._fields`): the direction of
the gradient doubled, its strength divided by the strength around. Edges are found
finely and pooled to a small grid, which keeps which way the fine ones run. They are
made with OpenCV because the whole answer may take 20 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clemd.geometry import compose, resizing
from clemd.model import FloatImage, Matrix, PreparedImage

FINER = 2
"""Edges are found on a grid so many times finer than the field's."""
SIGMA_PX, RHO_PX, LOCAL_PX = 1.4, 1.0, 11.0
"""Derivative, smoothing of the tensor, radius of the local level: px of that grid."""
POOL_PX = 0.8
LEAST_SIDE_PX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The field of one image on a small grid."""

    z: Tensor
    """(3, height, width) float32: Re z, Im z, valid (0 or 1); |z| < 1."""
    from_full: Matrix
    """Px of the image as stored -> px of this grid."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return int(self.z.shape[1]), int(self.z.shape[2])


def view_of(image: PreparedImage, pitch_px: float) -> View:
    """`image` with `pitch_px` px of the stored image per px of the view."""
    height, width = image.mask.shape
    per_full = 1.0 / math.sqrt(abs(float(np.linalg.det(image.from_full[:2, :2]))))
    factor = pitch_px / per_full
    shape = (
        max(LEAST_SIDE_PX, round(height / factor)),
        max(LEAST_SIDE_PX, round(width / factor)),
    )
    fine = (FINER * shape[1], FINER * shape[0])
    area = cv2.INTER_AREA if factor > FINER else cv2.INTER_LINEAR
    layers = [
        np.asarray(cv2.resize(one, fine, interpolation=area), np.float32)
        for one in image.layers
    ]
    valid = cv2.resize(image.mask.astype(np.float32), fine, interpolation=area) > 0.99
    cosine, sine, mask = _double_angle(layers, valid)
    grid = resizing((height, width), shape)
    return _pooled(cosine, sine, mask, shape, compose(grid, image.from_full))


def halved(view: View) -> View:
    """`view` on a grid twice as coarse."""
    height, width = (side - side % 2 for side in view.shape)
    cosine, sine, mask = np.ascontiguousarray(view.z[:, :height, :width].numpy())
    shape = (height // 2, width // 2)
    grid = resizing((height, width), shape)
    return _pooled(cosine, sine, mask, shape, compose(grid, view.from_full))


def _pooled(
    cosine: FloatImage,
    sine: FloatImage,
    mask: FloatImage,
    shape: tuple[int, int],
    from_full: Matrix,
) -> View:
    """The field on a coarser grid; the strokes that cross one of its px add up."""
    size = (shape[1], shape[0])
    share = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    inside = (share > 0.7).astype(np.float32)
    planes = [
        cv2.resize(_blurred(plane, POOL_PX), size, interpolation=cv2.INTER_AREA)
        * inside
        for plane in (cosine, sine)
    ]
    z = torch.from_numpy(np.stack([*planes, inside]))
    return View(z=z, from_full=from_full)


def _double_angle(
    layers: list[FloatImage], valid: NDArray[np.bool_]
) -> tuple[FloatImage, FloatImage, FloatImage]:
    """Re z, Im z and where they are valid; zero mean over the valid part."""
    reach = round(2 * SIGMA_PX) + 1
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    mask = cv2.erode(
        valid.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
    ).astype(np.float32)
    power, cosine, sine = (np.zeros(mask.shape, np.float32) for _ in range(3))
    for layer in layers:
        smooth = _blurred(layer, SIGMA_PX)
        gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
        gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
        xx, yy = gx * gx, gy * gy
        energy = float(((xx + yy) * mask).sum())
        if energy <= 0:
            continue
        weight = np.float32(mask.sum() / energy)  # equal say whatever the brightness
        power += weight * (xx + yy)
        cosine += weight * (xx - yy)
        sine += (2 * weight) * (gx * gy)
    power, cosine, sine = (_blurred(plane, RHO_PX) for plane in (power, cosine, sine))
    present = power[::3, ::3][(mask[::3, ::3] > 0) & (power[::3, ::3] > 1e-6)]
    level = np.float32(np.median(present) if present.size else 1.0)
    gain = mask / (power + np.float32(0.5) * (_local(power * mask, mask) + level))
    count = max(float(mask.sum()), 1.0)
    cosine, sine = (
        plane - np.float32(float(plane.sum()) / count) * mask
        for plane in (cosine * gain, sine * gain)
    )
    return cosine, sine, mask


def _local(power: FloatImage, mask: FloatImage) -> FloatImage:
    """Mean of the valid `power` around each px; so smooth that 4x4 blocks do."""
    height, width = mask.shape
    small = (max(1, width // 4), max(1, height // 4))
    parts = [
        _blurred(
            np.asarray(cv2.resize(plane, small, interpolation=cv2.INTER_AREA)),
            LOCAL_PX / 4,
        )
        for plane in (power, mask)
    ]
    level = parts[0] / (parts[1] + np.float32(1e-3))
    grown = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, np.float32)


def _blurred(plane: FloatImage, sigma_px: float) -> FloatImage:
    smooth = cv2.GaussianBlur(plane, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth, np.float32)
