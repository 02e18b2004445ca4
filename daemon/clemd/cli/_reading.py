"""Read files for the command line: same sandboxed child as the daemon's."""

from __future__ import annotations

from pathlib import Path

from clemd.config import ReadingSettings
from clemd.errors import ChangedFileError, IncompleteFileError, RefusedFileError
from clemd.reading import ReaderPool, ReadRequest, ReadResult


def read_files(
    files: list[Path], cache: Path | None, *, want_pixels: bool = True
) -> list[ReadResult]:
    """Read each of `files`.

    Raises:
        RefusedFileError: one cannot be read; the message names it.
    """
    allow = sorted({f.resolve().parent for f in files})
    results = []
    with ReaderPool(ReadingSettings(), allow=allow, cache=cache) as pool:
        for file in files:
            # the user named this very file: a link to it is fine here
            path = file.resolve() if file.exists() else file.absolute()
            try:
                results.append(
                    pool.read_blocking(
                        ReadRequest(
                            path=str(path),
                            root=str(path.parent),
                            cache=None if cache is None else str(cache),
                            accept_zero_tail=True,
                            want_pixels=want_pixels,
                        )
                    )
                )
            except (RefusedFileError, IncompleteFileError, ChangedFileError) as failed:
                raise RefusedFileError(f"{file}: {failed}") from failed
    return results
