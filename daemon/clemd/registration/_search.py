"""Stage A: try every rotation, scale, mirror and shift; keep the best basins.

For each rotation, scale and mirror, one FFT correlation of the two gradient fields
scores every shift at once. The score is normalised by the energy under the template,
so neither padding nor a bright corner can win, and shifts with too little overlap are
not scored at all. A half turn leaves a double-angle field unchanged and only
conjugates the spectrum, so one forward transform serves two rotations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
import torch
import torch.nn.functional as nn
from torch import Tensor

from clemd.geometry import compose, invert, mirroring
from clemd.model import Matrix

from ._fields import Field, turned

BATCH = 12
"""Poses transformed together; larger only helps on a GPU."""
ENERGY_FLOOR = 0.25
"""Least energy, as a share of the template's, that a placement is divided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Which poses are tried."""

    rotations_deg: tuple[float, ...]
    """Rotations in [0, 180); each is tried with its half turn."""
    scales: tuple[float, ...]
    """Factors on the template's sampling."""
    mirrors: tuple[bool, ...]
    half_turns: tuple[bool, ...] = (False, True)
    min_overlap: float = 0.45
    """Least part of the template that must lie on valid map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The best shift found for one rotation, scale and mirror."""

    score: float
    """Normalised correlation times the square root of the template's area."""
    matrix: Matrix
    """EM px as stored -> LM px as stored."""
    mirrored: bool
    rotation_deg: float
    log_scale: float
    centre: tuple[float, float]
    """Where the EM centre falls, as a fraction of the map's longest side."""


def search(
    em: Field, lm: Field, grid: Grid, breathe: Callable[[str], None]
) -> list[Candidate]:
    """Score every pose of `grid`; best first, one candidate per pose."""
    space = _Space(em, lm, max(grid.scales))
    found: list[Candidate] = []
    for mirrored in grid.mirrors:
        template = space.template(mirrored)
        for scale in grid.scales:
            for start in range(0, len(grid.rotations_deg), BATCH):
                breathe("search")
                turns = grid.rotations_deg[start : start + BATCH]
                found += space.score(template, mirrored, scale, turns, grid)
    return sorted(found, key=lambda c: -c.score)


def distinct(candidates: list[Candidate], count: int) -> list[Candidate]:
    """The best `count` candidates that are not neighbours of a better one."""
    kept: list[Candidate] = []
    for one in candidates:
        if not any(_same_basin(one, other) for other in kept):
            kept.append(one)
            if len(kept) == count:
                break
    return kept


def _same_basin(a: Candidate, b: Candidate) -> bool:
    turn = abs((a.rotation_deg - b.rotation_deg + 180) % 360 - 180)
    return (
        a.mirrored == b.mirrored
        and turn <= 14
        and math.dist(a.centre, b.centre) < 0.05
        and abs(a.log_scale - b.log_scale) < 0.15
    )


class _Space:
    """The map's transforms, made once, and the frame every template is turned in."""

    def __init__(self, em: Field, lm: Field, largest_scale: float) -> None:
        self.em, self.lm = em, lm
        self.device = em.z.device
        diagonal = math.hypot(*em.shape) * largest_scale
        self.box = -(-(int(diagonal) + 4) // 4) * 4
        height, width = lm.shape
        self.padded = tuple(
            4 * scipy.fft.next_fast_len((int(v + 0.5 * self.box) + 3) // 4, real=True)
            for v in (height, width)
        )
        self.coarse = (self.padded[0] // 4, self.padded[1] // 4)
        re, im, valid = lm.z
        self.map_re = torch.fft.rfft2(re, s=self.padded)
        self.map_im = torch.fft.rfft2(im, s=self.padded)
        # energy and overlap vary slowly: a quarter of the resolution is enough
        self.map_energy = torch.fft.rfft2(self._blocks(re * re + im * im))
        self.map_valid = torch.fft.rfft2(self._blocks(valid))
        self.lm_to_full = invert(lm.from_full)

    def _blocks(self, plane: Tensor) -> Tensor:
        """Zero-padded to the transform's size and summed over 4x4 blocks."""
        h, w = plane.shape[-2:]
        right, bottom = self.padded[1] - w, self.padded[0] - h
        whole = nn.pad(plane, (0, right, 0, bottom))
        return nn.avg_pool2d(whole.reshape(-1, 1, *self.padded), 4)[:, 0] * 16.0

    def template(self, mirrored: bool) -> Tensor:
        """The EM field, flipped left-right if asked: positions flip, z conjugates."""
        if not mirrored:
            return self.em.z
        z = self.em.z.flip(2).clone()
        z[1] *= -1
        return z

    def score(
        self,
        template: Tensor,
        mirrored: bool,
        scale: float,
        turns: tuple[float, ...],
        grid: Grid,
    ) -> list[Candidate]:
        """Best shift of each of `turns` and its half turn."""
        angles = torch.tensor([math.radians(t) for t in turns], device=self.device)
        boxed = self._turn(template, scale, angles)
        re, im = turned(boxed[:, 0], boxed[:, 1], angles[:, None, None])
        valid = boxed[:, 2]
        area = valid.sum((1, 2))
        energy = (re * re + im * im).sum((1, 2)) + 1e-9
        f_re = torch.fft.rfft2(re, s=self.padded)
        f_im = torch.fft.rfft2(im, s=self.padded)
        f_valid = torch.fft.rfft2(self._small(valid), s=self.coarse)
        results: list[Candidate] = []
        for half in grid.half_turns:
            if half:
                product = self.map_re * f_re + self.map_im * f_im
                window = f_valid
            else:
                product = self.map_re * f_re.conj() + self.map_im * f_im.conj()
                window = f_valid.conj()
            weight = self._weight(window, energy, area, grid.min_overlap)
            surface = torch.fft.irfft2(product, s=self.padded) * weight
            best, at = surface.flatten(1).max(1)
            results += self._candidates(
                best, at, area, turns, half=half, mirrored=mirrored, scale=scale
            )
        return results

    def _turn(self, template: Tensor, scale: float, angles: Tensor) -> Tensor:
        """The template turned and scaled about its centre, in its square box."""
        _, h, w = template.shape
        n = len(angles)
        at = torch.arange(self.box, device=self.device) - (self.box - 1) / 2
        y, x = torch.meshgrid(at, at, indexing="ij")
        c, s = torch.cos(angles) / scale, torch.sin(angles) / scale
        # the inverse map: box px -> template px
        u = c[:, None, None] * x + s[:, None, None] * y
        v = -s[:, None, None] * x + c[:, None, None] * y
        where = torch.stack([u * 2 / max(w - 1, 1), v * 2 / max(h - 1, 1)], -1)
        return nn.grid_sample(
            template.expand(n, -1, -1, -1), where, mode="bilinear", align_corners=True
        )

    def _small(self, valid: Tensor) -> Tensor:
        return nn.avg_pool2d(valid[:, None], 4)[:, 0] * 16.0

    def _weight(
        self, window: Tensor, energy: Tensor, area: Tensor, min_overlap: float
    ) -> Tensor:
        """1 / norm of the map under the template; 0 where too little lies on it."""
        under = torch.fft.irfft2(self.map_energy * window, s=self.coarse) / 16
        overlap = torch.fft.irfft2(self.map_valid * window, s=self.coarse) / 16
        e = energy[:, None, None]
        weight = torch.rsqrt(torch.maximum(under, ENERGY_FLOOR * e) * e)
        weight = torch.where(overlap < min_overlap * area[:, None, None], 0.0, weight)
        return nn.interpolate(
            weight[:, None], size=self.padded, mode="bilinear", align_corners=False
        )[:, 0]

    def _candidates(
        self,
        best: Tensor,
        at: Tensor,
        area: Tensor,
        turns: tuple[float, ...],
        *,
        half: bool,
        mirrored: bool,
        scale: float,
    ) -> list[Candidate]:
        scores = (best * area.sqrt()).tolist()
        found = []
        for score, index, turn, n in zip(
            scores, at.tolist(), turns, area.tolist(), strict=True
        ):
            if n < 50 or score <= 0:
                continue
            corner = self._unwrap(index, half)
            found.append(self._candidate(score, corner, turn, half, mirrored, scale))
        return found

    def _unwrap(self, index: int, half: bool) -> np.ndarray:
        """Flat peak index -> (x, y) of the box's first pixel on the map."""
        size = np.array(self.lm.shape[::-1])
        wrap = np.array(self.padded[::-1])
        corner = np.array([index % self.padded[1], index // self.padded[1]])
        if half:
            corner = corner - (self.box - 1)
        corner = np.where(corner >= size, corner - wrap, corner)
        return np.where(corner < -self.box, corner + wrap, corner)

    def _candidate(
        self,
        score: float,
        corner: np.ndarray,
        turn: float,
        half: bool,
        mirrored: bool,
        scale: float,
    ) -> Candidate:
        height, width = self.em.shape
        rotation = turn + (180.0 if half else 0.0)
        t = math.radians(rotation)
        centre = (self.box - 1) / 2 + corner
        pose = np.eye(3)
        pose[:2, :2] = scale * np.array(
            [[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]]
        )
        pose[:2, 2] = centre - pose[:2, :2] @ [(width - 1) / 2, (height - 1) / 2]
        if mirrored:
            pose = compose(pose, mirroring(width))
        matrix = compose(self.lm_to_full, pose, self.em.from_full)
        longest = max(self.lm.shape)
        return Candidate(
            score=score,
            matrix=matrix,
            mirrored=mirrored,
            rotation_deg=rotation,
            log_scale=0.5 * math.log(abs(float(np.linalg.det(matrix[:2, :2])))),
            centre=(float(centre[0]) / longest, float(centre[1]) / longest),
        )
