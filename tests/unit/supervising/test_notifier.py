"""Systemd hears what we say, and a deaf systemd harms nobody."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clemd.supervising import Heartbeats, Notifier, pulse


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A real socket on which a service manager would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        if request.param == "path":
            listening.bind(str(tmp_path / "notify"))
        else:
            listening.bind(f"\0clemd-test-{secrets.token_hex(8)}")
        listening.setblocking(False)
        yield listening


def notifier_for(manager: socket.socket, **more: str) -> Notifier:
    """The notifier as systemd's environment would make it."""
    name = manager.getsockname()
    shown = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return Notifier.from_environment({"NOTIFY_SOCKET": shown, **more})


def test_every_message_arrives_as_systemd_reads_it(manager: socket.socket) -> None:
    """The protocol is text; a wrong letter is a start that times out."""
    notifier = notifier_for(manager)

    assert notifier.ready("watching 2 roots")
    assert notifier.watchdog()
    assert notifier.extend_timeout(1.5)
    assert notifier.stopping()

    assert manager.recv(999) == b"READY=1\nSTATUS=watching 2 roots"
    assert manager.recv(999) == b"WATCHDOG=1"
    assert manager.recv(999) == b"EXTEND_TIMEOUT_USEC=1500000"
    assert manager.recv(999) == b"STOPPING=1"


def test_a_status_cannot_smuggle_another_message(manager: socket.socket) -> None:
    """A file name in the status must not say READY for us."""
    notifier_for(manager).status("reading a\nREADY=1")

    assert manager.recv(999) == b"STATUS=reading a READY=1"


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/notify", "@gone"])
def test_nobody_listening_is_not_an_error(address: str | None) -> None:
    """The daemon also runs in a terminal."""
    assert Notifier(address or None).ready() is False


def test_a_full_manager_does_not_stop_the_daemon(manager: socket.socket) -> None:
    """Sending never blocks; a ping more or less does not matter."""
    notifier = notifier_for(manager)

    sent = [notifier.watchdog() for _ in range(5000)]

    assert sent[0] is True
    assert sent[-1] is False


def test_the_watchdog_is_pinged_twice_per_limit_and_only_by_its_owner() -> None:
    """A child that inherits the environment must not ping for its parent."""
    ours = {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}

    assert Notifier.from_environment(ours).watchdog_period_s == 30.0
    others = {**ours, "WATCHDOG_PID": "1"}
    assert Notifier.from_environment(others).watchdog_period_s is None
    assert Notifier.from_environment({}).watchdog_period_s is None
    odd = {"WATCHDOG_USEC": "soon"}
    assert Notifier.from_environment(odd).watchdog_period_s is None


def test_one_late_part_withholds_the_ping(manager: socket.socket) -> None:
    """A timer that pings beside a hung scan would hide the hang for ever."""
    now = [0.0]
    beats = Heartbeats(lambda: now[0])
    beats.expect("scan", limit_s=10)
    beats.expect("bus", limit_s=5)
    notifier = notifier_for(manager)

    now[0] = 5.0
    assert pulse(beats, notifier) == []
    now[0] = 5.1
    assert pulse(beats, notifier) == ["bus"]
    beats.beat("bus")
    assert pulse(beats, notifier) == []
    now[0] = 20.0
    assert pulse(beats, notifier) == ["scan", "bus"]

    assert manager.recv(999) == b"WATCHDOG=1"
    assert manager.recv(999) == b"STATUS=no progress: bus"
    assert manager.recv(999) == b"WATCHDOG=1"
    assert manager.recv(999) == b"STATUS=no progress: scan, bus"


def test_a_part_that_ended_well_is_not_missed() -> None:
    """A finished reconcile scan must not restart the daemon."""
    now = [0.0]
    beats = Heartbeats(lambda: now[0])
    beats.expect("reconcile", limit_s=1)
    beats.forget("reconcile")
    now[0] = 100.0

    assert beats.late() == []
    with pytest.raises(KeyError):
        beats.beat("reconcile")
    with pytest.raises(ValueError, match="positive"):
        beats.expect("x", limit_s=0)
    assert beats.late(now_s=1e9) == []
