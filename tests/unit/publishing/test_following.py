"""Whatever is lost on the way, the subscriber ends with the database's state."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from clemd.errors import TransientError, UsageError
from clemd.publishing import Deliver, Follower, Header, Heartbeat, Update
from clemd.publishing._command import Reply, read_request
from clemd.publishing._header import header_of, message_id
from clemd.publishing._steps import AwaitMessage, AwaitReply, Reopen, Send, Step

TOPICS = ("job", "status")
HISTORIES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One committed message."""

    seq: int
    topic: str
    topic_seq: int
    body: str
    session: str | None = None
    created_at: object = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Daemon:
    """A daemon in memory whose every message may be lost, and its clock."""

    knows_topic_seqs: bool = True
    epoch: str = "e0"
    rows: list[Row] = field(default_factory=list)
    air: deque[list[bytes]] = field(default_factory=deque)
    answers: bool = True
    now_s: float = 0.0
    pruned: int = 0
    database: int = 0
    """Stands for the time at which its messages were committed."""
    sent: int = 0
    reopened: int = 0
    verbs: list[str] = field(default_factory=list)
    _reply: bytes | None = None

    def commit(self, topic: str = "job") -> Row:
        """Append one message to the database."""
        number = 1 + sum(row.topic == topic for row in self.rows)
        seq = len(self.rows) + 1
        if topic == "job":
            body = {"topic": "job", "job_id": seq, "kind": "k", "state": "done"}
        else:
            body = {"topic": "status", "state": "ready", "run_epoch": self.epoch}
        row = Row(
            seq=seq,
            topic=topic,
            topic_seq=number,
            body=json.dumps(body),
            created_at=self.database,
        )
        self.rows.append(row)
        return row

    def publish(self, row: Row, *, is_lost: bool = False) -> None:
        """Send it, or lose it on the way."""
        self.sent = max(self.sent, row.seq)
        if not is_lost:
            header = header_of(row, run_epoch=self.epoch, t_mono_s=self.now_s)
            self.air.append([row.topic.encode(), header.to_json(), row.body.encode()])

    def say(self, topic: str = "job") -> Row:
        """Commit and send."""
        self.publish(row := self.commit(topic))
        return row

    def beat(self) -> None:
        """Send a heartbeat."""
        rows = self.rows[: self.sent]
        body = Heartbeat(
            seq=self.sent,
            msg_id=message_id(rows[-1]) if rows else None,
            topic_seqs=self.topic_seqs(rows),
        )
        header = Header(
            schema_name="clemd.heartbeat/1",
            msg_id="h",
            run_epoch=self.epoch,
            topic="heartbeat",
            topic_seq=1,
            seq=self.sent,
            t_wall="",
            t_mono_s=self.now_s,
        )
        frames = [b"heartbeat", header.to_json(), body.model_dump_json().encode()]
        self.air.append(frames)

    def restart(self, epoch: str) -> None:
        """Begin a new run on the same database."""
        self.epoch = epoch
        self.sent = len(self.rows)

    def replace_database(self) -> None:
        """Begin with an empty database."""
        self.rows.clear()
        self.database += 1
        self.sent = 0
        self.pruned = 0

    def topic_seqs(self, rows: list[Row]) -> dict[str, int]:
        """Last number of each topic in `rows`."""
        return {row.topic: row.topic_seq for row in rows}

    def state(self) -> list[tuple[str, int]]:
        """What every subscriber should know in the end."""
        return [(row.topic, row.seq) for row in self.rows]

    def perform(self, step: Step) -> Any:
        """Do what the follower asks of its sockets."""
        match step:
            case Send(payload):
                self._reply = self._answer(payload) if self.answers else None
            case AwaitReply(timeout_s):
                reply, self._reply = self._reply, None
                self.now_s += 0.0 if reply else timeout_s
                return reply
            case AwaitMessage(timeout_s):
                if self.air:
                    return self.air.popleft()
                self.now_s += timeout_s
            case Reopen():
                self.reopened += 1
        return None

    def _answer(self, payload: bytes) -> bytes:
        request = read_request(payload)
        self.verbs.append(request.verb)
        if request.verb == "snapshot":
            result = self._snapshot()
        else:
            result = self._replay(**request.arguments)
        reply = Reply(
            id=request.id,
            verb=request.verb,
            status="done",
            run_epoch=self.epoch,
            result=result,
        )
        return reply.to_json()

    def _snapshot(self) -> dict[str, Any]:
        known = self.topic_seqs(self.rows) if self.knows_topic_seqs else None
        last = message_id(self.rows[-1]) if len(self.rows) > self.pruned else None
        return {
            "seq": len(self.rows),
            "msg_id": last,
            "topic_seq": known,
            "state": self.state(),
        }

    def _replay(self, *, after_seq: int, limit: int) -> dict[str, Any]:
        rows = self.rows[max(after_seq, self.pruned) :][: min(limit, 3)]
        messages = [
            {
                "header": header_of(
                    row, run_epoch=self.epoch, t_mono_s=self.now_s
                ).model_dump(mode="json", by_alias=True),
                "body": json.loads(row.body),
            }
            for row in rows
        ]
        return {"messages": messages, "more": bool(rows)}


class Subscriber:
    """Follows a daemon and keeps the state that it was told."""

    def __init__(
        self,
        daemon: Daemon,
        topics: Collection[str] | None = None,
        after_seq: int | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.daemon = daemon
        self.told: list[Update] = []
        self.state: list[tuple[str, int]] = []
        self._steps = Follower(
            topics=topics,
            after_seq=after_seq,
            timeout_s=timeout_s,
            answer_within_s=4.0,
            clock=lambda: daemon.now_s,
        ).steps()
        self._answer: Any = None

    def listen(self) -> None:
        """Take everything that is in the air, and stop before waiting for more."""
        while True:
            step = self._steps.send(self._answer)
            self._answer = None
            if isinstance(step, Deliver):
                self._note(step.update)
            elif isinstance(step, AwaitMessage) and not self.daemon.air:
                return
            else:
                self._answer = self.daemon.perform(step)

    def wait(self) -> None:
        """Go on for ever, or until the follower ends."""
        while True:
            self._answer = self.daemon.perform(self._steps.send(self._answer))

    def numbers(self) -> list[int]:
        """Sequences of what was told, snapshots aside."""
        return [u.header.seq for u in self.told if u.topic != "snapshot"]

    def _note(self, update: Update) -> None:
        self.told.append(update)
        if update.topic == "snapshot":
            self.state = [(topic, seq) for topic, seq in update.body["state"]]
        else:
            self.state.append((update.topic, update.header.seq))


def follow(daemon: Daemon, **wishes: Any) -> Subscriber:
    """A subscriber that has connected."""
    daemon.beat()
    subscriber = Subscriber(daemon, **wishes)
    subscriber.listen()
    return subscriber


def test_snapshot_comes_first_and_old_news_is_dropped() -> None:
    """A message that the snapshot already shows would be counted twice."""
    daemon = Daemon()
    daemon.say()
    late = daemon.say()
    subscriber = follow(daemon)

    daemon.publish(late)
    daemon.say()
    subscriber.listen()

    assert [u.topic for u in subscriber.told] == ["snapshot", "job"]
    assert subscriber.state == daemon.state()


@pytest.mark.parametrize("knows", [True, False])
def test_hole_is_filled_before_what_follows_it(knows: bool) -> None:
    """Order within a topic is part of the promise."""
    daemon = Daemon(knows_topic_seqs=knows)
    subscriber = follow(daemon)
    daemon.say()
    for _ in range(7):
        daemon.publish(daemon.commit(), is_lost=True)
    daemon.say()

    subscriber.listen()

    assert subscriber.numbers() == list(range(1, 10))
    assert daemon.verbs.count("snapshot") == 1


def test_lost_last_message_is_noticed_by_the_heartbeat() -> None:
    """No later message would ever reveal it."""
    daemon = Daemon()
    subscriber = follow(daemon)
    daemon.publish(daemon.commit(), is_lost=True)

    daemon.beat()
    subscriber.listen()

    assert subscriber.numbers() == [1]


def test_quiet_heartbeats_cost_no_request() -> None:
    """A thousand idle subscribers must not ask once a second."""
    daemon = Daemon(knows_topic_seqs=False)
    daemon.say()
    subscriber = follow(daemon)
    asked = len(daemon.verbs)
    for _ in range(5):
        daemon.beat()

    subscriber.listen()

    assert len(daemon.verbs) == asked


def test_restart_on_the_same_database_loses_no_message() -> None:
    """Committed while nobody could hear it, told after the restart, no new snapshot."""
    daemon = Daemon()
    subscriber = follow(daemon)
    daemon.say()
    daemon.beat()
    subscriber.listen()
    daemon.commit()
    daemon.restart("e1")
    daemon.beat()

    subscriber.listen()

    assert subscriber.numbers() == [1, 2]
    assert daemon.verbs.count("snapshot") == 1


def test_replaced_database_starts_over_from_a_snapshot() -> None:
    """The same numbers in another database mean other things."""
    daemon = Daemon()
    subscriber = follow(daemon)
    for _ in range(5):
        daemon.say()
    daemon.beat()
    subscriber.listen()
    daemon.replace_database()
    for _ in range(6):
        daemon.commit("status")
    daemon.restart("e1")
    daemon.beat()

    subscriber.listen()

    assert [u.topic for u in subscriber.told[-1:]] == ["snapshot"]
    assert subscriber.state == daemon.state()


def test_history_that_is_gone_is_replaced_by_a_snapshot() -> None:
    """A pruned outbox cannot fill the hole; pretending would lose messages."""
    daemon = Daemon()
    subscriber = follow(daemon)
    daemon.say()
    subscriber.listen()
    for _ in range(9):
        daemon.publish(daemon.commit(), is_lost=True)
    daemon.pruned = 8
    daemon.say()

    subscriber.listen()

    assert [u.topic for u in subscriber.told] == ["snapshot", "job", "snapshot"]
    assert subscriber.state == daemon.state()


def test_subscriber_catches_up_after_an_outage() -> None:
    """No answer now: the hole stays known and is filled when the daemon is back."""
    daemon = Daemon()
    subscriber = follow(daemon)
    daemon.publish(daemon.commit(), is_lost=True)
    daemon.answers = False
    daemon.say()
    subscriber.listen()
    assert subscriber.numbers() == []

    daemon.answers = True
    daemon.beat()
    subscriber.listen()

    assert subscriber.numbers() == [1, 2]


def test_only_chosen_topics_are_told_and_their_holes_are_seen() -> None:
    """Other topics make holes in `seq`, which mean nothing."""
    daemon = Daemon()
    subscriber = follow(daemon, topics=["status"])
    daemon.say("job")
    daemon.publish(daemon.commit("status"), is_lost=True)
    daemon.say("status")

    subscriber.listen()

    assert [u.topic for u in subscriber.told] == ["status", "status"]
    assert subscriber.numbers() == [2, 3]


def test_position_of_yesterday_can_be_resumed() -> None:
    """A program that remembers its last sequence hears all that it missed."""
    daemon = Daemon()
    for _ in range(10):
        daemon.say()
    daemon.air.clear()

    assert follow(daemon, after_seq=4).numbers() == [5, 6, 7, 8, 9, 10]
    daemon.air.clear()
    assert follow(daemon, after_seq=0).numbers() == list(range(1, 11))


@pytest.mark.parametrize(("after_seq", "pruned"), [(4, 6), (0, 2), (99, 0)])
def test_position_that_is_not_in_the_history_gives_the_state(
    after_seq: int, pruned: int
) -> None:
    """Pruned, or from another database: the state is all that can be told."""
    daemon = Daemon(pruned=pruned)
    for _ in range(10):
        daemon.say()
    daemon.air.clear()

    subscriber = follow(daemon, after_seq=after_seq)

    assert subscriber.state == daemon.state()
    assert subscriber.told[0].topic == "snapshot"


def test_invalid_body_is_skipped_and_does_not_stop_the_rest() -> None:
    """One bad message must not cost the next one."""
    daemon = Daemon()
    subscriber = follow(daemon)
    row = daemon.commit()
    daemon.rows[0] = bad = Row(seq=1, topic="job", topic_seq=1, body='{"no": 1}')
    daemon.publish(bad)
    daemon.say()

    subscriber.listen()

    assert row.seq == 1
    assert subscriber.numbers() == [2]


def test_rubbish_and_unknown_topics_are_ignored() -> None:
    """A later release may send topics that this one does not know."""
    daemon = Daemon()
    subscriber = follow(daemon)
    daemon.air.append([b"x"])
    daemon.air.append([b"job", b"\x80\x04pickle", b"{}"])
    unknown = Row(seq=1, topic="weather", topic_seq=1, body="{}")
    daemon.rows.append(unknown)
    daemon.publish(unknown)
    daemon.say()

    subscriber.listen()

    assert subscriber.numbers() == [2]


def test_silence_makes_the_client_look_for_the_daemon_again() -> None:
    """It may have come back on another port; the idle time still ends the wait."""
    daemon = Daemon()
    subscriber = follow(daemon, timeout_s=60.0)

    with pytest.raises(StopIteration):
        subscriber.wait()

    assert daemon.reopened == 12  # every 5 s of 60 s
    assert daemon.now_s == 60.0


def test_nobody_there_is_an_error_at_the_start() -> None:
    """A program that never connected must not look like one that hears nothing."""
    with pytest.raises(TransientError, match="is the daemon running"):
        Subscriber(Daemon()).wait()


def test_misspelt_topic_is_refused_at_once() -> None:
    """It would otherwise be silent for ever."""
    with pytest.raises(UsageError, match="unknown topic"):
        Subscriber(Daemon(), ["registrations"])


@pytest.mark.parametrize("knows", [True, False])
def test_every_history_ends_with_the_state_of_the_database(knows: bool) -> None:
    """Seeded losses, restarts, outages, prunings: same messages, same order, once."""
    for seed in range(HISTORIES // 2):
        daemon = Daemon(knows_topic_seqs=knows)
        random_ = random.Random(seed)  # noqa: S311 - a seed is the point
        subscriber = None
        for number in range(random_.randrange(5, 60)):
            _misfortune(daemon, random_, number)
            if subscriber is None and random_.random() < 0.3:
                daemon.answers = True
                subscriber = follow(daemon)
            if subscriber is not None and random_.random() < 0.3:
                subscriber.listen()
        daemon.answers = True
        daemon.sent = len(daemon.rows)
        daemon.beat()
        subscriber = subscriber or follow(daemon)
        subscriber.listen()
        daemon.beat()
        subscriber.listen()
        per_topic = {t: [s for k, s in subscriber.state if k == t] for t in TOPICS}
        truth = {t: [s for k, s in daemon.state() if k == t] for t in TOPICS}

        assert per_topic == truth, f"seed {seed}"


def _misfortune(daemon: Daemon, random_: random.Random, number: int) -> None:
    draw = random_.random()
    topic = random_.choice(TOPICS)
    if draw < 0.55:
        daemon.publish(daemon.commit(topic), is_lost=random_.random() < 0.4)
    elif draw < 0.65:
        daemon.beat()
    elif draw < 0.75:
        daemon.answers = not daemon.answers
    elif draw < 0.85:
        daemon.commit(topic)
        daemon.restart(f"e{number}")
    elif draw < 0.90:
        daemon.pruned = random_.randrange(len(daemon.rows) + 1)
    elif draw < 0.93:
        daemon.replace_database()
        daemon.restart(f"new{number}")
    elif daemon.rows:
        daemon.publish(random_.choice(daemon.rows[-3:]))
