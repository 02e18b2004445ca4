"""Which light-microscope channels carry the structure that the EM also shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import Channel, ChannelKind, FloatImage

_ORDER = (
    ChannelKind.REFLECTED,
    ChannelKind.TRANSMITTED,
    ChannelKind.SE,
    ChannelKind.BSE,
)
SIDE_PX = 1024
"""Longest side at which content is judged."""
SIGMA_PX, WINDOW_PX = 1.0, 4.0
"""Scale of the derivative, and of the neighbourhood in which it must repeat."""
REPEATS = 0.5
"""Correlation above which a neighbourhood holds structure and not noise."""
WORTH_KEEPING = 0.9
"""Least density, as a share of the best channel's: together, but not diluted."""
NOTHING = 0.002
"""Where the densest channel has less, it is noise like the others."""
LEAST_PX = 24


def structure_channels(
    channels: Sequence[Channel], planes: Sequence[NDArray[Any]] = ()
) -> tuple[tuple[int, ...], str]:
    """Indices of the channels to register on, and why, in words.

    Reflected light shows the surface the SEM scans; failing that transmitted light;
    where the metadata name neither, the channels whose `planes` are covered most
    densely with structure take part together (their gradients are summed).
    """
    for kind in _ORDER:
        chosen = tuple(i for i, c in enumerate(channels) if c.kind is kind)
        if chosen:
            names = ", ".join(channels[i].name for i in chosen)
            return chosen, f"{kind.value} channel {names} carries the structure"
    everything = tuple(range(len(channels)))
    if len(everything) == 1:
        return everything, f"only channel {channels[0].name}"
    if len(planes) != len(channels):
        return everything, "no reflected channel: all channels are combined"
    return _by_content(channels, [density(plane) for plane in planes])


def _by_content(
    channels: Sequence[Channel], densities: Sequence[float]
) -> tuple[tuple[int, ...], str]:
    best = max(densities)
    if best < NOTHING:
        everything = tuple(range(len(channels)))
        return everything, "no channel stands out from noise: all are combined"
    chosen = tuple(i for i, s in enumerate(densities) if s >= WORTH_KEEPING * best)
    said = ", ".join(f"{channels[i].name} ({densities[i]:.2f})" for i in chosen)
    verb = "carry" if len(chosen) > 1 else "carries"
    why = f"{said} {verb} the densest structure"
    left = [i for i in range(len(channels)) if i not in chosen]
    if left:
        rest = ", ".join(f"{channels[i].name} ({densities[i]:.2f})" for i in left)
        why += f"; not used: {rest}"
    return chosen, why


def density(plane: NDArray[Any]) -> float:
    """How densely the field is covered with structure, 0..1, from this channel alone.

    The px are dealt out into two pictures of the same field. Structure is in both,
    the noise of either is its own; so where their gradients agree, there is
    structure. Its share of the field is multiplied by how evenly the gradients are
    spread: a surface scores high; sparse labels, noise and an empty field score low.
    """
    small = _reduced(plane)
    rows, columns = small.shape[0] // 2, small.shape[1] // 2
    if min(rows, columns) < LEAST_PX or np.ptp(small) == 0:
        return 0.0
    quads = small[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    # both diagonals of each 2x2 block have the same centre
    one = _gradient(quads[:, 0, :, 0] + quads[:, 1, :, 1])
    other = _gradient(quads[:, 0, :, 1] + quads[:, 1, :, 0])
    shared = np.maximum(_local((one * other).sum(0)), 0.0)
    power = np.sqrt(_local((one * one).sum(0)) * _local((other * other).sum(0)))
    total = float(shared.mean())
    if total <= 0.0:
        return 0.0
    structured = float((shared > REPEATS * power).mean())
    return structured * float(np.sqrt(shared).mean()) ** 2 / total


def _reduced(plane: NDArray[Any]) -> FloatImage:
    """At most `SIDE_PX` a side; every px of a larger image takes part in a mean."""
    height, width = plane.shape
    block = max(1, max(height, width) // SIDE_PX)
    rows, columns = height // block, width // block
    small = np.zeros((rows, columns), np.float32)
    for y in range(block):
        for x in range(block):
            small += plane[y : rows * block : block, x : columns * block : block]
    return np.asarray(
        np.nan_to_num(small / block**2, posinf=0.0, neginf=0.0), np.float32
    )


def _gradient(image: FloatImage) -> FloatImage:
    smooth = cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), SIGMA_PX)
    along = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(np.stack([along, down]), np.float32)


def _local(image: FloatImage) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), WINDOW_PX))
