"""Writers that were there before the dialects, in the dialects' form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clemd.model import Registration

from ._context import PairContext
from ._overlay import write_overlay
from ._preview import write_preview
from ._source import ExportSource

Writer = Callable[[Path, ExportSource], tuple[Path, ...]]


def of_pair(write: Callable[[Path, Registration, PairContext], None]) -> Writer:
    """A writer that needs no more than the result and the two images."""

    def writer(path: Path, source: ExportSource) -> tuple[Path, ...]:
        write(path, source.registration, source.context)
        return (path,)

    return writer


def write_ome_tiff(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """The overlay as a pyramidal OME-TIFF."""
    pictures = source.load_pictures()
    write_overlay(
        path, pictures.em, pictures.layers, source.registration, source.context
    )
    return (path,)


def write_png(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """The overlay as a picture: scale bar, error circle, verdict."""
    pictures, context = source.load_pictures(), source.context
    write_preview(
        path,
        pictures.em,
        pictures.layers,
        source.registration,
        em_pixel_um=context.em_pixel_um,
        title=f"{context.em_name} on {context.lm_name}",
        info_bar_rows=pictures.info_bar_rows,
        fine=True,
    )
    return (path,)
