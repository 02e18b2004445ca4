"""A daemon that cannot be what its profile says does not start at all."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest


def refuse(daemon: Any) -> str:
    """Start it; the one line that it says before it ends with code 2."""
    done = subprocess.run(
        daemon.command, capture_output=True, text=True, timeout=60, check=False
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(said) == 1, done.stderr
    return said[0]


MISTAKES = {
    "an unknown key": (
        {"root": "setle_s = 2.0"},
        ("setle_s", "unknown key", "correct its spelling"),
    ),
    "an unknown table": (
        {"tables": "[pages]\nport = 0\n"},
        ("pages", "unknown key", "correct its spelling"),
    ),
    "a value out of range": (
        {"tables": "[page]\nport = 70000\n"},
        ("page.port", "70000", "correct the value"),
    ),
    "a limit below the one it must exceed": (
        {"tables": "[thermal]\nwarm_c = 90.0\nhot_c = 80.0\n"},
        ("warm_c", "below hot_c"),
    ),
    "a bus open to the network without keys": (
        {"tables": '[bus]\npublish = "tcp://0.0.0.0:0"\ncommand = "tcp://0.0.0.0:0"\n'},
        ("curve_secret_file", "authorised_keys"),
    ),
    "an engine that does not exist": (
        {"tables": '[page]\nport = 0\n[registration]\nengine = "guesswork"\n'},
        ("guesswork",),
    ),
    "a time zone that does not exist": (
        {"top": 'timezone = "Mars/Olympus"'},
        ("timezone", "Mars/Olympus", "no such IANA time zone"),
    ),
}


@pytest.mark.parametrize(
    ("settings", "words"), MISTAKES.values(), ids=[*MISTAKES.keys()]
)
def test_mistake_in_the_profile_is_named(
    daemon: Callable[..., Any], settings: dict[str, str], words: tuple[str, ...]
) -> None:
    """One line: what, where, what to do; and no half-configured service."""
    said = refuse(daemon(**settings))

    for word in words:
        assert word in said


def test_broken_profile_leaves_no_trace(daemon: Callable[..., Any]) -> None:
    """Not even a state folder."""
    one = daemon(root="setle_s = 2.0")
    refuse(one)

    assert not one.state.exists()


def test_missing_folder_is_named(daemon: Callable[..., Any]) -> None:
    """A typing error must not look like a quiet microscope."""
    one = daemon()
    one.lm.rmdir()
    said = refuse(one)

    assert str(one.lm) in said
    assert "create the folder or correct the path" in said
    assert not one.state.exists()


def test_profile_without_folders_is_refused(daemon: Callable[..., Any]) -> None:
    """It would run for months and watch nothing."""
    one = daemon()
    one.profile.write_text('instrument = "bench"\n')

    assert "[[roots]]" in refuse(one)


def test_profile_that_is_not_there_is_named(daemon: Callable[..., Any]) -> None:
    """The path as the operator wrote it."""
    one = daemon()
    one.profile.unlink()

    assert str(one.profile) in refuse(one)


def test_state_folder_that_is_a_file_is_named(daemon: Callable[..., Any]) -> None:
    """Nothing is overwritten to make room."""
    one = daemon()
    one.state.write_text("mine")

    assert str(one.state) in refuse(one)
    assert one.state.read_text() == "mine"


def test_state_inside_a_watched_folder_is_refused(daemon: Callable[..., Any]) -> None:
    """The service would take its own pictures for exported images."""
    one = daemon()
    one.state = one.em / "state"

    assert "outside every watched folder" in refuse(one)
    assert not one.state.exists()


def test_port_in_use_is_named(daemon: Callable[..., Any]) -> None:
    """With the key to change."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = refuse(daemon(tables=f"[page]\nport = {port}\n"))

    assert f"page.port = {port}" in said
    assert "in use" in said


def test_second_daemon_on_one_state_folder_is_refused(
    daemon: Callable[..., Any],
) -> None:
    """Two writers would do everything twice; the first one does not even notice."""
    one = daemon()
    one.start()
    said = refuse(one)

    assert f"in use by process {one.pid}" in said
    assert "CLEMD_STATE" in said
    assert one.get("/readyz")[0] == 200
