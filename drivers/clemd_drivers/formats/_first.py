"""Drivers of files that may hold several images: one of them stands for the file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from clemd.driver_api import FrameReader, SourceFile


class StandingImage(Protocol):
    """Gives a driver `open` where it has `open_at`."""

    def open_at(
        self, source: SourceFile, position: int | None
    ) -> AbstractContextManager[FrameReader]:
        """See `PositionedDriver.open_at`."""
        ...

    def open(self, source: SourceFile) -> AbstractContextManager[FrameReader]:
        """Read the image that stands for the file; see `FormatDriver.open`."""
        return self.open_at(source, None)
