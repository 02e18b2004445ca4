"""`clemd demo`: the whole service on embedded defaults, with files that arrive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clemd.app import BESIDE, App
from clemd.config import (
    BusSettings,
    PageSettings,
    PairingSettings,
    Profile,
    Ready,
    RootSettings,
)
from clemd.driver_api import Simulator, load_drivers
from clemd.errors import UsageError
from clemd.model import Side, Verdict
from clemd.supervising import configure_logging

from ._given_files import GivenFiles, find_files
from ._judging import judge_results
from ._telling import tell_progress

QUIET_CHECKS = 3
CHECK_S = 0.25


@dataclass(slots=True, kw_only=True)
class Session:
    """One demo: folders, what feeds them, and when it is over."""

    folder: Path
    app: App
    started_s: float
    truth_file: Path | None = None
    given: GivenFiles | None = None
    simulator: subprocess.Popen[bytes] | None = None
    first_overlay_s: float | None = None
    refused: list[dict[str, str]] = field(default_factory=list)

    @property
    def is_fed(self) -> bool:
        """Every file that will come has come."""
        if self.given is not None:
            return self.given.is_done
        return self.simulator is None or self.simulator.poll() is not None


def run_demo(
    *,
    headless: bool,
    once: bool,
    as_json: bool,
    data: Path | None,
    seed: int,
    plan: str,
    port: int,
    state: Path | None,
    verbose: bool,
) -> int:
    """Run it; with `once` until every file has its verdict.

    Raises:
        UsageError: no simulator, or `data` holds nothing usable.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"no such port: {port}", "--port", "use 0 to 65535")
    configure_logging("INFO" if verbose else "ERROR", json=verbose)
    given = None if data is None else find_files(data)
    with _folder(state) as folder:
        roots = _make_roots(folder, given)
        profile = Profile(
            instrument="demo",
            roots=roots,
            pairing=PairingSettings(session_from="none", window_h=1e6),
            page=PageSettings(port=port),
            bus=BusSettings(),
        )
        session = Session(
            folder=folder,
            app=App(profile, folder / "state"),
            started_s=time.monotonic(),
            given=given,
        )
        summary = asyncio.run(_play(session, seed, plan, once=once, headless=headless))
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        sys.stdout.write(_in_words(summary))
    return 0


@contextmanager
def _folder(state: Path | None) -> Iterator[Path]:
    """A folder of its own: the given one is kept, a temporary one is removed."""
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
        yield state.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="clemd-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_roots(folder: Path, given: GivenFiles | None) -> tuple[RootSettings, ...]:
    sides: dict[str, Side | None] = {"em": Side.EM, "lm": Side.LM}
    if given is not None and given.has_any:
        sides["any"] = None
    roots = []
    for name, side in sides.items():
        path = folder / "export" / name
        path.mkdir(parents=True, exist_ok=True)
        roots.append(
            RootSettings(
                name=name,
                path=path,
                side=side,
                ready=Ready.CLOSE,
                settle_s=1.0,
                poll_s=1.0,
                incomplete_s=6.0,
            )
        )
    return tuple(roots)


async def _play(
    session: Session, seed: int, plan: str, *, once: bool, headless: bool
) -> dict[str, Any]:
    serving = asyncio.create_task(session.app.run())
    starting = asyncio.create_task(session.app.started.wait())
    await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        starting.cancel()
        serving.result()
    sys.stderr.write(f"operator page  {session.app.page_url}\n")
    if not headless:
        with contextlib.suppress(Exception):
            webbrowser.open(session.app.page_url)
    telling = asyncio.create_task(tell_progress(session))
    try:
        await _feed(session, seed, plan)
        ending = asyncio.create_task(_wait_for_the_end(session, once=once))
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            ending.result()
        ending.cancel()
        if serving.done():
            serving.result()
        summary = _summary(session)
    finally:
        telling.cancel()
        if session.simulator is not None and session.simulator.poll() is None:
            session.simulator.terminate()
            session.simulator.wait()
        session.app.stop.stop("the demo is over")
        await serving
    return summary


async def _feed(session: Session, seed: int, plan: str) -> None:
    export = session.folder / "export"
    if session.given is not None:
        session.given.start(export)
        return
    simulator = _simulator()
    judge = session.folder / "judge"
    judge.mkdir(exist_ok=True)
    session.truth_file = judge / "truth.json"
    command = simulator.command(
        em_folder=export / "em",
        lm_folder=export / "lm",
        truth_file=session.truth_file,
        seed=seed,
        plan=plan,
    )
    session.simulator = _start(command, judge / "simulator.log")


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    # a file, not a pipe: nobody reads along, and a full pipe would stop it
    with log.open("wb") as said:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)


def _simulator() -> Simulator:
    for simulator in load_drivers("clemd.simulators"):
        found: Simulator = simulator
        return found
    raise UsageError(
        "no simulated microscope is installed", "clemd.simulators", "reinstall clemd"
    )


async def _wait_for_the_end(session: Session, *, once: bool) -> None:
    """With `once`: fed, and several looks in a row find nothing left to do."""
    quiet = 0
    while quiet < QUIET_CHECKS:
        await asyncio.sleep(CHECK_S)
        _check_simulator(session)
        if not once:
            continue
        done = session.is_fed and session.app.is_finished() and _all_seen(session)
        quiet = quiet + 1 if done else 0


def _all_seen(session: Session) -> bool:
    if session.given is None:
        return True
    known = sum(
        sum(states.values())
        for states in session.app.house.store.file_counts().values()
    )
    return known >= session.given.visible


def _check_simulator(session: Session) -> None:
    process = session.simulator
    if process is not None and process.returncode:
        log = session.folder / "judge" / "simulator.log"
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        last = said.splitlines()[-1] if said else "no message"
        raise UsageError("the simulated microscopes stopped", last, "check --plan")


def _summary(session: Session) -> dict[str, Any]:
    store = session.app.house.store
    rows = list(reversed(store.registrations(limit=100_000)))
    refused = store.files_in_state("refused", limit=100_000)
    results = []
    for row in rows:
        message = store.registration_message(row.id)
        results.append(
            row.registration.to_contract()
            | {
                "registration_id": row.id,
                "em_file": Path(message.em_file).name,
                "lm_file": Path(message.lm_file).name,
                "best": row.is_best,
                "metadata_ratio": message.metadata_ratio,
            }
        )
    counts = store.counts()
    texts = store.files_in_state(BESIDE, limit=100_000)
    verdicts = [row.verdict for row in rows]
    judged = judge_results(session.truth_file, results)
    return {
        "schema": "clemd.demo/1",
        "files": counts["files"] - len(texts),
        "frames": counts["frames"],
        "refused": [
            {
                "file": row.relative.decode("utf-8", "backslashreplace"),
                "reason": row.reason,
            }
            for row in refused
        ],
        "pairs": counts["pairs"],
        "accepted": verdicts.count(Verdict.ACCEPTED),
        "review": verdicts.count(Verdict.REVIEW),
        "rejected": verdicts.count(Verdict.REJECTED),
        "wrong_but_accepted": judged.wrong_but_accepted,
        "right": judged.right,
        "seconds_to_first_overlay": session.first_overlay_s,
        "seconds_total": round(time.monotonic() - session.started_s, 2),
        "registrations": results,
    }


def _in_words(summary: dict[str, Any]) -> str:
    first = summary["seconds_to_first_overlay"]
    lines = [
        f"{summary['files']} files, {summary['frames']} read, "
        f"{len(summary['refused'])} refused, {summary['pairs']} pairs",
        f"{summary['accepted']} accepted, {summary['review']} to review, "
        f"{summary['rejected']} rejected",
    ]
    if first is not None:
        lines.append(f"first overlay after {first:.1f} s")
    if summary["wrong_but_accepted"] is not None:
        lines.append(
            f"checked against the simulator's truth: {summary['right']} right, "
            f"{summary['wrong_but_accepted']} wrong but accepted"
        )
    lines += [f"refused {r['file']}: {r['reason']}" for r in summary["refused"]]
    return "\n".join(lines) + "\n"
