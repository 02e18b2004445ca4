"""Which frame a person means."""

from __future__ import annotations

from pathlib import PurePosixPath

from clemd.errors import UsageError
from clemd.store import NoSuchRecordError, Reader


def find_frame(reader: Reader, wanted: str, side: str) -> str:
    """The id of the frame that is meant by an id or a file name.

    Raises:
        UsageError: there is none, there are several, or it is of the other side.
    """
    try:
        row = reader.frame(wanted)
    except NoSuchRecordError as missing:
        named = [
            row
            for row in reader.frames(side=side, limit=100_000)
            if PurePosixPath(row.frame.path).name == wanted or row.frame.path == wanted
        ]
        if len(named) != 1:
            what = f"{len(named)} {side.upper()} frames" if named else str(missing)
            raise UsageError(what, wanted, "give the frame's id") from missing
        (row,) = named
    if row.side != side:
        raise UsageError(
            f"a pair is one EM and one LM frame, this is {row.side.upper()}",
            wanted,
            "swap them",
        )
    return row.id
