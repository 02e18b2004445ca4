"""Every job is done once, by whoever holds it, and never forgotten."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from clemd.errors import LeaseLostError
from clemd.jobs import JobQueue, Lease
from clemd.messages import StatusMessage
from clemd.store import Store

KINDS = ("read", "register")
NewQueue = Callable[..., JobQueue]


def take(queue: JobQueue) -> Lease:
    """Claim a job that is known to be there."""
    lease = queue.claim(KINDS)
    assert lease is not None
    return lease


def test_claimed_job_carries_its_payload(queue: JobQueue) -> None:
    """The worker gets what it needs in one step."""
    job_id = queue.enqueue("read", "k", {"file": 3, "name": "µ"}, priority=5)

    assert take(queue) == Lease(
        job_id=job_id,
        kind="read",
        key="k",
        payload={"file": 3, "name": "µ"},
        epoch=1,
        attempt=1,
        priority=5,
    )


def test_known_key_is_the_same_job(queue: JobQueue) -> None:
    """The scan finds the same file every two seconds; also after it is done."""
    first = queue.enqueue("read", "k", {"n": 1})
    assert queue.enqueue("read", "k", {"n": 2}) == first
    queue.finish(take(queue))

    assert queue.enqueue("read", "k", {"n": 3}) == first
    assert queue.claim(KINDS) is None
    assert queue.counts() == {
        "queued": 0,
        "leased": 0,
        "deferred": 0,
        "done": 1,
        "poisoned": 0,
    }


def test_unfinished_kinds_are_those_that_somebody_still_has_to_do(
    queue: JobQueue,
) -> None:
    """However many of another kind came after them."""
    queue.enqueue("read", "done", {})
    queue.finish(take(queue))
    queue.enqueue("register", "waits", {})
    for n in range(600):
        queue.enqueue("second", str(n), {})

    assert queue.unfinished_kinds() == {"register", "second"}


def test_priority_then_age_decide_the_turn(queue: JobQueue) -> None:
    """The image on the operator's screen goes before last week's."""
    for key, priority in (("old", 0), ("new", 0), ("on screen", 9)):
        queue.enqueue("register", key, {}, priority=priority)

    assert [take(queue).key for _ in range(3)] == ["on screen", "old", "new"]


def test_only_the_wanted_kinds_are_claimed(queue: JobQueue) -> None:
    """A hot device stops registrations, not reading."""
    queue.enqueue("register", "k", {})

    assert queue.claim(["read"]) is None
    assert queue.claim([]) is None
    assert queue.claim(["read", "register"]) is not None


def test_job_waits_for_its_moment(queue: JobQueue, clock: Any) -> None:
    """A sidecar may still come; and the loop knows how long it may sleep."""
    queue.enqueue("read", "k", {}, not_before_s=clock() + 5)
    assert queue.claim(KINDS) is None
    assert queue.next_due_s(KINDS) == 5

    clock.pass_(5)
    assert queue.next_due_s(KINDS) == 0
    assert queue.claim(KINDS) is not None
    assert queue.next_due_s(KINDS) is None


def test_moment_of_another_boot_has_passed(new_queue: NewQueue, clock: Any) -> None:
    """Seconds since boot start again at zero: a retry must not wait for days."""
    new_queue("old:1:1:a").enqueue("read", "k", {}, not_before_s=900_000.0)

    assert new_queue("new:1:1:a").claim(KINDS) is not None


def test_failed_job_is_tried_again_later_and_then_set_aside(
    queue: JobQueue, clock: Any
) -> None:
    """A file that crashes every worker must not crash them for ever."""
    queue.enqueue("read", "k", {})
    for attempt in (1, 2):
        lease = take(queue)
        assert lease.attempt == attempt
        assert queue.fail(lease, "disk\nslow", retry_after_s=10) == "queued"
        assert queue.claim(KINDS) is None
        clock.pass_(10)

    assert queue.fail(take(queue), "disk slow", retry_after_s=10) == "poisoned"
    clock.pass_(1000)
    assert queue.claim(KINDS) is None
    assert [j.reason for j in queue.jobs(["poisoned"])] == ["disk slow"]


def test_reason_is_one_harmless_line(queue: JobQueue) -> None:
    """Reasons quote file names."""
    job_id = queue.enqueue("read", "k", {})
    queue.fail(take(queue), "bad\n\x1b[31m", retry_after_s=0)

    job = queue.job(job_id)
    assert job is not None
    assert job.reason == "bad\\x0a\\x1b[31m"


def test_deferred_job_loses_no_try(queue: JobQueue, clock: Any) -> None:
    """Heat is not the job's fault, however long it lasts."""
    queue.enqueue("register", "k", {})
    for _ in range(10):
        lease = take(queue)
        assert lease.attempt == 1
        queue.defer(lease, "device hot", delay_s=30)
        assert queue.claim(KINDS) is None
        assert queue.counts()["deferred"] == 1
        clock.pass_(30)

    queue.finish(take(queue))
    assert queue.counts()["done"] == 1


def test_person_may_start_a_poisoned_job_afresh(new_queue: NewQueue) -> None:
    """`clemd retry ID`; with all its tries again, and not while it runs."""
    queue = new_queue(max_attempts=1)
    job_id = queue.enqueue("read", "k", {})
    queue.fail(take(queue), "broken", retry_after_s=0)

    assert queue.retry(job_id)
    lease = take(queue)
    assert (lease.attempt, lease.epoch) == (1, 2)
    assert not queue.retry(job_id)
    assert not queue.retry(999)


def test_silent_worker_is_fenced_off(queue: JobQueue, clock: Any) -> None:
    """A worker that was stopped, thought dead, and continued changes nothing."""
    queue.enqueue("register", "k", {})
    zombie = take(queue)
    clock.pass_(60)
    assert queue.release_stale() == 1
    successor = take(queue)
    assert (successor.epoch, successor.attempt) == (2, 2)

    for step in (
        lambda: queue.finish(zombie),
        lambda: queue.extend(zombie),
        lambda: queue.defer(zombie, "", delay_s=0),
        lambda: queue.fail(zombie, "", retry_after_s=0),
    ):
        with pytest.raises(LeaseLostError, match="no longer held under epoch 1"):
            step()
    queue.finish(successor)


def test_lease_of_another_owner_cannot_be_finished(new_queue: NewQueue) -> None:
    """Epochs alone would do; the owner makes a mix-up of queues loud."""
    first, second = new_queue("boot:1:1:a"), new_queue("boot:2:2:b")
    first.enqueue("read", "k", {})
    lease = take(first)

    with pytest.raises(LeaseLostError):
        second.finish(lease)
    first.finish(lease)
    with pytest.raises(LeaseLostError):
        first.finish(lease)


def test_word_from_the_worker_keeps_its_lease(queue: JobQueue, clock: Any) -> None:
    """A long registration is not a dead one."""
    queue.enqueue("register", "k", {})
    lease = take(queue)
    for _ in range(5):
        clock.pass_(59)
        queue.extend(lease)
        assert queue.release_stale() == 0
    clock.pass_(59.9)
    assert queue.release_stale() == 0
    clock.pass_(0.1)
    assert queue.release_stale() == 1


@pytest.mark.parametrize(
    ("successor", "alive", "stale"),
    [
        ("boot:2:2:b", True, 0),  # a second worker beside the first
        ("boot:2:2:b", False, 1),  # the first was killed
        ("next:1:1:a", True, 1),  # the machine was started again
        ("boot:1:1:a", False, 0),  # our own lease: we are alive
    ],
)
def test_lease_of_the_dead_is_taken_back_at_once(
    new_queue: NewQueue, successor: str, alive: bool, stale: int
) -> None:
    """After a crash nobody waits for the deadline."""
    first = new_queue("boot:1:1:a")
    first.enqueue("read", "k", {})
    take(first)
    queue = new_queue(successor, is_alive=lambda _: alive)

    assert queue.release_stale() == stale
    assert (queue.claim(KINDS) is not None) == bool(stale)


def test_job_that_kills_its_workers_is_set_aside(queue: JobQueue, clock: Any) -> None:
    """Nobody reports the failure of a process that is gone; its tries still count."""
    queue.enqueue("read", "k", {})
    for _ in range(3):
        take(queue)
        clock.pass_(60)
        assert queue.release_stale() == 1

    assert queue.claim(KINDS) is None
    assert "fell silent" in queue.jobs(["poisoned"])[0].reason


@pytest.mark.parametrize("boot", ["boot", "boot{}"])
def test_killed_daemon_is_not_the_fault_of_its_job(
    new_queue: NewQueue, boot: str
) -> None:
    """Twenty power cuts set nothing aside; the last try is still the first."""
    new_queue().enqueue("register", "k", {})
    for life in range(20):
        queue = new_queue(f"{boot.format(life)}:{life}:1:a", is_alive=lambda _: False)
        queue.release_stale()
        assert take(queue).attempt == 1

    last = new_queue("boot:99:1:a", is_alive=lambda _: False)
    assert last.release_stale() == 1
    assert take(last).attempt == 1


def test_death_forgives_no_failure(new_queue: NewQueue, clock: Any) -> None:
    """What a job did wrong before the daemon was killed still counts."""
    first = new_queue()
    first.enqueue("register", "k", {})
    first.fail(take(first), "device lost", retry_after_s=0)
    assert take(first).attempt == 2

    second = new_queue("boot:2:2:b", is_alive=lambda _: False)
    clock.pass_(3600)  # long past the deadline, too
    assert second.release_stale() == 1
    assert take(second).attempt == 2


def test_result_message_and_end_of_job_are_kept_together(
    store: Store, queue: JobQueue, clock: Any
) -> None:
    """A zombie's message is never sent, since its finish undoes it."""
    queue.enqueue("register", "k", {})
    zombie = take(queue)
    clock.pass_(60)
    queue.release_stale()

    with suppress(LeaseLostError), store.transaction():
        store.announce(StatusMessage(state="ready", run_epoch="e"))
        queue.finish(zombie)
    assert store.last_seq() == 0

    with store.transaction():
        store.announce(StatusMessage(state="ready", run_epoch="e"))
        queue.finish(take(queue))
    assert (store.last_seq(), queue.counts()["done"]) == (1, 1)


def test_job_of_an_undone_change_was_never_queued(
    store: Store, queue: JobQueue
) -> None:
    """The frame that it was to register is not there either."""
    with suppress(ZeroDivisionError), store.transaction():
        queue.enqueue("read", "k", {})
        queue.claim(KINDS)
        raise ZeroDivisionError

    assert queue.jobs() == []


def test_payload_must_be_json(queue: JobQueue) -> None:
    """A number that JSON cannot hold would come back as a broken payload."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        queue.enqueue("read", "k", {"x": float("nan")})
    assert queue.jobs() == []


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({"lease_s": 0}, "lease_s must be positive, got 0"),
        ({"max_attempts": 0}, "max_attempts must be at least 1, got 0"),
    ],
)
def test_useless_limits_are_refused(
    new_queue: NewQueue, bad: dict[str, Any], rule: str
) -> None:
    """A lease of no time would be lost before it is given."""
    with pytest.raises(ValueError, match=rule):
        new_queue(**bad)


def test_held_job_keeps_its_place_and_says_why(queue: JobQueue) -> None:
    """Heat holds the first of the queue; nobody overtakes it, and no try is lost."""
    first = queue.enqueue("register", "first", {})
    queue.enqueue("register", "second", {})
    job = queue.peek(KINDS)
    assert job is not None
    queue.hold(job.id, "waits about 40 s: the device is hot\n")
    held = queue.job(first)
    lease = take(queue)

    assert held is not None
    assert (held.state, held.attempts) == ("deferred", 0)
    assert held.reason == "waits about 40 s: the device is hot\\x0a"
    assert (lease.job_id, lease.attempt) == (first, 1)
    queue.hold(first, "too late: it runs")
    assert queue.job(first) == queue.jobs(("leased",))[0]
    assert queue.jobs(("leased",))[0].reason == held.reason


def test_running_job_says_why_it_stands_still(queue: JobQueue, clock: Any) -> None:
    """Only whoever holds it may say so."""
    queue.enqueue("register", "k", {})
    lease = take(queue)
    queue.note(lease, "waits: the device is hot")
    said = queue.jobs(("leased",))[0].reason
    queue.note(lease, "")
    queue.finish(lease)

    assert said == "waits: the device is hot"
    with pytest.raises(LeaseLostError):
        queue.note(lease, "again")


def test_what_the_operator_looks_at_goes_first_and_reruns_last(queue: JobQueue) -> None:
    """Priorities of jobs that wait can be changed; those of running ones stay."""
    for key in ("done", "a", "b", "c"):
        queue.enqueue("register", key, {}, priority=10)
    done = take(queue)
    queue.finish(done)
    running = take(queue)

    assert queue.prioritise(["a", "c", "unknown"], 30) == 1
    assert queue.retry(done.job_id, again_priority=5)
    assert running.key == "a"
    assert [take(queue).key for _ in range(3)] == ["c", "b", "done"]


def test_work_is_under_way_from_its_claim_to_its_end(queue: JobQueue) -> None:
    """Who gives way to a kind of work must see it while somebody is at it."""
    queue.enqueue("read", "k", {})
    assert not queue.is_under_way("read")
    lease = queue.claim(["read"])
    assert lease is not None

    assert queue.is_under_way("read")
    assert not queue.is_under_way("register")
    queue.finish(lease)
    assert not queue.is_under_way("read")
