"""`clemd status` says what a state folder holds, whether a daemon runs or not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clemd.store import Store

Run = Callable[..., Any]

HOLDER = """
import socket, sys
from pathlib import Path
from clemd.store import Store
store = Store.open(Path(sys.argv[1]))
page = socket.create_server(("127.0.0.1", 0))
print(page.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(state: Path) -> Iterator[tuple[int, int]]:
    """Another process that holds the folder and listens; its (pid, port)."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None  # noqa: PT018
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.stdin.close()


def test_one_object_says_it_all(clemd: Run, state: Path) -> None:
    """Every part of `clemd.state/1`, from a database that was really written."""
    answer = clemd("status", "--state", state, "--json")
    found = answer.json

    assert answer.code == 0
    assert found["schema"] == "clemd.state/1"
    assert found["files"] == {
        "em": {"read": 3, "refused": 1, "waiting": 1},
        "lm": {"read": 1},
    }
    assert found["frames"] == {"em": 3, "lm": 1}
    assert found["pairs"] == {"done": 2}
    assert found["verdicts"] == {"accepted": 1, "review": 0, "rejected": 1}
    assert found["jobs"]["poisoned"] == 1
    assert found["thermal"]["state"] == "warm"
    assert found["thermal"]["temperature_c"] == 71.0
    assert found["unpublished"] == 1


def test_files_that_wait_or_were_refused_say_why(clemd: Run, state: Path) -> None:
    """With names that cannot break a line or an encoder."""
    found = clemd("status", "--state", state, "--json").json

    assert [(f["file"], f["reason"]) for f in found["waiting"]] == [
        ("late\\x0a.tif", "bytes 10..99 are missing")
    ]
    assert [(f["file"], f["reason"]) for f in found["refused"]] == [
        ("\\xff.doc", "not an image")
    ]


def test_frame_without_partner_says_what_it_waits_for(clemd: Run, state: Path) -> None:
    """Only the one that lies in no pair."""
    found = clemd("status", "--state", state, "--json").json

    assert [(f["file"], f["side"], f["reason"]) for f in found["unpaired"]] == [
        ("alone.tif", "em", "no LM map yet")
    ]


def test_results_come_with_radius_and_seconds(clemd: Run, state: Path) -> None:
    """The newest first."""
    results = clemd("status", "--state", state, "--json").json["results"]

    assert [(r["verdict"], r["em_file"], r["lm_file"]) for r in results] == [
        ("rejected", "b.tif", "map.tif"),
        ("accepted", "a.tif", "map.tif"),
    ]
    assert results[1]["error_p95_um"] == 0.05
    assert results[1]["seconds"] == 4.5


def test_poisoned_job_shows_its_reason(clemd: Run, state: Path) -> None:
    """It waits for a person, who must know why."""
    (job,) = clemd("status", "--state", state, "--json").json["troubled_jobs"]

    assert (job["kind"], job["state"]) == ("register", "poisoned")
    assert job["reason"] == "the worker was killed"


def test_people_read_the_same(
    clemd: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In lines that fit a narrow terminal; a rejected result shows no radius."""
    monkeypatch.setenv("COLUMNS", "200")
    text = clemd("status", "--state", state).out

    assert "no daemon runs on" in text
    assert "accepted a.tif on map.tif, ±0.05 µm, 4.5 s, id a" in text
    assert "rejected b.tif on map.tif, 4.5 s, id b" in text
    assert "alone.tif: no LM map yet, id " in text
    assert "register job 1 poisoned: the worker was killed" in text
    assert "warm: 71 °C (nvml:0 Card)" in text


def test_long_reasons_are_wrapped(
    clemd: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal of 50 columns shows whole words."""
    monkeypatch.setenv("COLUMNS", "50")
    lines = clemd("status", "--state", state).out.splitlines()

    assert max(len(line) for line in lines if str(state) not in line) <= 50


def test_running_daemon_is_seen_with_its_page(clemd: Run, state: Path) -> None:
    """By the lock it holds and the port it listens on."""
    with holder(state) as (pid, port):
        (state / "page-token").write_text("secret-1")
        found = clemd("status", "--state", state, "--json").json

    assert (found["running"], found["pid"]) == (True, pid)
    assert found["page"] == f"http://127.0.0.1:{port}/?token=secret-1"


def test_running_daemon_is_seen_without_the_kernels_list(
    clemd: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where /proc/locks is hidden, trying the lock tells."""
    monkeypatch.setattr("clemd.cli._status.LOCKS", state / "no such file")
    with holder(state):
        running = clemd("status", "--state", state, "--json").json["running"]

    assert running is True
    assert clemd("status", "--state", state, "--json").json["running"] is False


def test_lock_file_left_by_a_killed_daemon_is_not_a_daemon(
    clemd: Run, state: Path
) -> None:
    """The file stays, the kernel's lock does not."""
    (state / "clemd.lock").write_text("1\n")

    assert clemd("status", "--state", state, "--json").json["running"] is False


def test_looking_keeps_no_daemon_from_starting(clemd: Run, state: Path) -> None:
    """Nor does it change what is there."""
    before = clemd("status", "--state", state, "--json").json
    Store.open(state).close()

    assert clemd("status", "--state", state, "--json").json == before


def test_missing_state_folder_is_one_line_and_exit_2(
    clemd: Run, tmp_path: Path
) -> None:
    """What, where, and what to do."""
    answer = clemd("status", "--state", tmp_path / "none", "--json")

    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert str(tmp_path / "none") in answer.err


def test_state_folder_comes_from_the_environment(
    clemd: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for the daemon itself."""
    monkeypatch.setenv("CLEMD_STATE", str(state))

    assert clemd("status", "--json").json["state_folder"] == str(state)


def test_port_of_the_bus_is_not_taken_for_the_page(clemd: Run, state: Path) -> None:
    """A bus on tcp listens too."""
    with holder(state) as (_, port):
        (state / "page-token").write_text("secret-1")
        (state / "run").mkdir()
        (state / "run" / "bus.json").write_text(
            f'{{"publish": "tcp://127.0.0.1:{port}", "command": "ipc:///x", '
            '"run_epoch": "e"}'
        )
        found = clemd("status", "--state", state, "--json").json

    assert found["page"] is None
    assert found["bus"]["publish"] == f"tcp://127.0.0.1:{port}"
