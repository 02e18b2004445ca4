"""Images whose planes lie in the file as plain numbers, alone or in a series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import ChangedFileError
from clemd.model import Frame
from clemd_drivers.formats import _spans
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded

Pixels = NDArray[Any]
Span = tuple[int, int]
"""First byte, one past the last byte."""


def read_plane(
    source: SourceFile, offset: int, shape: tuple[int, int], dtype: np.dtype[Any]
) -> Pixels:
    """The (height, width) samples at `offset`, in this machine's byte order.

    Raises:
        IncompleteFileError: they are not all there.
        ChangedFileError: the file shrank meanwhile.
    """
    _spans.need(source, offset, shape[0] * shape[1] * dtype.itemsize, "an image")
    plane = np.empty(shape, dtype)
    left = plane.reshape(-1).view(np.uint8).data
    with source.stream() as stream:
        stream.seek(offset)
        while left:
            count = stream.readinto(left)  # type: ignore[attr-defined]
            if not count:
                raise ChangedFileError("the file shrank while it was being read")
            left = left[count:]
    return plane.astype(dtype.newbyteorder("="), copy=False)


class RawReader:
    """One opened image, or a series of which each channel gives one plane.

    Args:
        source: The open file.
        frame: Its facts.
        keys: The planes of every channel.
        decode: Gives the pixels of one of them.
        spans: Everything that holds pixels.
    """

    def __init__(
        self,
        source: SourceFile,
        frame: Frame,
        keys: Sequence[PlaneKey],
        decode: Callable[[int, PlaneKey], Pixels],
        spans: Sequence[Span],
    ) -> None:
        self._source = source
        self._keys = tuple(keys)
        self._decode = decode
        self._spans = tuple(spans)
        self.frame = frame

    def plane(self, channel: int) -> Pixels:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        kind = self.frame.channels[channel].kind
        with guarded("reading the pixels"):
            chosen = choose(
                kind,
                self._keys,
                lambda key: self._decode(channel, key),
                self._source.stack,
            )
        if chosen.said and chosen.said not in self.frame.warnings:
            told = (*self.frame.warnings, chosen.said)
            self.frame = replace(self.frame, warnings=told)
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        with guarded("reading the tail"):
            _spans.check_tail(self._source, self._spans)
