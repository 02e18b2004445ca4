"""Cubes of spectra: every band is a channel, read a block of bands at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.model import Channel, ChannelKind, Frame
from clemd_drivers.formats import _spans
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._raw import Pixels, Span

MOST_CHANNELS = 1024
"""Bands of a frame; more are averaged with their neighbours."""
BLOCK_BYTES = 128 << 20
"""What of a cube is held at a time."""

Load = Callable[[int, int], NDArray[Any]]
"""(first band, one past the last) -> (bands, height, width)."""


class Bands:
    """How the bands of a file become the channels of a frame."""

    def __init__(self, axis: Sequence[float], unit: str, notes: Notes) -> None:
        """`axis` holds one value for each band of the file."""
        self.count = len(axis)
        self.group = -(-self.count // MOST_CHANNELS) if self.count else 1
        self.unit = unit
        starts = range(0, self.count, self.group)
        self.axis = tuple(
            float(np.mean(axis[at : at + self.group])) if self.group > 1 else axis[at]
            for at in starts
        )
        if self.group > 1:
            notes.add(
                f"{self.count} bands, averaged in groups of {self.group}: "
                f"{len(self.axis)} channels"
            )

    def channels(self) -> tuple[Channel, ...]:
        """One for each value of `axis`."""
        return tuple(
            Channel(
                name=f"{value:.6g} {self.unit}".strip(),
                kind=ChannelKind.SPECTRAL,
                kind_reason="a band of a spectrum",
            )
            for value in self.axis
        )

    def dtype(self, stored: np.dtype[Any]) -> str:
        """Name of the sample type of a channel."""
        return "float32" if self.group > 1 else stored.newbyteorder("=").name

    def span(self, channel: int) -> tuple[int, int]:
        """(first band, one past the last) of a channel."""
        first = channel * self.group
        return first, min(first + self.group, self.count)


class CubeReader:
    """One opened cube.

    Args:
        source: the open file.
        frame: its facts; every channel is one of `bands`.
        bands: how many bands make a channel.
        load: gives several bands at once.
        spans: everything that holds samples, for `check_tail`.
    """

    def __init__(
        self,
        source: SourceFile,
        frame: Frame,
        bands: Bands,
        load: Load,
        spans: Sequence[Span],
    ) -> None:
        self._source, self._bands, self._load = source, bands, load
        self._spans = tuple(spans)
        self._first, self._block = 0, None
        self.frame = frame

    _block: NDArray[Any] | None

    def plane(self, channel: int) -> Pixels:
        """The mean of the bands of one channel; the band itself where it is one."""
        first, end = self._bands.span(channel)
        with guarded("reading the spectra"):
            held = self._held(first, end)
            if end - first == 1:
                stored = held[0].dtype.newbyteorder("=")
                return np.ascontiguousarray(held[0]).astype(stored, copy=False)
            return np.asarray(held.mean(0, dtype=np.float64), np.float32)

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last samples are still zero."""
        with guarded("reading the tail"):
            _spans.check_tail(self._source, self._spans)

    def _held(self, first: int, end: int) -> NDArray[Any]:
        block = self._block
        if block is None or not self._first <= first < end <= self._first + len(block):
            height, width = self.frame.shape
            plane = max(1, height * width * 8)
            count = max(end - first, BLOCK_BYTES // plane)
            last = min(self._bands.count, first + count)
            self._block = block = None  # the old one goes before the new one comes
            block = self._block = self._load(first, last)
            self._first = first
        return block[first - self._first : end - self._first]
