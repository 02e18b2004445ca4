"""Colours of LM channels and how they are laid over a grey EM image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clemd.model import ChannelKind

from ._context import Colour, LightLayer, Plane
from ._contrast import GreyImage, percentiles, stretch

_REFLECTED: Colour = (120, 200, 205)
_OTHERS: tuple[Colour, ...] = ((255, 0, 200), (0, 255, 80), (255, 225, 0))
_RANGES = {True: (2.0, 99.5), False: (60.0, 99.7)}
"""Percentiles shown, by "is reflected": labels must not tint the background."""

Tint = NDArray[np.uint16]
"""Light to add, (height, width, 3) as BGR."""


def is_reflected(layer: LightLayer) -> bool:
    """The channel carries structure rather than a label."""
    return layer.kind in {ChannelKind.REFLECTED, ChannelKind.TRANSMITTED}


def choose_colours(layers: Sequence[LightLayer]) -> tuple[Colour, ...]:
    """One colour per layer: its own, else by kind and order."""
    colours: list[Colour] = []
    labels = 0
    for layer in layers:
        if layer.colour is not None:
            colours.append(layer.colour)
        elif is_reflected(layer):
            colours.append(_REFLECTED)
        else:
            colours.append(_OTHERS[labels % len(_OTHERS)])
            labels += 1
    return tuple(colours)


def structure_index(layers: Sequence[LightLayer]) -> int:
    """Which layer to lay beside the EM: the first reflected one, else the first."""
    return next((i for i, layer in enumerate(layers) if is_reflected(layer)), 0)


def grey_of(layer: LightLayer, seen: Plane) -> GreyImage:
    """`seen`, a resampled part of `layer`, stretched by the whole layer's contrast."""
    bottom, top = percentiles(layer.plane, *_RANGES[is_reflected(layer)])
    return stretch(seen, bottom, top)


def lay_over(
    base: GreyImage, greys: Sequence[GreyImage], colours: Sequence[Colour]
) -> GreyImage:
    """Add the layers' light to a grey picture; returns BGR (height, width, 3)."""
    # EM at 3/4 leaves head room, so that labels stay visible on bright structure
    sums = [(base.astype(np.uint16) * 3) >> 2 for _ in range(3)]
    for grey, colour in zip(greys, colours, strict=True):
        strength = 140 if colour == _REFLECTED else 230
        for plane, part in zip(sums, colour[::-1], strict=True):
            if part:
                plane += (grey.astype(np.uint16) * ((part * strength) >> 8)) >> 8
    return np.dstack([np.minimum(plane, 255).astype(np.uint8) for plane in sums])


def mix(greys: Sequence[GreyImage], colours: Sequence[Colour]) -> GreyImage:
    """The layers alone, on black; returns BGR (height, width, 3)."""
    return lay_over(np.zeros_like(greys[0]), greys, colours)
