"""`clemd spectrum`: what a cube shows at one place."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from clemd.config import RegistrationSettings, load_profile
from clemd.errors import UsageError
from clemd.spectra import Spectrum, spectrum_at
from clemd.supervising import configure_logging

from ._map import point_of
from ._reading import read_files

BAR = 36
"""Width of the longest bar of the drawing."""


def show_spectrum(
    file: Path, at: str, *, radius_px: int, profile: Path | None, as_json: bool
) -> int:
    """Print the spectrum at a px of a cube; exit code 0.

    Raises:
        UsageError: no cube, or the place is off the image.
        RefusedFileError: the file cannot be read.
    """
    configure_logging("ERROR", json=False)
    point = point_of(at, "--px")
    settings = RegistrationSettings()
    if profile is not None:
        settings = load_profile(profile).registration
    with tempfile.TemporaryDirectory(prefix="clemd-spectrum-") as folder:
        (read,) = read_files([file], Path(folder))
        if not read.frame.is_cube:
            raise UsageError(
                "no spectrum in its points",
                str(file),
                "choose a cube or an energy series",
            )
        planes = [
            np.load(Path(folder) / name, mmap_mode="r", allow_pickle=False)
            for name in read.planes
        ]
        found = spectrum_at(
            read.frame, planes, point, radius_px=radius_px, line=settings.energy_line
        )
    answer = {
        "schema": "clemd.spectrum/1",
        "file": file.name,
        "px": list(point),
        "energy_line": list(settings.energy_line),
    }
    words = _in_words(found)
    sys.stdout.write(json.dumps(answer | found.as_json()) + "\n" if as_json else words)
    return 0


def _in_words(found: Spectrum) -> str:
    most = max((value for value in found.values if value is not None), default=0.0)
    unit = f" ({found.unit})" if found.unit else ""
    lines = [
        f"mean of {found.pixels} px",
        f"{found.axis_name}{unit}: {found.values_name}",
    ]
    for at, passed, value in zip(found.axis, found.passed, found.values, strict=True):
        if value is None or passed is None:
            lines.append(f"{at:10.6g} {'not a number':>12}")
            continue
        bar = "#" * max(0, round(BAR * value / max(most, 1e-9)))
        beside = (
            f"{passed:10.2f} {value:10.2f}"
            if found.is_of_energies
            else (f"{value:12.6g}")
        )
        lines.append(f"{at:10.6g} {beside}  {bar}".rstrip())
    return "\n".join(lines) + "\n"
