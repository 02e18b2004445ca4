"""The shipped systemd unit is valid, shut in, and still lets CUDA work."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "clemd.service"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here, so that only its rules are judged."""
    text = UNIT.read_text(encoding="utf-8")
    lines = [
        "ExecStart=/bin/sh -c true" if line.startswith("ExecStart=") else line
        for line in text.splitlines()
    ]
    copy = tmp_path / UNIT.name
    copy.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze and return what it said."""
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, "--no-pager", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings() -> dict[str, list[str]]:
    """Key -> values of the unit, in order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@needs_systemd
def test_the_unit_is_valid(unit: Path) -> None:
    """Systemd ignores what it does not know and says so only here."""
    said = analyze("verify", str(unit))

    assert said.returncode == 0
    assert said.stderr.strip() == ""


@needs_systemd
def test_the_unit_is_exposed_no_more_than_two_of_ten(unit: Path) -> None:
    """Files from other machines are parsed in here; a break-in must gain little."""
    said = analyze("security", "--offline=true", "--threshold=20", str(unit))

    assert said.returncode == 0, said.stdout.splitlines()[-1]


def test_cuda_keeps_its_devices() -> None:
    """Each of these, when missing, is a CUDA error that reads like a broken card."""
    unit = settings()
    wanted = {
        f"char-{name} rw"
        for name in (
            "nvidia",
            "nvidia-frontend",
            "nvidiactl",
            "nvidia-uvm",
            "nvidia-caps",
        )
    }

    assert wanted <= set(unit["DeviceAllow"])
    assert unit["ProcSubset"] == ["all"]
    assert unit["ProtectProc"] != ["noaccess"]
    assert "PrivateDevices" not in unit
    assert "MemoryDenyWriteExecute" not in unit


def test_the_network_is_this_machine_only() -> None:
    """The daemon is told of no other machine until an operator names one."""
    unit = settings()

    assert unit["IPAddressDeny"] == ["any"]
    assert unit["IPAddressAllow"] == ["localhost"]


def test_a_job_may_finish_before_systemd_kills() -> None:
    """SIGTERM lets the running job end; its limit must lie within systemd's."""
    from clemd.config import RegistrationSettings

    unit = settings()

    assert unit["KillMode"] == ["mixed"]
    longest_s = RegistrationSettings().time_limit_s
    assert float(unit["TimeoutStopSec"][0]) > longest_s
