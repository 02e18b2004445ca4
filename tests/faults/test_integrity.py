"""A device that computes wrongly publishes nothing, and its jobs end on the CPU.

The daemon's own parts on a real state folder and real files; its worker is a process
with a pretended device that really computes, and really computes wrongly.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.app import App
from clemd.config import Profile, RootSettings
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Side
from clemd.testing import PretendDevice

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
WORKER = Path(__file__).with_name("broken_device.py")


def profile_of(folder: Path, session: Path) -> Profile:
    """One root of each side, the pretended device, no thermometer."""
    roots = [
        RootSettings(
            name=side, path=session / side, side=Side(side), settle_s=0.4, poll_s=0.5
        )
        for side in ("em", "lm")
    ]
    return Profile.model_validate(
        {
            "roots": [root.model_dump() for root in roots],
            "registration": {"device": PretendDevice.NAME, "threads": 1},
            "thermal": {"sensor": "none"},
            "page": {"enabled": False},
            "bus": {"enabled": False},
        }
    )


async def serve(app: App, until: Callable[[], bool], limit_s: float = 400.0) -> None:
    """Run the daemon until something is true."""
    running = asyncio.create_task(app.run())
    try:
        async with asyncio.timeout(limit_s):
            await app.started.wait()
            while not until():
                assert not running.done(), running
                await asyncio.sleep(0.1)
    finally:
        app.stop.stop("the test has seen it")
        await running


def said(app: App, topic: str) -> list[dict[str, Any]]:
    """What was announced."""
    rows = app.house.store.outbox_after(0, 10_000, topic=topic)
    return [json.loads(row.body) for row in rows]


WORDS = {
    "full": "the device's memory is full",
    "register": "(finds an agreement of|correlates wrongly|computes wrongly)",
    "known": "has failed the known-answer registration",
}


@pytest.mark.parametrize("during", sorted(WORDS))
async def test_nothing_of_a_broken_device_is_published(
    tmp_path: Path, session_files: Path, during: str
) -> None:
    """Withheld, told with the reason, repeated on the CPU, and right."""
    flag = tmp_path / "broken"
    flag.touch()
    app = App(
        profile_of(tmp_path, session_files),
        tmp_path / "state",
        worker=(sys.executable, str(WORKER), str(flag), during),
    )
    truth = json.loads((session_files / "truth.json").read_text())["em"]
    seen: dict[str, Any] = {}

    def are_all_there() -> bool:
        rows = app.house.store.registrations()
        if len(rows) < len(truth):
            return False
        seen["rows"] = rows
        seen["frames"] = {r.id: app.house.store.frame(r.em_frame_id) for r in rows}
        seen["thermal"], seen["jobs"] = said(app, "thermal"), said(app, "job")
        return True

    await serve(app, are_all_there)

    assert any(re.search(WORDS[during], b["set_aside"]) for b in seen["thermal"])
    for row in seen["rows"]:
        assert row.registration.device == "cpu"
        name = Path(seen["frames"][row.id].frame.path).name
        (true,) = map(as_matrix, truth[name]["em_to_lm"].values())
        assert row.registration.em_to_lm is not None
        shape = (truth[name]["shape"][0], truth[name]["shape"][1])
        found = as_matrix(row.registration.em_to_lm)
        width = shape[1] * np.sqrt(abs(np.linalg.det(true[:2, :2])))
        assert corner_errors(found, true, shape).mean() / width < 0.02
    moved = [b["reason"] for b in seen["jobs"] if "runs on the CPU" in b["reason"]]
    assert f"runs on the CPU: {PretendDevice.NAME} is set aside" in moved
