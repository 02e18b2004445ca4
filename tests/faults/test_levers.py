"""A card's power limit after the real daemon was stopped, killed, and started again.

The library is a pretended one whose card is a file (`pretend_nvml.py`): like a real
card it keeps what was set when the process is gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
TABLES = """
[page]
port = 0
[registration]
device = "cpu"
threads = 1
[thermal]
sensor = "nvml"
period_s = 0.3
power_limit_w = { min = 150, step = 50 }
lock_clocks_mhz = { max = 1200 }
"""


def set_on(library: Any) -> tuple[float, Any]:
    """Watts and clocks, as the card has them."""
    card = library.card()
    return card["power_limit_mw"] / 1000, card["locked_mhz"]


FOUND, FLOOR = (250.0, None), (150.0, [210, 1200])


def hot(daemon: Any, library: Any) -> None:
    """Make the card hot and wait until it is lowered."""
    library.turn(temperature_c=91)
    daemon.wait_until(lambda: set_on(library) == FLOOR, "lowered", 60)


def test_sigterm_puts_back_what_was_there(
    daemon: Callable[..., Any], pretend_nvml: Any
) -> None:
    """And until then page, status and metrics say what is lowered."""
    service = daemon(tables=TABLES)
    service.start()
    assert set_on(pretend_nvml) == FOUND
    hot(service, pretend_nvml)

    said = "power limit lowered to 150 of 250 W; clock kept below 1200 MHz"
    service.wait_until(
        lambda: said in service.ask(lambda r: r.newest_thermal()).reason, "told", 30
    )
    snapshot = json.loads(service.get("/api/snapshot")[1])
    assert said in snapshot["thermal"]["reason"]
    for line in ("clemd_power_limit_watts 150.0", "clemd_clock_limit_mhz 1200.0"):
        service.wait_until(
            lambda wanted=line: wanted in service.get("/metrics")[1].decode(), line, 30
        )

    service.stop()
    assert set_on(pretend_nvml) == FOUND
    assert not (service.state / "levers.json").exists()


def test_killed_daemon_is_told_of_and_made_good_by_the_next(
    daemon: Callable[..., Any], pretend_nvml: Any, clemd: Any
) -> None:
    """SIGKILL, as a power cut: the note on the disk is all that is left."""
    service = daemon(tables=TABLES)
    service.start()
    hot(service, pretend_nvml)
    service.kill()
    assert set_on(pretend_nvml) == FLOOR

    examined = clemd("doctor", "--state", service.state, "--json")
    findings = json.loads(examined.stdout)["findings"]
    (left,) = [one for one in findings if "was killed before" in one["value"]]
    assert left["level"] == "warn"
    assert "a power limit of 250 W and free clocks of GPU-pretended" in left["value"]
    assert "nvidia-smi -i GPU-pretended -pl 250" in left["mend"]

    pretend_nvml.turn(temperature_c=50, calls=[])
    service.start()
    assert set_on(pretend_nvml) == FOUND
    assert pretend_nvml.card()["calls"] == ["power 250000", "free"]
    assert not (service.state / "levers.json").exists()
    service.stop()


def test_no_moment_is_wrong_for_a_power_cut(
    daemon: Callable[..., Any], pretend_nvml: Any
) -> None:
    """Killed before, between and after the note and each change."""
    rng = np.random.default_rng(6)  # the card is looked at every 0.3 s
    service = daemon(tables=TABLES)
    seen = set()
    for wait_s in rng.uniform(0.0, 0.45, 8):
        service.start()
        assert set_on(pretend_nvml) == FOUND
        assert not (service.state / "levers.json").exists()
        pretend_nvml.turn(temperature_c=91)
        time.sleep(wait_s)
        service.kill()
        seen.add(str(set_on(pretend_nvml)))
        pretend_nvml.turn(temperature_c=50)
    service.start()
    assert set_on(pretend_nvml) == FOUND
    service.stop()
    assert len(seen) > 1, "some were killed before, some after a change"


def test_service_without_rights_says_so_and_works_on(
    daemon: Callable[..., Any], pretend_nvml: Any
) -> None:
    """Heat is then kept by pauses alone."""
    pretend_nvml.turn(may_set=False, may_lock=False)
    service = daemon(tables=TABLES)
    service.start()
    pretend_nvml.turn(temperature_c=91)

    def refusals() -> list[Any]:
        return [one for one in service.said() if one["event"] == "lever_refused"]

    service.wait_until(lambda: len(refusals()) == 2, "both are refused", 60)
    assert all("only root has" in one["reason"] for one in refusals())
    pretend_nvml.turn(temperature_c=50)
    service.wait_until(
        lambda: service.ask(lambda r: r.newest_thermal()).state != "hot", "cool", 60
    )
    service.stop()
    assert len(refusals()) == 2
    assert set_on(pretend_nvml) == FOUND
