"""A cube made fit for gradients: cosmic rays out, noise down, few enough bands.

A gradient's magnitude is never negative, so the noise of a band does not average out
over bands: it must be taken away before. What all bands have in common beyond noise
is found as in the minimum-noise-fraction transform: noise from differences between
neighbouring points, whitened, then principal components above what pure noise gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import BoolImage, FloatImage

from ._gradients import Stack

MOST_BANDS = 160
"""More bands are averaged with their neighbours."""
MOST_COMPONENTS = 8
SPIKE = 8.0
"""Deviations from the neighbours' median that make a cosmic ray."""
SPIKE_BANDS = 0.05
"""A ray hits at most this share of a point's bands; more is a specimen."""
STANDING_OUT = 1.35
"""Variance of a component, in that of its noise, below which it is noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanCube:
    """Bands without their noise, and the same in as few images as they hold."""

    bands: Stack
    """(bands, height, width), each scaled to the deviation of its noise."""
    axis: tuple[float, ...]
    """Position of each on the spectrum; means where bands were averaged."""
    components: Stack
    """(components, height, width), in units of their noise, the strongest first."""
    spikes: int
    """Values that were replaced."""


def clean(
    cube: Sequence[FloatImage], axis: tuple[float, ...], mask: BoolImage
) -> CleanCube:
    """Average to at most `MOST_BANDS`, despike, reduce to what is not noise."""
    stack, places = _averaged(cube, axis)
    middle = np.median(stack[:, mask], axis=1)[:, None, None]
    bands, spikes = _despiked(np.where(mask, stack, middle), mask)
    noise = np.maximum(_noise(bands, mask), 1e-12)
    scaled = np.asarray(bands / noise[:, None, None], np.float32)
    components, parts = _components(scaled, mask)
    shape = scaled.shape[1:]
    rebuilt = (parts @ components.reshape(len(components), -1)).reshape(-1, *shape)
    return CleanCube(
        bands=np.asarray(rebuilt, np.float32),
        axis=places,
        components=np.asarray(components, np.float32),
        spikes=spikes,
    )


def _despiked(cube: Stack, mask: BoolImage) -> tuple[Stack, int]:
    """Without cosmic rays, and how many there were.

    What fills the points without a spectrum is constant: it would say that there is no
    noise, and every point of a partly measured map would pass for a ray.
    """
    calm = np.stack([cv2.medianBlur(np.ascontiguousarray(b), 3) for b in cube])
    gap = cube - calm
    level = 1.4826 * np.median(np.abs(gap[:, mask]), axis=1)[:, None, None]
    hit = (gap > SPIKE * np.maximum(level, 1e-12)) & mask
    hit &= hit.mean(0) <= SPIKE_BANDS
    return np.where(hit, calm, cube), int(hit.sum())


def _averaged(
    cube: Sequence[FloatImage], axis: tuple[float, ...]
) -> tuple[Stack, tuple[float, ...]]:
    step = -(-len(cube) // MOST_BANDS)
    starts = range(0, len(cube), step)
    bands = [np.mean(cube[at : at + step], axis=0, dtype=np.float32) for at in starts]
    places = tuple(float(np.mean(axis[at : at + step])) for at in starts)
    return np.stack(bands), places


def _noise(bands: Stack, mask: BoolImage) -> NDArray[np.float32]:
    """Deviation of each band's noise, from second differences along the rows."""
    along = bands[:, :, 1:-1] - 0.5 * (bands[:, :, :-2] + bands[:, :, 2:])
    inside = mask[:, 1:-1] & mask[:, :-2] & mask[:, 2:]
    spread = np.median(np.abs(along[:, inside]), axis=1) / np.sqrt(1.5)
    return np.asarray(1.4826 * spread, np.float32)


def _components(
    scaled: Stack, mask: BoolImage
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(components, height, width) and what each adds to each band.

    Smooth components have little noise of their own and so stand out.
    """
    flat = scaled - scaled[:, mask].mean(1)[:, None, None]
    values = flat[:, mask].astype(np.float64)
    _, vectors = np.linalg.eigh(values @ values.T)
    leading = vectors[:, ::-1][:, : 3 * MOST_COMPONENTS]
    images = np.tensordot(leading.T, flat, 1).astype(np.float32)
    noise = np.maximum(_noise(images, mask), 1e-12)
    strength = images[:, mask].var(1) / noise**2
    order = np.argsort(-strength)
    chosen = [i for i in order[:MOST_COMPONENTS] if strength[i] > STANDING_OUT]
    chosen = chosen or [int(order[0])]
    whitened = images[chosen] / noise[chosen][:, None, None]
    parts = leading[:, chosen] * noise[chosen]
    return np.asarray(whitened, np.float32), np.asarray(parts, np.float32)
