"""Tile correlation surfaces: what every part of the EM image says about its place.

The EM field is cut into tiles; each is correlated with the map around where a matrix
puts it, over all shifts within a reach. The surfaces share one normalisation, so
their plain sum over tiles is the correlation of the whole image under any smooth
movement of its tiles. That sum is what is refined: no tile has to make up its mind
by itself, so noisy tiles vote softly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy.fft
import torch
import torch.nn.functional as nn
from torch import Tensor

from ._fields import turned
from ._identities import demand_inner_products


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Correlation of each tile with the map, for a batch of matrices."""

    values: Tensor
    """(batch, tiles, 2·reach+1, 2·reach+1), rows = dy, columns = dx."""
    centres: Tensor
    """(tiles, 2) tile centres in EM field px."""
    reach_px: int
    score: Tensor
    """(batch,) normalised correlation at the matrices, times sqrt(overlap)."""
    overlap: Tensor
    """(batch,) part of the EM's valid px that falls on valid map."""
    energy: Tensor
    """(tiles,) EM field energy of each tile."""
    grid: tuple[int, int]
    """(rows, columns) of tiles."""


def tile_surfaces(
    em: Tensor, lm: Tensor, matrices: Tensor, tiles: int, reach_px: int
) -> Surfaces:
    """Correlate the tiles of `em` with `lm` around where `matrices` put them.

    `em`, `lm` are fields (3, height, width); `matrices` (batch, 3, 3) float64 map EM
    field px to map field px. `tiles` is the number of tiles along a square image's
    side; longer sides get more.
    """
    _, height, width = em.shape
    columns = max(2, round(tiles * math.sqrt(width / height)))
    rows = max(2, round(tiles * math.sqrt(height / width)))
    th, tw = -(-height // rows), -(-width // columns)
    r = reach_px
    z = nn.pad(em, (0, columns * tw - width, 0, rows * th - height))
    map_z = map_in_em(lm, matrices, (rows * th, columns * tw), margin=r)

    size = [scipy.fft.next_fast_len(v + 2 * r, real=True) for v in (th, tw)]
    parts = z[:2].reshape(2, rows, th, columns, tw).permute(1, 3, 0, 2, 4)
    parts = parts.reshape(rows * columns, 2, th, tw)
    windows = map_z[:, :2].unfold(2, th + 2 * r, th).unfold(3, tw + 2 * r, tw)
    n = len(matrices)
    windows = windows.permute(0, 2, 3, 1, 4, 5).reshape(
        n, rows * columns, 2, th + 2 * r, tw + 2 * r
    )
    f_em = torch.fft.rfft2(parts, s=size).conj()
    product = (torch.fft.rfft2(windows, s=size) * f_em).sum(2)
    values = torch.fft.irfft2(product, s=size)[..., : 2 * r + 1, : 2 * r + 1]

    here = map_z[:, :, r : r + rows * th, r : r + columns * tw]
    norm, overlap = _shared(z, here)
    demand_inner_products(values[..., r, r].sum(1), z[:2], here[:, :2], norm)
    values = values.double() / norm[:, None, None, None]
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) * th - 0.5
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) * tw - 0.5
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return Surfaces(
        values=values,
        centres=torch.stack([grid_x.flatten(), grid_y.flatten()], 1).to(em.device),
        reach_px=r,
        score=values[:, :, r, r].sum(1) * overlap.sqrt(),
        overlap=overlap,
        energy=(parts**2).double().sum((1, 2, 3)),
        grid=(rows, columns),
    )


def agreement(em: Tensor, lm: Tensor, matrices: Tensor) -> Tensor:
    """The score of `tile_surfaces` without its surfaces; (batch,) float64."""
    here = map_in_em(lm, matrices, (int(em.shape[1]), int(em.shape[2])))
    norm, overlap = _shared(em, here)
    product = (here[:, :2] * em[:2]).double().sum((1, 2, 3))
    return product / norm * overlap.sqrt()


def _shared(em: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
    """Norm of both fields where both are valid, and the valid EM's part of that."""
    both = here[:, 2] * em[2]
    em_energy = ((em[:2] ** 2).sum(0) * both).double().sum((1, 2))
    lm_energy = ((here[:, :2] ** 2).sum(1) * both).double().sum((1, 2))
    norm = (em_energy * lm_energy).sqrt() + 1e-9
    return norm, both.double().sum((1, 2)) / em[2].double().sum().clamp(min=1.0)


def map_in_em(
    lm: Tensor, matrices: Tensor, shape: tuple[int, int], margin: int = 0
) -> Tensor:
    """The map's field as seen on the EM's grid through `matrices`.

    Returns (batch, 3, height + 2·margin, width + 2·margin), the EM's first px at
    (margin, margin); the double angle is turned (and conjugated) with the axes.
    """
    seen = sample_in_em(lm, matrices, shape, margin)
    a = matrices[:, :2, :2]
    sign = torch.where(torch.linalg.det(a) < 0, -1.0, 1.0).double()
    angle = torch.atan2(a[:, 1, 0] * sign - a[:, 0, 1], a[:, 0, 0] * sign + a[:, 1, 1])
    re, im = turned(seen[:, 0], seen[:, 1], -angle.to(lm.dtype)[:, None, None])
    im = im * sign.to(lm.dtype)[:, None, None]
    return torch.stack([re, im, seen[:, 2]], 1)


def sample_in_em(
    planes: Tensor, matrices: Tensor, shape: tuple[int, int], margin: int = 0
) -> Tensor:
    """`planes` (c, height, width) of the map on the EM's grid, zero outside."""
    h, w = shape[0] + 2 * margin, shape[1] + 2 * margin
    device = planes.device
    y = torch.arange(h, device=device, dtype=torch.float64) - margin
    x = torch.arange(w, device=device, dtype=torch.float64) - margin

    def row(i: int) -> Tensor:
        along, down, shift = matrices[:, i, :, None].unbind(1)
        return (along * x)[:, None] + (down * y + shift)[:, :, None]

    u, v = row(0), row(1)
    if bool((matrices[:, 2, :2] != 0).any()):  # perspective
        depth = row(2)
        u, v = u / depth, v / depth
    u = u * (2 / max(planes.shape[2] - 1, 1)) - 1
    v = v * (2 / max(planes.shape[1] - 1, 1)) - 1
    where = torch.stack([u, v], -1).to(planes.dtype)
    return nn.grid_sample(
        planes.expand(len(matrices), -1, -1, -1), where, align_corners=True
    )
