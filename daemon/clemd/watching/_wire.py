"""How names and entries travel between the daemon and the child that scans a share."""

from __future__ import annotations

from typing import Any

from ._look import Look
from ._scan import Entry


def encode_name(name: bytes) -> str:
    """Bytes as text that JSON carries unharmed, whatever they are."""
    return name.decode("latin-1")


def decode_name(text: str) -> bytes:
    """The bytes that `encode_name` wrote."""
    return text.encode("latin-1")


def encode_entry(entry: Entry) -> list[Any]:
    """An entry as a JSON list."""
    look = entry.look
    return [
        encode_name(entry.relative),
        look.size_bytes,
        look.modified_ns,
        look.inode,
        look.is_regular,
        entry.problem,
        entry.is_folder,
    ]


def decode_entry(item: list[Any]) -> Entry:
    """The entry that `encode_entry` wrote."""
    name, size_bytes, modified_ns, inode, is_regular, problem, is_folder = item
    look = Look(size_bytes, modified_ns, inode, is_regular)
    return Entry(decode_name(name), look, problem, is_folder)
