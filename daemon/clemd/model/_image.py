"""Pixels on their way into a registration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
BoolImage = NDArray[np.bool_]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedImage:
    """One side of a pair, ready for an engine.

    `layers` are 2-D float32 planes of equal shape (height, width) that carry the
    same structure (one for EM; one or several channels for LM). `mask` is True on
    specimen and False on info bar, padding, borders, and not-a-number.
    `from_full` maps px of the image as stored to px of these layers.
    """

    layers: tuple[FloatImage, ...]
    mask: BoolImage
    from_full: Matrix
    wide_mask: BoolImage | None = None
    """The mask before the surround of a round camera field was cut off; None if the
    same. That outline may also be the specimen's own, so both are searched."""
    full_shape: tuple[int, int] = (0, 0)
    """(height, width) of the image as stored."""
    label: str = ""
    """Channels used, for the report."""
    content_key: str = ""
    """Hash that names this content, for caches; empty = not cached."""
    axis: tuple[float, ...] = ()
    """Of a spectral image: one value per layer, ascending or descending (eV, 1/cm);
    empty for all others."""
    warnings: tuple[str, ...] = ()
    """What was left out of it, in words."""
