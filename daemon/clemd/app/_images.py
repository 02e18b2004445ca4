"""Read every image of one file: most hold one, a project may hold dozens."""

from __future__ import annotations

import os
from dataclasses import replace

import structlog

from clemd.config import RootSettings
from clemd.errors import RefusedFileError
from clemd.model import display_name
from clemd.reading import ReadRequest, ReadResult
from clemd.store import FileRow

from ._house import House

MOST_POSITIONS = 64
"""Of one file; a plate of thousands is exported position by position."""
_log = structlog.get_logger(__name__)


async def read_images(
    house: House, row: FileRow, root: RootSettings, *, patient: bool
) -> list[ReadResult]:
    """Every image of a file that the profile wants; those refused are told.

    Raises:
        ClemdError: the file as a whole cannot be read, or not yet.
    """
    request = _request(house, row, root, patient=patient)
    first = await house.reader.read(request)
    results = [first]
    for position in range(1, min(first.positions, MOST_POSITIONS)):
        house.heartbeats.beat("intake")
        try:
            one = await house.reader.read(replace(request, position=position))
        except RefusedFileError as refused:
            _log.warning(
                "position_refused",
                file=display_name(row.relative),
                position=position + 1,
                of=first.positions,
                reason=refused.reason,
            )
        else:
            results.append(one)
    return results


async def read_first(house: House, row: FileRow, root: RootSettings) -> ReadResult:
    """What stands for a file and its hash, without leaving its pixels anywhere.

    Raises:
        ClemdError: the file cannot be read, or not yet.
    """
    request = _request(house, row, root, patient=True)
    return await house.reader.read(replace(request, cache=None, want_pixels=False))


def _request(
    house: House, row: FileRow, root: RootSettings, *, patient: bool
) -> ReadRequest:
    reading = house.profile.reading
    return ReadRequest(
        path=os.fsdecode(os.fsencode(root.path) + b"/" + row.relative),
        root=str(root.path),
        cache=str(house.cache),
        accept_zero_tail=patient,
        timezone=house.profile.timezone,
        every_position=reading.scenes == "all",
        stack=reading.stack,
    )
