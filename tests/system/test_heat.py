"""A recorded hot day, played to the installed daemon while the microscopes export."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.client import Client
from clemd.geometry import as_matrix, corner_errors
from clemd.store import JobSpan

pytestmark = pytest.mark.slow

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOT_S = 35.0
"""From the daemon's start on; then it cools within ten seconds."""


def write_trace(path: Path, *points: tuple[float, float]) -> Path:
    """A recording through these (second, °C), a line a second."""
    times_s, values_c = zip(*points, strict=True)
    seconds = np.arange(0, times_s[-1] + 1)
    # a thermometer that never moves is not believed
    rows = np.interp(seconds, times_s, values_c) + 0.4 * np.sin(1.7 * seconds)
    lines = [f"{s:.0f},{v:.1f}" for s, v in zip(seconds, rows, strict=True)]
    path.write_text("\n".join(["t_s,temperature_c", *lines]) + "\n")
    return path


def tables(trace: Path) -> str:
    """The profile's part that has it played."""
    return f'[page]\nport = 0\n[thermal]\ntrace = "{trace}"\nwarm_c = 75\nhot_c = 85\n'


@dataclass
class HotDay:
    """What was seen from outside while it was hot, and after."""

    daemon: Any
    truth: dict[str, Any]
    status: dict[str, Any] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    results_while_hot: int = 0
    cool_at: str = ""


@pytest.fixture(scope="module")
def hot_day(
    daemon_type: Any,
    tmp_path_factory: pytest.TempPathFactory,
    play: Callable[..., None],
    clemd: Any,
) -> Iterator[HotDay]:
    """The device is hot when the session is exported, and cools half a minute later."""
    folder = tmp_path_factory.mktemp("hot")
    trace = write_trace(
        folder / "trace.csv", (0, 91), (HOT_S, 91), (HOT_S + 10, 55), (900, 55)
    )
    daemon = daemon_type(folder, tables=tables(trace))
    try:
        daemon.start()
        play(daemon.em, daemon.lm, folder / "truth.json")
        day = HotDay(daemon, json.loads((folder / "truth.json").read_text())["em"])
        daemon.wait_until(
            lambda: daemon.ask(
                lambda r: r.connection.execute(
                    "SELECT count(*) FROM jobs WHERE state = 'deferred'"
                ).fetchone()[0]
            ),
            "a job is put off",
        )
        day.status = clemd.json("status", "--state", daemon.state)
        day.results_while_hot = len(daemon.ask(lambda r: r.registrations()))
        daemon.wait_until(lambda: state_of(daemon) != "hot", "it has cooled")
        day.cool_at = datetime.now(UTC).isoformat()
        daemon.wait_for_results(len(day.truth))
        with Client(state=daemon.state) as client:
            for topic in ("job", "thermal"):
                day.heard += [
                    update.body
                    for update in client.messages([topic], timeout_s=2, after_seq=0)
                ]
        yield day
        daemon.stop()
    finally:
        daemon.close()


def state_of(daemon: Any) -> str:
    """As the database has it."""
    row = daemon.ask(lambda r: r.newest_thermal())
    return "" if row is None else str(row.state)


def spans(daemon: Any) -> list[JobSpan]:
    """What the history has of jobs."""
    found: list[JobSpan] = daemon.ask(lambda r: r.job_spans(LONG_AGO))
    return found


def test_a_job_on_a_hot_device_waits_and_says_why_and_how_long(hot_day: HotDay) -> None:
    """An operator who sees nothing happen must see the reason at once."""
    (job,) = [j for j in hot_day.status["troubled_jobs"] if j["state"] == "deferred"]

    assert hot_day.results_while_hot == 0
    assert job["kind"] == "register"
    assert re.search(r"the device is hot \(9[01] °C, limit 85 °C\)", job["reason"])
    assert job["reason"].startswith("waits")
    assert job["attempts"] == 0
    assert hot_day.status["thermal"]["state"] == "hot"


def test_the_bus_tells_the_wait_and_its_estimate(hot_day: HotDay) -> None:
    """Acquisition software can do something else meanwhile."""
    put_off = [
        b
        for b in hot_day.heard
        if b["topic"] == "job" and b["state"] == "deferred" and b["wait_s"]
    ]
    states = [b["state"] for b in hot_day.heard if b["topic"] == "thermal"]

    assert put_off
    assert all(0 < b["wait_s"] < 600 for b in put_off)
    assert len(put_off) < 40  # a reason with a temperature in it changes every second
    assert states[0] == "hot"
    assert "hot" not in states[1:]


def test_when_it_has_cooled_every_job_is_done_and_right(hot_day: HotDay) -> None:
    """Nothing was lost by waiting."""
    rows = hot_day.daemon.ask(lambda r: r.registrations())

    assert len(rows) == len(hot_day.truth)
    for row in rows:
        em = hot_day.daemon.ask(lambda r, row=row: r.frame(row.em_frame_id)).frame
        entry = hot_day.truth[Path(em.path).name]
        (true,) = map(as_matrix, entry["em_to_lm"].values())
        found = row.registration.em_to_lm
        assert found is not None
        shape = (entry["shape"][0], entry["shape"][1])
        errors = corner_errors(as_matrix(found), true, shape)
        width = shape[1] * np.sqrt(abs(np.linalg.det(true[:2, :2])))
        assert errors.mean() / width < 0.02
        assert 50 <= row.registration.highest_temperature_c < 85


def test_history_has_the_heat_and_the_jobs_after_it(hot_day: HotDay) -> None:
    """What happened at night can be looked at in the morning."""
    rows = hot_day.daemon.ask(lambda r: r.thermal_history(LONG_AGO))
    done = [span for span in spans(hot_day.daemon) if span.outcome == "done"]

    assert max(row.temperature_c for row in rows) > 90
    assert {row.state for row in rows} >= {"hot", "cool"}
    assert all(0 <= row.duty <= 1 for row in rows)
    assert len(done) == len(hot_day.truth)
    hot_until = max(row.at for row in rows if row.state == "hot")
    for span in done:
        assert span.started_at > hot_until
        assert span.busy_s > 0
        assert 50 <= span.highest_c < 85


def test_metrics_and_the_page_have_it_too(hot_day: HotDay) -> None:
    """For the monitoring system, and for the timeline."""
    status, text = hot_day.daemon.get("/metrics")
    code, body = hot_day.daemon.get("/api/heat?since_s=3600")
    heat = json.loads(body)

    assert (status, code) == (200, 200)
    assert b'clemd_thermal_state{state="hot"} 0.0' in text
    assert b"clemd_jobs_deferred_total" in text
    assert heat["hot_c"] == 85
    assert max(r["temperature_c"] for r in heat["readings"]) > 90
    assert len(heat["jobs"]) == len(hot_day.truth)


def test_the_operator_may_pause_the_device_and_end_the_pause(
    daemon: Callable[..., Any],
    session_files: Path,
    tmp_path: Path,
    clemd: Any,
) -> None:
    """For an hour of somebody else's work; then what is looked at goes first."""
    one = daemon(tables=tables(write_trace(tmp_path / "t.csv", (0, 50), (900, 50))))
    one.start()
    said = clemd.json("heat", "pause", "--minutes", "10", "--state", one.state)
    for side, folder in (("em", one.em), ("lm", one.lm)):
        for file in sorted((session_files / side).iterdir()):
            (folder / file.name).write_bytes(file.read_bytes())
    job = one.wait_until(
        lambda: next(
            (
                j
                for j in clemd.json("status", "--state", one.state)["troubled_jobs"]
                if j["state"] == "deferred"
            ),
            None,
        ),
        "a job waits",
    )
    time.sleep(2)
    meanwhile = len(one.ask(lambda r: r.registrations()))
    refused = clemd("heat", "pause", "--minutes", "1000", "--state", one.state)
    one.wait_until(lambda: len(one.ask(lambda r: r.pairs())) == 2, "two pairs wait")
    last = one.ask(lambda r: r.pairs())[0]  # the newest comes first
    with Client(state=one.state) as client:
        raised = client.command("first", em_frame_id=last.em_frame_id)
    clemd.json("heat", "resume", "--state", one.state)
    one.wait_for_results(2)
    first_done = one.ask(lambda r: r.registrations())[-1]

    assert said["wish"] == "pause"
    assert "the operator has paused the device" in job["reason"]
    assert "about 10 min" in job["reason"]
    assert meanwhile == 0
    assert raised["jobs"] == 1
    assert first_done.em_frame_id == last.em_frame_id
    assert refused.returncode == 2
    assert "at most" in refused.stderr
