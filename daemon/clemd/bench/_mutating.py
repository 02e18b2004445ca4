"""Damage to image files: by chance, by broken exports, and by intent.

A mutation puts one name into a folder and says what a reader may make of it.
"""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

MOST_BOMB_BYTES = 1 << 30
FOREIGN = "foreign.ome.tif"
"""Lies beside the watched folder: nothing of it may ever be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A good file, and what lies beside it."""

    name: str
    data: bytes
    beside: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One file as it was put into the folder."""

    kind: str
    base: str
    path: Path
    is_original_only: bool = False
    """If it is read at all, then with the pixels of the good file."""
    is_never: bool = False
    """It must be refused."""


Damage = Callable[[random.Random, bytes, bytes], bytes]
"""Dice, the file's bytes, those of another -> damaged bytes."""


def mutate(folder: Path, bases: list[Base], dice: random.Random) -> Mutation:
    """Put one damaged file into the empty `folder`."""
    (kind,) = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    base = dice.choice(bases)
    path = folder / base.name
    if kind in _ODD:
        _ODD[kind](folder, path, base, dice)
        return Mutation(kind=kind, base=base.name, path=path, is_never=True)
    if kind in _MADE:
        path = folder / f"{kind.replace(' ', '-')}.tif"
        path.write_bytes(_MADE[kind](dice))
        return Mutation(kind=kind, base="", path=path)
    parts = {base.name: base.data, **base.beside}
    # A text beside an image is as untrusted as the image.
    whole = kind in {"cut", "zero tail"} or dice.random() < 0.7
    hit = base.name if whole else dice.choice(list(parts))
    other = dice.choice(bases).data
    for name, data in parts.items():
        damaged = _DAMAGES[kind](dice, data, other) if name == hit else data
        (folder / name).write_bytes(damaged)
    return Mutation(
        kind=kind,
        base=base.name,
        path=path,
        is_original_only=kind in {"cut", "zero tail"},
    )


def _bits(dice: random.Random, data: bytes, _: bytes) -> bytes:
    damaged = bytearray(data)
    for _n in range(dice.choice((1, 1, 4, 64))):
        near = dice.randrange(min(len(data), 600))
        at = dice.choice((near, -1 - near, dice.randrange(len(data))))
        damaged[at] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def _cut(dice: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: dice.randrange(len(data))]


def _zero_tail(dice: random.Random, data: bytes, _: bytes) -> bytes:
    # Fewer zeros than this happen by chance, and damage next to nothing.
    kept = dice.randrange(max(1, len(data) - 600))
    return data[:kept] + bytes(len(data) - kept)


def _splice(dice: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def _hostile(dice: random.Random, data: bytes, _: bytes) -> bytes:
    """Numbers of the structure replaced by the ones that break arithmetic."""
    damaged = bytearray(data)
    for _n in range(dice.choice((1, 2, 8))):
        form, width = dice.choice((("<I", 4), (">I", 4), ("<Q", 8), ("<H", 2)))
        top = (1 << 8 * width) - 1
        value = dice.choice(
            (0, 1, top, top >> 1, (top >> 1) + 1, len(data), len(data) + 1, 0x10000)
        )
        last = max(1, len(data) - width)
        near = dice.randrange(min(last, 4096))
        at = dice.choice((near, max(0, last - near))) & ~1
        struct.pack_into(form, damaged, min(at, last), min(value, top))
    return bytes(damaged)


def _repeat(dice: random.Random, data: bytes, _: bytes) -> bytes:
    """A block doubled or left out, as by a copy program that lost its place."""
    start = dice.randrange(len(data))
    end = min(len(data), start + dice.choice((1, 16, 512, 4096)))
    return (
        data[:end] + data[start:] if dice.random() < 0.5 else data[:start] + data[end:]
    )


_DAMAGES: dict[str, Damage] = {
    "bits": _bits,
    "cut": _cut,
    "zero tail": _zero_tail,
    "splice": _splice,
    "hostile numbers": _hostile,
    "block doubled or lost": _repeat,
}


def _tiff_bomb(dice: random.Random) -> bytes:
    """Little that claims to become very much."""
    side = dice.choice((4_000, 16_000, 30_000, 60_000))
    rows = min(side, MOST_BOMB_BYTES // side)
    strip = zlib.compress(bytes(min(side * rows, 1 << 24)), 9)
    entries = [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, dice.choice((8, 16))),
        (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1),
        (278, 4, 1, side), (279, 4, 1, len(strip)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(strip)) + strip + directory + bytes(4)
    )


def _png_bomb(dice: random.Random) -> bytes:
    side = dice.choice((4_000, 16_000, 30_000))
    packer = zlib.compressobj(9)
    row = bytes(side + 1)
    rows = min(side, (1 << 28) // side)
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", packed),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data
        + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )  # fmt: skip


def _bomb(dice: random.Random) -> bytes:
    return dice.choice((_tiff_bomb, _png_bomb))(dice)


def _xml_bomb(dice: random.Random) -> bytes:
    """OME-XML that expands, reaches out, nests or goes on and on."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    head = '<?xml version="1.0"?>'
    ome = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    many = dice.choice((10_000, 300_000))
    text = dice.choice(
        (
            f'{head}<!DOCTYPE OME [<!ENTITY l0 "ha">{laughs}]>{ome}&l11;</OME>',
            f'{head}<!DOCTYPE OME [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
            f"{ome}<Image Name='&e;'/></OME>",
            head + ome + "<Image>" * many + "</Image>" * many + "</OME>",
            head + ome + "<Image/>" * many + "</OME>",
            f'{head}{ome}<Image Name="{"x" * 20 * many}"/></OME>',
            f"{head}{ome}<Image><Pixels SizeC='99999999' SizeT='99999999'>"
            + "<TiffData IFD='0' PlaneCount='99999999'/>" * 1000
            + "</Pixels></Image></OME>",
        )
    )
    return _described(text)


def _traversal(dice: random.Random) -> bytes:
    """Planes, or all the metadata, are said to lie in another file."""
    name = dice.choice(
        (
            f"../{FOREIGN}",
            f"../../{FOREIGN}",
            f"./../{FOREIGN}",
            f"..\\{FOREIGN}",
            f"folder/../../{FOREIGN}",
            f"file:../{FOREIGN}",
            "/etc/passwd",
            "/proc/self/environ",
            "/dev/zero",
        )
    )
    head = '<?xml version="1.0"?>'
    ome = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    if dice.random() < 0.3:
        return _described(f'{head}{ome}><BinaryOnly MetadataFile="{name}"/></OME>')
    planes = "".join(
        f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:0</UUID></TiffData>'
        for c in range(dice.randint(1, 3))
    )
    return _described(
        f'{head}{ome} UUID="urn:uuid:1"><Image><Pixels DimensionOrder="XYCZT" '
        f'Type="uint16" SizeX="64" SizeY="48" SizeC="3" SizeZ="1" SizeT="1">'
        f"{planes}</Pixels></Image></OME>"
    )


def _described(text: str) -> bytes:
    stream = io.BytesIO()
    pixels = np.arange(1, 48 * 64 + 1, dtype=np.uint16).reshape(48, 64)
    tifffile.imwrite(stream, pixels, description=text, metadata=None)
    return stream.getvalue()


_MADE: dict[str, Callable[[random.Random], bytes]] = {
    "decompression bomb": _bomb,
    "XML bomb": _xml_bomb,
    "traversal by file name": _traversal,
}


def _fifo(folder: Path, path: Path, base: Base, dice: random.Random) -> None:
    os.mkfifo(path)


def _link(folder: Path, path: Path, base: Base, dice: random.Random) -> None:
    path.symlink_to(
        dice.choice(
            (folder.parent / FOREIGN, Path("/dev/zero"), Path("/etc/passwd"), path)
        )
    )


_ODD: dict[str, Callable[[Path, Path, Base, random.Random], None]] = {
    "FIFO": _fifo,
    "symbolic link": _link,
}

_WEIGHTS = {
    "bits": 30.0,
    "cut": 12.0,
    "zero tail": 8.0,
    "splice": 12.0,
    "hostile numbers": 20.0,
    "block doubled or lost": 8.0,
    "decompression bomb": 2.0,
    "XML bomb": 3.0,
    "traversal by file name": 3.0,
    "FIFO": 1.0,
    "symbolic link": 1.0,
}
KINDS = tuple(_WEIGHTS)


def write_foreign(folder: Path) -> None:
    """A good image that no reader of the watched folder may ever see."""
    pixels = np.full((48, 64), 0xBEEF, np.uint16)
    tifffile.imwrite(folder / FOREIGN, pixels, ome=True)
