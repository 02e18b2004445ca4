"""The front end without weights: where on the map might the EM field lie?

The EM field is turned in coarse steps and correlated with the map, all shifts at once,
at the scale that the files promise. A half turn only conjugates the spectrum of a
double-angle field, and it is the map that is mirrored. The few best places go on to
the network, which measures what is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
import torch
import torch.nn.functional as nn
from numpy.typing import NDArray
from torch import Tensor

from clemd.geometry import (
    binning,
    compose,
    corner_errors,
    invert,
    middle_of,
    mirroring,
    similarity,
)
from clemd.model import Matrix
from clemd.registration._fields import turned

from ._seeing import View, halved

TURNS_DEG = tuple(15.0 * k for k in range(12))
"""Rotations tried, each with its half turn."""
LEAST_OVERLAP = 0.45
ENERGY_FLOOR = 0.25
ANOTHER_PLACE = 0.12
"""Corners apart by this share of the EM side are two places."""


def propose(
    em: View,
    lm: View,
    count: int,
    *,
    mirrors: tuple[bool, ...] = (False, True),
    rotation_deg: tuple[float, float] = (-180.0, 180.0),
) -> list[Matrix]:
    """The `count` best places that are not neighbours of a better one.

    Px of the EM view -> px of the LM view, best first.
    """
    small_em, small_lm = halved(em), halved(lm)
    templates = _templates(small_em)
    half = templates.box // 2
    size = [scipy.fft.next_fast_len(side + half, real=True) for side in small_lm.shape]
    spectra = torch.fft.rfft2(templates.z, s=size) * _centred(size, half)
    found: list[_Peak] = []
    for mirrored in mirrors:
        planes = _mirrored(small_lm.z) if mirrored else small_lm.z
        weight = _weight(planes.numpy(), small_em, float(templates.energy.mean()))
        found += [
            _Peak(score, rotation, onto, mirrored)
            for score, rotation, onto in _scan(templates, spectra, planes, weight, size)
            if score > 0
            and _is_allowed(-rotation if mirrored else rotation, rotation_deg)
        ]
    found.sort(key=lambda one: -one.score)
    outward, inward = invert(binning(2)), binning(2)
    kept: list[Matrix] = []
    for peak in found:
        matrix = compose(outward, peak.matrix(small_em, small_lm), inward)
        if not any(_is_near(matrix, one, em.shape) for one in kept):
            kept.append(matrix)
            if len(kept) == count:
                break
    return kept


def _is_near(a: Matrix, b: Matrix, shape: tuple[int, int]) -> bool:
    side = math.sqrt(shape[0] * shape[1])
    return bool(corner_errors(a, b, shape).mean() < ANOTHER_PLACE * side)


@dataclass(frozen=True, slots=True)
class _Peak:
    """The best shift of one template on one reading of the map."""

    score: float
    rotation_deg: float
    onto: tuple[int, int]
    mirrored: bool

    def matrix(self, em: View, lm: View) -> Matrix:
        """Px of the coarse EM view -> px of the coarse LM view."""
        pose = similarity(
            scale=1.0,
            rotation_deg=self.rotation_deg,
            about=middle_of(em.shape),
            onto=(float(self.onto[0]), float(self.onto[1])),
        )
        return compose(mirroring(lm.shape[1]), pose) if self.mirrored else pose


@dataclass(frozen=True, slots=True, kw_only=True)
class _Templates:
    """The turned EM fields, their centres at the middle of a box."""

    z: Tensor
    """(n, 2, box, box)."""
    energy: Tensor
    box: int


def _templates(em: View) -> _Templates:
    height, width = em.shape
    half = math.ceil(0.5 * math.hypot(height, width)) + 1
    angle = torch.tensor([math.radians(turn) for turn in TURNS_DEG])
    at = torch.arange(-half, half + 1, dtype=torch.float32)
    y, x = torch.meshgrid(at, at, indexing="ij")
    c, s = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u, v = c * x + s * y, c * y - s * x
    where = torch.stack([u * 2 / (width - 1), v * 2 / (height - 1)], -1)
    seen = nn.grid_sample(
        em.z[None, :2].expand(len(TURNS_DEG), -1, -1, -1), where, align_corners=True
    )
    re, im = turned(seen[:, 0], seen[:, 1], angle[:, None, None])
    z = torch.stack([re, im], 1)
    return _Templates(z=z, energy=(z * z).sum((1, 2, 3)), box=2 * half + 1)


def _mirrored(planes: Tensor) -> Tensor:
    """Positions flip left-right, the double angle changes its sign."""
    return planes.flip(2) * torch.tensor([1.0, -1.0, 1.0])[:, None, None]


def _scan(
    templates: _Templates,
    spectra: Tensor,
    planes: Tensor,
    weight: Tensor,
    size: list[int],
) -> Iterator[tuple[float, float, tuple[int, int]]]:
    """Best shift of every template and its half turn on one reading of the map.

    Yields score, rotation in degrees, and where the middle of the EM field falls.
    """
    height, width = int(planes.shape[1]), int(planes.shape[2])
    spectrum = torch.fft.rfft2(planes[:2], s=size)
    for half_turn in (False, True):
        product = (spectrum * (spectra if half_turn else spectra.conj())).sum(1)
        surface = torch.fft.irfft2(product, s=size)[:, :height, :width] * weight
        best, at = surface.flatten(1).max(1)
        scores = (best * torch.rsqrt(templates.energy + 1e-9)).tolist()
        for turn, score, index in zip(TURNS_DEG, scores, at.tolist(), strict=True):
            rotation = turn + (180.0 if half_turn else 0.0)
            yield score, rotation, (index % width, index // width)


def _centred(size: list[int], half: int) -> Tensor:
    """Phases that bring the middle of a box to the first px."""
    y = torch.fft.fftfreq(size[0])[:, None]
    x = torch.fft.rfftfreq(size[1])[None]
    angle = 2 * math.pi * half * (x + y)
    return torch.complex(torch.cos(angle), torch.sin(angle))


def _weight(planes: NDArray[np.float32], em: View, energy: float) -> Tensor:
    """1 / norm of the map around each centre; 0 where too little map is there."""
    side = max(3, round(math.sqrt(em.shape[0] * em.shape[1])))
    power = planes[0] ** 2 + planes[1] ** 2
    under, valid = (
        cv2.boxFilter(
            np.ascontiguousarray(plane),
            -1,
            (side, side),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        for plane in (power, planes[2])
    )
    share = valid / max(float(em.z[2].sum()), 1.0)
    weight = 1 / np.sqrt(np.maximum(under, ENERGY_FLOOR * energy) + 1e-9)
    weight[share < LEAST_OVERLAP] = 0.0
    return torch.from_numpy(weight.astype(np.float32))


def _is_allowed(rotation_deg: float, allowed: tuple[float, float]) -> bool:
    """Within the range, with half a step's grace at its ends."""
    low, high = allowed[0] - 7.5, allowed[1] + 7.5
    return high - low >= 360 or (rotation_deg - low) % 360 <= high - low
