"""Many trials, on several processes, broken off and taken up again at will."""

from __future__ import annotations

import ast
import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from ._machine import this_machine
from ._plan import Maker
from ._rows import Row, Saved, open_rows
from ._solving import solve
from ._trial import Spec

WAITING = 3
"""Tasks handed to each process ahead of time."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Task = tuple[Spec, str]
"""A trial, and the arm that is to solve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is run, and with what means."""

    tasks: Sequence[Task]
    data: Path | None = None
    rows: Path | None = None
    """Where rows are kept; None = only in memory."""
    jobs: int = 1
    """Processes."""
    threads: int = 1
    """Threads of each."""
    with_model: bool = True
    """Does another verdict model make other rows?"""

    def run(self) -> Saved:
        """Run what is not yet in the file; everything that is there then.

        Raises:
            UsageError: the file holds rows of another engine.
        """
        saved, add = open_rows(self.rows, self._facts())
        done = saved.done
        todo = [t for t in self.tasks if (t[0].key, t[1]) not in done]
        progress = Progress(len(todo), len(self.tasks) - len(todo))
        for row in self._solved(todo):
            add(row)
            progress.one_more()
        progress.end()
        wanted = {(spec.key, arm) for spec, arm in self.tasks}
        rows = [r for r in saved.rows if (r["key"], r["arm"]) in wanted]
        return Saved(runs=saved.runs, rows=rows)

    def _facts(self) -> Row:
        return {
            "run": "clemd.bench.rows/1",
            "engine": fingerprint(with_model=self.with_model),
            "jobs": self.jobs,
            "threads": self.threads,
            "command": " ".join(["clemd", *sys.argv[1:]]),
            "machine": this_machine().as_json(),
        }

    def _solved(self, todo: Sequence[Task]) -> Iterator[Row]:
        if self.jobs == 1:
            _begin(self.data, self.threads)
            yield from (_solve(task) for task in todo)
            return
        with _few_threads(self.threads), self._pool() as pool:
            rest = iter(todo)
            running = {
                pool.submit(_solve, task) for task in islice(rest, WAITING * self.jobs)
            }
            try:
                while running:
                    ready, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in ready)
                    for task in islice(rest, len(ready)):
                        running.add(pool.submit(_solve, task))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self.data, self.threads),
        )


@contextmanager
def _few_threads(threads: int) -> Iterator[None]:
    """The environment from which new processes take their number of threads."""
    wanted = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    before = {name: os.environ[name] for name in wanted if name in os.environ}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]
        os.environ.update(before)


_state: dict[str, Any] = {}


def _begin(data: Path | None, threads: int) -> None:
    """Make this process ready for tasks."""
    from clemd.registration import use_threads

    use_threads(threads)
    cv2.setNumThreads(threads)
    _state.update(maker=Maker(data), threads=threads)


def _solve(task: Task) -> Row:
    spec, arm = task
    trial = _state["maker"].make(spec)
    if trial is None:
        return {"key": spec.key, "arm": arm, "skipped": True}
    return solve(spec, trial, arm, threads=_state["threads"])


class Progress:
    """One line on stderr: how many, how fast, how much longer."""

    def __init__(
        self,
        count: int,
        before: int,
        write: Callable[[str], object] = sys.stderr.write,
    ) -> None:
        self._count, self._before, self._write = count, before, write
        self._started_s, self._done = time.monotonic(), 0
        if before:
            write(f"{before} trials are in the file already\n")

    def one_more(self) -> None:
        """A trial is done."""
        self._done += 1
        spent_s = max(time.monotonic() - self._started_s, 1e-3)
        rate = self._done / spent_s
        left_s = (self._count - self._done) / rate
        self._write(
            f"\r{self._done} of {self._count} trials, {60 * rate:.1f} a minute, "
            f"about {left_s / 60:.0f} min left "
        )

    def end(self) -> None:
        """The line is finished."""
        if self._done:
            self._write("\n")


def fingerprint(*, with_model: bool) -> str:
    """Of the code (and, on demand, the verdict model) that makes the answers."""
    digest = hashlib.sha256()
    for package in ("clemd.registration", "clemd.preparing"):
        for file in sorted(files(package).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py"):
                digest.update(file.name.encode() + _without_words(file.read_text()))
            elif with_model and file.name.endswith(".json"):
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _without_words(source: str) -> bytes:
    """What `source` does, whatever its comments and docstrings say."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not _is_text(one)]
            node.body = kept  # type: ignore[attr-defined]
    return ast.dump(tree).encode()


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
