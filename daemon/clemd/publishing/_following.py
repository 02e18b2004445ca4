"""Follow the daemon so that the subscriber ends with the database's state.

Subscribe, wait for the heartbeat that proves it, ask for the snapshot, then take
updates in order. A jump in a topic's numbers, a heartbeat that knows more than we do,
or a new run of the daemon is mended by a replay from the last position that is known
to be complete; where the daemon no longer has that history, by a new snapshot.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Generator
from typing import Any

from pydantic import ValidationError

from clemd.errors import TransientError, UsageError
from clemd.messages import MESSAGES, TOPICS, Message

from ._command import Reply, Request
from ._frames import (
    HEARTBEAT,
    Delivery,
    Heartbeat,
    read_frames,
    read_heartbeat,
    read_replayed,
)
from ._header import Header, schema_of
from ._json import MalformedError
from ._steps import (
    AwaitMessage,
    Deliver,
    Ready,
    RejectedError,
    Reopen,
    Step,
    Steps,
    Update,
    ask,
)

SNAPSHOT = "snapshot"
SILENCE_S = 5.0
"""No heartbeat for so long: the daemon may have moved to other addresses."""
REPLAY_LIMIT = 500
_ANY = "*"
"""Stands for the unknown name of a message that must at least exist."""
_MODELS: dict[str, type[Message]] = {
    str(kind.model_fields["topic"].default): kind for kind in MESSAGES
}
_log = logging.getLogger(__name__)


class Follower:
    """One subscriber's place in the history."""

    def __init__(
        self,
        *,
        topics: Collection[str] | None,
        after_seq: int | None,
        timeout_s: float | None,
        answer_within_s: float,
        clock: Callable[[], float],
    ) -> None:
        _check_topics(topics)
        self._topics = frozenset(TOPICS if topics is None else topics)
        self._wants_snapshots = topics is None or SNAPSHOT in topics
        self._after_seq = after_seq
        self._timeout_s = timeout_s
        self._answer_within_s = answer_within_s
        self._clock = clock
        self._idle_from_s = self._heard_s = clock()
        self._epoch = ""
        self._is_behind = False
        self._marks: dict[str, int] = {}
        """Last number seen of each topic; absent = not known."""
        self._is_counted = False
        """Did the snapshot tell the numbers, so that no hole escapes us?"""
        self._base = 0
        """Sequence that the snapshot shows; live messages up to it are old news."""
        self._floor = 0
        """Everything up to this sequence has been seen."""
        self._anchor: str | None = None
        """Name of the message at the floor: proves that the history is still ours."""
        self._above: dict[int, str] = {}
        """Names of the messages delivered above the floor; proof as well."""

    def steps(self) -> Steps:
        """Everything, until nothing was delivered for `timeout_s`.

        Raises:
            TransientError: nobody answers at the start. Later outages are waited for.
        """
        yield from self._begin()
        while (delivery := (yield from self._next())) is not None:
            yield from self._take(delivery)

    def _begin(self) -> Steps:
        first = yield from self._first_heartbeat()
        snapshot = yield from self._fetch_snapshot()
        yield Ready()
        if self._after_seq is None or self._after_seq > self._floor:
            yield from self._deliver_snapshot(snapshot)
            return
        self._base = self._floor = self._after_seq
        # From the very start every topic begins with 1; later, the message at the
        # position must still be there, or the ones behind it may be gone as well.
        self._marks = {} if self._after_seq else dict.fromkeys(TOPICS, 0)
        self._anchor = _ANY
        yield from self._recover(first)

    def _first_heartbeat(self) -> Generator[Step, Any, Delivery]:
        deadline_s = self._clock() + self._answer_within_s
        while (left_s := deadline_s - self._clock()) > 0:
            delivery = yield from self._receive(left_s)
            # What comes before it is committed, and so in the snapshot.
            if delivery is not None and delivery.header.topic == HEARTBEAT:
                return delivery
        raise TransientError(
            f"no heartbeat within {self._answer_within_s:g} s: is the daemon running, "
            "and is this key authorised?"
        )

    def _next(self) -> Generator[Step, Any, Delivery | None]:
        while True:
            left_s = SILENCE_S
            if self._timeout_s is not None:
                idle_s = self._clock() - self._idle_from_s
                left_s = min(left_s, self._timeout_s - idle_s)
            if left_s <= 0:
                return None
            delivery = yield from self._receive(left_s)
            if delivery is not None:
                return delivery
            if self._clock() - self._heard_s >= SILENCE_S:
                self._heard_s = self._clock()
                yield Reopen()

    def _receive(self, timeout_s: float) -> Generator[Step, Any, Delivery | None]:
        frames = yield AwaitMessage(timeout_s)
        if frames is None:
            return None
        self._heard_s = self._clock()
        try:
            return read_frames(frames)
        except MalformedError as failed:
            _log.warning("message from the daemon ignored: %s", failed)
            return None

    def _take(self, delivery: Delivery) -> Steps:
        header = delivery.header
        if self._is_behind or header.run_epoch != self._epoch:
            yield from self._recover(delivery)
        elif header.topic == HEARTBEAT:
            yield from self._confirm(delivery)
        elif header.topic in self._topics:
            yield from self._advance(delivery)

    def _advance(self, delivery: Delivery) -> Steps:
        header = delivery.header
        seen = self._marks.get(header.topic)
        if header.seq <= self._base or header.topic_seq <= (seen or 0):
            self._marks[header.topic] = max(seen or 0, header.topic_seq)
        elif header.topic_seq == (seen or 0) + 1:
            yield from self._deliver(delivery)
        else:
            yield from self._recover(delivery)

    def _confirm(self, delivery: Delivery) -> Steps:
        beat = read_heartbeat_or_none(delivery)
        if beat is None:
            return
        if beat.seq <= self._base:
            self._learn(beat)
        if any(self._marks.get(t, 0) < n for t, n in self._of_interest(beat)):
            yield from self._recover(delivery)
        elif beat.seq >= self._floor:
            self._floor, self._anchor = beat.seq, beat.msg_id
            self._above = {s: m for s, m in self._above.items() if s > beat.seq}

    def _recover(self, held: Delivery) -> Steps:
        """Fill the hole by replay, else start over; if nobody answers, later."""
        self._is_behind = True
        try:
            if not (yield from self._replay(held)):
                _log.warning("history is gone, starting over from a snapshot")
                snapshot = yield from self._fetch_snapshot()
                yield from self._deliver_snapshot(snapshot)
        except (TransientError, RejectedError, MalformedError) as failed:
            _log.warning("cannot catch up yet: %s", failed)
        else:
            self._is_behind = False

    def _replay(self, held: Delivery) -> Generator[Step, Any, bool]:
        """True when every message after the floor has been seen."""
        more, is_first = True, True
        while more:
            expected = self._anchor if is_first and self._floor > 0 else None
            after = self._floor - 1 if expected else self._floor
            reply = yield from self._ask("replay", after_seq=after, limit=REPLAY_LIMIT)
            is_sure = self._is_counted and reply.run_epoch == self._epoch
            if is_first and self._floor > 0 and not expected and not is_sure:
                return False  # perhaps another database: nothing proves it is ours
            self._epoch = reply.run_epoch
            rows = [read_replayed(item) for item in _messages(reply)]
            if expected and not self._is_anchored(rows, expected):
                return False
            for row in rows[1:] if expected else rows:
                if not (yield from self._absorb(row, held)):
                    return False
            more, is_first = bool((reply.result or {}).get("more")), False
        return not self._above and self._is_level_with(held)

    def _absorb(self, row: Delivery, held: Delivery) -> Generator[Step, Any, bool]:
        header = row.header
        seen = self._marks.get(header.topic)
        is_news = header.topic in self._topics and header.topic_seq > (seen or 0)
        if is_news and seen is not None and header.topic_seq != seen + 1:
            return False
        if self._above.pop(header.seq, header.msg_id) != header.msg_id:
            return False
        self._floor, self._anchor = header.seq, header.msg_id
        if is_news:
            # The live copy has the buffers.
            is_held = held.header.msg_id == header.msg_id
            yield from self._deliver(held if is_held else row)
            self._above.pop(header.seq)
        return True

    def _is_anchored(self, rows: list[Delivery], expected: str) -> bool:
        if not rows or rows[0].header.seq != self._floor:
            return False
        return expected in {_ANY, rows[0].header.msg_id}

    def _is_level_with(self, held: Delivery) -> bool:
        header = held.header
        if header.topic != HEARTBEAT:
            if header.topic not in self._topics or header.seq <= self._base:
                return True
            return self._marks.get(header.topic, 0) >= header.topic_seq
        beat = read_heartbeat_or_none(held)
        if beat is None:
            return True
        self._learn(beat)
        return all(self._marks.get(t, 0) >= n for t, n in self._of_interest(beat))

    def _learn(self, beat: Heartbeat) -> None:
        for topic, number in self._of_interest(beat):
            self._marks.setdefault(topic, number)

    def _of_interest(self, beat: Heartbeat) -> list[tuple[str, int]]:
        return [(t, n) for t, n in beat.topic_seqs.items() if t in self._topics]

    def _fetch_snapshot(self) -> Generator[Step, Any, Delivery]:
        reply = yield from self._ask(SNAPSHOT)
        state = reply.result or {}
        seq, marks = state.get("seq"), state.get("topic_seq")
        if not isinstance(seq, int):
            raise MalformedError("snapshot without its sequence")
        self._epoch = reply.run_epoch
        self._base = self._floor = seq
        self._anchor = state.get("msg_id")
        self._above.clear()
        self._marks = {}
        if isinstance(marks, dict) or seq == 0:
            # A topic that is not named has not begun.
            self._marks = {**dict.fromkeys(TOPICS, 0), **(marks or {})}
        self._is_counted = bool(self._marks)
        header = Header(
            schema_name=schema_of(SNAPSHOT),
            msg_id=uuid.uuid4().hex,
            run_epoch=reply.run_epoch,
            topic=SNAPSHOT,
            topic_seq=0,
            seq=seq,
            t_wall="",
            t_mono_s=0.0,
        )
        return Delivery(header=header, body=state)

    def _ask(self, verb: str, **arguments: Any) -> Generator[Step, Any, Reply]:
        request = Request(id=uuid.uuid4().hex, verb=verb, arguments=arguments)
        return ask(request, timeout_s=self._answer_within_s, clock=self._clock)

    def _deliver_snapshot(self, snapshot: Delivery) -> Steps:
        if self._wants_snapshots:
            yield from self._hand_over(snapshot, None)

    def _deliver(self, delivery: Delivery) -> Steps:
        header = delivery.header
        self._marks[header.topic] = header.topic_seq
        self._above[header.seq] = header.msg_id
        try:
            message = _MODELS[header.topic].model_validate(delivery.body)
        except ValidationError as failed:
            _log.warning(
                "message %s of the daemon is not a valid %s: %s",
                header.msg_id,
                header.schema_name,
                failed.errors()[0]["msg"],
            )
            return
        yield from self._hand_over(delivery, message)

    def _hand_over(self, delivery: Delivery, message: Message | None) -> Steps:
        yield Deliver(
            Update(
                topic=delivery.header.topic,
                header=delivery.header,
                body=delivery.body,
                buffers=delivery.buffers,
                message=message,
            )
        )
        self._idle_from_s = self._clock()


def read_heartbeat_or_none(delivery: Delivery) -> Heartbeat | None:
    """The heartbeat, or None if it is malformed (then the next one will do)."""
    try:
        return read_heartbeat(delivery)
    except MalformedError as failed:
        _log.warning("heartbeat ignored: %s", failed)
        return None


def _messages(reply: Reply) -> list[Any]:
    messages = (reply.result or {}).get("messages")
    if not isinstance(messages, list):
        raise MalformedError("replay without messages")
    return messages


def _check_topics(topics: Collection[str] | None) -> None:
    for topic in topics or ():
        if topic not in {*TOPICS, SNAPSHOT}:
            offered = ", ".join((*TOPICS, SNAPSHOT))
            raise UsageError("unknown topic", repr(topic), f"one of: {offered}")
