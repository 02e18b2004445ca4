"""NVIDIA's library for a card that is a file: what is set in it outlives every process.

Copied as `pynvml.py` into a folder that comes first on `PYTHONPATH`, it takes the place
of nvidia-ml-py, whose constants, structures and errors it gives out. The file that the
variable PRETEND_NVML names holds the card.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_CARD: dict[str, Any] = {
    "temperature_c": 60,
    "power_limit_mw": 250_000,
    "least_mw": 100_000,
    "most_mw": 300_000,
    "locked_mhz": None,
    "may_set": True,
    "may_lock": True,
    "is_lost": False,
    "calls": [],
}


def _real() -> Any:
    beside = [place for place in sys.path if Path(place).resolve() != _HERE]
    spec = PathFinder.find_spec("pynvml", beside)
    assert spec is not None, "nvidia-ml-py is not installed"
    assert spec.loader is not None, "nvidia-ml-py is not a module"
    module = module_from_spec(spec)
    before = sys.modules.get("pynvml")
    sys.modules["pynvml"] = module  # it looks itself up by this name
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["pynvml"]
        if before is not None:
            sys.modules["pynvml"] = before
    return module


_library = _real()
globals().update({k: v for k, v in vars(_library).items() if not k.startswith("_")})


def with_card(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The card after `change`; nobody else looks at it meanwhile."""
    path = Path(os.environ["PRETEND_NVML"])
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        card = _CARD | (json.loads(text) if text else {"calls": []})
        before = json.dumps(card)
        change(card)
        if json.dumps(card) != before or not text:
            file.seek(0)
            file.truncate()
            file.write(json.dumps(card))
    return card


def card() -> dict[str, Any]:
    """As it is now."""
    return with_card(lambda _: None)


def turn(**values: Any) -> None:
    """The world changes the card."""
    with_card(lambda one: one.update(values))


def _alive() -> dict[str, Any]:
    now = card()
    if now["is_lost"]:
        raise _library.NVMLError(_library.NVML_ERROR_GPU_IS_LOST)
    return now


def _set(right: str, key: str, value: Any, said: str) -> None:
    if not _alive()[right]:
        raise _library.NVMLError(_library.NVML_ERROR_NO_PERMISSION)

    def change(one: dict[str, Any]) -> None:
        one[key] = value
        one["calls"] = [*one["calls"], said]

    with_card(change)


def nvmlInit() -> None:
    """The driver is always there."""


def nvmlShutdown() -> None:
    """And stays."""


def nvmlDeviceGetCount() -> int:
    """One card."""
    return 1


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    """The index will do."""
    _alive()
    return index


def nvmlDeviceGetName(_: int) -> str:
    """In words."""
    return "Pretended"


def nvmlDeviceGetUUID(_: int) -> str:
    """For good."""
    return "GPU-pretended"


def nvmlDeviceGetTemperature(_: int, __: int) -> int:
    """As the test has set it."""
    return int(_alive()["temperature_c"])


def nvmlDeviceGetPowerManagementLimit(_: int) -> int:
    """In milliwatts."""
    return int(_alive()["power_limit_mw"])


def nvmlDeviceGetEnforcedPowerLimit(_: int) -> int:
    """The same: nothing else limits it."""
    return int(_alive()["power_limit_mw"])


def nvmlDeviceGetPowerManagementLimitConstraints(_: int) -> list[int]:
    """Least and most."""
    now = _alive()
    return [now["least_mw"], now["most_mw"]]


def nvmlDeviceSetPowerManagementLimit(_: int, limit_mw: int) -> None:
    """With the rights of root."""
    now = _alive()
    if not now["least_mw"] <= limit_mw <= now["most_mw"]:
        raise _library.NVMLError(_library.NVML_ERROR_INVALID_ARGUMENT)
    _set("may_set", "power_limit_mw", limit_mw, f"power {limit_mw}")


def nvmlDeviceSetGpuLockedClocks(_: int, least_mhz: int, most_mhz: int) -> None:
    """With the rights of root."""
    said = f"lock {least_mhz} {most_mhz}"
    _set("may_lock", "locked_mhz", [least_mhz, most_mhz], said)


def nvmlDeviceResetGpuLockedClocks(_: int) -> None:
    """With the rights of root."""
    _set("may_lock", "locked_mhz", None, "free")
