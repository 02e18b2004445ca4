"""Witnesses: what speaks for a matrix besides the score that found it.

Each looks at the two images through the matrix and asks something the search did not
maximise: do the parts agree one by one (tile vote), does another measure of
similarity agree (MIND), would the image turned or mirrored fit as well (null), is
there a second place as good. On wrong matrices these are nearly independent, so two
that agree are worth far more than one that shouts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as nn
from scipy.stats import binom
from torch import Tensor

from clemd.geometry import apply, compose, invert, middle_of
from clemd.model import PreparedImage, TileState, TileVote, TileVotes

from ._fields import Field, blur
from ._movement import MovementFit
from ._surfaces import Surfaces, sample_in_em, tile_surfaces

HIT_PX = 2.5
"""A tile votes yes when its own best place is this near to where the matrix puts it."""
REACH_PX = 8
VOTE_TILES = 6
COARSE_TILES = 4
USABLE = 0.2
"""A tile is asked only with this share of the median tile's structure."""
SPEAKING = 0.3
"""Least strength of a tile's best place, as a share of the median tile's."""
LEAST_HALF = 6
"""Tiles with which half an image knows its place; whole images have 36 or more."""
MIND_REACH_PX = 5
MIND_HIT_PX = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """How many tiles find their best place where the matrix puts them."""

    share: float
    usable: int
    log_p: float
    """-log10 of the chance of as many hits among tiles that know nothing."""


def vote(surfaces: Surfaces, index: int = 0) -> Vote:
    """Count the usable tiles whose peak lies within `HIT_PX` of no movement."""
    values, r = surfaces.values[index], surfaces.reach_px
    n = 2 * r + 1
    peak = values.flatten(1).argmax(1)
    dy, dx = peak // n - r, peak % n - r
    hit = (dy.abs() <= HIT_PX) & (dx.abs() <= HIT_PX)
    usable = _usable(surfaces, index)
    hits, asked = int((hit & usable).sum()), int(usable.sum())
    chance = _chance(r)
    log_p = -float(binom.logsf(hits - 1, asked, chance)) / math.log(10) if hits else 0.0
    return Vote(share=hits / max(asked, 1), usable=asked, log_p=log_p)


def _chance(reach_px: int) -> float:
    """Share of tiles that know nothing and still hit."""
    return (2 * math.floor(HIT_PX) + 1) ** 2 / (2 * reach_px + 1) ** 2


def _usable(surfaces: Surfaces, index: int = 0) -> Tensor:
    """Which tiles have structure and lie on the map; (tiles,) bool."""
    enough = surfaces.energy > USABLE * _median_positive(surfaces.energy)
    return enough & (surfaces.values[index].flatten(1).amax(1) > 0)


def tile_votes(em: Field, lm: Field, matrix: Tensor) -> TileVotes:
    """What `field_witnesses` counts as hits, tile by tile, in px of the images.

    `matrix` (3, 3) EM field px -> LM field px.
    """
    seen = tile_surfaces(em.z, lm.z, matrix[None], VOTE_TILES, REACH_PX)
    values, r = seen.values[0], seen.reach_px
    n = 2 * r + 1
    peak = values.flatten(1).argmax(1)
    whole = torch.stack([peak % n - r, peak // n - r], 1)
    hits = (whole.abs() <= HIT_PX).all(1).tolist()
    states = [
        TileState.UNASKED
        if not asked
        else (TileState.AGREES if hit else TileState.ELSEWHERE)
        for asked, hit in zip(_usable(seen).tolist(), hits, strict=True)
    ]
    to_lm = compose(invert(lm.from_full), matrix.cpu().numpy())[:2, :2]
    shifts = (whole + _peak_offset(values, peak, n)).cpu().numpy() @ to_lm.T
    to_em = invert(em.from_full)
    places = apply(to_em, seen.centres.cpu().numpy())
    rows, columns = seen.grid
    return TileVotes(
        rows=rows,
        columns=columns,
        tile_width_em_px=round(-(-em.shape[1] // columns) * float(to_em[0, 0]), 2),
        tile_height_em_px=round(-(-em.shape[0] // rows) * float(to_em[1, 1]), 2),
        reach_lm_px=round(r * math.sqrt(abs(float(np.linalg.det(to_lm)))), 2),
        chance=round(_chance(r), 4),
        tiles=tuple(
            _tile_vote(state, at, shift)
            for state, at, shift in zip(
                states, places.tolist(), shifts.tolist(), strict=True
            )
        ),
    )


def _tile_vote(state: TileState, at: list[float], shift: list[float]) -> TileVote:
    x, y = round(at[0], 2), round(at[1], 2)
    if state is TileState.UNASKED:
        return TileVote(x_em_px=x, y_em_px=y, state=state)
    dx, dy = round(shift[0], 2), round(shift[1], 2)
    return TileVote(x_em_px=x, y_em_px=y, state=state, dx_lm_px=dx, dy_lm_px=dy)


def _median_positive(values: Tensor) -> Tensor:
    present = values[values > 0]
    return present.median() if present.numel() else values.new_tensor(math.inf)


def tile_witnesses(em: Tensor, lm: Tensor, matrix: Tensor) -> dict[str, float]:
    """Tile vote, and the movement that the tiles ask for.

    `em`, `lm`: fields (3, height, width); `matrix` (3, 3) EM field px -> LM field px.
    """
    seen = tile_surfaces(em, lm, matrix[None], VOTE_TILES, REACH_PX)
    fine = vote(seen)
    shape = (int(em.shape[1]), int(em.shape[2]))
    asked = MovementFit(seen, shape).similarity(capture=True)
    return {
        "hits": fine.share,
        "tiles": float(fine.usable),
        "log_p": fine.log_p,
        "asked_px": float(asked.largest_px[0]),
        "spread_px": _spread(seen, asked.matrices[0]),
        "halves_px": _halves_apart(seen, shape),
        "score": float(seen.score[0]),
        "overlap": float(seen.overlap[0]),
    }


def coarse_witnesses(em: Tensor, lm: Tensor, matrix: Tensor) -> dict[str, float]:
    """Votes of larger tiles, and their null with the EM turned and flipped in place."""
    half = _halved(em), _halved(lm), _halved_matrix(matrix)
    hits, null = _vote_and_null(*half)
    quarter = _halved(half[0]), _halved(half[1]), _halved_matrix(half[2])
    coarser, coarser_null = _vote_and_null(*quarter)
    return {
        "hits_coarse": hits,
        "hits_null": null,
        "hits_coarser": coarser,
        "hits_coarser_null": coarser_null,
    }


def _vote_and_null(em: Tensor, lm: Tensor, matrix: Tensor) -> tuple[float, float]:
    """Share of few, large tiles that agree, and of the EM turned or flipped in place.

    Coarse tiles forgive a deformed specimen what fine ones do not.
    """
    shares = [
        vote(tile_surfaces(one, lm, matrix[None], COARSE_TILES, REACH_PX)).share
        for one in (em, _turned_half(em), _flipped(em))
    ]
    return shares[0], max(shares[1:])


def _halves_apart(surfaces: Surfaces, shape: tuple[int, int]) -> float:
    """How far apart the halves of the EM image would put its middle, px.

    Left against right and top against bottom, each half fitted by itself. A crack, a
    stitching error or a stage jump moves one half; one smooth pose cannot be right
    for both, however sharp every tile is. A half of which little lies on the map does
    not know its place, and is not asked; 0 where no two halves can be.
    """
    at = surfaces.centres
    middle = at.new_tensor(middle_of(shape))
    low = at < middle
    speaks = _speaking(surfaces)
    halves = torch.stack([low[:, 0], ~low[:, 0], low[:, 1], ~low[:, 1]]) & speaks
    moved = MovementFit(surfaces, shape, halves.double()).similarity(capture=True)
    ends = (moved.matrices[:, :2, :2] @ middle) + moved.matrices[:, :2, 2]
    gaps = (ends[0::2] - ends[1::2]).norm(dim=1)
    fewest = halves.sum(1).reshape(2, 2).amin(1)
    return float(torch.where(fewest >= LEAST_HALF, gaps, 0.0).max())


def _speaking(surfaces: Surfaces) -> Tensor:
    """Usable tiles that do not merely touch the map; (tiles,) bool."""
    strongest = surfaces.values[0].flatten(1).amax(1)
    usable = _usable(surfaces)
    level = _median_positive(strongest[usable])
    return usable & (strongest > SPEAKING * level)


def _spread(surfaces: Surfaces, movement: Tensor) -> float:
    """Root mean square distance of the tiles' own places from a common movement.

    Only usable tiles whose peak lies within twice `HIT_PX` of it: the others have not
    found their place at all. px; large where the specimen is deformed.
    """
    values, r = surfaces.values[0], surfaces.reach_px
    n = 2 * r + 1
    flat = values.flatten(1)
    at = flat.argmax(1)
    peak = torch.stack([(at % n - r).double(), (at // n - r).double()], 1)
    peak = peak + _peak_offset(values, at, n)
    ones = torch.ones_like(surfaces.centres[:, :1])
    moved = torch.cat([surfaces.centres, ones], 1) @ movement.T
    gap = (peak - (moved[:, :2] - surfaces.centres)).norm(dim=1)
    usable = surfaces.energy > USABLE * _median_positive(surfaces.energy)
    near = gap[usable & (gap < 2 * HIT_PX)]
    return float((near**2).mean().sqrt()) if len(near) >= 4 else float(REACH_PX)


def _peak_offset(values: Tensor, at: Tensor, n: int) -> Tensor:
    """Sub-pixel part of each peak, by a parabola through its neighbours; (tiles, 2)."""
    tile = torch.arange(len(at), device=at.device)
    y, x = (at // n).clamp(1, n - 2), (at % n).clamp(1, n - 2)
    here = values[tile, y, x]

    def part(before: Tensor, after: Tensor) -> Tensor:
        bend = (before - 2 * here + after).clamp(max=-1e-12)
        return (0.5 * (before - after) / bend).clamp(-0.5, 0.5)

    dx = part(values[tile, y, x - 1], values[tile, y, x + 1])
    dy = part(values[tile, y - 1, x], values[tile, y + 1, x])
    return torch.stack([dx, dy], 1)


def _halved(field: Tensor) -> Tensor:
    """The field smoothed and sampled at half the resolution."""
    h, w = field.shape[1] // 2 * 2, field.shape[2] // 2 * 2
    smooth = blur(field[None, :, :h, :w], 0.8)
    small = nn.avg_pool2d(smooth, 2)[0]
    small[2] = (small[2] > 0.99).float()
    small[:2] *= small[2]
    return small


def _halved_matrix(matrix: Tensor) -> Tensor:
    bins = torch.tensor(
        [[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1.0]],
        dtype=torch.float64,
        device=matrix.device,
    )
    halved: Tensor = bins @ matrix @ torch.linalg.inv(bins)
    return halved


def _turned_half(field: Tensor) -> Tensor:
    return field.flip(1, 2)


def _flipped(field: Tensor) -> Tensor:
    other = field.flip(2).clone()
    other[1] *= -1
    return other


def mind_witness(
    em: PreparedImage,
    lm: PreparedImage,
    em_shape: tuple[int, int],
    lm_shape: tuple[int, int],
    matrix: Tensor,
    device: torch.device,
) -> dict[str, float]:
    """Do the tiles agree under MIND, a measure the search never saw?

    MIND (Heinrich et al. 2012) compares each image with itself a pixel away, so it
    needs no relation between the two greys. The shapes are those of the grids
    `matrix` maps between.
    """
    e = grey_and_valid(em, em_shape, device)
    whole = grey_and_valid(lm, lm_shape, device)
    shape = (int(e.shape[1]), int(e.shape[2]))
    seen = sample_in_em(whole, matrix[None], shape, margin=MIND_REACH_PX)[0]
    costs = _mind_costs(_mind(e[0]), _mind(seen[0]), e[1] > 0.99, seen[1] > 0.99)
    n = 2 * MIND_REACH_PX + 1
    usable = torch.isfinite(costs).all(-1).all(-1)
    if int(usable.sum()) < 4:
        return {"mind_hits": 0.0, "mind_z": 0.0, "mind_tiles": float(usable.sum())}
    costs = costs[usable]
    at = costs.flatten(1).argmin(1)
    dy, dx = at // n - MIND_REACH_PX, at % n - MIND_REACH_PX
    hits = ((dy.abs() <= MIND_HIT_PX) & (dx.abs() <= MIND_HIT_PX)).double().mean()
    total = costs.sum(0)
    r = MIND_REACH_PX
    far = torch.ones_like(total, dtype=torch.bool)
    far[r - 2 : r + 3, r - 2 : r + 3] = False
    near = total[r - 1 : r + 2, r - 1 : r + 2].min()
    z = (total[far].mean() - near) / (total[far].std() + 1e-9)
    return {
        "mind_hits": float(hits),
        "mind_z": float(z),
        "mind_tiles": float(usable.sum()),
    }


def grey_and_valid(
    image: PreparedImage, shape: tuple[int, int], device: torch.device
) -> Tensor:
    """(2, height, width): mean layer smoothed by a px, share of valid px."""
    size = (shape[1], shape[0])
    area = cv2.INTER_AREA
    grey = np.mean([cv2.resize(a, size, interpolation=area) for a in image.layers], 0)
    valid = cv2.resize(image.mask.astype(np.float32), size, interpolation=area)
    planes = torch.from_numpy(np.stack([grey, valid]).astype(np.float32)).to(device)
    return torch.stack([blur(planes[None, :1], 1.0)[0, 0], planes[1]])


def _mind(grey: Tensor) -> Tensor:
    """Four self-similarities per px, (4, height, width), largest scaled to 1."""
    pad = nn.pad(grey[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    h, w = grey.shape
    moved = torch.stack(
        [pad[y : y + h, x : x + w] for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]
    )
    distance = blur(((grey - moved) ** 2)[None], 1.0)[0]
    mind = torch.exp(-distance / (distance.mean(0, keepdim=True) + 1e-6))
    return mind / mind.amax(0, keepdim=True)


def _mind_costs(em: Tensor, lm: Tensor, em_valid: Tensor, lm_valid: Tensor) -> Tensor:
    """Mean squared MIND difference per tile and shift, (tiles, n, n); inf = unknown."""
    h, w = em.shape[1:]
    rows, columns = COARSE_TILES, COARSE_TILES
    th, tw = h // rows, w // columns
    r = MIND_REACH_PX
    out = []
    for dy in range(2 * r + 1):
        for dx in range(2 * r + 1):
            other = lm[:, dy : dy + h, dx : dx + w]
            both = (em_valid & lm_valid[dy : dy + h, dx : dx + w]).float()
            cost = ((em - other) ** 2).sum(0) * both
            stack = torch.stack([cost, both])[:, : rows * th, : columns * tw]
            tiles = stack.reshape(2, rows, th, columns, tw).double().sum((2, 4))
            mean = tiles[0] / tiles[1].clamp(min=1)
            enough = tiles[1] > 0.5 * th * tw
            out.append(torch.where(enough, mean, torch.inf).flatten())
    n = 2 * r + 1
    return torch.stack(out, 1).reshape(rows * columns, n, n)
