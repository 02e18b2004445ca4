"""The bytes of one chunk as samples, by the codecs that its array names.

Every size is known before anything is unpacked, so that nothing can swell.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RefusedFileError

Pixels = NDArray[Any]
MAX_CHUNK_BYTES = 512 << 20
_ABSENT = (1 << 64) - 1
_CRC_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Codecs:
    """How the chunks of one array are packed."""

    dtype: np.dtype[Any]
    """As stored, byte order included."""
    unpack: tuple[Callable[[bytes, int], bytes], ...]
    """(bytes, size when unpacked) -> bytes; in the order of reading."""
    order: tuple[int, ...] | None = None
    """Axes as stored; None = as declared."""
    shard: Shard | None = None

    def decode(self, data: bytes, shape: tuple[int, ...], fill: Any) -> Pixels:
        """One chunk.

        Raises:
            RefusedFileError: it does not unpack to its size.
        """
        if self.shard is not None:
            return self.shard.decode(data, shape, self.dtype, fill)
        size = check_chunk(shape, self.dtype)
        for unpack in self.unpack:
            data = unpack(data, size)
        if len(data) != size:
            raise RefusedFileError(
                f"a chunk unpacks to {len(data)} of {size} bytes: export it again"
            )
        samples = np.frombuffer(data, self.dtype)
        if self.order is None:
            return samples.reshape(shape)
        stored = samples.reshape([shape[axis] for axis in self.order])
        return stored.transpose(np.argsort(self.order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Many inner chunks in one file, found by an index."""

    chunk: tuple[int, ...]
    codecs: Codecs
    index_at_end: bool
    has_checksum: bool

    def decode(
        self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], fill: Any
    ) -> Pixels:
        """The whole shard.

        Raises:
            RefusedFileError: its index makes no sense.
        """
        check_chunk(shape, dtype)
        if len(self.chunk) != len(shape) or any(
            inner < 1 or outer % inner
            for outer, inner in zip(shape, self.chunk, strict=False)
        ):
            raise RefusedFileError("a shard that its chunks do not fill")
        grid = [o // i for o, i in zip(shape, self.chunk, strict=True)]
        count = math.prod(grid)
        size = 16 * count + _CRC_BYTES * self.has_checksum
        if len(data) < size:
            raise RefusedFileError("a shard shorter than its index: export it again")
        index = data[-size:] if self.index_at_end else data[:size]
        pairs = struct.unpack_from(f"<{2 * count}Q", index)
        whole = np.full(shape, fill, dtype)
        for number, place in enumerate(np.ndindex(*grid)):
            start, length = pairs[2 * number : 2 * number + 2]
            if start == length == _ABSENT:
                continue
            if start + length > len(data):
                raise RefusedFileError("a shard points past its end: export it again")
            corner = tuple(
                slice(p * c, (p + 1) * c)
                for p, c in zip(place, self.chunk, strict=True)
            )
            inner = data[start : start + length]
            whole[corner] = self.codecs.decode(inner, self.chunk, fill)
        return whole


def check_chunk(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Bytes of a chunk once unpacked.

    Raises:
        RefusedFileError: more than fit into memory.
    """
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_CHUNK_BYTES:
        raise RefusedFileError(
            f"chunks of {size >> 20} MiB: export it again with smaller ones"
        )
    return size


def of_version_2(meta: Mapping[str, Any], dtype: np.dtype[Any]) -> Codecs:
    """By a `.zarray`.

    Raises:
        RefusedFileError: filters, or a compressor that is not read.
    """
    if meta.get("filters"):
        raise RefusedFileError("Zarr filters are not read: export it without")
    packer = meta.get("compressor")
    unpack = () if packer is None else (_unpacker(packer.get("id"), packer),)
    n_axes = len(meta["shape"])
    order = tuple(reversed(range(n_axes))) if meta.get("order") == "F" else None
    return Codecs(dtype=dtype, unpack=unpack, order=order)


def of_version_3(listed: Sequence[Mapping[str, Any]], dtype: np.dtype[Any]) -> Codecs:
    """By the `codecs` of a `zarr.json`.

    Raises:
        RefusedFileError: a codec that is not read.
    """
    unpack: list[Callable[[bytes, int], bytes]] = []
    order, shard = None, None
    for codec in listed:
        name, how = codec.get("name"), codec.get("configuration") or {}
        if name == "bytes":
            big = how.get("endian") == "big"
            dtype = dtype.newbyteorder(">" if big else "<")
        elif name == "transpose":
            order = tuple(int(axis) for axis in how["order"])
        elif name == "crc32c":
            unpack.append(_without_checksum)
        elif name == "sharding_indexed":
            names = [c.get("name") for c in how.get("index_codecs", [])]
            shard = Shard(
                chunk=tuple(int(n) for n in how["chunk_shape"]),
                codecs=of_version_3(how["codecs"], dtype),
                index_at_end=how.get("index_location", "end") == "end",
                has_checksum="crc32c" in names,
            )
        else:
            unpack.append(_unpacker(name, how))
    if shard is not None and (unpack or order):
        raise RefusedFileError("a packed shard is not read: export it again")
    # What was packed last is unpacked first.
    return Codecs(dtype=dtype, unpack=tuple(reversed(unpack)), order=order, shard=shard)


def _unpacker(name: object, _: Mapping[str, Any]) -> Callable[[bytes, int], bytes]:
    found = _UNPACKERS.get(str(name))
    if found is None:
        raise RefusedFileError(
            f"compressed with {str(name)[:40]!r}, which is not read: export it with "
            "blosc, zstd, gzip or none"
        )
    return found


def _inflate(data: bytes, size: int) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(data, size + 1)


def _zstd(data: bytes, size: int) -> bytes:
    return bytes(imagecodecs.zstd_decode(data, out=size))


def _blosc(data: bytes, size: int) -> bytes:
    if len(data) < 16 or struct.unpack_from("<I", data, 4)[0] != size:
        raise RefusedFileError(f"a chunk that is not of {size} bytes: export it again")
    return bytes(imagecodecs.blosc_decode(data))


def _lz4(data: bytes, size: int) -> bytes:
    if len(data) < 4 or struct.unpack_from("<I", data)[0] != size:
        raise RefusedFileError(f"a chunk that is not of {size} bytes: export it again")
    return bytes(imagecodecs.lz4_decode(data[4:], out=size))


def _without_checksum(data: bytes, _: int) -> bytes:
    return data[:-_CRC_BYTES]


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "zlib": _inflate,
    "gzip": _inflate,
    "zstd": _zstd,
    "blosc": _blosc,
    "lz4": _lz4,
}
