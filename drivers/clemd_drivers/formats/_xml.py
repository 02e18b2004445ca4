"""XML out of untrusted files: no entities; size, depth and elements are bounded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from clemd.errors import RefusedFileError

MAX_XML_BYTES = 32 << 20
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_PIECE_BYTES = 1 << 20


class _Pieces(io.BytesIO):
    """Gives more at a time than asked for.

    What ends within a long value is read anew with every piece, so that small pieces
    of a large value take for ever.
    """

    def read(self, _: int | None = -1, /) -> bytes:
        """The next piece."""
        return super().read(_PIECE_BYTES)


class BrokenXmlError(ValueError):
    """Raised when the text is not well-formed; harmless, only useless."""


def parse(data: bytes) -> Element:
    """The root element, every name without its namespace.

    Raises:
        BrokenXmlError: not well-formed.
        RefusedFileError: larger, deeper or more devious than any real metadata.
    """
    if len(data) > MAX_XML_BYTES:
        raise RefusedFileError(f"{len(data)} bytes of XML metadata: export it again")
    if data.count(b"<") - data.count(b"</") > _MAX_ELEMENTS:
        raise RefusedFileError("XML metadata of too many elements: export it again")
    root: Element | None = None
    depth = elements = 0
    try:
        for event, element in iterparse(
            _Pieces(data), events=("start", "end"), forbid_dtd=True
        ):
            if event == "end":
                depth -= 1
                continue
            root = element if root is None else root
            depth, elements = depth + 1, elements + 1
            if depth > _MAX_DEPTH or elements > _MAX_ELEMENTS:
                raise RefusedFileError("XML metadata nest too deep: export it again")
            element.tag = str(element.tag).rpartition("}")[2]
    except DefusedXmlException as devious:
        raise RefusedFileError(
            "XML metadata with a document type: not written by a microscope"
        ) from devious
    except (ParseError, ValueError, LookupError) as failed:
        raise BrokenXmlError(str(failed)) from failed
    if root is None:
        raise BrokenXmlError("no element")
    return root


def children(element: Element, name: str) -> Iterator[Element]:
    """Direct children of that name."""
    return (child for child in element if child.tag == name)


def text_at(element: Element, *path: str) -> str | None:
    """The text of the first element at `path`, or None."""
    at: Element | None = element
    for name in path:
        at = next(children(at, name), None) if at is not None else None
    return at.text if at is not None else None
