"""`python -m clemd_drivers.simulated`: play one session into two folders."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import cv2

from ._every import EVERY, write_every
from ._plans import PLANS
from ._playing import play
from ._session import plan_session
from ._truth import write_truth


class _StoppedError(Exception):
    """Raised when a signal asks the microscopes to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the whole session was played, 2 for wrong usage."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.list_plans:
        for plan in PLANS.values():
            sys.stdout.write(f"{plan.name:10} {plan.purpose}\n")
        sys.stdout.write(f"{EVERY:10} one small file of every format, no session\n")
        return 0
    problem = _problem(chosen)
    if problem:
        sys.stderr.write(f"simulated: {problem}\n")
        return 2
    # One core: the other ones belong to the daemon that is being shown.
    cv2.setNumThreads(1)
    if chosen.plan == EVERY:
        write_every(
            em_folder=chosen.em,
            lm_folder=chosen.lm,
            truth=chosen.truth,
            seed=chosen.seed,
        )
        return 0
    session = plan_session(PLANS[chosen.plan], seed=chosen.seed)
    write_truth(session, chosen.truth)
    pace_s = session.plan.pace_s if chosen.pace is None else chosen.pace
    try:
        play(
            session,
            em_folder=chosen.em,
            lm_folder=chosen.lm,
            pace_s=pace_s,
            sleep=_stoppable_sleep(),
            say=lambda line: sys.stderr.write(f"simulated: {line}\n"),
        )
    except _StoppedError:
        return 143
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m clemd_drivers.simulated",
        description="A simulated SEM and confocal microscope that export real files.",
    )
    parser.add_argument("--em", type=Path, help="folder the SEM exports into")
    parser.add_argument("--lm", type=Path, help="folder the confocal exports into")
    parser.add_argument("--truth", type=Path, help="file for the right answers")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same session")
    parser.add_argument("--plan", default="demo", help="name of the session")
    parser.add_argument("--pace", type=float, help="seconds between files")
    parser.add_argument("--list-plans", action="store_true", help="name the sessions")
    return parser


def _problem(chosen: argparse.Namespace) -> str | None:
    """What is wrong with the arguments, where, and what to do; in one line."""
    names = (*PLANS, EVERY)
    if chosen.plan not in names:
        return f"no such plan ({chosen.plan!r}): choose one of {', '.join(names)}"
    if chosen.seed < 0:
        return f"a seed must not be negative ({chosen.seed}): choose 0 or more"
    if chosen.pace is not None and not 0 <= chosen.pace <= 600:
        return f"pace out of range ({chosen.pace}): choose 0 to 600 seconds"
    for option in ("em", "lm", "truth"):
        if getattr(chosen, option) is None:
            return f"missing argument (--{option}): name a path"
    for folder in (chosen.em, chosen.lm):
        if not folder.is_dir():
            return f"no such folder ({folder}): make it first"
    truth = chosen.truth.resolve()
    for folder in (chosen.em, chosen.lm):
        if truth.is_relative_to(folder.resolve()):
            return f"truth inside an export folder ({truth}): name a path outside"
    if not truth.parent.is_dir():
        return f"no such folder ({truth.parent}): make it first"
    return None


def _stoppable_sleep() -> Callable[[float], object]:
    """A sleep that SIGTERM and SIGINT end at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise _StoppedError

    return sleep


if __name__ == "__main__":
    raise SystemExit(main())
