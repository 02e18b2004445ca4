"""A version that was read before and may hold other bytes now: read it and compare.

A program can write into a file and put its time back; size, time and inode are then as
they were. Only the content tells.
"""

from __future__ import annotations

from dataclasses import replace

from clemd.config import RootSettings
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Frame, to_json
from clemd.reading import ReadResult
from clemd.store import FileRow

from ._house import House
from ._images import read_first
from ._sides import sided

KNOWN = frozenset({"read", "refused"})
"""States of a version whose content reading has judged."""


async def has_other_content(house: House, row: FileRow, root: RootSettings) -> bool:
    """Would this version be read as something else than the inventory holds?

    Nothing is kept: where the answer is yes, the file is to be read as its next
    revision. A version that has moved on meanwhile is told by its watch, not here.

    Raises:
        ChangedFileError: it is being written now: ask again.
        TransientError: no child comes up on this machine now.
    """
    try:
        result = await read_first(house, row, root)
    except (IncompleteFileError, RefusedFileError):
        return row.state != "refused"
    if result.look != (row.size_bytes, row.modified_ns, row.inode):
        return False
    if row.state == "refused":
        return _has_side(root, result)
    return not _is_as_kept(house, row, result.frame)


def _has_side(root: RootSettings, result: ReadResult) -> bool:
    """What neither the file nor the profile gives a side is refused again."""
    return any(side is not None for side, _ in sided(root, [result.frame]))


def _is_as_kept(house: House, row: FileRow, frame: Frame) -> bool:
    if frame.content_sha256 != row.content_sha256:
        return False
    if not frame.beside:
        return True
    # The hash is the image's alone; what its text says is in the frame.
    for kept in house.store.frames(file_id=row.id):
        if kept.frame.position == frame.position:
            return to_json(kept.frame) == to_json(replace(frame, path=kept.frame.path))
    return True
