"""One level of the pyramid: an array cut into chunks, each in a file of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import IncompleteFileError, RefusedFileError
from clemd_drivers.formats._inside import Inside

from ._codecs import MAX_CHUNK_BYTES, Codecs, check_chunk, of_version_2, of_version_3

Pixels = NDArray[Any]
Index = tuple[int | slice, ...]
_KINDS = "uif"
_MOST_CHUNKS = 2_000_000
_MOST_AXES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrArray:
    """What the metadata of one array say."""

    path: str
    """Inside the store."""
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    codecs: Codecs
    prefix: str
    separator: str
    fill: float

    @property
    def dtype(self) -> np.dtype[Any]:
        """Samples in this machine's byte order."""
        return self.codecs.dtype.newbyteorder("=")

    def names(self) -> Iterator[str]:
        """The file of every chunk that the shape declares."""
        counts = [
            range(-(-side // chunk))
            for side, chunk in zip(self.shape, self.chunk, strict=True)
        ]
        return (self._name(place) for place in product(*counts))

    def plane(self, inside: Inside, at: Sequence[int]) -> Pixels:
        """(height, width): the last two axes, the others at these places.

        A chunk that is not there is of the fill value, by the specification.

        Raises:
            RefusedFileError: a chunk cannot be unpacked.
        """
        height, width = self.shape[-2:]
        whole = np.full((height, width), self.fill, self.dtype)
        rows, columns = self.chunk[-2:]
        outer = [i // c for i, c in zip(at, self.chunk[:-2], strict=True)]
        within = tuple(i % c for i, c in zip(at, self.chunk[:-2], strict=True))
        for y, x in product(range(-(-height // rows)), range(-(-width // columns))):
            data = inside.read(
                self._name((*outer, y, x)), limit=MAX_CHUNK_BYTES + (1 << 20)
            )
            if data is None:
                continue
            part = self.codecs.decode(data, self.chunk, self.fill)[within]
            top, left = y * rows, x * columns
            cut = part[: height - top, : width - left]
            whole[top : top + rows, left : left + columns] = cut
        return whole

    def _name(self, place: Sequence[int]) -> str:
        key = self.separator.join(str(n) for n in place)
        return f"{self.path}/{self.prefix}{key}"


def read_array(inside: Inside, path: str, version: int) -> ZarrArray:
    """The array at `path`.

    Raises:
        IncompleteFileError: its metadata are still to come.
        RefusedFileError: not an array that is read.
    """
    name = f"{path}/.zarray" if version == 2 else f"{path}/zarr.json"
    meta = inside.json(name)
    if meta is None:
        raise IncompleteFileError(f"{name} is not there", missing_from=0, missing_to=1)
    try:
        found = _version_2(path, meta) if version == 2 else _version_3(path, meta)
    except (KeyError, TypeError, ValueError, AttributeError) as failed:
        raise RefusedFileError(
            f"{name} is not what Zarr writes: export it again"
        ) from failed
    _check(found)
    return found


def _version_2(path: str, meta: Mapping[str, Any]) -> ZarrArray:
    dtype = np.dtype(str(meta["dtype"]))
    return ZarrArray(
        path=path,
        shape=tuple(int(n) for n in meta["shape"]),
        chunk=tuple(int(n) for n in meta["chunks"]),
        codecs=of_version_2(meta, dtype),
        prefix="",
        separator=str(meta.get("dimension_separator", "."))[:1],
        fill=_fill(meta.get("fill_value")),
    )


def _version_3(path: str, meta: Mapping[str, Any]) -> ZarrArray:
    if meta["node_type"] != "array" or meta["chunk_grid"]["name"] != "regular":
        raise RefusedFileError("not an array of regular chunks: export it again")
    encoding = meta.get("chunk_key_encoding") or {"name": "default"}
    is_default = encoding["name"] == "default"
    how = encoding.get("configuration") or {}
    separator = str(how.get("separator", "/" if is_default else "."))[:1]
    return ZarrArray(
        path=path,
        shape=tuple(int(n) for n in meta["shape"]),
        chunk=tuple(int(n) for n in meta["chunk_grid"]["configuration"]["chunk_shape"]),
        codecs=of_version_3(meta["codecs"], np.dtype(str(meta["data_type"]))),
        prefix=f"c{separator}" if is_default else "",
        separator=separator,
        fill=_fill(meta.get("fill_value")),
    )


def _fill(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else 0.0  # type: ignore[arg-type]


def _check(array: ZarrArray) -> None:
    shape, chunk = array.shape, array.chunk
    sides = (*shape, *chunk)
    if not 2 <= len(shape) <= _MOST_AXES or len(shape) != len(chunk) or min(sides) < 1:
        raise RefusedFileError(
            f"an array of {shape} in chunks of {chunk}: export it again"
        )
    if array.codecs.dtype.kind not in _KINDS or array.separator not in {".", "/"}:
        raise RefusedFileError(
            f"samples of type {array.codecs.dtype} are not read: export whole numbers"
        )
    check_chunk(chunk, array.codecs.dtype)
    count = math.prod(-(-s // c) for s, c in zip(shape, chunk, strict=True))
    if count > _MOST_CHUNKS:
        raise RefusedFileError(f"{count} chunks: export it again with larger ones")
