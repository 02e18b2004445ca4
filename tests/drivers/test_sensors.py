"""Sensors: what is there is read, what is not there is a state and never a crash."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pynvml
import pytest

from clemd.driver_api import SensorDriver, load_drivers
from clemd.errors import SensorLostError, UsageError
from clemd_drivers.sensors.hwmon import HwmonDriver
from clemd_drivers.sensors.nvml import NvmlSensor
from clemd_drivers.sensors.nvml._nvml import find_gpus
from clemd_drivers.sensors.replay import ReplayDriver, ReplaySensor


def test_installed_drivers_are_found_in_order_and_never_raise() -> None:
    """Recording before GPU before CPU; on any machine, with or without them."""
    drivers = list(load_drivers("clemd.sensors"))

    assert [d.name for d in drivers] == ["replay", "nvml", "hwmon"]
    for driver in drivers:
        assert isinstance(driver, SensorDriver)
        for sensor in driver.discover():
            assert sensor.name.startswith(driver.name)
            sensor.close()


# --- hwmon -------------------------------------------------------------------


def chip(root: Path, number: int, name: str, **files: str) -> Path:
    """A chip's folder as the kernel shows it."""
    folder = root / f"hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    for file, text in files.items():
        (folder / file).write_text(f"{text}\n")
    return folder


def test_the_package_value_of_the_cpu_is_read(tmp_path: Path) -> None:
    """Single cores jump; the package is what the cooler must carry away."""
    chip(tmp_path, 0, "nvme", temp1_input="30000")
    chip(
        tmp_path,
        1,
        "coretemp",
        temp2_input="61000",
        temp2_label="Core 0",
        temp3_input="64500",
        temp3_label="Package id 0",
        temp3_crit="100000",
    )

    (sensor,) = HwmonDriver(tmp_path).discover()
    reading = sensor.read()

    assert sensor.name == "hwmon:coretemp Package id 0"
    assert (reading.temperature_c, reading.limit_c) == (64.5, 100.0)
    assert reading.device == "cpu"


def test_a_vanished_chip_is_a_lost_sensor(tmp_path: Path) -> None:
    """A module may be unloaded while the daemon runs."""
    folder = chip(tmp_path, 0, "k10temp", temp1_input="50000", temp1_max="90000")
    (sensor,) = HwmonDriver(tmp_path).discover()
    assert sensor.read().limit_c == 90.0

    (folder / "temp1_input").write_text("")
    with pytest.raises(SensorLostError, match="k10temp"):
        sensor.read()
    (folder / "temp1_input").unlink()
    with pytest.raises(SensorLostError, match="k10temp"):
        sensor.read()


def test_better_chips_come_first_and_others_not_at_all(tmp_path: Path) -> None:
    """The mainboard's guess is better than nothing, a disk is not."""
    chip(tmp_path, 0, "acpitz", temp1_input="27800")
    chip(tmp_path, 1, "k10temp", temp1_input="50000", temp1_label="Tctl")
    chip(tmp_path, 2, "iwlwifi_1", temp1_input="40000")
    chip(tmp_path, 3, "coretemp", temp1_input="broken")

    names = [s.name for s in HwmonDriver(tmp_path).discover()]

    assert names == ["hwmon:k10temp Tctl", "hwmon:acpitz"]
    assert HwmonDriver(tmp_path / "absent").discover() == []


# --- replay ------------------------------------------------------------------


def write(tmp_path: Path, text: str) -> Path:
    """A trace file."""
    path = tmp_path / "trace.csv"
    path.write_text(text)
    return path


def test_a_trace_is_played_in_its_own_time_and_ends(tmp_path: Path) -> None:
    """A trace that began again would jump as no device does."""
    now = [50.0]
    path = write(tmp_path, "t_s,temperature_c\n0,40\n2,50.5\n3,nan\n4,\n5,60\n")
    sensor = ReplaySensor(path, lambda: now[0])

    seen = []
    for at_s in (50, 51.9, 52, 53, 54, 55):
        now[0] = at_s
        seen.append(sensor.read().temperature_c)
    assert seen == [40, 40, 50.5, None, None, 60]
    now[0] = 55.1
    with pytest.raises(SensorLostError, match="ended after 5 s"):
        sensor.read()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no header"),
        ("time,temp\n0,1\n", "no header"),
        ("t_s,temperature_c\n", "empty"),
        ("t_s,temperature_c\n0,warm\n", "no number"),
        ("t_s,temperature_c\n0\n", "no number"),
        ("t_s,temperature_c\n1,40\n0,40\n", "not in order"),
        ("t_s,temperature_c\n0,40\n1,inf\n", "not finite"),
        ("t_s,temperature_c\n0,40\n1,-inf\n", "not finite"),
        ("t_s,temperature_c\n0,40\ninf,40\n", "not finite"),
        ("t_s,temperature_c\n0,40\nnan,40\n", "not finite"),
    ],
)
def test_a_bad_trace_is_one_line(tmp_path: Path, text: str, what: str) -> None:
    """It says the file, the fault and what is wanted."""
    with pytest.raises(UsageError, match=what) as caught:
        ReplaySensor(write(tmp_path, text))

    assert "trace.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trace_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """They write a byte order mark before UTF-8."""
    path = write(tmp_path, "\ufefft_s,temperature_c\n0,40\n9,41\n")

    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert ReplaySensor(path).read().temperature_c == 40


def test_the_environment_names_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole service can be rehearsed without a profile."""
    monkeypatch.delenv("CLEMD_THERMAL_TRACE", raising=False)
    assert ReplayDriver().discover() == []
    monkeypatch.setenv("CLEMD_THERMAL_TRACE", str(tmp_path / "absent.csv"))
    assert ReplayDriver().discover() == []
    path = write(tmp_path, "t_s,temperature_c\n0,40\n9,41\n")
    monkeypatch.setenv("CLEMD_THERMAL_TRACE", str(path))

    (sensor,) = ReplayDriver().discover()

    assert sensor.read().temperature_c == 40


# --- nvml --------------------------------------------------------------------


class Library:
    """Answers as NVIDIA's library does: values, or its own errors.

    Constants, structures and errors are those of nvidia-ml-py. No card is needed, and
    every refusal that a real one may give can be tried.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetTemperature": 61,
            **answers,
        }
        self.fields: dict[int, Any] = {}
        self.events: list[int] = []
        self.opened = 0

    def nvmlInit(self) -> None:
        """Count it."""
        if error := self.answers.get("nvmlInit"):
            raise pynvml.NVMLError(error)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        """Count it."""
        self.opened -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        """The index will do."""
        if error := self.answers.get("nvmlDeviceGetHandleByIndex"):
            raise pynvml.NVMLError(error)
        return index

    def nvmlDeviceGetFieldValues(self, _: int, ids: list[int]) -> list[Any]:
        """Each in the library's own structure."""
        return [self.fields.get(one, field(0, failed=True)) for one in ids]

    def nvmlEventSetCreate(self) -> object:
        """Only where the test has events."""
        if "events" not in self.answers:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return object()

    def nvmlDeviceRegisterEvents(self, *_: Any) -> None:
        """Nothing to do."""

    def nvmlEventSetFree(self, _: object) -> None:
        """Nothing to do."""

    def nvmlEventSetWait_v2(self, _: object, timeout_ms: int) -> Any:
        """The next one, or the library's own timeout."""
        assert timeout_ms == 0, "a look must not wait"
        if not self.events:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        event = pynvml.c_nvmlEventData_t()
        event.eventData = self.events.pop(0)
        return event

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvmlDevice"):
            return getattr(pynvml, name)
        answer = self.answers.get(name)

        def call(*_: Any) -> Any:
            if answer is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class Use:
    """Utilisation as the library gives it."""

    gpu = 40


def field(
    value: float,
    kind: int = pynvml.NVML_VALUE_TYPE_SIGNED_INT,
    *,
    failed: bool = False,
) -> Any:
    """One value in the library's own structure, with the type it says it has."""
    filled = pynvml.c_nvmlFieldValue_t()
    filled.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED if failed else 0
    filled.valueType = kind
    if kind == pynvml.NVML_VALUE_TYPE_DOUBLE:
        filled.value.dVal = value
    elif kind == pynvml.NVML_VALUE_TYPE_UNSIGNED_INT:
        filled.value.uiVal = int(value) % 2**32
    else:
        filled.value.siVal = int(value)
    return filled


def test_a_full_answer_is_read() -> None:
    """Units are ours: watts, fractions, words."""
    library = Library(
        nvmlDeviceGetName="NVIDIA RTX",
        nvmlDeviceGetPowerUsage=210_500,
        nvmlDeviceGetUtilizationRates=Use(),
        nvmlDeviceGetCurrentClocksEventReasons=0x4 | 0x20,
        nvmlDeviceGetTemperatureThreshold=93,
    )

    (sensor,) = find_gpus(library)
    reading = sensor.read()

    assert sensor.name == "nvml:0 NVIDIA RTX"
    assert (reading.device, reading.temperature_c) == ("cuda:0", 61.0)
    assert (reading.power_w, reading.utilisation) == (210.5, 0.4)
    assert reading.limit_c == 93.0
    assert reading.throttle_reasons == ("software thermal slow-down",)


@pytest.mark.parametrize(
    "kind",
    [
        pynvml.NVML_VALUE_TYPE_SIGNED_INT,
        pynvml.NVML_VALUE_TYPE_UNSIGNED_INT,
        pynvml.NVML_VALUE_TYPE_DOUBLE,
    ],
)
def test_newer_cards_count_down_to_their_limit(kind: int) -> None:
    """Old thresholds are deprecated there and may answer nonsense."""
    library = Library(
        nvmlDeviceGetMarginTemperature=26,
        nvmlDeviceGetTemperatureThreshold=999,
    )
    library.fields[pynvml.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT] = field(-2, kind)

    assert NvmlSensor(library, 0).read().limit_c == 61 + 26 + 2


def test_what_a_card_does_not_offer_is_none() -> None:
    """Laptops and old cards refuse most questions."""
    reading = NvmlSensor(Library(), 0).read()

    assert reading.temperature_c == 61.0
    assert reading.limit_c is None
    assert reading.power_w is None
    assert reading.utilisation is None
    assert reading.throttle_reasons == ()


def test_the_older_name_of_the_slow_down_reasons_is_asked_too() -> None:
    """Drivers before 535 know only that one."""
    library = Library(nvmlDeviceGetCurrentClocksThrottleReasons=0x40)

    reading = NvmlSensor(library, 0).read()

    assert reading.throttle_reasons == ("hardware thermal slow-down",)


class Told:
    """A structure with the members that the test names."""

    def __init__(self, **members: Any) -> None:
        self.__dict__.update(members)


def test_what_else_a_large_card_tells_is_read() -> None:
    """Memory may be hotter than the chip, and not all of it need be ours."""
    library = Library(
        nvmlDeviceGetEnforcedPowerLimit=350_000,
        nvmlDeviceGetNumFans=2,
        nvmlDeviceGetFanSpeed_v2=45,
        nvmlDeviceGetMemoryInfo=Told(free=3 * 2**30),
        nvmlDeviceGetComputeRunningProcesses=[
            Told(pid=os.getpid(), usedGpuMemory=2**30),
            Told(pid=7, usedGpuMemory=2**30),
            Told(pid=8, usedGpuMemory=2**30),
        ],
    )
    library.fields[pynvml.NVML_FI_DEV_MEMORY_TEMP] = field(
        92, pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
    )
    sensor = NvmlSensor(library, 0, own_pids=[7])

    reading = sensor.read()

    assert reading.memory_temperature_c == 92.0
    assert (reading.power_limit_w, reading.fan) == (350.0, 0.45)
    assert (reading.other_memory_mb, reading.free_memory_mb) == (1024.0, 3072.0)


def test_memory_whose_owner_is_hidden_is_nobodys() -> None:
    """Inside a container the driver lists processes without their sizes."""
    hidden = [Told(pid=9, usedGpuMemory=None)]
    library = Library(nvmlDeviceGetComputeRunningProcesses=hidden)

    assert NvmlSensor(library, 0).read().other_memory_mb is None


def test_a_slow_down_between_two_looks_is_not_missed() -> None:
    """The reasons tell this moment only; the card's own clock of slow-downs goes on."""
    library = Library(nvmlDeviceGetViolationStatus=Told(violationTime=4_000_000_000))
    sensor = NvmlSensor(library, 0)
    first = sensor.read()
    library.answers["nvmlDeviceGetViolationStatus"] = Told(violationTime=4_300_000_000)

    second, third = sensor.read(), sensor.read()

    assert (first.throttled_total_s, second.throttled_total_s) == (4.0, 4.3)
    assert (first.throttle_reasons, third.throttle_reasons) == ((), ())
    assert second.throttle_reasons == ("thermal slow-down since the last look",)


def test_errors_of_the_card_are_told_once() -> None:
    """What was there before us is history; what comes now makes results doubtful."""
    library = Library(
        events=True, nvmlDeviceGetEccMode=[1, 1], nvmlDeviceGetTotalEccErrors=3
    )
    sensor = NvmlSensor(library, 0)
    library.events = [79, 1234]

    first = sensor.read()
    library.answers["nvmlDeviceGetTotalEccErrors"] = 5
    second, third = sensor.read(), sensor.read()

    assert first.faults == ("Xid 79: the GPU has fallen off the bus", "Xid 1234")
    assert second.faults == ("2 uncorrected memory errors",)
    assert third.faults == ()


def test_a_card_that_fails_again_and_again_does_not_hold_a_look() -> None:
    """Events may come faster than they are read."""
    library = Library(events=True)
    sensor = NvmlSensor(library, 0)
    library.events = [31] * 100

    assert len(sensor.read().faults) == 16


@pytest.mark.parametrize(
    "lost",
    [
        pynvml.NVML_ERROR_GPU_IS_LOST,
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
        pynvml.NVML_ERROR_UNKNOWN,
    ],
)
def test_a_card_or_driver_that_goes_away_is_a_lost_sensor(lost: int) -> None:
    """Fallen off the bus, unloaded, or replaced by another version while we run."""
    library = Library(events=True)
    sensor = NvmlSensor(library, 0)
    library.answers["nvmlDeviceGetTemperature"] = pynvml.NVMLError(lost)

    with pytest.raises(SensorLostError, match="nvml:0"):
        sensor.read()
    assert library.opened == 0


def test_this_machines_own_library_answers_or_refuses_in_its_own_way() -> None:
    """The real one, whatever is installed here: sensors or none, never a crash."""
    for sensor in find_gpus(pynvml):
        assert sensor.read().temperature_c is not None
        sensor.close()


def test_a_lost_card_is_opened_again_when_it_is_back() -> None:
    """After a driver restart the daemon should see again by itself."""
    library = Library()
    sensor = NvmlSensor(library, 0)
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    library.answers["nvmlDeviceGetTemperature"] = lost
    with pytest.raises(SensorLostError, match="nvml:0"):
        sensor.read()
    library.answers["nvmlDeviceGetHandleByIndex"] = pynvml.NVML_ERROR_GPU_IS_LOST
    with pytest.raises(SensorLostError):
        sensor.read()
    library.answers |= {
        "nvmlDeviceGetHandleByIndex": None,
        "nvmlDeviceGetTemperature": 50,
    }

    assert sensor.read().temperature_c == 50.0
    sensor.close()
    sensor.close()
    assert library.opened == 0, "closing twice would close the card for others"


@pytest.mark.parametrize(
    "answers",
    [
        {"nvmlInit": pynvml.NVML_ERROR_LIBRARY_NOT_FOUND},
        {"nvmlInit": pynvml.NVML_ERROR_DRIVER_NOT_LOADED},
        {"nvmlDeviceGetCount": 0},
        {"nvmlDeviceGetHandleByIndex": pynvml.NVML_ERROR_GPU_IS_LOST},
    ],
)
def test_no_card_no_driver_no_library_is_no_sensor(answers: dict[str, int]) -> None:
    """Most machines have none, and nothing stays open."""
    library = Library(**answers)

    assert find_gpus(library) == []
    assert library.opened == 0
