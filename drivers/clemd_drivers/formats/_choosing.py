"""Which planes of a series become the frame: one rule for every light format.

* Positions (scenes, tile scans, images of a project): one frame each, where the
  profile wants all. A file that is read as one frame gives its largest position, the
  first of equals, and says so.
* Time: the last point that is recorded as fully as the fullest one; the specimen is
  nearest to its later state in the electron microscope, and a series that was
  stopped ends with a point of few planes.
* Wavelength: the maximum over the spectrum, which keeps the sample type and every
  structure that shines anywhere in it.
* Depth: the maximum over z for fluorescence, where labels lie at several depths; the
  sharpest plane for everything else, where a maximum would blur the structure. The
  profile may ask for one of the two throughout (`focus`, `maximum`).
* Mosaics: tiles at their stated places, later tiles over earlier ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.model import ChannelKind

from ._pixels import sharpness

Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PlaneKey:
    """Where one plane stands in the series of its channel."""

    t: int = 0
    z: int = 0
    spectral: int = 0
    """Index along the spectrum."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One plane per channel, and what was done to get it."""

    pixels: Pixels
    """(height, width), as stored."""
    key: PlaneKey
    """The plane itself, or the first of those that were projected."""
    said: str
    """In words; empty where there was nothing to choose."""


def largest(areas: Sequence[int]) -> int:
    """Which position stands for the file: the largest, the first of equals."""
    return max(range(len(areas)), key=lambda index: areas[index])


def last_full_time(keys: Sequence[PlaneKey]) -> int:
    """The last time point that holds as many planes as the fullest one."""
    counts = Counter(key.t for key in keys)
    most = max(counts.values())
    return max(t for t, count in counts.items() if count == most)


def choose(
    kind: ChannelKind,
    keys: Sequence[PlaneKey],
    decode: Callable[[PlaneKey], Pixels],
    stack: str = "auto",
) -> Chosen:
    """One plane out of a channel's series, by the rule at the top of this module.

    Planes are decoded one at a time: memory holds two of them.

    Args:
        kind: what the channel shows.
        keys: its planes, at least one.
        decode: gives the pixels of one of them, all of one shape and type.
        stack: `auto` as above, or for all kinds `focus` or `maximum`.
    """
    time = last_full_time(keys)
    kept = sorted(key for key in keys if key.t == time)
    depths: dict[int, list[PlaneKey]] = {}
    for key in kept:
        depths.setdefault(key.z, []).append(key)
    n_spectral = max(len(group) for group in depths.values())
    words = [_time_words(time, keys)]
    if n_spectral > 1:
        words.append(f"the maximum over {n_spectral} wavelengths")
    projects = stack == "maximum" or (
        stack == "auto" and kind is ChannelKind.FLUORESCENCE
    )
    if projects or len(depths) == 1:
        pixels = _maximum(kept, decode)
        if len(depths) > 1:
            words.append(f"the maximum over {len(depths)} depths")
        return Chosen(pixels, kept[0], _sentence(words))
    best = max(depths, key=lambda z: sharpness(_maximum(depths[z], decode)))
    pixels = _maximum(depths[best], decode)
    words.append(f"z {best}, the sharpest of {len(depths)} depths")
    return Chosen(pixels, depths[best][0], _sentence(words))


def _maximum(keys: Sequence[PlaneKey], decode: Callable[[PlaneKey], Pixels]) -> Pixels:
    pixels = decode(keys[0])
    if len(keys) == 1:
        return pixels
    pixels = pixels.copy()
    for key in keys[1:]:
        np.maximum(pixels, decode(key), out=pixels)
    return pixels


def _time_words(time: int, keys: Sequence[PlaneKey]) -> str:
    n_times = len({key.t for key in keys})
    return f"time point {time + 1} of {n_times}" if n_times > 1 else ""


def _sentence(words: list[str]) -> str:
    return ", ".join(word for word in words if word)
