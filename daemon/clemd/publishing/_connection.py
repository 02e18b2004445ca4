"""A client's pair of sockets, and where the daemon is that they connect to."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from clemd.errors import TransientError, UsageError

from ._endpoint import read_card
from ._frames import HEARTBEAT
from ._keys import KeyPair, load_key_pair
from ._steps import AwaitMessage, AwaitReply

MAX_MESSAGE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKeys:
    """What a client needs where the daemon asks for keys."""

    own: KeyPair
    server: bytes | None = None
    """The daemon's public key (Z85); None = as its state folder says."""

    @classmethod
    def load(cls, secret_file: Path, *, server: str | None = None) -> ClientKeys:
        """Read `NAME.key_secret`.

        Raises:
            ProfileError: it is missing, no key, or readable by others.
        """
        return cls(
            own=load_key_pair(secret_file), server=server.encode() if server else None
        )


@dataclass(frozen=True, slots=True)
class Address:
    publish: str
    command: str
    server_key: bytes | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the daemon is, looked up again whenever it seems to have moved."""

    state: Path | None
    publish: str | None
    command: str | None
    keys: ClientKeys | None

    def find(self) -> Address:
        server = self.keys.server if self.keys else None
        if self.publish and self.command:
            return Address(self.publish, self.command, server)
        state = self.state or Path(os.environ.get("CLEMD_STATE") or ".")
        card = read_card(state)
        if card is None:
            raise TransientError(
                f"no daemon runs on {state}: start it, or name the state folder"
            )
        known = card.server_key.encode() if card.server_key else None
        return Address(
            self.publish or card.endpoints.publish,
            self.command or card.endpoints.command,
            server or known,
        )


class Connection:
    """The pair of sockets and what they are connected to."""

    def __init__(
        self,
        context: zmq.Context[Any],
        where: Whereabouts,
        *,
        topics: Collection[str] | None = None,
        queue: int = 0,
    ) -> None:
        self._context = context
        self._where = where
        self._topics = [HEARTBEAT] if topics is None else [*topics, HEARTBEAT]
        self._hears_all = topics is None
        self._queue = queue
        self._address: Address | None = None
        self.asking: Any = None
        self.hearing: Any = None

    def open(self) -> None:
        """Connect what is not connected to where the daemon is now."""
        address = self._where.find()
        if address != self._address:
            self.close()
            self._address = address
        if self.asking is None:
            self.asking = self._connect(zmq.DEALER, address.command)
        if self._queue and self.hearing is None:
            self.hearing = self._connect(zmq.SUB, address.publish)

    def reopen(self) -> None:
        """A new asking socket; the hearing one reconnects by itself if it can."""
        if self.asking is not None:
            self.asking.close(linger=0)
            self.asking = None
        with suppress(TransientError):  # it may be between two runs
            self.open()

    def close(self) -> None:
        """Let go."""
        for made in (self.asking, self.hearing):
            if made is not None:
                made.close(linger=0)
        self.asking = self.hearing = None

    def _connect(self, kind: int, endpoint: str) -> Any:
        made = self._context.socket(kind)
        try:
            made.setsockopt(zmq.IPV6, int("[" in endpoint))
            made.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
            made.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
            if kind == zmq.SUB:
                made.setsockopt(zmq.RCVHWM, self._queue)
                # The heartbeat's subscription goes last: hearing one proves the rest.
                for topic in ([""] if self._hears_all else []) + self._topics:
                    made.setsockopt_string(zmq.SUBSCRIBE, topic)
            self._secure(made, endpoint)
            made.connect(endpoint)
        except zmq.ZMQError as failed:
            made.close(linger=0)
            raise UsageError(
                f"cannot connect: {failed.strerror}", endpoint, "correct the address"
            ) from failed
        return made

    def _secure(self, made: Any, endpoint: str) -> None:
        keys, address = self._where.keys, self._address
        if keys is None or address is None or not endpoint.startswith("tcp://"):
            return
        if address.server_key is None:
            raise UsageError(
                "the daemon's public key is not known", endpoint, "give it"
            )
        made.setsockopt(zmq.CURVE_SERVERKEY, address.server_key)
        made.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public)
        made.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret)

    def socket_for(self, step: AwaitReply | AwaitMessage) -> Any:
        """The socket that `step` waits on; None while the daemon cannot be found."""
        made = self._made_for(step)
        if made is None:
            self.reopen()
            made = self._made_for(step)
        return made

    def _made_for(self, step: AwaitReply | AwaitMessage) -> Any:
        return self.asking if isinstance(step, AwaitReply) else self.hearing
