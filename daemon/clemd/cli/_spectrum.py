"""`clemd spectrum`: what an energy series shows at one place."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from clemd.config import RegistrationSettings, load_profile
from clemd.errors import UsageError
from clemd.series import Spectrum, spectrum_at
from clemd.supervising import configure_logging

from ._map import point_of
from ._reading import read_files

BAR = 36
"""Width of the longest bar of the drawing."""


def show_spectrum(
    file: Path, at: str, *, radius_px: int, profile: Path | None, as_json: bool
) -> int:
    """Print the spectrum at a px of a series; exit code 0.

    Raises:
        UsageError: no series, or the place is off the image.
        RefusedFileError: the file cannot be read.
    """
    configure_logging("ERROR", json=False)
    point = point_of(at, "--px")
    settings = RegistrationSettings()
    if profile is not None:
        settings = load_profile(profile).registration
    with tempfile.TemporaryDirectory(prefix="clemd-spectrum-") as folder:
        (read,) = read_files([file], Path(folder))
        if not read.frame.is_energy_series:
            raise UsageError(
                "not an energy series", str(file), "choose a file with several energies"
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
    most = max(max(found.emitted), 1e-9)
    lines = [f"mean of {found.pixels} px", "    eV     passed  emitted per eV"]
    for energy, passed, emitted in zip(
        found.energies_ev, found.passed, found.emitted, strict=True
    ):
        bar = "#" * max(0, round(BAR * emitted / most))
        lines.append(f"{energy:6.2f} {passed:10.2f} {emitted:10.2f}  {bar}".rstrip())
    return "\n".join(lines) + "\n"
