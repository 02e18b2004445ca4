"""Stage A: try every rotation, scale, mirror and shift; keep the best basins.

For each rotation, scale and mirror, one FFT correlation of the two gradient fields
scores every shift at once. The score is normalised by the energy under the template,
so neither padding nor a bright corner can win, and shifts with too little overlap are
not scored at all. A half turn leaves a double-angle field unchanged and only
conjugates the spectrum, and it is the map that is mirrored, once, not the template: so
one forward transform serves four poses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.fft
import torch
import torch.nn.functional as nn
from numpy.typing import NDArray
from torch import Tensor

from clemd.geometry import compose, invert, middle_of, mirroring, similarity
from clemd.model import Matrix

from ._fields import Field, turned
from ._halving import in_halves
from ._identities import demand_numbers
from ._lanes import lanes_on

BATCH = 12
"""Poses transformed together; larger only helps on a GPU."""
BREATH = 4
"""Batches between two breathing points."""
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
    place: Callable[[], Matrix]
    """Makes `matrix`; of hundreds of candidates few are ever asked."""
    mirrored: bool
    rotation_deg: float
    log_scale: float
    centre: tuple[float, float]
    """Where the EM centre falls, as a fraction of the map's longest side."""

    @property
    def matrix(self) -> Matrix:
        """EM px as stored -> LM px as stored."""
        return self.place()


def search(
    em: Field, lm: Field, grid: Grid, breathe: Callable[[str], None]
) -> list[Candidate]:
    """Score every pose of `grid`; best first, one candidate per pose."""
    space = _Space(em, lm, grid)
    batches = [
        partial(
            in_halves,
            partial(space.score, scale),
            grid.rotations_deg[start : start + BATCH],
        )
        for scale in grid.scales
        for start in range(0, len(grid.rotations_deg), BATCH)
    ]
    found: list[Candidate] = []
    for start in range(0, len(batches), BREATH):
        breathe("search")
        for some in lanes_on(em.z.device).run(batches[start : start + BREATH]):
            found += some
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


def _log_scale(matrix: Matrix) -> float:
    return 0.5 * math.log(abs(float(np.linalg.det(matrix[:2, :2]))))


class _Map:
    """One reading of the map, plain or mirrored: its transforms, made once."""

    def __init__(self, lm: Field, padded: tuple[int, int], *, mirrored: bool) -> None:
        self.mirrored = mirrored
        self.padded = padded
        z, self.to_full = lm.z, invert(lm.from_full)
        if mirrored:  # positions flip left-right, the double angle changes its sign
            z = z.flip(2).clone()
            z[1] *= -1
            self.to_full = compose(self.to_full, mirroring(lm.shape[1]))
        re, im, valid = z
        self.re = torch.fft.rfft2(re, s=padded)
        self.im = torch.fft.rfft2(im, s=padded)
        # energy and overlap vary slowly: a quarter of the resolution is enough
        self.energy = torch.fft.rfft2(self._blocks(re * re + im * im))
        self.valid = torch.fft.rfft2(self._blocks(valid))

    def _blocks(self, plane: Tensor) -> Tensor:
        """Zero-padded to the transform's size and summed over 4x4 blocks."""
        h, w = plane.shape
        whole = nn.pad(plane, (0, self.padded[1] - w, 0, self.padded[0] - h))
        return nn.avg_pool2d(whole.reshape(1, 1, *self.padded), 4)[0, 0] * 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Templates:
    """A batch of turned templates, transformed."""

    re: Tensor
    im: Tensor
    valid: Tensor
    energy: Tensor
    area: Tensor
    turns: Sequence[float]
    scale: float


class _Space:
    """Everything that stays the same while poses are tried."""

    def __init__(self, em: Field, lm: Field, grid: Grid) -> None:
        self.em, self.lm, self.grid = em, lm, grid
        self.device = em.z.device
        diagonal = math.hypot(*em.shape) * max(grid.scales)
        self.box = -(-(int(diagonal) + 4) // 4) * 4
        rows, columns = (
            4 * scipy.fft.next_fast_len((int(v + 0.5 * self.box) + 3) // 4, real=True)
            for v in lm.shape
        )
        self.padded = (rows, columns)
        self.coarse = (rows // 4, columns // 4)
        # a template at its own scale, told in full px of both images
        self.log_scale = _log_scale(em.from_full) - _log_scale(lm.from_full)
        self.maps = [_Map(lm, self.padded, mirrored=m) for m in grid.mirrors]

    def score(self, scale: float, turns: Sequence[float]) -> list[Candidate]:
        """Best shift of each of `turns`, its half turn and their mirror images."""
        templates = self._templates(scale, turns)
        found: list[Candidate] = []
        for one in self.maps:
            for half in self.grid.half_turns:
                found += self._best_shifts(one, templates, half=half)
        return found

    def _templates(self, scale: float, turns: Sequence[float]) -> _Templates:
        angles = torch.tensor([math.radians(t) for t in turns], device=self.device)
        boxed = self._turn(scale, angles)
        re, im = turned(boxed[:, 0], boxed[:, 1], angles[:, None, None])
        valid = boxed[:, 2]
        return _Templates(
            re=torch.fft.rfft2(re, s=self.padded),
            im=torch.fft.rfft2(im, s=self.padded),
            valid=torch.fft.rfft2(
                nn.avg_pool2d(valid[:, None], 4)[:, 0] * 16.0, s=self.coarse
            ),
            energy=(re * re + im * im).sum((1, 2)) + 1e-9,
            area=valid.sum((1, 2)),
            turns=turns,
            scale=scale,
        )

    def _turn(self, scale: float, angles: Tensor) -> Tensor:
        """The template turned and scaled about its centre, in its square box."""
        _, h, w = self.em.z.shape
        n = len(angles)
        at = torch.arange(self.box, device=self.device) - (self.box - 1) / 2
        y, x = torch.meshgrid(at, at, indexing="ij")
        c, s = torch.cos(angles) / scale, torch.sin(angles) / scale
        # the inverse map: box px -> template px
        u = c[:, None, None] * x + s[:, None, None] * y
        v = -s[:, None, None] * x + c[:, None, None] * y
        where = torch.stack([u * 2 / max(w - 1, 1), v * 2 / max(h - 1, 1)], -1)
        return nn.grid_sample(
            self.em.z.expand(n, -1, -1, -1), where, mode="bilinear", align_corners=True
        )

    def _best_shifts(
        self, one: _Map, templates: _Templates, *, half: bool
    ) -> list[Candidate]:
        """One correlation per template; a half turn conjugates the spectrum."""
        re, im, window = templates.re, templates.im, templates.valid
        if not half:
            re, im, window = re.conj(), im.conj(), window.conj()
        surface = torch.fft.irfft2(one.re * re + one.im * im, s=self.padded)
        surface *= self._weight(one, window, templates)
        best, at = surface.flatten(1).max(1)
        demand_numbers(best)
        scores = best * templates.area.sqrt()
        enough = templates.area >= 50
        return [
            self._candidate(one, score, index, turn, templates.scale, half=half)
            for score, index, turn, ok in zip(
                scores.tolist(),
                at.tolist(),
                templates.turns,
                enough.tolist(),
                strict=True,
            )
            if ok and score > 0
        ]

    def _weight(self, one: _Map, window: Tensor, templates: _Templates) -> Tensor:
        """1 / norm of the map under the template; 0 where too little lies on it."""
        under = torch.fft.irfft2(one.energy * window, s=self.coarse) / 16
        overlap = torch.fft.irfft2(one.valid * window, s=self.coarse) / 16
        e = templates.energy[:, None, None]
        least = self.grid.min_overlap * templates.area[:, None, None]
        weight = torch.rsqrt(torch.maximum(under, ENERGY_FLOOR * e) * e)
        weight = torch.where(overlap < least, 0.0, weight)
        return nn.interpolate(
            weight[:, None], size=self.padded, mode="bilinear", align_corners=False
        )[:, 0]

    def _unwrap(self, index: int, *, half: bool) -> NDArray[np.float64]:
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
        one: _Map,
        score: float,
        index: int,
        turn: float,
        scale: float,
        *,
        half: bool,
    ) -> Candidate:
        rotation = turn + (180.0 if half else 0.0)
        centre = (self.box - 1) / 2 + self._unwrap(index, half=half)
        x, y = float(centre[0]), float(centre[1])
        pose = partial(
            similarity,
            scale=scale,
            rotation_deg=rotation,
            mirrored=False,
            about=middle_of(self.em.shape),
            onto=(x, y),
        )
        longest = max(self.lm.shape)
        if one.mirrored:
            # seen on the map as it is, the pose turns the other way
            rotation, x = -rotation, self.lm.shape[1] - 1 - x
        return Candidate(
            score=score,
            place=lambda: compose(one.to_full, pose(), self.em.from_full),
            mirrored=one.mirrored,
            rotation_deg=rotation,
            log_scale=math.log(scale) + self.log_scale,
            centre=(x / longest, y / longest),
        )
