"""A device that is not there costs speed, never a night."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_jobs_run_on_the_cpu_where_the_profiles_device_is_missing(
    daemon: Callable[..., Any], session_files: Any
) -> None:
    """The driver was not loaded at start: it is said aloud, and work goes on."""
    service = daemon(tables='[page]\nport = 0\n[registration]\ndevice = "cuda:99"\n')
    service.start()
    lm = next((session_files / "lm").glob("*.tif"))
    em = next((session_files / "em").glob("*.tif"))
    for file, root in ((lm, service.lm), (em, service.em)):
        (root / file.name).write_bytes(file.read_bytes())
    service.wait_for_results(1)
    (row,) = service.ask(lambda reader: reader.registrations())
    state = json.loads(service.get("/api/snapshot")[1])["thermal"]

    assert row.verdict.value == "accepted"
    assert row.registration.device == "cpu"
    assert "cuda:99" in state["reason"]
    assert "set aside" in state["reason"]
