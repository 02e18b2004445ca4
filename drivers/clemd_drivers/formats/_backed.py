"""Pixels as the plain reader decodes them, facts as a vendor's driver read them.

TIFF, PNG, JPEG and BMP, palettes, three equal colours, completeness: the plain reader
knows them all, so a driver whose facts lie beside the pixels only adds the facts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import FrameReader
from clemd.model import Channel, Frame

_REPLACED = ("no pixel size", "metadata of ")
"""Warnings of the plain reader that a driver with facts makes untrue."""


class BackedReader:
    """One opened image.

    Args:
        plain: The opened image as the plain reader sees it.
        facts: What the vendor says; shape, sample type and channel count are the
            plain reader's.
        channel: What the image shows, in every one of its colours.
        bar_rows: Rows of the info bar, or None where the pixels must tell.
    """

    def __init__(
        self,
        plain: FrameReader,
        facts: Frame,
        channel: Channel,
        bar_rows: int | None,
    ) -> None:
        self._plain = plain
        self._facts = facts
        self._channel = channel
        self._bar_rows = bar_rows
        self.frame = self._joined()

    def plane(self, channel: int) -> NDArray[Any]:
        """Grey values as stored, bar included; `frame` may know more afterwards."""
        plane = self._plain.plane(channel)
        self.frame = self._joined()
        return plane

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        check = getattr(self._plain, "check_tail", None)
        if check is not None:
            check()

    def _joined(self) -> Frame:
        below = self._plain.frame
        kept = (w for w in below.warnings if not w.startswith(_REPLACED))
        stated = self._bar_rows
        return replace(
            self._facts,
            shape=below.shape,
            dtype=below.dtype,
            channels=self._channels(below.channels),
            info_bar_rows=below.info_bar_rows if stated is None else stated,
            warnings=(*self._facts.warnings, *kept),
        )

    def _channels(self, colours: tuple[Channel, ...]) -> tuple[Channel, ...]:
        if len(colours) == 1:
            return (self._channel,)
        name = self._channel.name
        return tuple(replace(self._channel, name=f"{name} {c.name}") for c in colours)
