"""Short texts in TIFF tags, such as maker and model."""

from __future__ import annotations

from clemd.driver_api import SourceFile
from clemd.errors import ClemdError
from clemd_drivers.formats._ifd import Directory
from clemd_drivers.formats._values import clean

MAKE, MODEL, SAVED, DESCRIPTION = 271, 272, 306, 270


def short_text(source: SourceFile, directory: Directory | None, code: int) -> str:
    """A text tag of at most 1000 bytes; empty where it is absent, longer or cut off."""
    tag = directory.tags.get(code) if directory is not None else None
    if directory is None or tag is None or tag.n_bytes > 1000:
        return ""
    try:
        return clean(directory.text(source, code).decode("cp1252", "replace"))
    except (ClemdError, OSError):
        return ""
