"""A daemon as a process, as a service manager would run it, and the folders it watches.

The benchmark sees of it what an outsider sees: its exit, its sockets, its database.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from clemd.client import Client
from clemd.errors import TransientError

CLEMD = (sys.executable, "-m", "clemd")
START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0
AFTERLIFE_S = 3.0
"""A child that is still there so long after its daemon has outlived it."""
QUIET_LOOKS = 3
LOOK_S = 0.25

_PROFILE = """\
instrument = "bench"

[pairing]
session_from = "{session_from}"
window_h = 1e6

[registration]
threads = {threads}

[page]
port = 0
"""
_ROOT = """
[[roots]]
name = "{side}"
path = "{path}"
side = "{side}"
ready = "close"
settle_s = 1.0
poll_s = 1.0
incomplete_s = 10.0
"""


class DaemonFailedError(TransientError):
    """Raised when the daemon ended by itself or did not get ready; with its log."""


@dataclass(slots=True)
class Daemon:
    """One daemon on one state folder; started and ended as often as wanted."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepare(
        cls, folder: Path, *, threads: int, session_from: str = "none"
    ) -> Daemon:
        """Folders and a profile below `folder`; nothing runs yet."""
        daemon = cls(folder)
        text = _PROFILE.format(threads=threads, session_from=session_from)
        for side in ("em", "lm"):
            daemon.export(side).mkdir(parents=True)
            text += _ROOT.format(side=side, path=daemon.export(side))
        (folder / "profile.toml").write_text(text, encoding="utf-8")
        return daemon

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """What it wrote to stderr, all lives together."""
        return self.folder / "daemon.log"

    def export(self, side: str) -> Path:
        """The watched folder of `em` or `lm`."""
        return self.folder / "export" / side

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a process group of its own; returns at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *CLEMD,
                    "run",
                    *("--profile", str(self.folder / "profile.toml")),
                    *("--state", str(self.state)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def wait_until_ready(self) -> None:
        """Until it answers on its bus.

        Raises:
            DaemonFailedError: it ended, or START_LIMIT_S passed.
        """
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            self.check_running()
            with suppress(TransientError), Client(state=self.state) as client:
                client.command("status", timeout_s=2.0)
                return
            time.sleep(LOOK_S)
        raise DaemonFailedError(f"the daemon did not get ready: {self.last_words()}")

    def check_running(self) -> None:
        """Make sure that it has not ended by itself.

        Raises:
            DaemonFailedError: it has.
        """
        code = None if self.process is None else self.process.poll()
        if code is not None:
            raise DaemonFailedError(
                f"the daemon ended by itself with {code}: {self.last_words()}"
            )

    def wait_until_idle(self, limit_s: float) -> None:
        """Until several looks in a row find nothing left to do.

        Raises:
            DaemonFailedError: it ended, or is still busy after `limit_s`.
        """
        deadline = time.monotonic() + limit_s
        quiet = 0
        while quiet < QUIET_LOOKS:
            self.check_running()
            if time.monotonic() > deadline:
                raise DaemonFailedError(
                    f"still busy after {limit_s:.0f} s: {unfinished(self.state)}"
                )
            quiet = 0 if unfinished(self.state) else quiet + 1
            time.sleep(LOOK_S)

    def stop(self) -> int:
        """SIGTERM, then wait; its exit code (killed where it does not obey)."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def kill(self) -> list[str]:
        """SIGKILL its process group; what its children that outlived it were doing.

        Survivors are killed too, so that they cannot disturb the next life.
        """
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return []
        # Stopped first: what it starts between a look and the kill would be missed.
        os.killpg(process.pid, signal.SIGSTOP)
        children = _children(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=AFTERLIFE_S)
        said = []
        for child in alive:
            with suppress(psutil.NoSuchProcess):
                said.append(" ".join(child.cmdline()[1:]) or child.name())
                child.kill()
        return said

    def child(self, module: str) -> psutil.Process | None:
        """The child that runs `python -m module`."""
        if self.process is None:
            return None
        for child in _children(self.process.pid):
            with suppress(psutil.Error):
                if module in child.cmdline():
                    return child
        return None

    def last_words(self, size_bytes: int = 600) -> str:
        """The end of its log, in one line."""
        with suppress(OSError):
            return " ".join(
                self.log.read_bytes()[-size_bytes:].decode("utf-8", "replace").split()
            )
        return "no log"


@contextmanager
def serving(daemon: Daemon) -> Iterator[Daemon]:
    """Started and ready; stopped afterwards, whatever happens."""
    daemon.start()
    try:
        daemon.wait_until_ready()
        yield daemon
    finally:
        daemon.stop()


def unfinished(state: Path) -> dict[str, int]:
    """What is left to do, by kind; empty when nothing is."""
    questions = {
        "jobs": "SELECT COUNT(*) FROM jobs "
        "WHERE state IN ('queued', 'leased', 'deferred')",
        "files": "SELECT COUNT(*) FROM files "
        "WHERE state IN ('noticed', 'waiting', 'reading')",
        "unsent": "SELECT COUNT(*) FROM outbox WHERE published_at IS NULL",
    }
    try:
        with closing(look_into(state)) as connection:
            found = {
                name: int(connection.execute(sql).fetchone()[0])
                for name, sql in questions.items()
            }
    except sqlite3.OperationalError:
        return {"database": 1}  # not there yet, or still without its tables
    return {name: count for name, count in found.items() if count}


def look_into(state: Path) -> sqlite3.Connection:
    """A connection to the state's database that can change nothing."""
    uri = f"{(state / 'clemd.sqlite').absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=5.0)


def wait_for(check: Callable[[], bool], limit_s: float, what: str) -> None:
    """Look until `check` holds.

    Raises:
        DaemonFailedError: it did not within `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while not check():
        if time.monotonic() > deadline:
            raise DaemonFailedError(f"waited {limit_s:.0f} s in vain for {what}")
        time.sleep(LOOK_S)


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
