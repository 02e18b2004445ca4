"""`clemd convert`: any file that clemd reads as an OME-TIFF that others read."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from clemd.errors import UsageError
from clemd.exporting import write_ome_tiff
from clemd.supervising import configure_logging

from ._reading import read_files

SUFFIXES = (".ome.tif", ".ome.tiff")


def convert_file(
    file: Path,
    out: Path,
    *,
    force: bool,
    as_json: bool,
    verbose: bool,
    scene: int | None = None,
) -> int:
    """Write `file` as a tiled pyramid with its metadata; the exit code.

    Raises:
        RefusedFileError: it cannot be read.
        UsageError: it cannot be written there; nothing is left behind.
    """
    configure_logging("DEBUG" if verbose else "ERROR", json=False)
    _check(file, out, force=force)
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".clemd-") as folder:
            cache = Path(folder)
            (read,) = read_files([file], cache, scene=scene)
            planes = [np.load(cache / name, mmap_mode="r") for name in read.planes]
            made = write_ome_tiff(out, read.frame, planes, name=file.name)
    except OSError as failed:
        raise UsageError(
            f"cannot be written: {failed.strerror or failed}",
            str(out),
            "choose a folder with room that may be written",
        ) from failed
    height, width = read.frame.shape
    facts = {
        "schema": "clemd.convert/1",
        "file": str(out),
        "shape": [len(planes), height, width],
        "levels": made.levels,
        "bigtiff": made.is_big,
        "bytes": made.size_bytes,
        "warnings": list(read.frame.warnings),
    }
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
        return 0
    channels = f"{len(planes)} channel{'s' * (len(planes) != 1)}"
    big = "BigTIFF, " if made.is_big else ""
    sys.stdout.write(
        f"{out}: {channels} of {width} x {height} px, {made.levels} levels, "
        f"{big}{made.size_bytes / 1e6:.1f} MB\n"
    )
    for warning in read.frame.warnings:
        sys.stdout.write(f"  warning  {warning}\n")
    return 0


def _check(file: Path, out: Path, *, force: bool) -> None:
    if not out.name.lower().endswith(SUFFIXES):
        raise UsageError(
            "not the name of an OME-TIFF", str(out), "end it with .ome.tiff"
        )
    if not out.parent.is_dir():
        raise UsageError("no such folder", str(out.parent), "create it")
    if out.exists() and (file.exists() and out.samefile(file)):
        raise UsageError("that is the file itself", str(out), "choose another name")
    if out.exists() and not force:
        raise UsageError("a file is there already", str(out), "add --force")
