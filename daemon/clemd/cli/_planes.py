"""The decoded planes of a frame, for commands that look at pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clemd.errors import UsageError
from clemd.model import Frame

from ._reading import read_files

if TYPE_CHECKING:
    from clemd.sides import Loaded


def load_planes(frame: Frame, cache: Path, folder: Path) -> Loaded:
    """From the daemon's cache, else from the file itself if it is still the same.

    Raises:
        UsageError: it is gone or has other content now.
    """
    from clemd.sides import Loaded

    names = [f"{frame.content_sha256}-{n}.npy" for n in range(len(frame.channels))]
    if all((cache / name).exists() for name in names):
        return Loaded.from_cache(frame, cache, names)
    path = Path(frame.path)
    if not Path(frame.path).is_absolute() or not path.exists():
        raise UsageError(
            "its pixels are neither in the cache nor where they were",
            frame.path,
            "put the file back",
        )
    (found,) = read_files([path], folder)
    if found.frame.content_sha256 != frame.content_sha256:
        raise UsageError(
            "the file has other content now", frame.path, "put the old one back"
        )
    return Loaded.from_cache(frame, folder, names)
