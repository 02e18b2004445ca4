"""The decoded planes of a frame, read again where the cache has let them go."""

from __future__ import annotations

import os

from clemd.jobs import WorkerFailedError
from clemd.reading import ReadRequest
from clemd.store import FrameRow

from ._house import House


async def ensure_planes(house: House, row: FrameRow) -> None:
    """Read a frame's file again if the cache no longer holds its planes.

    Raises:
        WorkerFailedError: the folder is no longer watched, or the file is another.
        ClemdError: the file cannot be read now.
    """
    if all((house.cache / name).exists() for name in house.plane_names(row.frame)):
        return
    file = house.store.file(row.file_id)
    root = next((r for r in house.profile.roots if r.name == file.root), None)
    if root is None:
        raise WorkerFailedError(f"root {file.root!r} is no longer in the profile")
    result = await house.reader.read(
        ReadRequest(
            path=os.fsdecode(os.fsencode(root.path) + b"/" + file.relative),
            root=str(root.path),
            cache=str(house.cache),
            accept_zero_tail=True,
            timezone=house.profile.timezone,
            position=row.frame.position,
            stack=house.profile.reading.stack,
        )
    )
    if result.frame.content_sha256 != row.frame.content_sha256:
        raise WorkerFailedError(f"{row.frame.path} has other content now")
