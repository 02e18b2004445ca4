"""The bus on real sockets: losses, restarts, strangers, keys, and the documentation."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import re
import resource
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
import zmq
import zmq.asyncio

from clemd.client import AsyncClient, Client, ClientKeys, RejectedError
from clemd.config import BusSettings
from clemd.errors import ProfileError, TransientError, UsageError
from clemd.messages import TOPICS
from clemd.publishing import (
    Bus,
    CommandTable,
    KeyPair,
    Peer,
    Update,
    make_key_pair,
    read_card,
    schemas,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "bus.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One committed message."""

    seq: int
    topic: str
    topic_seq: int
    body: str
    session: str | None = "s1"
    created_at: object = field(default_factory=lambda: datetime.now(UTC))


BODIES: dict[str, dict[str, Any]] = {
    "file": {"file_id": 1, "root": "sem", "name": "a.tif", "state": "read"},
    "frame": {"frame_id": "f", "file_id": 1, "side": "em", "session": "s", "frame": {}},
    "pair": {"state": "waiting"},
    "registration": {
        "registration_id": "r",
        "pair_id": "p",
        "session": "s",
        "em_frame_id": "e",
        "lm_frame_id": "l",
        "em_file": "em.tif",
        "lm_file": "lm.tif",
        "verdict": "accepted",
        "registration": {"em_to_lm": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
    },
    "prediction": {
        "session": "s",
        "em_frame_id": "e",
        "lm_frame_id": "l",
        "em_file": "em.tif",
        "lm_file": "lm.tif",
        "em_to_lm": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "error_lm_px": {"p50": 1.0, "p95": 2.0},
        "epoch": 1,
        "pairs": 3,
    },
    "session": {
        "session": "s",
        "lm_frame_id": "l",
        "epoch": 2,
        "standing": "doubted",
        "event": "retired",
        "images": 1,
    },
    "job": {"job_id": 1, "kind": "register", "state": "queued"},
    "thermal": {"state": "cool"},
    "status": {"state": "ready", "run_epoch": "e"},
}


class Outbox:
    """A committed history and what the daemon would say about it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._numbers: dict[str, int] = {}
        self.commands: list[str] = []

    def commit(self, topic: str = "job") -> Row:
        """Append one message."""
        number = self._numbers[topic] = self._numbers.get(topic, 0) + 1
        body = json.dumps({"topic": topic, **BODIES[topic]})
        row = Row(seq=len(self.rows) + 1, topic=topic, topic_seq=number, body=body)
        self.rows.append(row)
        return row

    def snapshot(self) -> dict[str, Any]:
        """The state: how many messages each topic has."""
        return {"seq": len(self.rows), "numbers": self._numbers}

    def replay(self, after_seq: int, limit: int) -> list[Row]:
        """What came after."""
        return self.rows[after_seq : after_seq + limit]

    async def note(self, arguments: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """A command that leaves a trace."""
        self.commands.append(str(arguments.get("what")))
        return {"user": peer.user, "count": len(self.commands)}


@asynccontextmanager
async def bus_of(
    outbox: Outbox, state: Path, *, epoch: str = "e1", **settings: Any
) -> AsyncIterator[Bus]:
    """A running bus."""
    bus = Bus(
        BusSettings(**settings),
        state=state,
        run_epoch=epoch,
        snapshot=outbox.snapshot,
        replay=outbox.replay,
        commands=CommandTable({"note": outbox.note}),
        heartbeat_s=0.1,
        accept_after_s=0.2,
    )
    await bus.start()
    try:
        yield bus
    finally:
        await bus.close()


class Follower:
    """A subscriber on this event loop that keeps what it is told."""

    def __init__(self, client: AsyncClient, **wishes: Any) -> None:
        self.told: list[Update] = []
        self.changed = asyncio.Event()
        self.task = asyncio.create_task(self._follow(client, wishes))

    async def _follow(self, client: AsyncClient, wishes: dict[str, Any]) -> None:
        async for update in client.messages(**wishes):
            self.told.append(update)
            self.changed.set()

    async def until(self, is_met: Callable[[list[Update]], bool]) -> None:
        """Wait until enough has been told."""
        async with asyncio.timeout(20):
            while not is_met(self.told):
                self.changed.clear()
                await self.changed.wait()

    async def stop(self) -> None:
        """Stop listening."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def seqs(self) -> list[int]:
        """Sequences of what was told, snapshots aside."""
        return [u.header.seq for u in self.told if u.topic != "snapshot"]


@asynccontextmanager
async def follower_of(state: Path, **wishes: Any) -> AsyncIterator[Follower]:
    """A subscriber that has its snapshot."""
    queue = wishes.pop("queue", 1000)
    async with AsyncClient(state=state, queue=queue) as client:
        follower = Follower(client, **wishes)
        await follower.until(lambda told: bool(told))
        yield follower
        await follower.stop()


async def test_late_joiner_ends_with_the_same_state(tmp_path: Path) -> None:
    """Whoever comes late gets the state first, then only what is newer."""
    outbox = Outbox()
    async with bus_of(outbox, tmp_path) as bus:
        for _ in range(50):
            await bus.publish(outbox.commit())
        async with follower_of(tmp_path) as late:
            for _ in range(50):
                await bus.publish(outbox.commit())
            await late.until(lambda told: told[-1].header.seq == 100)

        assert late.told[0].body["numbers"] == {"job": 50}
        assert late.seqs() == list(range(51, 101))


async def test_500_messages_per_topic_arrive_once_and_in_order(tmp_path: Path) -> None:
    """Every published message also validates against its published schema."""
    outbox = Outbox()
    known = schemas()
    async with bus_of(outbox, tmp_path) as bus, follower_of(tmp_path) as follower:
        for _ in range(500):
            for topic in TOPICS:
                await bus.publish(outbox.commit(topic))
            await asyncio.sleep(0)
        await follower.until(lambda told: told[-1].header.seq == 500 * len(TOPICS))

    for topic in TOPICS:
        mine = [u for u in follower.told if u.topic == topic]
        assert [u.header.topic_seq for u in mine] == list(range(1, 501))
        jsonschema.validate(mine[0].body, known[f"clemd.{topic}.1.json"])
        header = mine[0].header.model_dump(mode="json", by_alias=True)
        jsonschema.validate(header, known["clemd.header.1.json"])


async def test_stalled_subscriber_recovers_and_holds_up_nobody(tmp_path: Path) -> None:
    """It loses thousands of messages, costs no memory, and ends with all of them."""
    outbox = Outbox()
    count = 4000
    async with bus_of(outbox, tmp_path) as bus:
        with Client(state=tmp_path, queue=10) as client:
            updates = await asyncio.to_thread(client.messages, timeout_s=15)
            before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            slowest_s = 0.0
            for _ in range(count):  # nobody reads `updates` meanwhile
                row = outbox.commit("registration")
                began_s = time.perf_counter()
                await bus.publish(row)
                slowest_s = max(slowest_s, time.perf_counter() - began_s)
            grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib

            got = await asyncio.to_thread(_read_until, updates, count)

    assert got == list(range(1, count + 1))
    assert slowest_s < 1.0
    assert grown_kib < 64 * 1024


def _read_until(updates: Any, last_seq: int) -> list[int]:
    got = []
    for update in updates:
        if update.topic != "snapshot":
            got.append(update.header.seq)
        if update.header.seq == last_seq:
            return got
    return got


async def test_message_lost_while_the_daemon_was_down_is_told(tmp_path: Path) -> None:
    """A new epoch on the same database: replay, not a fresh start."""
    outbox = Outbox()
    async with bus_of(outbox, tmp_path, epoch="e1") as bus:
        client = AsyncClient(state=tmp_path)
        follower = Follower(client)
        await follower.until(lambda told: bool(told))
        await bus.publish(outbox.commit())
        await follower.until(lambda told: len(told) == 2)
    outbox.commit()
    async with bus_of(outbox, tmp_path, epoch="e2") as bus:
        await follower.until(lambda told: len(told) == 3)
        await bus.publish(outbox.commit())
        await follower.until(lambda told: len(told) == 4)
        await follower.stop()
    client.close()

    assert follower.seqs() == [1, 2, 3]
    assert [u.header.run_epoch for u in follower.told] == ["e1", "e1", "e2", "e2"]


async def test_another_database_is_a_fresh_start(tmp_path: Path) -> None:
    """The subscriber must not mix two histories."""
    old, new = Outbox(), Outbox()
    async with bus_of(old, tmp_path, epoch="e1") as bus:
        client = AsyncClient(state=tmp_path)
        follower = Follower(client)
        await follower.until(lambda told: bool(told))
        for _ in range(3):
            await bus.publish(old.commit())
        await follower.until(lambda told: len(told) == 4)
    for _ in range(5):
        new.commit("thermal")
    async with bus_of(new, tmp_path, epoch="e2"):
        await follower.until(lambda told: told[-1].topic == "snapshot")
        await follower.stop()
    client.close()

    assert follower.told[-1].body["numbers"] == {"thermal": 5}


async def test_repeated_row_is_sent_once(tmp_path: Path) -> None:
    """After a crash the outbox may be offered from an earlier position."""
    outbox = Outbox()
    async with bus_of(outbox, tmp_path) as bus:
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as plain:
            for topic in ("job", "heartbeat"):
                plain.subscribe(topic)
            plain.connect(bus.endpoints.publish)
            await plain.recv_multipart()  # a heartbeat: it hears everything now
            first = outbox.commit()
            for row in (first, first, outbox.commit(), first):
                await bus.publish(row)
            await bus.publish(outbox.commit())
            heard: list[int] = []
            while 3 not in heard:
                topic_frame, header, *_ = await plain.recv_multipart()
                if topic_frame == b"job":
                    heard.append(json.loads(header)["seq"])

    assert heard == [1, 2, 3]


async def test_buffers_arrive_and_lagging_ones_are_left_out(tmp_path: Path) -> None:
    """Pixels are bounded in bytes; the message itself always leaves."""
    outbox = Outbox()
    pixels = np.arange(6, dtype="<f4").reshape(2, 3)
    async with bus_of(outbox, tmp_path) as bus, follower_of(tmp_path) as follower:
        await bus.publish(outbox.commit(), {"em": pixels, "png": b"\x89PNG"})
        await bus.publish(outbox.commit(), {"huge": bytes(65 << 20)})
        await follower.until(lambda told: told[-1].header.seq == 2)

    first, second = follower.told[1:]
    np.testing.assert_array_equal(np.asarray(first.buffers["em"]), pixels)
    assert first.buffers["png"] == b"\x89PNG"
    assert second.header.buffers_left_out == ("huge",)


async def test_fuzzed_frames_do_not_stop_the_service(tmp_path: Path) -> None:
    """1,000 seeded requests and 200 subscriptions of rubbish: no deed, still alive."""
    outbox = Outbox()
    random_ = random.Random(11)  # noqa: S311 - a seed is the point
    async with bus_of(outbox, tmp_path) as bus:
        context = zmq.asyncio.Context()
        dealer, hearer = context.socket(zmq.DEALER), context.socket(zmq.XSUB)
        dealer.connect(bus.endpoints.command)
        hearer.connect(bus.endpoints.publish)
        for _ in range(50):
            for _ in range(20):
                await dealer.send_multipart(_rubbish(random_))
            for _ in range(4):
                await hearer.send(random_.randbytes(random_.randrange(1, 200)))
            for _ in range(20):
                async with asyncio.timeout(10):
                    reply = json.loads((await dealer.recv_multipart())[-1])
                assert reply["status"] == "rejected"
        await dealer.send(bytes(2 << 20))  # beyond the limit: the peer is cut off
        async with AsyncClient(state=tmp_path) as client:
            assert await client.command("ping") == {}
            assert (await client.command("note", what="x"))["count"] == 1
        context.destroy(linger=0)

    assert outbox.commands == ["x"]


def _rubbish(random_: random.Random) -> list[bytes]:
    good = b'{"id": "r1", "verb": "note", "arguments": {"what": "evil"}}'
    kind = random_.randrange(5)
    if kind == 0:
        return [random_.randbytes(random_.randrange(200))]
    if kind == 1:
        return [b"", pickle.dumps({"verb": "note"})]
    if kind == 2:
        return [good] * random_.randrange(2, 9)
    if kind == 3:
        return [b"", good[: random_.randrange(len(good))]]
    return [good.replace(b'"verb"', random_.choice([b'"Verb"', b"verb", b'"id"']))]


@dataclass(frozen=True)
class Keys:
    """Files of a daemon and of three clients."""

    folder: Path
    settings: dict[str, Any]
    server: str

    def of(self, name: str) -> ClientKeys:
        """The keys of one client."""
        return ClientKeys.load(self.folder / f"{name}.key_secret", server=self.server)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """`sem` may command, `wall` may look, `stranger` is not in the folder."""
    folder = tmp_path / "keys"
    for name in ("daemon", "sem", "wall.monitor", "stranger"):
        make_key_pair(folder, name)
    ring = folder / "ring"
    ring.mkdir()
    for name in ("sem", "wall.monitor"):
        (folder / f"{name}.key").rename(ring / f"{name}.key")
    secret = folder / "daemon.key_secret"
    settings = {
        "publish": "tcp://127.0.0.1:*",
        "command": "tcp://127.0.0.1:*",
        "curve_secret_file": secret,
        "authorised_keys": ring,
    }
    server = ClientKeys.load(secret).own.public.decode()
    return Keys(folder, settings, server)


async def _is_served(bus: Bus, keys: ClientKeys | None) -> bool:
    ends = bus.endpoints
    async with AsyncClient(
        publish=ends.publish, command=ends.command, keys=keys
    ) as client:
        try:
            await client.command("ping", timeout_s=0.4)
            await anext(client.messages(timeout_s=0.4, answer_within_s=0.4))
        except TransientError:
            return False
        return True


async def test_only_authorised_keys_are_served(tmp_path: Path, keys: Keys) -> None:
    """An unknown key, no key, and a key for the wrong daemon hear nothing at all."""
    wrong = zmq.curve_keypair()[0]
    async with bus_of(Outbox(), tmp_path, **keys.settings) as bus:
        assert await _is_served(bus, keys.of("sem"))
        assert await _is_served(bus, keys.of("wall.monitor"))
        assert not await _is_served(bus, keys.of("stranger"))
        assert not await _is_served(bus, None)
        assert not await _is_served(
            bus, ClientKeys(own=keys.of("sem").own, server=wrong)
        )
        assert read_card(tmp_path).server_key == keys.server  # type: ignore[union-attr]


async def test_dead_gatekeeper_lets_nobody_in(tmp_path: Path, keys: Keys) -> None:
    """Without enforcement libzmq would serve everybody from then on."""
    async with bus_of(Outbox(), tmp_path, **keys.settings) as bus:
        assert await _is_served(bus, keys.of("sem"))
        await bus._gatekeeper.close()

        assert not await _is_served(bus, keys.of("sem"))
        assert not await _is_served(bus, keys.of("stranger"))


async def test_removed_key_is_shut_out_without_a_restart(
    tmp_path: Path, keys: Keys
) -> None:
    """A lost laptop must not wait for the end of the acquisition."""
    async with bus_of(Outbox(), tmp_path, **keys.settings) as bus:
        assert await _is_served(bus, keys.of("sem"))
        (keys.folder / "ring" / "sem.key").unlink()

        assert not await _is_served(bus, keys.of("sem"))


async def test_monitor_key_cannot_command(tmp_path: Path, keys: Keys) -> None:
    """The socket, not the client, says who asks."""
    outbox = Outbox()
    async with bus_of(outbox, tmp_path, **keys.settings):
        async with AsyncClient(state=tmp_path, keys=keys.of("sem")) as client:
            assert (await client.command("note", what="a"))["user"] == "sem"
        async with AsyncClient(state=tmp_path, keys=keys.of("wall.monitor")) as client:
            with pytest.raises(RejectedError, match="may look, not command"):
                await client.command("note", what="b")

    assert outbox.commands == ["a"]


async def test_network_without_keys_does_not_start(tmp_path: Path) -> None:
    """It must fail before anything listens."""
    with pytest.raises(ProfileError, match="needs keys"):
        async with bus_of(Outbox(), tmp_path, command="tcp://0.0.0.0:0"):
            pass


async def test_taken_port_is_one_line(tmp_path: Path) -> None:
    """What, where, mend; the running bus is not disturbed."""
    async with bus_of(Outbox(), tmp_path, command="tcp://127.0.0.1:*") as bus:
        taken = bus.endpoints.command
        with pytest.raises(UsageError, match="another program listens there"):
            async with bus_of(Outbox(), tmp_path / "b", command=taken):
                pass

        async with AsyncClient(state=tmp_path) as client:
            assert await client.command("ping") == {}


async def test_ipc_name_of_a_living_daemon_is_not_stolen(tmp_path: Path) -> None:
    """Libzmq would take it over silently; a dead daemon's leftover is replaced."""
    async with bus_of(Outbox(), tmp_path):
        with pytest.raises(UsageError, match="another program listens there"):
            async with bus_of(Outbox(), tmp_path, epoch="e2"):
                pass
        async with AsyncClient(state=tmp_path) as client:
            assert (await client.command("hello"))["run_epoch"] == "e1"
    leftover = socket.socket(socket.AF_UNIX)
    leftover.bind(str(tmp_path / "run" / "bus-pub.sock"))
    leftover.close()

    async with bus_of(Outbox(), tmp_path, epoch="e3"):
        card = read_card(tmp_path)

    assert card is not None
    assert card.run_epoch == "e3"


async def test_sockets_are_for_one_user_and_leave_nothing(tmp_path: Path) -> None:
    """Folder 0700, sockets 0600; afterwards no address that leads nowhere."""
    async with bus_of(Outbox(), tmp_path):
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    left = [p.name for p in (tmp_path / "run").iterdir()]

    assert modes == {
        "run": 0o700,
        "bus.json": 0o600,
        "bus-pub.sock": 0o600,
        "bus-cmd.sock": 0o600,
    }
    assert left == []


async def test_deep_state_folder_still_has_a_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's limit is not the operator's problem."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    state = tmp_path / ("d" * 100)
    async with bus_of(Outbox(), state) as bus:
        assert str(state) not in bus.endpoints.publish
        async with AsyncClient(state=state) as client:
            assert await client.command("ping") == {}

    assert [p.name for p in tmp_path.iterdir()] == [state.name]


async def test_replay_is_paged_and_checked(tmp_path: Path) -> None:
    """Limits hold whatever the client asks for."""
    outbox = Outbox()
    for _ in range(5):
        outbox.commit()
    async with bus_of(outbox, tmp_path), AsyncClient(state=tmp_path) as client:
        page = await client.command("replay", after_seq=2, limit=2)
        for wrong in ({"limit": 1001}, {"after_seq": -1}, {"limit": True}, {"x": 1}):
            with pytest.raises(RejectedError):
                await client.command("replay", **wrong)

    assert [m["header"]["seq"] for m in page["messages"]] == [3, 4]
    assert page["more"] is True


async def test_client_says_that_no_daemon_runs(tmp_path: Path) -> None:
    """At once, with the folder, instead of waiting in silence."""
    with (
        Client(state=tmp_path) as client,
        pytest.raises(TransientError, match="no daemon runs"),
    ):
        client.snapshot()


async def test_command_answers_within_20_ms(tmp_path: Path) -> None:
    """The typical round trip; a slow machine may double the slowest."""
    async with bus_of(Outbox(), tmp_path), AsyncClient(state=tmp_path) as client:
        await client.command("ping")
        spent = []
        for _ in range(200):
            began_s = time.perf_counter()
            await client.command("ping")
            spent.append(time.perf_counter() - began_s)

    assert sorted(spent)[100] < 0.020


@asynccontextmanager
async def process_of(
    argv: list[str], state: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python program that finds the daemon through its environment."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *argv,
        env={**os.environ, "CLEMD_STATE": str(state)},
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _first_line(
    process: asyncio.subprocess.Process, bus: Bus, outbox: Outbox
) -> str:
    """Go on publishing until the program, once connected, says something."""
    assert process.stdout is not None
    line = asyncio.create_task(process.stdout.readline())
    async with asyncio.timeout(20):
        while not line.done():
            await bus.publish(outbox.commit("registration"))
            await asyncio.wait({line}, timeout=0.05)
    return line.result().decode()


@pytest.mark.parametrize("number", [0, 1])
async def test_examples_of_the_documentation_run(tmp_path: Path, number: int) -> None:
    """Both programs, with and without our library, print the first verdict."""
    code = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[number]
    outbox = Outbox()
    async with (
        bus_of(outbox, tmp_path) as bus,
        process_of(["-W", "error", "-c", code], tmp_path) as process,
    ):
        line = await _first_line(process, bus, outbox)

    assert "em.tif" in line
    assert "accepted" in line


async def test_operator_can_watch_from_a_shell(tmp_path: Path) -> None:
    """One JSON object per line, the snapshot first."""
    outbox = Outbox()
    argv = ["-W", "error", "-m", "clemd.client", "--state", str(tmp_path)]
    async with (
        bus_of(outbox, tmp_path) as bus,
        process_of(argv, tmp_path) as process,
    ):
        line = json.loads(await _first_line(process, bus, outbox))

    assert line["header"]["schema"] == "clemd.snapshot/1"


def test_key_pair_does_not_show_its_secret() -> None:
    """It would end up in a log."""
    public, secret = zmq.curve_keypair()

    assert secret.decode() not in repr(KeyPair(public=public, secret=secret))
