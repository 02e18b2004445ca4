"""Listen to a running daemon, and command it, from any Python program.

    with Client(state=Path("/var/lib/clemd")) as client:
        for update in client.messages(topics=["registration"]):
            print(update.body["verdict"])

`python -m clemd.client --state DIR` prints every message as one line of JSON.
`AsyncClient` is the same for asyncio. A client is not to be shared between threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import zmq
import zmq.asyncio

from clemd.errors import ClemdError, TransientError
from clemd.publishing import (
    AsyncLink,
    ClientKeys,
    Deliver,
    Follower,
    Link,
    Ready,
    RejectedError,
    Step,
    Steps,
    Talk,
    Update,
    Whereabouts,
    asking,
)

ANSWER_S = 10.0
"""How long the daemon may take to answer before it counts as gone."""
RECEIVE_QUEUE = 1000


class Client:
    """A connection to one daemon: its messages, its state, its commands.

    The addresses come from the state folder (`state`, or `CLEMD_STATE`) unless both
    `publish` and `command` are given.
    """

    def __init__(
        self,
        *,
        state: Path | None = None,
        publish: str | None = None,
        command: str | None = None,
        keys: ClientKeys | None = None,
        queue: int = RECEIVE_QUEUE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._where = Whereabouts(state, publish, command, keys)
        self._queue = queue
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._link = Link(self._context, self._where)
        self._subscriptions: list[Subscription] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every socket; open subscriptions end."""
        for subscription in self._subscriptions:
            subscription.close()
        self._link.close()
        self._context.term()

    def messages(
        self,
        topics: Collection[str] | None = None,
        *,
        timeout_s: float | None = None,
        after_seq: int | None = None,
        answer_within_s: float = ANSWER_S,
    ) -> Subscription:
        """Subscribe now and iterate over what happens from now on.

        Args:
            topics: None for all and the state; else only these. Name `snapshot` too
                if you keep the state: it comes first, and again after lost history.
            timeout_s: the iteration ends when nothing came for so long; None = never.
            after_seq: begin with what happened after this database sequence, instead
                of with the state.
            answer_within_s: how long to wait for the daemon.

        Raises:
            TransientError: no daemon answers.
            UsageError: no such topic.
        """
        follower = Follower(
            topics=topics,
            after_seq=after_seq,
            timeout_s=timeout_s,
            answer_within_s=answer_within_s,
            clock=self._clock,
        )
        link = Link(self._context, self._where, topics=topics, queue=self._queue)
        subscription = Subscription(follower.steps(), link)
        self._subscriptions = [s for s in self._subscriptions if not s.is_closed]
        self._subscriptions.append(subscription)
        subscription.begin()
        return subscription

    def command(
        self,
        verb: str,
        /,
        *,
        timeout_s: float = ANSWER_S,
        request_id: str | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Have `verb` carried out, once, and return its result.

        Raises:
            RejectedError: the daemon refuses; the text says why.
            TransientError: no answer in time; the same `request_id` may ask again.
            UsageError: this cannot be a command.
        """
        talk = asking(verb, arguments, request_id, timeout_s, self._clock)
        while (step := talk.next_step()) is not None:
            with talk.answering():
                talk.answer = self._link.perform(step)
        return talk.result()

    def snapshot(self) -> dict[str, Any]:
        """The daemon's state now, with `seq`, the sequence that it shows.

        Raises:
            TransientError: no daemon answers.
        """
        return self.command("snapshot")


class Subscription(Iterator[Update]):
    """Updates as they come; close it, or the client, when done."""

    def __init__(self, steps: Steps, link: Link) -> None:
        self._talk = Talk(steps)
        self._link = link
        self.is_closed = False

    def begin(self) -> None:
        """Connect; afterwards nothing is missed.

        Raises:
            TransientError: no daemon answers.
        """
        self._run_to(Ready)

    def __next__(self) -> Update:
        step = None if self.is_closed else self._run_to(Deliver)
        if not isinstance(step, Deliver):
            raise StopIteration
        return step.update

    def close(self) -> None:
        """End the subscription."""
        self.is_closed = True
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run_to(self, kind: type[Step]) -> Step | None:
        try:
            while (step := self._talk.next_step()) is not None:
                if isinstance(step, kind):
                    return step
                with self._talk.answering():
                    self._talk.answer = self._link.perform(step)
        except BaseException:
            self.close()
            raise
        self.close()
        return None


class AsyncClient:
    """`Client` for asyncio: `async with AsyncClient(state=...) as client: ...`."""

    def __init__(
        self,
        *,
        state: Path | None = None,
        publish: str | None = None,
        command: str | None = None,
        keys: ClientKeys | None = None,
        queue: int = RECEIVE_QUEUE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._where = Whereabouts(state, publish, command, keys)
        self._queue = queue
        self._clock = clock
        self._context = zmq.asyncio.Context()
        self._link = AsyncLink(self._context, self._where)
        self._links: set[AsyncLink] = set()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every socket."""
        for link in [*self._links, self._link]:
            link.close()
        self._context.term()

    async def messages(
        self,
        topics: Collection[str] | None = None,
        *,
        timeout_s: float | None = None,
        after_seq: int | None = None,
        answer_within_s: float = ANSWER_S,
    ) -> AsyncIterator[Update]:
        """As `Client.messages`, but subscribed when the first update is awaited."""
        follower = Follower(
            topics=topics,
            after_seq=after_seq,
            timeout_s=timeout_s,
            answer_within_s=answer_within_s,
            clock=self._clock,
        )
        link = AsyncLink(self._context, self._where, topics=topics, queue=self._queue)
        self._links.add(link)
        talk = Talk(follower.steps())
        try:
            while (step := talk.next_step()) is not None:
                if isinstance(step, Deliver):
                    yield step.update
                else:
                    with talk.answering():
                        talk.answer = await link.perform(step)
        finally:
            link.close()
            self._links.discard(link)

    async def command(
        self,
        verb: str,
        /,
        *,
        timeout_s: float = ANSWER_S,
        request_id: str | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """As `Client.command`; several at a time take turns."""
        talk = asking(verb, arguments, request_id, timeout_s, self._clock)
        async with self._turn:
            while (step := talk.next_step()) is not None:
                with talk.answering():
                    talk.answer = await self._link.perform(step)
        return talk.result()

    async def snapshot(self) -> dict[str, Any]:
        """As `Client.snapshot`."""
        return await self.command("snapshot")


def main(argv: Sequence[str] | None = None) -> int:
    """Print messages as they come, one JSON object per line, until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m clemd.client", description=__doc__)
    parser.add_argument("--state", type=Path, help="state folder of the daemon")
    parser.add_argument("--publish", help="publishing address, instead of --state")
    parser.add_argument("--command", help="command address, instead of --state")
    parser.add_argument("--keys", type=Path, help="your NAME.key_secret file")
    parser.add_argument("--server-key", help="public key of the daemon")
    parser.add_argument("--topic", action="append", help="only this; may be repeated")
    parser.add_argument("--after", type=int, help="begin after this sequence")
    parser.add_argument("--timeout", type=float, help="stop after this silence, s")
    given = parser.parse_args(argv)
    try:
        keys = (
            ClientKeys.load(given.keys, server=given.server_key) if given.keys else None
        )
        with Client(
            state=given.state, publish=given.publish, command=given.command, keys=keys
        ) as client:
            for update in client.messages(
                given.topic, timeout_s=given.timeout, after_seq=given.after
            ):
                sys.stdout.write(_line(update))
                sys.stdout.flush()
    except ClemdError as failed:
        sys.stderr.write(f"{failed}\n")
        return 4 if isinstance(failed, TransientError) else 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    return 0


def _line(update: Update) -> str:
    header = update.header.model_dump(mode="json", by_alias=True)
    return json.dumps({"header": header, "body": update.body}) + "\n"


__all__ = [
    "AsyncClient",
    "Client",
    "ClientKeys",
    "RejectedError",
    "Subscription",
    "Update",
    "main",
]

if __name__ == "__main__":
    sys.exit(main())
