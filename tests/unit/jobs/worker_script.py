"""One daemon's life: claim, write the output, keep the result, acknowledge; repeat.

Started by `test_kill.py`, which ends it at a moment of its own choosing. Given the key
of a job, the worker ends itself when everything of that job is done but the commit.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from clemd.jobs import (
    JobQueue,
    Lease,
    atomic_write,
    boottime_s,
    clean_leftovers,
    owner_name,
)
from clemd.model import Registration, Verdict
from clemd.store import Store


def work(
    store: Store, queue: JobQueue, lease: Lease, outputs: Path, fatal_key: str
) -> None:
    """Do one job; say so on stdout only when it is kept."""
    result_id = f"{lease.key}-{lease.epoch}"
    atomic_write(outputs / f"{lease.key}.bin", lease.key.encode() * 1000)
    with store.transaction():
        added = store.add_registration(
            lease.payload["pair"],
            Registration(verdict=Verdict.REVIEW, confidence=0.5, em_to_lm=None),
            registration_id=result_id,
            job_key=lease.key,
            outputs={"data": f"outputs/{lease.key}.bin"},
        )
        if added:
            store.announce(store.registration_message(result_id))
        queue.finish(lease)
        if lease.key == fatal_key:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write(f"{result_id}\n")
    sys.stdout.flush()


def main(state: Path, fatal_key: str = "") -> None:
    """Work until the queue is empty."""
    with Store.open(state) as store:
        clean_leftovers(state / "outputs")
        queue = JobQueue(
            store.connection, owner=owner_name(), clock=boottime_s, max_attempts=1000
        )
        queue.release_stale()
        while lease := queue.claim(["register"]):
            work(store, queue, lease, state / "outputs", fatal_key)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
