"""On what a benchmark ran: a figure without its machine says nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "clemd",
    "torch",
    "numpy",
    "opencv-python-headless",
    "SimpleITK",
    "itk-elastix",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the figures depend on."""

    cpu: str
    cores: int
    """That this process may use."""
    memory_gb: float
    load_average: tuple[float, float, float]
    """Over 1, 5 and 15 minutes, when the benchmark began."""
    system: str
    python: str
    packages: dict[str, str]
    """Name -> version; `absent` where an optional one is missing."""
    date: str

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"load_average": list(self.load_average)}

    def in_words(self) -> str:
        """Two lines for people."""
        load = " ".join(f"{x:.2f}" for x in self.load_average)
        packages = ", ".join(f"{name} {v}" for name, v in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:.1f} GB, "
            f"load average {load}\n"
            f"{self.system}, Python {self.python}, {packages}; {self.date}"
        )


def this_machine() -> Machine:
    """Look at the machine now."""
    return Machine(
        cpu=cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        load_average=os.getloadavg(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as the kernel tells it."""
    try:
        text = cpuinfo.read_text("utf-8", "replace")
    except OSError:
        return platform.processor() or "unknown processor"
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model"} and value.strip():
            return value.strip()
    return platform.processor() or "unknown processor"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
