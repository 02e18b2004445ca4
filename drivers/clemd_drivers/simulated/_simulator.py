"""The driver: how the daemon starts the microscopes."""

from __future__ import annotations

import sys
from pathlib import Path


class SimulatedMicroscopes:
    """A simulated SEM and confocal microscope in a process of their own."""

    name = "simulated"
    priority = 0

    def command(
        self,
        *,
        em_folder: Path,
        lm_folder: Path,
        truth_file: Path,
        seed: int,
        plan: str,
    ) -> list[str]:
        """The command line that plays one session and ends."""
        return [
            sys.executable,
            "-m",
            "clemd_drivers.simulated",
            *("--em", str(em_folder)),
            *("--lm", str(lm_folder)),
            *("--truth", str(truth_file)),
            *("--seed", str(seed)),
            *("--plan", plan),
        ]


SIMULATOR = SimulatedMicroscopes()
