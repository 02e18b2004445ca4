"""Who may ask, from where, and what the browser may do with the answer.

A page on the loopback address is within reach of every web site the operator opens
and of every other program on the computer. Four checks, each against one way in: the
`Host` allow-list (DNS rebinding), `Origin` on every request that changes something
(forged forms), a token in a strict cookie (other users), and response headers that
forbid everything the page does not itself need.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """The rules, without a server: every answer is a plain function of a request."""

    token: str = field(repr=False)
    port: int
    """Part of the cookie's name: cookies of one host are shared by all its ports."""
    hosts: frozenset[str]
    """Names, without port, under which the page may be asked for."""

    @classmethod
    def of(
        cls, token: str, *, host: str, port: int, also: Iterable[str] = ()
    ) -> AccessPolicy:
        """The policy of a page bound to `host`; a wildcard address adds no name."""
        wild = host in {"", "0.0.0.0", "::"}  # noqa: S104
        named = f"[{host}]" if ":" in host else host
        names = {*LOOPBACK_NAMES, *also} | (set() if wild else {named})
        lower = frozenset(name.lower() for name in names)
        return cls(token=token, port=port, hosts=lower)

    @property
    def cookie_name(self) -> str:
        """`clemd_<port>`."""
        return f"clemd_{self.port}"

    @property
    def cookie_value(self) -> str:
        """Proof that the token was shown once, without the token itself."""
        proof = hmac.new(self.token.encode(), b"clemd page", hashlib.sha256)
        return proof.hexdigest()

    def knows_host(self, headers: Headers) -> bool:
        """Is the page asked for under one of its own names?"""
        return _host_name(headers.get("host", "")) in self.hosts

    def is_token(self, offered: str) -> bool:
        """Is this the token? Takes the same time for every wrong one."""
        return hmac.compare_digest(offered.encode(), self.token.encode())

    def has_bearer(self, headers: Headers) -> bool:
        """Does a program present the token itself?"""
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(offered.strip())

    def has_cookie(self, headers: Headers) -> bool:
        """Does a browser present the cookie it was given?"""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.cookie_name)
        except CookieError:
            return False
        offered = cookie.value if cookie is not None else ""
        return hmac.compare_digest(offered.encode(), self.cookie_value.encode())

    def may_look(self, headers: Headers) -> bool:
        """May this request see data?"""
        if self.has_bearer(headers):
            return True
        # a page on another port of this host counts as the same site to cookies
        asked_by = headers.get("sec-fetch-site", "none")
        return asked_by in {"same-origin", "none"} and self.has_cookie(headers)

    def may_change(self, headers: Headers) -> bool:
        """Does a request that is not a GET come from our own page or a program?"""
        origin = headers.get("origin")
        if origin is None:
            return self.has_bearer(headers)
        host = headers.get("host", "")
        return origin.lower() in {f"http://{host}".lower(), f"https://{host}".lower()}


def is_loopback(scope: Scope) -> bool:
    """Does the connection come from this computer?"""
    client = scope.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def refuse(status: int, what: str, mend: str) -> JSONResponse:
    """One line: what, and what to do."""
    return JSONResponse({"error": f"{what}: {mend}"}, status)


class AccessGuard:
    """Middleware: check the host and the origin, and lock down every answer."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing here speaks anything else
        refusal = self._refusal(scope)
        app = refusal if refusal is not None else self._app

        async def send_locked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await app(scope, receive, send_locked)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if not self._policy.knows_host(headers):
            return refuse(400, "unknown host name", "use the address clemd printed")
        if scope["method"] in {"GET", "HEAD"} or self._policy.may_change(headers):
            return None
        return refuse(403, "not from this page", "send Origin or a bearer token")


def _host_name(host: str) -> str:
    """`Host` without its port; brackets of an IPv6 address stay."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
