"""A stream tells every row once, in order, from wherever its reader had got to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from clemd.config import PageSettings
from clemd.errors import UsageError
from clemd.page import Bell, PageServer
from clemd.page._stream import StreamSettings, stream_events


async def obey(verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A daemon that does nothing."""
    return {}


def page_server(sources: Any, bell: Bell, port: int = 0) -> PageServer:
    """A page on a real port."""
    settings = PageSettings(port=port, stale_after_s=0.6)
    token = "the token"  # noqa: S105
    return PageServer(settings, sources, token=token, wake=bell, commands=obey)


@pytest.fixture
def bell() -> Bell:
    """The bell that the store rings."""
    return Bell()


@pytest.fixture
async def client(sources: Any, bell: Bell) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a real server."""
    server = page_server(sources, bell)
    address = (await server.start()).partition("/?")[0]
    headers = {"authorization": "Bearer the token"}
    async with httpx.AsyncClient(base_url=address, headers=headers) as client:
        yield client
    await server.close()


async def read(
    client: httpx.AsyncClient, count: int, *, after: int = 0, **headers: str
) -> list[tuple[str, Any, str]]:
    """The first `count` events but heartbeats, as (name, data, id)."""
    got: list[tuple[str, Any, str]] = []
    address = f"/api/events?after={after}"
    async with client.stream("GET", address, headers=headers) as answer:
        answer.raise_for_status()
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            if fields["event"] != "heartbeat":
                event = (
                    fields["event"],
                    json.loads(fields["data"]),
                    fields.get("id", ""),
                )
                got.append(event)
            fields = {}
            if len(got) == count:
                break
    return got


async def test_event_id_is_the_database_sequence(client: Any, sources: Any) -> None:
    """It is what the browser sends back after a break."""
    sources.add(3, name="a\nb")
    events = await read(client, 4)

    assert events[0][:2] == ("hello", {"run_epoch": "e1"})
    assert [(e[0], e[2], e[1]["body"]["n"]) for e in events[1:]] == [
        ("row", "1", 1),
        ("row", "2", 2),
        ("row", "3", 3),
    ]
    assert events[1][1]["body"]["name"] == "a\nb"


async def test_last_event_id_beats_the_address(client: Any, sources: Any) -> None:
    """A browser repeats its first address, which is out of date by then."""
    sources.add(5)
    events = await read(client, 3, after=0, **{"last-event-id": "3"})

    assert [e[2] for e in events[1:]] == ["4", "5"]


async def test_row_arrives_when_the_bell_rings(sources: Any, bell: Bell) -> None:
    """No polling interval lies between a result and the screen."""
    settings = StreamSettings(heartbeat_s=3_600, stop=asyncio.Event())
    stream = stream_events(sources, bell, settings, after=0)
    assert "event: hello" in await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)  # it has looked, found nothing, and listens
    sources.add(1)
    assert not waiting.done()
    bell.ring()

    assert (await asyncio.wait_for(waiting, 5)).startswith("id: 1\n")
    await stream.aclose()


async def test_ring_during_the_look_is_not_slept_through(
    sources: Any, bell: Bell
) -> None:
    """A row committed between looking and listening would wait for the next one."""
    settings = StreamSettings(heartbeat_s=3_600, stop=asyncio.Event())
    look = sources.events_after

    def look_and_commit(seq: int, limit: int) -> Any:
        found = look(seq, limit)
        if not sources.rows and seq == 0 and limit > 1:
            sources.add(1)
            bell.ring()
        return found

    sources.events_after = look_and_commit
    stream = stream_events(sources, bell, settings, after=0)
    await anext(stream)

    assert (await asyncio.wait_for(anext(stream), 5)).startswith("id: 1\n")
    await stream.aclose()


@pytest.mark.parametrize("after", [999, 1])
async def test_reader_that_cannot_be_told_row_by_row_starts_afresh(
    client: Any, sources: Any, after: int
) -> None:
    """It comes from another database, or its next rows were pruned."""
    sources.add(9)
    del sources.rows[:4]
    events = await read(client, 2, after=after)

    assert events[1][:2] == ("reset", {"seq": 9})


async def test_silence_is_told_by_heartbeats(client: Any) -> None:
    """A page that hears nothing for `stale_after_s` calls itself stale."""
    beats = []
    async with client.stream("GET", "/api/events") as answer:
        async for line in answer.aiter_lines():
            if line == "event: heartbeat":
                beats.append(line)
            if len(beats) == 2:
                break

    assert len(beats) == 2


@pytest.mark.parametrize("after", ["x", "-1", "1e3", "٣", "9" * 30])
async def test_event_id_that_is_no_number_is_refused(client: Any, after: str) -> None:
    """One line, no traceback."""
    answer = await client.get("/api/events", params={"after": after})

    assert answer.status_code == 400


async def test_closing_ends_open_streams(sources: Any, bell: Bell) -> None:
    """An open page must not keep the daemon from stopping."""
    server = page_server(sources, bell)
    address = await server.start()
    base, _, token = address.partition("/?token=")
    async with (
        httpx.AsyncClient(base_url=base) as client,
        client.stream(
            "GET", "/api/events", headers={"authorization": f"Bearer {token}"}
        ) as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        await asyncio.wait_for(server.close(), 3)


async def test_taken_port_is_said_in_one_line(sources: Any, bell: Bell) -> None:
    """What, where, what to do."""
    first = page_server(sources, bell)
    port = int((await first.start()).split(":")[2].partition("/")[0])
    with pytest.raises(UsageError, match=f"in use.*page.port = {port}.*or 0$"):
        await page_server(sources, bell, port).start()
    await first.close()


async def test_address_of_another_computer_is_said_in_one_line(
    sources: Any, bell: Bell
) -> None:
    """192.0.2.1 belongs to nobody."""
    settings = PageSettings(host="192.0.2.1", port=0)
    server = PageServer(settings, sources, token="t", wake=bell, commands=obey)  # noqa: S106
    with pytest.raises(UsageError, match=r"cannot listen.*192\.0\.2\.1"):
        await server.start()


async def test_hostile_requests_do_not_stop_the_page(client: Any) -> None:
    """Garbage on the port is somebody else's problem."""
    host, port = client.base_url.host, client.base_url.port
    for garbage in (b"\x00" * 500, b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(garbage)
        writer.close()
    assert (await client.get("/livez")).status_code == 200
