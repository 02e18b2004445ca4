"""Damaged files through the service's own reader: each refused, or read right, soon."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import shutil
import time
from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from clemd.config import ReadingSettings
from clemd.errors import ClemdError, RefusedFileError, UsageError
from clemd.reading import ReaderPool, ReadRequest, ReadResult

from ._figures import Share, in_words, percentile
from ._mutating import FOREIGN, KINDS, Base, Mutation, mutate, write_foreign
from ._pipeline_session import render_stash
from ._table import Row, table
from ._watching_images import digest_of

MEMORY_MB = 512
TIME_GOAL_S = 2.0
BEAT_S = 0.01
WARM_FILES = 50
"""Before the supervisor's memory is first looked at: buffers have grown by then."""
MEMORY_GOAL_MB = 10.0
MOST_BASE_BYTES = 2_000_000
SAY_EVERY = 500

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one damaged file."""

    number: int
    kind: str
    base: str
    said: str
    """`read`, or the kind of refusal with its reason."""
    problem: str
    """Why it is wrong; empty where it is as it must be."""
    seconds: float
    memory_mb: float
    """High-water mark of the child that read it; 0 where it is gone."""


def measure_mutated(
    folder: Path,
    *,
    files: int,
    seed: int,
    data: Path | None,
    jobs: int,
    rows: Path | None,
    say: Say,
) -> tuple[list[Row], str]:
    """Read `files` damaged files; rows with goals and a table by kind."""
    (folder / "lanes").mkdir(parents=True)
    bases = [*_simulated(folder / "stash", seed), *_real(data)]
    rows = folder / "rows.jsonl" if rows is None else rows
    run = _Run(folder, bases, files=files, seed=seed, rows=rows, say=say)
    asyncio.run(run.play(jobs))
    outcomes = list(_kept(rows))
    return _rows(run, outcomes), _table(outcomes)


class _Run:
    """A supervisor's loop and some readers; what they said goes to `rows`.

    Nothing is kept here that grows with the number of files: this process stands for
    the supervisor, and its memory is measured.
    """

    def __init__(
        self,
        folder: Path,
        bases: list[Base],
        *,
        files: int,
        seed: int,
        rows: Path,
        say: Say,
    ) -> None:
        self.idle_late_s = array("d")
        self.late_s = array("d")
        self.memory_mb: list[float] = []
        self._folder, self._bases, self._seed, self._say = folder, bases, seed, say
        self._rows = rows
        done = {outcome.number for outcome in _kept(rows)}
        self._numbers = iter([n for n in range(files) if n not in done])
        self.resumed = self._count = len(done)
        self.files = files
        self._true: dict[str, frozenset[str]] = {}
        # Files are made and judged elsewhere: this process is the supervisor.
        self._hand = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _begin, (bases,)
        )

    async def play(self, jobs: int) -> None:
        """Read until all is read or Ctrl-C; rows are kept as they come."""
        beating = asyncio.create_task(self._beat(self.idle_late_s))
        await asyncio.sleep(2.0)
        beating.cancel()
        lanes = [self._folder / "lanes" / str(n) for n in range(jobs)]
        try:
            await self._learn_truth()
            beating = asyncio.create_task(self._beat(self.late_s))
            await asyncio.gather(*(self._lane(lane) for lane in lanes))
        finally:
            beating.cancel()
            self._hand.shutdown(cancel_futures=True)

    async def _learn_truth(self) -> None:
        """Read every file whole; to damage what is no image would prove little."""
        async with self._reader(self._folder / "whole") as (pool, export, cache):
            for base in self._bases:
                true = await _planes_of(pool, export, cache, base, self._hand)
                if true:
                    self._true[base.name] = true
        self._say(f"{len(self._true)} good files to damage")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._hand, _keep, frozenset(self._true))
        self._bases.clear()

    @asynccontextmanager
    async def _reader(self, lane: Path) -> AsyncIterator[tuple[ReaderPool, Path, Path]]:
        """A reader with a folder of its own to read from and one to write to."""
        export, cache = lane / "export", lane / "cache"
        export.mkdir(parents=True)
        cache.mkdir()
        write_foreign(lane)
        settings = ReadingSettings(memory_limit_mb=MEMORY_MB)
        pool = ReaderPool(settings, allow=[export], cache=cache)
        try:
            yield pool, export, cache
        finally:
            await pool.close()

    async def _beat(self, late_s: array[float]) -> None:
        """How much later than asked the loop wakes us."""
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(BEAT_S)
            late_s.append(time.perf_counter() - began_s - BEAT_S)

    async def _lane(self, lane: Path) -> None:
        async with self._reader(lane) as (pool, export, cache):
            for number in self._numbers:
                self._note(await self._one(pool, export, cache, number))

    async def _one(
        self, pool: ReaderPool, export: Path, cache: Path, number: int
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(self._hand, _make, export, self._seed, number)
        request = ReadRequest(
            path=str(made.path), root=str(export), cache=str(cache),
            every_position=True,
        )  # fmt: skip
        began_s = time.monotonic()
        problem, said, seconds = "", "read", 0.0
        try:
            result = await pool.read(request)
        except ClemdError as refused:
            reason = getattr(refused, "reason", str(refused))
            said, seconds = f"{type(refused).__name__}: {reason}", _since(began_s)
            if not isinstance(refused, RefusedFileError) and made.is_never:
                problem = "not refused for good"
        else:
            seconds = _since(began_s)
            true = self._true.get(made.base, frozenset())
            problem = await loop.run_in_executor(
                self._hand, _problem_of, made, result, cache, true
            )
        memory_mb = _high_water_mb(pool.child_pid)
        _empty(export)
        _empty(cache)
        return Outcome(
            number=number, kind=made.kind, base=made.base, said=said[:200],
            problem=problem, seconds=round(seconds, 4), memory_mb=round(memory_mb, 1),
        )  # fmt: skip

    def _note(self, outcome: Outcome) -> None:
        with self._rows.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(outcome)) + "\n")
        self._count += 1
        count = self._count
        if count - self.resumed == WARM_FILES or count % 100 == 0:
            self.memory_mb.append(psutil.Process().memory_info().rss / 1e6)
        if count % SAY_EVERY == 0:
            self._say(f"{count} of {self.files} ({100 * count / self.files:.0f} %)")


def _since(began_s: float) -> float:
    return time.monotonic() - began_s


_BASES: list[Base] = []
"""In the process that makes and judges files: what it damages."""


def _begin(bases: list[Base]) -> None:
    _BASES[:] = bases


def _keep(names: frozenset[str]) -> None:
    _BASES[:] = [base for base in _BASES if base.name in names]


def _make(export: Path, seed: int, number: int) -> Mutation:
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - repeatable
    return mutate(export, _BASES, dice)


def _problem_of(
    made: Mutation, result: ReadResult, cache: Path, true: frozenset[str]
) -> str:
    """Why it is wrong to have read this file so; empty where it is right."""
    if made.is_never:
        return "read, although it is no file of the folder"
    planes = _loaded(result, cache)
    if any(
        plane.shape != result.frame.shape or plane.dtype.name != result.frame.dtype
        for plane in planes
    ):
        return "the planes are not what the frame says"
    if any(plane.size and (plane == 0xBEEF).all() for plane in planes):
        return f"shows {FOREIGN}, which lies outside"
    if made.is_original_only and not {digest_of(plane) for plane in planes} <= true:
        return "bytes are missing, and it was read with other pixels"
    return ""


def _digests(result: ReadResult, cache: Path) -> frozenset[str]:
    return frozenset(digest_of(plane) for plane in _loaded(result, cache))


async def _planes_of(
    pool: ReaderPool, export: Path, cache: Path, base: Base, hand: Executor
) -> frozenset[str]:
    for name, data in {base.name: base.data, **base.beside}.items():
        (export / name).write_bytes(data)
    path = str(export / base.name)
    request = ReadRequest(
        path=path, root=str(export), cache=str(cache),
        accept_zero_tail=True, every_position=True,
    )  # fmt: skip
    digests: frozenset[str] = frozenset()
    with suppress(ClemdError):
        result = await pool.read(request)
        loop = asyncio.get_running_loop()
        digests = await loop.run_in_executor(hand, _digests, result, cache)
    _empty(export)
    _empty(cache)
    return digests


def _loaded(result: ReadResult, cache: Path) -> list[np.ndarray]:
    return [np.load(cache / name, mmap_mode="r") for name in result.planes]


def _high_water_mb(pid: int | None) -> float:
    with suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        entry.unlink()


def _simulated(stash: Path, seed: int) -> Iterator[Base]:
    render_stash(stash, plan="every", seed=seed)
    truth = json.loads((stash / "truth.json").read_text(encoding="utf-8"))
    for name, told in truth["files"].items():
        path = stash / name
        beside = {other: (path.parent / other).read_bytes() for other in told["beside"]}
        yield Base(name=path.name, data=path.read_bytes(), beside=beside)
    shutil.rmtree(stash)


def _real(data: Path | None) -> Iterator[Base]:
    if data is None:
        return
    if not data.is_dir():
        raise UsageError("no such folder", f"--data {data}", "name a folder of images")
    for number, path in enumerate(sorted(data.rglob("*"))):
        if path.is_file() and 0 < path.stat().st_size <= MOST_BASE_BYTES:
            name = f"real-{number}{path.suffix}"
            yield Base(name=name, data=path.read_bytes(), beside={})


def _kept(rows: Path) -> Iterator[Outcome]:
    if not rows.exists():
        return
    for line in rows.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError, TypeError):  # the last line may be torn
            yield Outcome(**json.loads(line))


def _rows(run: _Run, outcomes: list[Outcome]) -> list[Row]:
    wrong = Share(sum(bool(o.problem) for o in outcomes), len(outcomes))
    refused = [o for o in outcomes if o.said != "read"]
    slow = Share(sum(o.seconds > TIME_GOAL_S for o in refused), len(refused))
    lost = sum("was lost" in o.said for o in outcomes)
    most_mb = max((o.memory_mb for o in outcomes), default=0.0)
    most_s = max((o.seconds for o in refused), default=0.0)
    grown = run.memory_mb[-1] - run.memory_mb[0] if run.memory_mb else 0.0
    late = [1e3 * (percentile(s, 99) or 0.0) for s in (run.idle_late_s, run.late_s)]

    def row(what: str, value: str, goal: str = "", met: bool | None = None) -> Row:
        return Row(part="mutated", what=what, value=value, goal=goal, met=met)

    return [
        row("damaged files, of those asked for", str(Share(len(outcomes), run.files))),
        row("neither refused nor read right", str(wrong), "0", not wrong.hits),
        row(
            f"refused after more than {TIME_GOAL_S:g} s",
            f"{slow}; the longest {most_s:.2f} s",
            "0",
            not slow.hits,
        ),
        row(
            f"high-water mark of a reader limited to {MEMORY_MB} MB",
            f"{most_mb:.0f} MB",
            f"<= {MEMORY_MB} MB",
            most_mb <= MEMORY_MB,
        ),
        row("readers lost and replaced", str(lost)),
        row(
            "growth of the supervisor's memory",
            f"{grown:+.1f} MB over {len(outcomes) - run.resumed} files",
            f"<= {MEMORY_GOAL_MB:g} MB",
            grown <= MEMORY_GOAL_MB,
        ),
        row(
            "lateness of the supervisor's loop, p99: idle, then at work",
            f"{late[0]:.1f} ms, {late[1]:.1f} ms",
            "<= 50 ms",
            late[1] <= 50.0,
        ),
    ]


def _table(outcomes: list[Outcome]) -> str:
    by_kind: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    lines = []
    for kind in KINDS:
        ours = by_kind[kind]
        wrong = [o for o in ours if o.problem]
        shown = [f"{o.number} {o.base}: {o.problem}" for o in wrong[:3]]
        lines.append(
            (
                kind,
                len(ours),
                sum(o.said != "read" for o in ours),
                sum(o.said == "read" for o in ours),
                len(wrong),
                in_words(percentile([o.seconds for o in ours], 99), 2, " s"),
                in_words(max((o.seconds for o in ours), default=None), 2, " s"),
                "; ".join(shown),
            )
        )
    head = (
        "damage", "files", "refused", "read", "wrong", "p99", "longest", "for example",
    )  # fmt: skip
    return table(head, lines)
