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

import cv2
import numpy as np
import torch

from clemd.geometry import compose, corner_errors, invert
from clemd.model import PreparedImage

from ._fields import Field
from ._identities import complain
from ._images import STIFFNESS, Images
from ._movement import MovementFit
from ._opinion import second_opinion
from ._retracing import edges_of, surface_of
from ._sharpening import Sharp
from ._surfaces import Surfaces

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
    z = field.z.cpu().numpy()
    alike = []
    for _ in range(PLACES):
        y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
        seen = z[:, y : y + side, x : x + side].astype(np.float64)
        seen = seen[:, RIM_PX:-RIM_PX, RIM_PX:-RIM_PX]
        said, valid = seen[:2], seen[2]
        if float(valid.mean()) < LEAST_VALID:
            continue
        patches = [a[y : y + side, x : x + side].astype(np.float64) for a in layers]
        own = edges_of(patches, smooth)[:, RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] * valid
        length = float(np.linalg.norm(said) * np.linalg.norm(own))
        if not length <= 1e-6:
            alike.append(float((said * own).sum()) / length)
    if alike and not float(np.min(alike)) >= ALIKE:
        complain(
            f"{field.z.device} finds edges where the image has none: agreement "
            f"{np.min(alike):.2f}, {ALIKE:g} is the least"
        )


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
    moved = MovementFit(here, sharp.em.shape).fit(sharp.model, stiffness=STIFFNESS)
    asked = float(moved.largest_px[0])
    allowed = max(SETTLED_PX, SETTLED_NOISES * sharp.noise_px)
    if not asked <= allowed:
        complain(
            f"{sharp.em.z.device} stopped {asked:.2f} px of its finest level beside "
            f"the place, {allowed:.2f} are allowed"
        )
