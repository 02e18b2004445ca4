"""Read files for the command line: same sandboxed child as the daemon's."""

from __future__ import annotations

from pathlib import Path

from clemd.config import ReadingSettings
from clemd.driver_api import anchor_of
from clemd.errors import ChangedFileError, IncompleteFileError, RefusedFileError
from clemd.reading import ReaderPool, ReadRequest, ReadResult


def read_files(
    files: list[Path],
    cache: Path | None,
    *,
    want_pixels: bool = True,
    scene: int | None = None,
) -> list[ReadResult]:
    """Read each of `files`; `scene` counts from one, None = what stands for the file.

    Raises:
        RefusedFileError: one cannot be read; the message names it.
    """
    found = {file: _resolved(file) for file in files}
    allow = sorted({path.parent for path in found.values()})
    results = []
    with ReaderPool(ReadingSettings(), allow=allow, cache=cache) as pool:
        for file, path in found.items():
            try:
                results.append(
                    pool.read_blocking(
                        ReadRequest(
                            path=str(path),
                            root=str(path.parent),
                            cache=None if cache is None else str(cache),
                            accept_zero_tail=True,
                            want_pixels=want_pixels,
                            position=None if scene is None else scene - 1,
                        )
                    )
                )
            except (RefusedFileError, IncompleteFileError, ChangedFileError) as failed:
                raise RefusedFileError(f"{file}: {failed}") from failed
    return results


def _resolved(file: Path) -> Path:
    """Where the file is; the user named this very one, so a link to it is fine."""
    try:
        return anchor_of(file.resolve(strict=True))
    except FileNotFoundError as missing:
        raise RefusedFileError(f"{file}: no such file: check the path") from missing
    except (OSError, RuntimeError) as failed:  # a loop of links, a name too long
        raise RefusedFileError(
            f"{file}: cannot be followed: check the path"
        ) from failed
