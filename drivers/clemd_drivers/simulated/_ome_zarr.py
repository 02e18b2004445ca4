"""An OME-Zarr folder as exporters write it: metadata, two levels, chunks."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ._shots import LightShot

Version = Literal["0.4", "0.5"]
CHUNK = 64
_CHANNELS = ("Reflection", "DAPI", "MitoTracker Green")


def encode_ome_zarr(
    shot: LightShot,
    pixels: NDArray[Any],
    version: Version = "0.5",
    *,
    pack: str = "blosc",
    shard: bool = False,
) -> dict[str, bytes]:
    """Files by their path inside the folder, the one that stands for it first.

    Args:
        shot: gives the pixel size.
        pixels: (channels, height, width).
        version: 0.4 lies in Zarr 2, 0.5 in Zarr 3.
        pack: `blosc`, `zstd`, `gzip` or `none`.
        shard: all chunks of a level in one file (0.5 only).
    """
    ome = _ome(shot, len(pixels))
    if version == "0.4":
        files = {".zattrs": _json(ome), ".zgroup": _json({"zarr_format": 2})}
    else:
        node = {"zarr_format": 3, "node_type": "group"}
        files = {"zarr.json": _json(node | {"attributes": {"ome": ome}})}
    for level in range(2):
        step = 2**level
        reduced = np.ascontiguousarray(pixels[:, ::step, ::step])
        array = _array_2 if version == "0.4" else _array_3
        for name, data in array(reduced, pack, shard):
            files[f"{level}/{name}"] = data
    return files


def _ome(shot: LightShot, count: int) -> dict[str, Any]:
    def scaled(step: int) -> list[dict[str, Any]]:
        side = shot.metadata_pixel_um * step
        return [{"type": "scale", "scale": [1.0, side, side]}]

    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": shot.sample,
                "version": "0.4",
                "axes": [
                    {"name": "c", "type": "channel"},
                    {"name": "y", "type": "space", "unit": "micrometer"},
                    {"name": "x", "type": "space", "unit": "micrometer"},
                ],
                "datasets": [
                    {"path": str(n), "coordinateTransformations": scaled(2**n)}
                    for n in range(2)
                ],
            }
        ],
        "omero": {
            "channels": [{"label": _CHANNELS[n % len(_CHANNELS)]} for n in range(count)]
        },
    }


def _array_2(pixels: NDArray[Any], pack: str, _: bool) -> Iterator[tuple[str, bytes]]:
    packer = {"none": None, "gzip": {"id": "zlib"}}.get(pack, {"id": pack})
    yield ".zarray", _json(
        {
            "zarr_format": 2, "shape": list(pixels.shape), "chunks": [1, CHUNK, CHUNK],
            "dtype": pixels.dtype.newbyteorder("<").str, "compressor": packer,
            "fill_value": 0, "order": "C", "filters": None, "dimension_separator": "/",
        }
    )  # fmt: skip
    for place, chunk in _chunks(pixels):
        yield "/".join(str(n) for n in place), _packed(chunk, pack)


def _array_3(
    pixels: NDArray[Any], pack: str, shard: bool
) -> Iterator[tuple[str, bytes]]:
    inner = [{"name": "bytes", "configuration": {"endian": "little"}}]
    if pack != "none":
        inner.append({"name": pack, "configuration": {}})
    padded = [-(-side // CHUNK) * CHUNK for side in pixels.shape[1:]]
    outer = [len(pixels), *padded] if shard else [1, CHUNK, CHUNK]
    end = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    codecs = inner
    if shard:
        how = {"chunk_shape": [1, CHUNK, CHUNK], "codecs": inner, "index_codecs": end}
        codecs = [{"name": "sharding_indexed", "configuration": how}]
    yield "zarr.json", _json(
        {
            "zarr_format": 3, "node_type": "array", "shape": list(pixels.shape),
            "data_type": pixels.dtype.name, "fill_value": 0, "codecs": codecs,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": outer}},
            "chunk_key_encoding": {
                "name": "default", "configuration": {"separator": "/"},
            },
        }
    )  # fmt: skip
    chunks = [(place, _packed(chunk, pack)) for place, chunk in _chunks(pixels)]
    if not shard:
        for place, data in chunks:
            yield "c/" + "/".join(str(n) for n in place), data
        return
    index, body = b"", b""
    for _, data in chunks:
        index += struct.pack("<2Q", len(body), len(data))
        body += data
    yield "c/0/0/0", body + index + struct.pack("<I", _crc32c(index))


def _chunks(pixels: NDArray[Any]) -> Iterator[tuple[Sequence[int], NDArray[Any]]]:
    """Whole chunks; what lies outside the image is zero."""
    count, height, width = pixels.shape
    rows, columns = math.ceil(height / CHUNK), math.ceil(width / CHUNK)
    for c, y, x in product(range(count), range(rows), range(columns)):
        chunk = np.zeros((1, CHUNK, CHUNK), pixels.dtype)
        part = pixels[c, y * CHUNK : (y + 1) * CHUNK, x * CHUNK : (x + 1) * CHUNK]
        chunk[0, : part.shape[0], : part.shape[1]] = part
        yield (c, y, x), chunk


def _packed(chunk: NDArray[Any], pack: str) -> bytes:
    data = chunk.astype(chunk.dtype.newbyteorder("<")).tobytes()
    if pack == "blosc":
        return bytes(imagecodecs.blosc_encode(data, typesize=chunk.dtype.itemsize))
    if pack == "zstd":
        return bytes(imagecodecs.zstd_encode(data))
    return zlib.compress(data) if pack == "gzip" else data


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode("ascii")
