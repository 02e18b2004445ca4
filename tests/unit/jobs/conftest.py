"""A real queue in a real database, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clemd.jobs import JobQueue
from clemd.store import Store

NewQueue = Callable[..., JobQueue]


@dataclass
class Clock:
    """Seconds since boot that pass when told."""

    time_s: float = 1000.0

    def __call__(self) -> float:
        """The second it is."""
        return self.time_s

    def pass_(self, seconds: float) -> None:
        """Let time go by."""
        self.time_s += seconds


@pytest.fixture
def clock() -> Clock:
    """A machine that has been up for a while."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The writer whose connection the queue shares."""
    with Store.open(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def new_queue(store: Store, clock: Clock) -> NewQueue:
    """Make a queue; every other owner of this boot is alive unless said otherwise."""

    def make(owner: str = "boot:1:1:a", **options: Any) -> JobQueue:
        options.setdefault("is_alive", lambda _: True)
        return JobQueue(store.connection, owner=owner, clock=clock, **options)

    return make


@pytest.fixture
def queue(new_queue: NewQueue) -> JobQueue:
    """A queue with leases of 60 s and three tries."""
    return new_queue()
