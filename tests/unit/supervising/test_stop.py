"""A signal ends every wait, once, and the second one is not swallowed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from clemd.supervising import StopSignal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_wait(number: signal.Signals) -> None:
    """Otherwise systemd waits, then kills."""
    async with StopSignal() as stop:
        waiting = asyncio.create_task(stop.wait())
        os.kill(os.getpid(), number)

        assert await waiting
        assert stop.is_set()
        assert stop.reason == f"received {number.name}"


async def test_a_wait_ends_after_its_time_too() -> None:
    """Periodic work waits on the stop, not on the clock."""
    async with StopSignal() as stop:
        assert await stop.wait(timeout_s=0.001) is False
        stop.stop("asked on the bus")
        stop.stop("later reason")
        assert await stop.wait(timeout_s=60) is True
        assert stop.reason == "asked on the bus"


async def test_signals_are_given_back() -> None:
    """A library that leaves handlers behind breaks its host."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with StopSignal():
        pass

    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert after[0] == signal.SIG_DFL
    assert after[0] == before[0]


def test_a_second_signal_ends_a_stop_that_hangs() -> None:
    """An operator who presses Ctrl-C twice means it."""
    script = (
        "import asyncio, os, signal\n"
        "from clemd.supervising import StopSignal\n"
        "async def main():\n"
        "    async with StopSignal() as stop:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        await stop.wait()\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )

    done = subprocess.run([sys.executable, "-c", script], timeout=30, check=False)

    assert done.returncode == -signal.SIGTERM
