"""Pixels of a TIFF file, one page at a time, codecs from a short list only."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError

from ._guard import guarded
from ._ifd import first_directory, is_tiff
from ._layout import Page, check_tail, orientation_doubts, read_layout


class TiffPixels:
    """The full-resolution pages of one checked TIFF file.

    `doubts` are lines for the frame's warnings.

    Raises:
        IncompleteFileError: bytes that the structure needs are not there.
        RefusedFileError: the file will never be read.
    """

    def __init__(self, source: SourceFile) -> None:
        with guarded("reading the TIFF structure"):
            self.pages = read_layout(source)
            self.doubts = orientation_doubts(source, self.pages[0].directory)
        self._source = source
        self._stream = source.stream()
        try:
            with guarded("opening the TIFF file"):
                # Metadata may name other files: tifffile must never look at them.
                self._tiff = TiffFile(
                    self._stream, name="image", is_ome=False, _multifile=False
                )
        except BaseException:
            self._stream.close()
            raise

    def decode(self, page: Page, sample: int = 0) -> NDArray[Any]:
        """One sample plane of one page, (height, width), as stored.

        Raises:
            RefusedFileError: it cannot be decoded.
        """
        with guarded(f"decoding page {page.index}"):
            pixels = self._tiff.pages[page.index].asarray(maxworkers=1)
            plane = _one_sample(pixels, page, sample)
        if plane.shape != (page.height, page.width):
            raise RefusedFileError(
                f"page {page.index} decodes to {plane.shape}: export it again"
            )
        return plane

    def check_tail(self) -> None:
        """Make sure that the last pixels are written.

        Raises:
            IncompleteFileError: the tail is still zero.
        """
        with guarded("reading the tail"):
            check_tail(self._source, self.pages)

    def close(self) -> None:
        """Close the stream; the source stays open."""
        self._tiff.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _one_sample(pixels: NDArray[Any], page: Page, sample: int) -> NDArray[Any]:
    if page.samples > 1 and pixels.ndim == 3:
        interleaved = pixels.shape[-1] == page.samples
        pixels = pixels[..., sample] if interleaved else pixels[sample]
    native = pixels.dtype.newbyteorder("=")
    return np.ascontiguousarray(pixels, dtype=native)


def same_size(pages: tuple[Page, ...]) -> tuple[Page, ...]:
    """The pages of the first one's size and sample type."""
    first = pages[0]
    key = (first.width, first.height, first.samples, first.dtype)
    return tuple(p for p in pages if (p.width, p.height, p.samples, p.dtype) == key)


__all__ = ["Page", "TiffPixels", "first_directory", "is_tiff", "same_size"]
