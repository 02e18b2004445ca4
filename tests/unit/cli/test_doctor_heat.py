"""`clemd doctor` on heat: what a sensor says is judged, and what is absent is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clemd_drivers.sensors.nvml import NvmlDriver
from clemd_drivers.sensors.nvml._nvml import find_gpus

Run = Callable[..., Any]
NO_GPU = 'print("{\\"version\\": \\"9\\", \\"gpus\\": [], \\"usable\\": false}")'


@pytest.fixture(autouse=True)
def _torch_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no part of this."""
    monkeypatch.setattr("clemd.cli._doctor._TORCH", NO_GPU)


def found_with(clemd: Run, folder: Path, tables: str) -> dict[str, Any]:
    """The findings under a profile of these tables, by what was looked at."""
    profile = folder / "pair.toml"
    profile.write_text(tables)
    answer = clemd("doctor", "--profile", profile, "--state", folder / "s", "--json")
    return {finding["what"]: finding for finding in answer.json["findings"]}


def playing(folder: Path, *values: str) -> str:
    """A profile that plays these temperatures, a second each."""
    trace = folder / "trace.csv"
    rows = [f"{second},{value}" for second, value in enumerate((*values, values[-1]))]
    trace.write_text("\n".join(["t_s,temperature_c", *rows, f"900,{values[-1]}", ""]))
    return f'[thermal]\ntrace = "{trace}"\nwarm_c = 75\nhot_c = 85\n'


@pytest.mark.parametrize(
    ("value", "level", "says"),
    [
        ("74", "ok", "74 °C"),
        ("76", "warn", "76 °C, warm from 75 °C"),
        ("92", "warn", "92 °C, hot from 85 °C"),
        ("-400", "warn", "says -400 °C, which cannot be"),
        ("1e308", "warn", "says 1e+308 °C, which cannot be"),
        ("nan", "warn", "gives no temperature"),
        ("inf", "fail", "not finite"),
    ],
)
def test_sensor_is_judged_as_the_daemon_judges_it(
    clemd: Run, tmp_path: Path, value: str, level: str, says: str
) -> None:
    """`ok` for a device on which every job will wait would be no help."""
    sensor = found_with(clemd, tmp_path, playing(tmp_path, value))["sensor"]

    assert sensor["level"] == level
    assert says in sensor["value"]
    assert bool(sensor["mend"]) is (level != "ok")


def none_here(monkeypatch: pytest.MonkeyPatch, driver: Any) -> None:
    """Only this driver, and it finds nothing."""
    monkeypatch.setattr(driver, "discover", lambda _self: [])
    for module in ("_doctor_heat", "_doctor"):
        monkeypatch.setattr(
            f"clemd.cli.{module}.load_drivers", lambda _group: [driver()]
        )


@pytest.mark.parametrize(
    ("name", "says", "mend"),
    [
        ("nvml", "asks for nvml, which is not here", "nvidia-smi"),
        ("nvml:3", "asks for nvml:3, which is not here", "nvidia-smi"),
        ("none", "switched off in the profile", '"auto"'),
        ("auto", "none: heat will not be seen", "kernel module"),
    ],
)
def test_absent_sensor_is_named_with_its_own_mend(
    clemd: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    says: str,
    mend: str,
) -> None:
    """No kernel module brings back an NVIDIA card."""
    none_here(monkeypatch, NvmlDriver)
    sensor = found_with(clemd, tmp_path, f'[thermal]\nsensor = "{name}"\n')["sensor"]

    assert (sensor["level"], says in sensor["value"]) == ("warn", True)
    assert mend in sensor["mend"]


@pytest.mark.parametrize("name", ["nvml:x", "nvml:", "nvml:-1", "hwmon:"])
def test_name_that_no_sensor_has_is_refused(
    clemd: Run, tmp_path: Path, name: str
) -> None:
    """It would be taken for a card that is away, and the GPU left alone for ever."""
    sensor = found_with(clemd, tmp_path, f'[thermal]\nsensor = "{name}"\n')["sensor"]

    assert sensor["level"] == "fail"
    assert sensor["mend"].startswith("use ")


def test_limits_of_a_card_that_is_not_there_are_a_warning(
    clemd: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would be lowered, and nobody would know."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    wishes = "power_limit_w = { min = 150 }\nlock_clocks_mhz = { max = 1200 }\n"
    seen = found_with(clemd, tmp_path, playing(tmp_path, "50") + wishes)["levers"]
    none_here(monkeypatch, NvmlDriver)
    unseen = found_with(clemd, tmp_path, f"[thermal]\n{wishes}")["levers"]

    both = "thermal.power_limit_w and thermal.lock_clocks_mhz: "
    assert {seen["level"], unseen["level"]} == {"warn"}
    assert seen["value"] == (
        f"{both}replay:trace.csv is of a device that cannot be limited"
    )
    assert unseen["value"] == f"{both}there is no card here that can be limited"
    assert all("thermal.sensor" in finding["mend"] for finding in (seen, unseen))


def test_limits_of_a_card_that_takes_them_are_no_finding(
    clemd: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretend_nvml: Any
) -> None:
    """Whoever may set them needs no warning."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    none_here(monkeypatch, NvmlDriver)
    monkeypatch.setattr(NvmlDriver, "discover", lambda _self: find_gpus(pretend_nvml))
    found = found_with(clemd, tmp_path, "[thermal]\npower_limit_w = { min = 150 }\n")

    assert "levers" not in found
    assert found["sensor"]["value"].startswith("nvml:0")


def test_profile_that_cannot_be_read_is_the_only_thing_said_of_it(
    clemd: Run, tmp_path: Path
) -> None:
    """`Watches no folder` of a profile with two of them sends people astray."""
    found = found_with(clemd, tmp_path, 'colour = 1\n[[roots]]\nname = "em"\n')

    assert found["profile"]["level"] == "fail"
    assert [f["what"] for f in found.values() if f["level"] == "fail"] == ["profile"]
    assert found.keys() & {"roots", "inotify", "page", "bus", "sensor", "timezone"} == (
        set()
    )
    assert {"torch", "disk space", "clock"} <= found.keys()
