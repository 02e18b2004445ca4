"""A loop that outlives what goes wrong in it.

One odd file or a full disk must not end a service that is to run for months. Only a
database that can no longer be trusted does: then nothing that is kept would be true.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Awaitable, Callable

import structlog

from clemd.errors import TransientError
from clemd.store import StoreDamagedError

from ._house import House

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 10.0
"""Shorter than a part may be silent before the watchdog asks."""
WATCHED = frozenset({"intake", "registrar", "messenger", "thermal"})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = structlog.get_logger(__name__)


async def lasting(house: House, name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Begin `run` again whenever it ends in an error; every error is told once.

    Raises:
        StoreDamagedError: end the daemon, open the database anew, verify.
    """
    wait_s = FIRST_WAIT_S
    told = ""
    while not house.stop.is_set():
        began_s = house.clock()
        try:
            await run()
            return
        except StoreDamagedError:
            raise
        except Exception as failed:  # noqa: BLE001 - the daemon has to go on
            if house.clock() - began_s > LONGEST_WAIT_S:
                wait_s, told = FIRST_WAIT_S, ""
            where = place_of(failed)
            house.troubles[name] = in_words(failed)
            if where != told:
                say_once(name, failed)
            told = where
        if name in WATCHED:
            house.heartbeats.beat(name)
        await house.stop.wait(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def say_once(part: str, failed: BaseException) -> None:
    """Log what went wrong; a defect with the way to it."""
    if is_expected(failed):
        _log.error("in_trouble", part=part, reason=str(failed))
        return
    _log.error(
        "defect",
        part=part,
        reason=in_words(failed),
        way="".join(traceback.format_exception(failed))[-4000:],
    )


def is_expected(failed: BaseException) -> bool:
    """The world's fault, not ours: the same may succeed later."""
    is_full = isinstance(failed, OSError) and failed.errno in FULL
    return is_full or isinstance(failed, TransientError)


def in_words(failed: BaseException) -> str:
    """One line."""
    said = " ".join(str(failed).split())[:300]
    return said if is_expected(failed) else f"{type(failed).__name__}: {said}"


def place_of(failed: BaseException) -> str:
    """What tells one error from another: its type and where it was raised."""
    frames = traceback.extract_tb(failed.__traceback__)
    at = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(failed).__name__} {at}"


__all__ = ["in_words", "lasting", "place_of", "say_once"]
