"""What holds whatever the images show: a device that breaks it computes wrongly.

On the way to a matrix a few sums are known beforehand: a transform keeps the inner
product of what it transforms (Parseval), a histogram sums to one, a field has no
vector longer than it can be. After it, the links that carry the matrix are looked at
once more on the CPU in double precision, each at a few places drawn by the seed:

    image ──► field ──► surfaces ──► no further movement ──► matrix

A single wrong number in any of them is either too small to move the matrix, or too
large to pass.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from clemd.geometry import corner_errors
from clemd.model import PreparedImage

from ._fields import RHO_PX, SIGMA_PX, Field, double_angle
from ._identities import complain
from ._images import STIFFNESS, Images, between
from ._movement import MovementFit
from ._opinion import second_opinion
from ._sharpening import Sharp
from ._surfaces import Surfaces, map_in_em

PLACES = 3
"""Patches of each image, and tiles, that are looked at."""
PATCH_PX, RIM_PX = 56, 14
"""A patch, and what its derivative sees beyond it."""
LEAST_VALID = 0.3
"""A patch with less specimen is not looked at."""
ALIKE = 0.75
"""Least agreement of a patch; it has levels of its own, so it is not quite the same."""
SURFACE_TOLERANCE = 0.005
"""Of a tile's surface, relative; single precision leaves less than 0.001."""
SETTLED_PX = 0.05
"""The last surfaces may ask for so much more movement, in px of the finest level..."""
SETTLED_NOISES = 0.25
"""...or, in noisy images, for this many times the noise."""
OPINION_LM_PX = 0.05
"""Where the CPU has the second opinion, too."""


def check_result(images: Images, sharp: Sharp, seed: int) -> None:
    """Look at the links of `sharp` again.

    Raises:
        WrongResultError: one of them is not what follows from the one before.
    """
    rng = np.random.default_rng(seed)
    _check_field(images.em, sharp.em, sharp.smooth, rng)
    _check_field(images.lm, sharp.lm, sharp.smooth, rng)
    _check_surfaces(sharp, rng)
    _check_settled(sharp)
    if sharp.opinion.weight > 0 and images.device.type != "cpu":
        _check_opinion(images, sharp)


def _check_opinion(images: Images, sharp: Sharp) -> None:
    """Has the CPU the same second opinion?"""
    cpu = torch.device("cpu")
    em = replace(sharp.em, z=sharp.em.z.cpu())
    lm = replace(sharp.lm, z=sharp.lm.z.cpu())
    here = Images(images.em, images.lm, cpu)
    own = second_opinion(here, em, lm, sharp.edges, sharp.noise_px)
    apart = corner_errors(own.matrix, sharp.matrix, images.em.full_shape)
    if not float(apart.max()) <= OPINION_LM_PX:
        complain(
            f"{images.device} has another second opinion than the CPU: "
            f"{float(apart.max()):.2f} LM px apart, {OPINION_LM_PX:g} are allowed"
        )


def _check_field(
    image: PreparedImage, field: Field, smooth: float, rng: np.random.Generator
) -> None:
    """Do the field's directions follow from the image, at a few places?"""
    h, w = field.shape
    side = PATCH_PX + 2 * RIM_PX
    if min(h, w) < side:
        return
    layers = [cv2.resize(a, (w, h), interpolation=cv2.INTER_AREA) for a in image.layers]
    z = field.z.cpu()
    alike = []
    for _ in range(PLACES):
        y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
        seen = z[:, y : y + side, x : x + side].double()
        seen = seen[:, RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
        said, valid = seen[:2], seen[2]
        if float(valid.mean()) < LEAST_VALID:
            continue
        patch = np.stack([a[y : y + side, x : x + side] for a in layers])
        own = double_angle(
            torch.from_numpy(patch).double(),
            torch.ones(side, side, dtype=torch.bool),
            SIGMA_PX * math.sqrt(smooth),
            RHO_PX * smooth,
        )[:2, RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
        own = own * valid
        length = float(said.norm() * own.norm())
        if length > 1e-6:
            alike.append(float((said * own).sum()) / length)
    if not min(alike, default=1.0) >= ALIKE:
        complain(
            f"{field.z.device} finds edges where the image has none: agreement "
            f"{min(alike):.2f}, {ALIKE:g} is the least"
        )


def _check_surfaces(sharp: Sharp, rng: np.random.Generator) -> None:
    """Do the surfaces of a few tiles follow from the fields?"""
    seen, em = sharp.surfaces, sharp.em.z.cpu()
    lm = sharp.lm.z.cpu()
    inner = between(sharp.em, sharp.lm, [sharp.edges])[0].cpu()
    energy = seen.energy.cpu()
    tiles = rng.permutation(torch.nonzero(energy > energy.median()).flatten().numpy())
    said, own = [], []
    for tile in tiles[:PLACES].tolist():
        said.append(seen.values[0, tile].cpu().double())
        own.append(_surface(em, lm, inner, seen, tile))
    if not said:
        return
    a, b = torch.stack(said), torch.stack(own)
    scale = float((a * b).sum() / (b * b).sum().clamp(min=1e-30))
    off = float((a - scale * b).norm() / a.norm().clamp(min=1e-30))
    if not (scale > 0 and off <= SURFACE_TOLERANCE):
        complain(
            f"{sharp.em.z.device} correlates wrongly: a surface is off by "
            f"{100 * off:.1f} %, {100 * SURFACE_TOLERANCE:g} % are allowed"
        )


def _surface(
    em: Tensor, lm: Tensor, inner: Tensor, seen: Surfaces, tile: int
) -> Tensor:
    """The surface of one tile, up to its norm, in double precision."""
    rows, columns = seen.grid
    _, height, width = em.shape
    th, tw = -(-height // rows), -(-width // columns)
    y, x = tile // columns * th, tile % columns * tw
    r = seen.reach_px
    part = torch.zeros(2, th, tw, dtype=torch.float64)
    piece = em[:2, y : y + th, x : x + tw]
    part[:, : piece.shape[1], : piece.shape[2]] = piece
    there = torch.eye(3, dtype=torch.float64)
    there[:2, 2] = torch.tensor([x, y], dtype=torch.float64)
    near, moved = _crop(lm, inner @ there, (th, tw), r)
    window = map_in_em(near, moved[None], (th, tw), margin=r)[0, :2]
    size = (th + 2 * r, tw + 2 * r)
    product = torch.fft.rfft2(window, s=size) * torch.fft.rfft2(part, s=size).conj()
    surface: Tensor = torch.fft.irfft2(product.sum(0), s=size)
    return surface[: 2 * r + 1, : 2 * r + 1]


def _crop(
    lm: Tensor, matrix: Tensor, shape: tuple[int, int], margin: int
) -> tuple[Tensor, Tensor]:
    """The part of the map under a tile, and the matrix onto it."""
    h, w = shape
    low, high_x, high_y = -margin - 1.0, w + margin + 1.0, h + margin + 1.0
    corners = torch.tensor(
        [[low, low, 1], [high_x, low, 1], [low, high_y, 1], [high_x, high_y, 1]],
        dtype=torch.float64,
    )
    at = corners @ matrix.T
    at = at[:, :2] / at[:, 2:]
    rows, columns = lm.shape[1:]
    first = at.amin(0).floor().long() - 1
    last = at.amax(0).ceil().long() + 2
    x0, y0 = (
        min(max(0, v), n - 2)
        for v, n in zip(first.tolist(), (columns, rows), strict=True)
    )
    x1, y1 = (max(v, low + 2) for v, low in zip(last.tolist(), (x0, y0), strict=True))
    part = lm[:, y0:y1, x0:x1].double()
    back = torch.eye(3, dtype=torch.float64)
    back[:2, 2] = -torch.tensor([x0, y0], dtype=torch.float64)
    return part, back @ matrix


def _check_settled(sharp: Sharp) -> None:
    """Do the last surfaces ask for no further movement?"""
    seen = sharp.surfaces
    here = Surfaces(
        values=seen.values.cpu().double(),
        centres=seen.centres.cpu(),
        reach_px=seen.reach_px,
        score=seen.score.cpu(),
        overlap=seen.overlap.cpu(),
        energy=seen.energy.cpu(),
        grid=seen.grid,
    )
    moved = MovementFit(here, sharp.em.shape).fit(sharp.model, stiffness=STIFFNESS)
    asked = float(moved.largest_px[0])
    allowed = max(SETTLED_PX, SETTLED_NOISES * sharp.noise_px)
    if not asked <= allowed:
        complain(
            f"{sharp.em.z.device} stopped {asked:.2f} px of its finest level beside "
            f"the place, {allowed:.2f} are allowed"
        )
