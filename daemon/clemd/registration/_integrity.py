"""What holds whatever the images show: a device that breaks it computes wrongly.

On the way to a matrix a few sums are known beforehand: a transform keeps the inner
product of what it transforms (Parseval), a histogram sums to one, a field has no
vector longer than it can be. After it, the links that carry the matrix are looked at
once more on the CPU in double precision, each at a few places drawn by the seed and
with other means than the engine's (`_retracing`):

    image ──► field ──► surfaces ──► no further movement ──► matrix

A single wrong number in any of them is either too small to move the matrix, or too
large to pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from clemd.geometry import compose, corner_errors, invert
from clemd.model import PreparedImage, TransformModel

from ._fields import Field
from ._identities import complain
from ._images import STIFFNESS, Images
from ._movement import Movement, MovementFit
from ._opinion import second_opinion
from ._retracing import edges_of, surface_of
from ._sharpening import Sharp
from ._surfaces import Surfaces

PLACES = 3
"""Patches of each image, and tiles, that are looked at."""
CHOICE = 4
"""Places that each patch is chosen from: the one with most contrast."""
PATCH_PX, RIM_PX = 56, 14
"""A patch, and what its derivative sees beyond it."""
LEAST_VALID, LEAST_CONTRAST = 0.3, 0.1
"""A patch with less specimen, or less contrast as a share of the image's, is not looked
at: where there is nothing to be seen, noise alone decides what runs where."""
ALIKE = 0.75
"""Least agreement of a patch; it has levels of its own, so it is not quite the same."""
LARGEST_MEAN = 1e-3
"""Of a field's vectors; single precision leaves some 1e-6."""
SURFACE_TOLERANCE = 0.005
"""Of a tile's surface, relative; single precision leaves less than 0.001."""
SETTLED_PX = 0.05
"""The last surfaces may ask for so much more movement, in px of the finest level..."""
SETTLED_NOISES = 0.25
"""...or, in noisy images, for this many times the noise."""
CREEP_PX, CREEP_NOISES = 0.25, 2.0
"""What an affine or a homography may still ask for. Each step away from similarities
has its price from where the step begins, so the engine's few steps never are the last;
what is free of that price (turn, scale, shift) is settled all the same."""
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
    z = field.z.cpu().numpy()
    _check_mean(field, z)
    least = LEAST_CONTRAST * sum(_deviation(layer[::2, ::2]) for layer in layers)
    alike = []
    for _ in range(PLACES):
        corners = rng.integers((h - side + 1, w - side + 1), size=(CHOICE, 2)).tolist()
        contrast, y, x = max((_contrast(layers, z[2], *at), *at) for at in corners)
        if contrast < least:
            continue
        seen = z[:, y : y + side, x : x + side].astype(np.float64)
        seen = seen[:, RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
        patches = [a[y : y + side, x : x + side].astype(np.float64) for a in layers]
        said = _centred(seen[:2], seen[2])
        levels = edges_of(patches, smooth)[..., RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
        alike.append(max(_agreement(said, _centred(own, seen[2])) for own in levels))
    if alike and not float(np.min(alike)) >= ALIKE:
        complain(
            f"{field.z.device} finds edges where the image has none: agreement "
            f"{np.min(alike):.2f}, {ALIKE:g} is the least"
        )


def _check_mean(field: Field, z: NDArray[Any]) -> None:
    """A field has no mean; else every shift would find that much agreement."""
    mean = np.abs(z[:2].sum((1, 2)) / max(float(z[2].sum()), 1.0)).max()
    if not mean <= LARGEST_MEAN:
        complain(
            f"{field.z.device} finds edges of one direction everywhere: mean "
            f"{mean:.3f}, {LARGEST_MEAN:g} is the most"
        )


def _contrast(layers: list[NDArray[Any]], valid: NDArray[Any], y: int, x: int) -> float:
    """How much there is to be seen at a place; -1 where too little is specimen."""
    first, last = RIM_PX, RIM_PX + PATCH_PX
    at = np.s_[y + first : y + last, x + first : x + last]
    if float(valid[at].mean()) < LEAST_VALID:
        return -1.0
    return sum(_deviation(layer[at]) for layer in layers)


def _deviation(layer: NDArray[Any]) -> float:
    """Of a fourth of the px: it only tells places apart."""
    return float(cv2.meanStdDev(np.ascontiguousarray(layer[::2, ::2]))[1][0, 0])


def _centred(vectors: NDArray[Any], valid: NDArray[Any]) -> NDArray[Any]:
    """Less their mean over the valid part: the field's own is the whole image's."""
    mean = (vectors * valid).sum((1, 2), keepdims=True) / max(float(valid.sum()), 1.0)
    centred: NDArray[Any] = (vectors - mean) * valid
    return centred


def _agreement(one: NDArray[Any], other: NDArray[Any]) -> float:
    """-1..1; 1 where there is nothing to compare."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1.0 if length <= 1e-6 else float((one * other).sum()) / length


def _check_surfaces(sharp: Sharp, rng: np.random.Generator) -> None:
    """Do the surfaces of a few tiles follow from the fields?"""
    seen = sharp.surfaces
    em, lm = sharp.em.z.cpu().numpy(), sharp.lm.z.cpu().numpy()
    back = invert(sharp.em.from_full)
    inner = compose(sharp.lm.from_full, sharp.edges, back)
    energy = seen.energy.cpu()
    tiles = rng.permutation(torch.nonzero(energy > energy.median()).flatten().numpy())
    said, own = [], []
    for tile in tiles[:PLACES].tolist():
        said.append(seen.values[0, tile].cpu().double().numpy())
        own.append(surface_of(em, lm, inner, seen, tile))
    if not said:
        return
    a, b = np.stack(said), np.stack(own)
    scale = float((a * b).sum()) / max(float((b * b).sum()), 1e-30)
    off = float(np.linalg.norm(a - scale * b)) / max(float(np.linalg.norm(a)), 1e-30)
    if not (scale > 0 and off <= SURFACE_TOLERANCE):
        complain(
            f"{sharp.em.z.device} correlates wrongly: a surface is off by "
            f"{100 * off:.1f} %, {100 * SURFACE_TOLERANCE:g} % are allowed"
        )


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
    fit = MovementFit(here, sharp.em.shape)
    _demand_settled(fit.similarity(capture=False), sharp, SETTLED_PX, SETTLED_NOISES)
    if sharp.model is not TransformModel.SIMILARITY:
        freer = fit.fit(sharp.model, stiffness=STIFFNESS)
        _demand_settled(freer, sharp, CREEP_PX, CREEP_NOISES)


def _demand_settled(moved: Movement, sharp: Sharp, px: float, noises: float) -> None:
    asked = float(moved.largest_px[0])
    allowed = max(px, noises * sharp.noise_px)
    if not asked <= allowed:
        complain(
            f"{sharp.em.z.device} stopped {asked:.2f} px of its finest level beside "
            f"the place, {allowed:.2f} are allowed"
        )
