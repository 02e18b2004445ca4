"""EM and every LM channel on the EM's pixels, as OME-Zarr 0.5.

Written by hand: a Zarr 3 array is one JSON file and one file for each chunk, which the
standard library can write and the overlay's tiles already are. The zarr package would
bring four more packages into a service that needs no reader; the tests read with it.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from clemd.errors import UsageError
from clemd.geometry import binning, compose, invert, pixel_to_um

from ._context import PixelUm
from ._contrast import percentiles
from ._ngff import STABLE, group_metadata, scale_and_translation, space_axes
from ._overlay import (
    TILE_PX,
    channel_colours,
    channel_names,
    common_dtype,
    level_count,
    tiles,
)
from ._source import ExportSource, Pictures

_GZIP_LEVEL = 1


def write_ome_zarr(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write the overlay as a folder: axes (c, y, x), a pyramid of tiles of 256 px.

    Raises:
        UsageError: not registered, or the folder is there already.
        ValueError: the pictures were not given.
        OSError: the folder cannot be written.
    """
    em_to_lm = source.em_to_lm
    pictures = source.load_pictures()
    em, layers = pictures.em, pictures.layers
    dtype = common_dtype([em, *(layer.plane for layer in layers)])
    shape = (em.shape[0], em.shape[1])
    levels = level_count(shape)
    with _new_folder(path) as folder:
        for level in range(levels):
            size = (len(layers) + 1, shape[0] >> level, shape[1] >> level)
            chunks = tiles(em, layers, em_to_lm, dtype, level)
            _write_array(folder / str(level), size, dtype, chunks)
        ome = _ome(source, pictures, dtype, levels)
        _write_json(folder / "zarr.json", group_metadata(ome, source))
    return (path,)


def _ome(
    source: ExportSource, pictures: Pictures, dtype: np.dtype[Any], levels: int
) -> dict[str, Any]:
    em_pixel_um = source.context.em_pixel_um
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": _placed(em_pixel_um or (1.0, 1.0), level),
        }
        for level in range(levels)
    ]
    multiscale = {
        "name": source.context.em_name,
        "axes": [
            {"name": "c", "type": "channel"},
            *space_axes(calibrated=em_pixel_um is not None),
        ],
        "datasets": datasets,
        "type": "mean",
    }
    omero = {"channels": _channels(pictures, dtype)}
    return {"version": STABLE, "multiscales": [multiscale], "omero": omero}


def _placed(pixel_um: PixelUm, level: int) -> list[dict[str, object]]:
    """Where a level's px lie: its first px is wider, so its centre lies further in."""
    to_um = compose(pixel_to_um(pixel_um), invert(binning(1 << level)))
    return scale_and_translation(to_um, leading=1)


def _channels(pictures: Pictures, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    planes = [pictures.em, *(layer.plane for layer in pictures.layers)]
    names = channel_names(pictures.layers)
    colours = channel_colours(pictures.layers)
    channels = []
    for plane, name, colour in zip(planes, names, colours, strict=True):
        low, high = percentiles(plane, 0.1, 99.9)
        ends = (0, np.iinfo(dtype).max) if dtype.kind == "u" else (low, high)
        window = {"min": ends[0], "max": ends[1], "start": low, "end": high}
        channels.append(
            {
                "label": name,
                "color": "{:02X}{:02X}{:02X}".format(*colour),
                "active": True,
                "window": window,
            }
        )
    return channels


def _write_array(
    folder: Path,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    chunks: Iterator[np.ndarray[Any, Any]],
) -> None:
    """One Zarr 3 array of (channel, y, x); `chunks` come in C order."""
    chunk = (1, TILE_PX, TILE_PX)
    counts = [-(-side // step) for side, step in zip(shape, chunk, strict=True)]
    places = itertools.product(*(range(count) for count in counts))
    for place, tile in zip(places, chunks, strict=True):
        file = folder.joinpath("c", *map(str, place))
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = tile.astype(dtype.newbyteorder("<"), copy=False).tobytes()
        # without a time stamp the same pixels give the same bytes
        file.write_bytes(gzip.compress(raw, _GZIP_LEVEL, mtime=0))
    _write_json(
        folder / "zarr.json",
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": dtype.name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(chunk)},
            },
            "chunk_key_encoding": {
                "name": "default",
                "configuration": {"separator": "/"},
            },
            "fill_value": 0,
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "gzip", "configuration": {"level": _GZIP_LEVEL}},
            ],
            "dimension_names": ["c", "y", "x"],
            "attributes": {},
        },
    )


def _write_json(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes the name `path` when the block ends.

    Raises:
        UsageError: something of that name is there already.
    """
    if path.exists():
        raise UsageError("there is something already", str(path), "choose another name")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        yield partial
        os.sync()  # thousands of files: one flush for all, before the name appears
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
