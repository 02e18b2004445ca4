"""Kill the daemon at any instant: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clemd.jobs import JobQueue, boottime_s, clean_leftovers, owner_name
from clemd.model import Frame, Modality, PairProposal
from clemd.store import Store

JOBS = 150
KILLS = 10
WORKER = Path(__file__).with_name("worker_script.py")


def _frame(store: Store, side: str) -> str:
    file = store.note_file(side, b"a", size_bytes=1, modified_ns=1, inode=1)
    frame = Frame(
        path="a",
        driver="plain",
        driver_version="1",
        modality=Modality.UNKNOWN,
        shape=(1, 1),
        dtype="uint8",
        channels=(),
    )
    return store.add_frame(frame, file_id=file.id, revision=1, side=side, session="S")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with a day's work in its queue."""
    state = tmp_path / "state"
    with Store.open(state) as store, store.transaction():
        queue = JobQueue(store.connection, owner=owner_name(), clock=boottime_s)
        proposal = PairProposal(
            em_frame_id=_frame(store, "em"),
            lm_frame_id=_frame(store, "lm"),
            score=0.0,
            reasons=(),
        )
        pair_id = store.add_pair(proposal)
        for number in range(JOBS):
            queue.enqueue("register", f"k{number}", {"pair": pair_id})
    return state


def _acknowledged(
    state: Path, *fatal_key: str, kill_after: int = 0, delay_s: float = 0.0
) -> Iterator[str]:
    """Run a worker; yield what it acknowledged, its last words included.

    It is killed `delay_s` after its `kill_after`-th word, somewhere in the next jobs.
    """
    with subprocess.Popen(
        [sys.executable, str(WORKER), str(state), *fatal_key],
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout
        for count, line in enumerate(worker.stdout, start=1):
            if count == kill_after:
                with suppress(subprocess.TimeoutExpired):
                    worker.wait(timeout=delay_s)
                worker.kill()
            # A line cut in two was never a complete acknowledgement.
            if line.endswith("\n"):
                yield line.strip()
    assert worker.returncode == (-9 if kill_after or fatal_key else 0)


def test_death_before_the_commit_leaves_the_job_to_the_next(state: Path) -> None:
    """The output was there, the row was written, the job was ended: all in vain."""
    said = [*_acknowledged(state, "k2"), *_acknowledged(state)]

    with Store.open(state) as store:
        ids = [r.id for r in store.registrations(limit=JOBS)]
    assert sorted(ids) == sorted(said)
    assert "k2-2" in ids  # done under the second lease
    assert "k1-1" in ids


def test_killed_workers_lose_nothing_and_repeat_nothing(state: Path) -> None:
    """Ten deaths at random moments, then one life to the end of the queue."""
    chance = random.Random(20260301)  # noqa: S311 - moments, not secrets
    said: list[str] = []
    for _ in range(KILLS):
        words, delay_s = chance.randint(1, 10), chance.uniform(0, 0.01)
        said += _acknowledged(state, kill_after=words, delay_s=delay_s)
    said += _acknowledged(state)

    with Store.open(state) as store:
        results = store.registrations(limit=JOBS * 2)
        messages = [
            json.loads(row.body)["registration_id"]
            for row in store.outbox_after(0, limit=JOBS * 2)
        ]
        queue = JobQueue(store.connection, owner=owner_name(), clock=boottime_s)

        assert len(said) == len(set(said))
        assert set(said) <= {r.id for r in results}  # nothing acknowledged is lost
        assert sorted(r.job_key for r in results) == sorted(
            f"k{n}" for n in range(JOBS)
        )
        assert sorted(messages) == sorted(r.id for r in results)
        assert queue.counts()["done"] == JOBS
        assert store.integrity_check() == []
    assert clean_leftovers(state / "outputs") == 0
    for number in range(JOBS):
        output = state / "outputs" / f"k{number}.bin"
        assert output.read_bytes() == f"k{number}".encode() * 1000
