"""What system tests share: a real daemon in a process of its own, and real files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from clemd.store import FileRow, Reader

pytest.register_assert_rewrite("clemd.testing")

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
CLEMD = (str(Path(sys.executable).with_name("clemd")),)
START_S = 120.0
"""A busy machine takes its time; no test waits this long when all is well."""
STOP_S = 10.0


class Daemon:
    """The installed `clemd run` on a profile of its own, started and stopped at will.

    Args:
        folder: an empty folder; the watched folders and the state lie below it.
        top: keys of the profile's top level.
        root: further keys of both `[[roots]]`.
        tables: further text of the profile.
        launcher: argv that `clemd` is started through.
    """

    def __init__(
        self,
        folder: Path,
        *,
        top: str = "",
        root: str = "",
        tables: str = "[page]\nport = 0\n",
        launcher: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.em, self.lm = folder / "export" / "em", folder / "export" / "lm"
        for path in (self.em, self.lm):
            path.mkdir(parents=True, exist_ok=True)
        self.profile = folder / "profile.toml"
        self.profile.write_text(self._profile(top, root, tables))
        self._launcher = tuple(launcher)
        self._process: subprocess.Popen[bytes] | None = None
        self._runs = 0

    def _profile(self, top: str, root: str, tables: str) -> str:
        roots = "".join(
            f'[[roots]]\nname = "{path.name}"\npath = "{path}"\nside = "{path.name}"\n'
            f"settle_s = 0.4\npoll_s = 0.5\n{root}\n"
            for path in (self.em, self.lm)
        )
        return f"{top}\n{roots}{tables}"

    @property
    def command(self) -> list[str]:
        """How it is started."""
        place = ("--profile", str(self.profile), "--state", str(self.state))
        return [*self._launcher, *CLEMD, "run", *place]

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def _log(self) -> Path:
        return self.folder / f"log-{self._runs}.jsonl"

    def said(self) -> list[dict[str, Any]]:
        """The log of the last run: every whole line is one JSON object."""
        *lines, _ = self._log.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines]

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self._runs += 1
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self.command, stdout=subprocess.DEVNULL, stderr=log
            )
        self.wait_until(self._is_ready, "ready")

    def _is_ready(self) -> bool:
        if not any(line["event"] == "ready" for line in self.said()):
            return False
        return self.get("/readyz")[0] == 200

    @property
    def page(self) -> str:
        """Address of its page, without the token."""
        ready = next(line for line in self.said() if line["event"] == "ready")
        return str(ready["page"]).rstrip("/")

    @property
    def token(self) -> str:
        """What the page asks for."""
        return (self.state / "page-token").read_text().strip()

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask the page: (status, body)."""
        asked = urllib.request.Request(  # noqa: S310 - our own http address
            self.page + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()
        except OSError as failed:
            return 0, str(failed).encode()

    def wait_until(
        self, question: Callable[[], T], what: str, limit_s: float = START_S
    ) -> T:
        """Ask until the answer is true; a daemon that ends first fails the test."""
        deadline = time.monotonic() + limit_s
        while not (answer := question()):
            if not self.is_running:
                pytest.fail(f"the daemon ended before: {what}\n{self._last_words()}")
            if time.monotonic() > deadline:
                pytest.fail(f"not in {limit_s:g} s: {what}\n{self._last_words()}")
            time.sleep(0.05)
        return answer

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def ask(self, question: Callable[[Reader], T]) -> T:
        """Look into its database from outside."""
        with Reader.open(self.state) as reader:
            return question(reader)

    def file(self, name: str | bytes, root: str = "em") -> FileRow | None:
        """What it knows of one file."""
        return self.ask(lambda reader: reader.find_file(root, os.fsencode(name)))

    def wait_for_file(
        self, name: str | bytes, *states: str, root: str = "em", limit_s: float = 60.0
    ) -> FileRow:
        """Wait until a file is in one of these states."""

        def row() -> FileRow | None:
            found = self.file(name, root)
            return found if found is not None and found.state in states else None

        known = self.wait_until(row, f"{name!r} is {' or '.join(states)}", limit_s)
        assert known is not None
        return known

    def wait_for_results(self, count: int, limit_s: float = 240.0) -> None:
        """Wait until so many results are there with all their files."""

        def are_there() -> bool:
            return self.ask(
                lambda reader: (
                    sum("report" in r.outputs for r in reader.registrations()) >= count
                )
            )

        self.wait_until(are_there, f"{count} results with their files", limit_s)

    def children(self) -> list[psutil.Process]:
        """Every process it started, theirs included."""
        return psutil.Process(self.pid).children(recursive=True)

    def stop(self) -> None:
        """SIGTERM: it must end in time, with code 0, and leave no process behind."""
        assert self._process is not None
        children = self.children()
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"SIGTERM did not end the daemon\n{self._last_words()}")
        took_s = time.monotonic() - began
        _, left = psutil.wait_procs(children, timeout=5)
        assert code == 0, self._last_words()
        assert took_s < STOP_S
        assert left == []

    def kill(self) -> None:
        """SIGKILL, as a power cut: nothing is told to anybody."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it whatever the test has left."""
        if self._process is not None and self._process.poll() is None:
            children = self.children()
            self.kill()
            psutil.wait_procs(children, timeout=10)


@pytest.fixture
def pretend_nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """NVIDIA's library for a card that is a file, here and in every child process."""
    folder = tmp_path / "nvml"
    folder.mkdir()
    source = Path(__file__).with_name("faults") / "pretend_nvml.py"
    module = folder / "pynvml.py"
    shutil.copyfile(source, module)
    monkeypatch.setenv("PRETEND_NVML", str(folder / "card.json"))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    spec = importlib.util.spec_from_file_location("pretend_nvml", module)
    assert spec is not None
    assert spec.loader is not None
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    return library


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real files, where this machine has them."""
    if not REAL_DATA.is_dir():
        pytest.skip("no real data: ../shared/data beside the repository is absent")
    return REAL_DATA


@pytest.fixture(scope="session")
def daemon_type() -> type[Daemon]:
    """For fixtures that keep a daemon for longer than one test."""
    return Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons, not yet started; one that still runs is stopped afterwards."""
    made: list[Daemon] = []

    def make(name: str = "clemd", **settings: Any) -> Daemon:
        (tmp_path / name).mkdir(exist_ok=True)
        made.append(Daemon(tmp_path / name, **settings))
        return made[-1]

    yield make
    try:
        for one in made:
            if one.is_running:
                one.stop()
    finally:
        for one in made:
            one.close()


class Command:
    """`clemd` as a user calls it, in a process of its own."""

    def __call__(
        self, *arguments: object, limit_s: float = 240.0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*CLEMD, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=limit_s,
            cwd=cwd,
            check=False,
        )

    def json(self, *arguments: object, code: int = 0, **more: Any) -> dict[str, Any]:
        """Run it with `--json`; stdout must be one object and nothing else."""
        done = self(*arguments, "--json", **more)
        assert done.returncode == code, done.stderr
        assert done.stdout.count("\n") == 1
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="session")
def clemd() -> Command:
    """The installed command."""
    return Command()


@pytest.fixture(scope="session")
def play() -> Callable[..., None]:
    """Play a session on the simulated microscopes into two folders, to its end."""

    def play(
        em: Path, lm: Path, truth: Path, *, plan: str = "quick", seed: int = 7
    ) -> None:
        command = [sys.executable, "-m", "clemd_drivers.simulated", "--plan", plan]
        command += ["--em", str(em), "--lm", str(lm), "--truth", str(truth)]
        command += ["--seed", str(seed), "--pace", "0"]
        subprocess.run(command, check=True, capture_output=True, timeout=240)

    return play


@pytest.fixture(scope="session")
def session_files(
    tmp_path_factory: pytest.TempPathFactory, play: Callable[..., None]
) -> Path:
    """One exported session: em/, lm/ and, for tests only, truth.json."""
    folder = tmp_path_factory.mktemp("session")
    for side in ("em", "lm"):
        (folder / side).mkdir()
    play(folder / "em", folder / "lm", folder / "truth.json")
    return folder
