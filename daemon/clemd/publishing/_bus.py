"""The bus: committed messages out, questions and commands in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq.asyncio

from clemd.config import BusSettings
from clemd.errors import UsageError
from clemd.messages import TOPICS

from ._buffers import Buffer
from ._command import CommandHandler
from ._desk import CommandDesk
from ._endpoint import (
    PROTOCOL,
    BusCard,
    Endpoints,
    choose_endpoints,
    has_curve,
    make_run_folder,
    make_socket_folder,
    remove_card,
    write_card,
)
from ._frames import Heartbeat
from ._gatekeeper import Gatekeeper
from ._header import OutboxRow, header_of, message_id
from ._json import parse_object
from ._keys import KeyPair, KeyRing, load_key_pair
from ._publisher import HEARTBEAT_S, Publisher
from ._router import Router
from ._sockets import bind, command_socket, publishing_socket, remove_name

REPLAY_ROWS, REPLAY_BYTES = 1000, 4 << 20
OWN_VERBS = ("hello", "ping", "replay", "snapshot")


class Bus:
    """Publishes the outbox and answers clients, on one pair of sockets.

    `snapshot` returns the state as JSON-ready values with `seq`, the database sequence
    it shows (and `topic_seq`, last number per topic, where known). `replay` returns at
    most `limit` committed rows after `after_seq`, in order. Both are called on the
    event loop and must be quick. A row must be committed before it is published.
    """

    def __init__(
        self,
        settings: BusSettings,
        *,
        state: Path,
        run_epoch: str,
        snapshot: Callable[[], dict[str, Any]],
        replay: Callable[[int, int], Sequence[OutboxRow]],
        commands: CommandHandler,
        heartbeat_s: float = HEARTBEAT_S,
        accept_after_s: float = 1.0,
    ) -> None:
        self._settings = settings
        self._state = state
        self._run_epoch = run_epoch
        self._snapshot = snapshot
        self._replay = replay
        self._commands = commands
        self._heartbeat_s = heartbeat_s
        self._accept_after_s = accept_after_s
        self._cleanup = contextlib.AsyncExitStack()
        self._endpoints: Endpoints | None = None
        self._publisher: Publisher | None = None

    @property
    def endpoints(self) -> Endpoints:
        """The addresses in use.

        Raises:
            RuntimeError: the bus has not been started.
        """
        if self._endpoints is None:
            raise RuntimeError("the bus is not started")
        return self._endpoints

    async def start(self) -> None:
        """Bind both sockets and begin to serve.

        Raises:
            ProfileError: an address or key breaks a rule.
            UsageError: an address is taken.
        """
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def publish(
        self, row: OutboxRow, buffers: Mapping[str, Buffer] | None = None
    ) -> None:
        """Send one committed row; a row that this run has sent is skipped.

        Raises:
            RuntimeError: the bus is not running.
            ValueError: a buffer holds something other than numbers or bytes.
        """
        if self._publisher is None:
            raise RuntimeError("the bus is not running")
        await self._publisher.send(row, buffers or {})

    async def close(self) -> None:
        """Stop serving; what was sent last still leaves, within 0.2 s."""
        self._publisher = None
        await self._cleanup.aclose()

    async def _start(self) -> None:
        settings, keys = self._settings, None
        run = make_run_folder(self._state)
        folder, is_temporary = make_socket_folder(run)
        if is_temporary:
            self._cleanup.callback(_remove, folder)
        wanted = choose_endpoints(settings, folder)
        context = zmq.asyncio.Context()
        self._cleanup.push_async_callback(asyncio.to_thread, context.term)
        if has_curve(settings):
            keys = await self._guard(context)
        publishing = publishing_socket(context, _keys_for(wanted.publish, keys))
        self._cleanup.callback(publishing.close)
        asking = command_socket(context, _keys_for(wanted.command, keys))
        self._cleanup.callback(asking.close)
        publish = bind(publishing, wanted.publish, key="bus.publish")
        self._cleanup.callback(remove_name, publish)
        command = bind(asking, wanted.command, key="bus.command")
        self._cleanup.callback(remove_name, command)
        self._endpoints = Endpoints(publish=publish, command=command)
        self._serve(publishing, asking)
        server_key = None if keys is None else keys.public.decode()
        write_card(
            run,
            BusCard(
                endpoints=self._endpoints,
                run_epoch=self._run_epoch,
                server_key=server_key,
            ),
        )
        self._cleanup.callback(remove_card, self._state, run_epoch=self._run_epoch)

    async def _guard(self, context: zmq.asyncio.Context) -> KeyPair:
        secret, ring = self._settings.curve_secret_file, self._settings.authorised_keys
        assert secret is not None  # noqa: S101 - `has_curve` said so
        assert ring is not None  # noqa: S101
        keys = load_key_pair(secret)
        self._gatekeeper = Gatekeeper(context, KeyRing(ring))
        self._gatekeeper.start()
        self._cleanup.push_async_callback(self._gatekeeper.close)
        return keys

    def _serve(
        self, publishing: zmq.asyncio.Socket, asking: zmq.asyncio.Socket
    ) -> None:
        own = {verb: getattr(self, f"_{verb}_verb") for verb in OWN_VERBS}
        desk = CommandDesk(
            run_epoch=self._run_epoch,
            own=own,
            handler=self._commands,
            accept_after_s=self._accept_after_s,
        )
        publisher = Publisher(
            publishing,
            run_epoch=self._run_epoch,
            known=self._committed(),
            heartbeat_s=self._heartbeat_s,
        )
        router = Router(asking, desk, run_epoch=self._run_epoch)
        self._cleanup.push_async_callback(publisher.close)
        self._cleanup.push_async_callback(router.close)
        publisher.start()
        router.start()
        self._publisher = publisher

    def _committed(self) -> Heartbeat:
        state = self._snapshot()
        seq = int(state["seq"])
        return Heartbeat(
            seq=seq,
            msg_id=self._name_of(seq),
            topic_seqs=state.get("topic_seq") or {},
        )

    def _name_of(self, seq: int) -> str | None:
        rows = self._replay(seq - 1, 1) if seq > 0 else ()
        return message_id(rows[0]) if rows and rows[0].seq == seq else None

    def _hello_verb(self, arguments: dict[str, Any]) -> dict[str, Any]:
        _refuse_arguments(arguments, known=())
        return {
            "protocol": PROTOCOL,
            "run_epoch": self._run_epoch,
            "publish": self.endpoints.publish,
            "command": self.endpoints.command,
            "topics": list(TOPICS),
            "heartbeat_s": self._heartbeat_s,
        }

    def _ping_verb(self, arguments: dict[str, Any]) -> dict[str, Any]:
        _refuse_arguments(arguments, known=())
        return {}

    def _snapshot_verb(self, arguments: dict[str, Any]) -> dict[str, Any]:
        _refuse_arguments(arguments, known=())
        state = dict(self._snapshot())
        state["msg_id"] = self._name_of(int(state["seq"]))
        state.setdefault("topic_seq", None)
        return state

    def _replay_verb(self, arguments: dict[str, Any]) -> dict[str, Any]:
        _refuse_arguments(arguments, known=("after_seq", "limit"))
        after_seq = _whole(arguments, "after_seq", default=0, most=2**63 - 1)
        limit = max(
            1, _whole(arguments, "limit", default=REPLAY_ROWS, most=REPLAY_ROWS)
        )
        rows = self._replay(after_seq, limit)
        messages: list[dict[str, Any]] = []
        size = 0
        for row in rows:
            size += len(row.body)
            if messages and size > REPLAY_BYTES:
                break
            messages.append(self._replayed(row))
        return {
            "messages": messages,
            "more": len(messages) < len(rows) or len(rows) == limit,
        }

    def _replayed(self, row: OutboxRow) -> dict[str, Any]:
        now_s = asyncio.get_running_loop().time()
        header = header_of(row, run_epoch=self._run_epoch, t_mono_s=now_s)
        return {
            "header": header.model_dump(mode="json", by_alias=True),
            "body": parse_object(row.body.encode(), what="stored message"),
        }


def _keys_for(endpoint: str, keys: KeyPair | None) -> KeyPair | None:
    # ipc is guarded by the folder's permissions, and plain for every local tool.
    return keys if endpoint.startswith("tcp://") else None


def _refuse_arguments(arguments: dict[str, Any], *, known: tuple[str, ...]) -> None:
    for name in arguments:
        if name not in known:
            offered = ", ".join(known) or "none"
            raise UsageError("unknown argument", repr(name), f"known: {offered}")


def _whole(arguments: dict[str, Any], name: str, *, default: int, most: int) -> int:
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise UsageError(f"{name} must be 0..{most}", repr(value)[:40], "correct it")
    return value


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):  # another run may use it
        folder.rmdir()
