"""Simulated files for a benchmark, rendered before any clock runs."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clemd.driver_api import Simulator, load_drivers
from clemd.errors import UsageError
from clemd.geometry import as_matrix, corner_errors, decompose
from clemd.model import Matrix

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stash:
    """A rendered session, outside every watched folder."""

    folder: Path
    truth: dict[str, Any]
    seed: int

    def files(self, side: str) -> list[Path]:
        """The files of `em` or `lm`, by name."""
        return sorted(p for p in (self.folder / side).iterdir() if p.is_file())


def render_stash(folder: Path, *, plan: str, seed: int) -> Stash:
    """Have the simulated microscopes write a whole session into `folder`.

    Raises:
        UsageError: no simulator is installed, or it failed.
    """
    simulator: Simulator | None = next(load_drivers("clemd.simulators"), None)
    if simulator is None:
        raise UsageError(
            "no simulated microscope is installed",
            "clemd.simulators",
            "reinstall clemd",
        )
    for side in ("em", "lm"):
        (folder / side).mkdir(parents=True)
    truth_file = folder / "truth.json"
    command = simulator.command(
        em_folder=folder / "em",
        lm_folder=folder / "lm",
        truth_file=truth_file,
        seed=seed,
        plan=plan,
    )
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError("the simulated microscopes stopped", last, "check the seed")
    truth = json.loads(truth_file.read_text(encoding="utf-8"))
    return Stash(folder=folder, truth=truth, seed=seed)


def write_slowly(source: Path, target: Path, *, pause_s: float = 0.0) -> Iterator[None]:
    """Copy `source` as an exporter writes: under its name, chunk by chunk.

    Yields after every chunk; the file is complete when the iteration ends.
    """
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(CHUNK_BYTES):
            writing.write(chunk)
            writing.flush()
            yield
            if pause_s:
                time.sleep(pause_s)


def export(source: Path, target: Path) -> float:
    """Write `target` and close it; the monotonic moment of the close."""
    for _ in write_slowly(source, target):
        pass
    return time.monotonic()


def error_of(truth: dict[str, Any], lm_name: str, found: Matrix) -> float:
    """Mean corner error of `found` as a fraction of the EM field width.

    Args:
        truth: the entry of the EM image in the truth file.
        lm_name: the map it was laid on.
        found: EM px -> LM px.
    """
    true = as_matrix(truth["em_to_lm"][lm_name])
    height, width = (int(x) for x in truth["shape"])
    errors = corner_errors(found, true, (height, width))
    return float(np.mean(errors)) / (width * decompose(true).scale)
