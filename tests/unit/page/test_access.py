"""Nobody sees or changes anything who was not shown the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from clemd.page import AccessPolicy

HOME = "http://127.0.0.1:8470"
BEARER = {"authorization": "Bearer the token"}
DATA = [
    "/api/snapshot",
    "/api/events",
    "/api/layer/f1/0",
    "/api/output/r1/overlay.png",
    "/api/temperature",
    "/statusz",
]
COMMAND = {"verb": "retry", "arguments": {"registration_id": "r1"}}


def connect(app: Any, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client that sits at `address`."""
    transport = httpx.ASGITransport(app=app, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=HOME)


@pytest.fixture
async def stranger(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A program on this computer that knows no token."""
    async with connect(app) as client:
        yield client


@pytest.fixture
async def operator(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that followed the printed address."""
    answer = await stranger.get("/?token=the+token")
    assert answer.status_code == 303
    return stranger


async def test_token_becomes_a_strict_cookie_and_leaves_the_address(
    stranger: httpx.AsyncClient,
) -> None:
    """A token in the address bar would be kept in the history and in screenshots."""
    answer = await stranger.get("/?token=the+token")
    cookie = answer.headers["set-cookie"]

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert cookie.startswith("clemd_8470=")
    assert "the token" not in cookie


async def test_wrong_token_is_given_no_cookie(stranger: httpx.AsyncClient) -> None:
    """Also one that is not ASCII: comparing it must not fail."""
    for wrong in ("nearly", "", "ä"):
        answer = await stranger.get("/", params={"token": wrong})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", DATA)
async def test_data_is_for_the_signed_in(
    stranger: httpx.AsyncClient, path: str
) -> None:
    """Any user of the computer can reach the port."""
    answer = await stranger.get(path)

    assert answer.status_code == 401
    assert "open the address" in answer.json()["error"]


async def test_cookie_and_bearer_both_open_the_data(
    operator: httpx.AsyncClient, app: Any
) -> None:
    """Browsers use the one, programs the other."""
    assert (await operator.get("/api/snapshot")).json()["stale_after_s"] == 10.0
    async with connect(app) as program:
        assert (await program.get("/api/snapshot", headers=BEARER)).status_code == 200


async def test_cookie_of_another_port_does_not_count(
    stranger: httpx.AsyncClient,
) -> None:
    """Cookies are shared by all ports of a host; two daemons must not mix them up."""
    other = AccessPolicy.of("another", host="127.0.0.1", port=8470)
    stranger.cookies.set(other.cookie_name, other.cookie_value)

    assert (await stranger.get("/api/snapshot")).status_code == 401


@pytest.mark.parametrize("asked_by", ["cross-site", "same-site"])
async def test_another_page_cannot_ride_on_the_cookie(
    operator: httpx.AsyncClient, asked_by: str
) -> None:
    """A page on another port is `same-site`, so the cookie travels with its request."""
    answer = await operator.get("/api/snapshot", headers={"sec-fetch-site": asked_by})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.:8470", "[::2]"]
)
async def test_foreign_host_names_are_refused(
    stranger: httpx.AsyncClient, host: str
) -> None:
    """A name that is made to point at 127.0.0.1 would share our origin."""
    answer = await stranger.get("/", headers={"host": host})

    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost:8470", "[::1]:8470", "LOCALHOST"])
async def test_own_names_are_known(stranger: httpx.AsyncClient, host: str) -> None:
    """With any port (a tunnel changes it) and in any case."""
    assert (await stranger.get("/", headers={"host": host})).status_code == 200


async def test_command_needs_our_own_origin(operator: httpx.AsyncClient) -> None:
    """A form on any web site can post to the loopback address."""
    foreign = {"origin": "http://evil.example"}
    other_port = {"origin": "http://127.0.0.1:9999"}
    for headers in (foreign, other_port, {"origin": "null"}, {}):
        answer = await operator.post("/api/command", json=COMMAND, headers=headers)
        assert answer.status_code == 403

    answer = await operator.post("/api/command", json=COMMAND, headers={"origin": HOME})
    assert answer.json()["arguments"] == {"registration_id": "r1"}


async def test_program_commands_with_the_token_alone(
    stranger: httpx.AsyncClient,
) -> None:
    """A script has no origin; the token says enough."""
    answer = await stranger.post("/api/command", json=COMMAND, headers=BEARER)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"verb": "retry"}', "text/plain", 415),
        (b"not json", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"verb": 3}', "application/json", 400),
        (b'{"verb": "retry", "arguments": []}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'"' + b"x" * 70_000 + b'"', "application/json", 413),
        (b'{"verb": "format disk"}', "application/json", 400),
    ],
)
async def test_bad_command_is_one_line(
    stranger: httpx.AsyncClient, body: bytes, kind: str, status: int
) -> None:
    """Nothing a client sends may become a traceback."""
    headers = BEARER | {"content-type": kind}
    answer = await stranger.post("/api/command", content=body, headers=headers)

    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/api/snapshot", "/nothing"])
async def test_every_answer_is_locked_down(
    stranger: httpx.AsyncClient, path: str
) -> None:
    """Refusals and files too, or the weakest one is the way in."""
    headers = (await stranger.get(path)).headers
    policy = headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


async def test_page_has_no_inline_script_or_style(stranger: httpx.AsyncClient) -> None:
    """What the policy forbids must not be there in the first place."""
    text = (await stranger.get("/")).text

    assert "<style" not in text
    assert "style=" not in text
    assert " on" + "click" not in text
    assert text.count("<script") == text.count('<script type="module" src="/static/')
    assert "http://" not in text
    assert "https://" not in text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_are_open_to_this_computer_only(app: Any, path: str) -> None:
    """Prometheus and systemd have no cookie; the network has no business here."""
    async with connect(app) as near, connect(app, "192.0.2.7") as far:
        assert (await near.get(path)).status_code == 200
        assert (await far.get(path)).status_code == 401
        assert (await far.get(path, headers=BEARER)).status_code == 200


async def test_not_ready_says_what_it_waits_for(
    stranger: httpx.AsyncClient, sources: Any
) -> None:
    """An open port is not readiness."""
    sources.ready = False
    answer = await stranger.get("/readyz")

    assert (answer.status_code, answer.text) == (503, "not ready: reconciling\n")


def test_policy_does_not_show_its_token() -> None:
    """Its text may end up in a log."""
    policy = AccessPolicy.of("the token", host="0.0.0.0", port=1)  # noqa: S104

    assert "the token" not in repr(policy)
    assert "0.0.0.0" not in policy.hosts  # noqa: S104
