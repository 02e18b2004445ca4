"""Facts to JSON and back, checked on the way in."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """The checker of one kind of fact, built on first use (that is the slow part)."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(fact: object) -> str:
    """`fact` (a frozen dataclass of this package) as one line of JSON."""
    return _adapter(type(fact)).dump_json(fact).decode()


def to_dict(fact: object) -> dict[str, Any]:
    """`fact` as JSON-ready values."""
    value: dict[str, Any] = json.loads(to_json(fact))
    return value


def from_json(kind: type[T], text: str | bytes) -> T:
    """The fact that `to_json` wrote.

    Raises:
        pydantic.ValidationError: the text is not such a fact.
    """
    fact: T = _adapter(kind).validate_json(text)
    return fact


def display_name(name: bytes | str) -> str:
    r"""A file name made safe for logs, pages and JSON.

    Undecodable bytes and control characters (newline, escape, right-to-left marks)
    are written as `\x..` or `\u....`.

    >>> display_name(b"map\n1.tif")
    'map\\x0a1.tif'
    """
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
