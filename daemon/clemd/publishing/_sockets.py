"""Sockets with every limit set: sizes, queues, patience, and who may connect."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

import zmq
import zmq.asyncio

from clemd.errors import UsageError

from ._gatekeeper import ZAP_DOMAIN
from ._keys import KeyPair

SEND_QUEUE = 1000
"""Messages kept for one lagging subscriber before it loses some."""
COMMAND_QUEUE = 64
MAX_COMMAND_BYTES = 1 << 20
MAX_SUBSCRIPTION_BYTES = 4096
LINGER_MS = 200
_PROBE_MS, _PROBE_PATIENCE_MS = 5_000, 15_000


def publishing_socket(
    context: zmq.asyncio.Context, keys: KeyPair | None
) -> zmq.asyncio.Socket:
    """An XPUB socket: a PUB that is told when somebody subscribes."""
    made = _limited(context.socket(zmq.XPUB), keys)
    made.setsockopt(zmq.XPUB_VERBOSE, 1)
    made.setsockopt(zmq.SNDHWM, SEND_QUEUE)
    made.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)
    return made


def command_socket(
    context: zmq.asyncio.Context, keys: KeyPair | None
) -> zmq.asyncio.Socket:
    """A ROUTER socket; a reply to a peer that is gone or deaf is dropped."""
    made = _limited(context.socket(zmq.ROUTER), keys)
    made.setsockopt(zmq.SNDHWM, COMMAND_QUEUE)
    made.setsockopt(zmq.RCVHWM, COMMAND_QUEUE)
    made.setsockopt(zmq.MAXMSGSIZE, MAX_COMMAND_BYTES)
    return made


def bind(made: zmq.asyncio.Socket, endpoint: str, *, key: str) -> str:
    """Bind and return the address that clients connect to.

    Raises:
        UsageError: the address is taken or cannot be bound.
    """
    path = _ipc_path(endpoint)
    where = f"{key} = {endpoint!r}"
    taken = UsageError(
        "another program listens there", where, "stop it or choose another address"
    )
    if path is not None:
        # libzmq would silently take the name away from a living daemon.
        if _is_alive(path):
            raise taken
        path.unlink(missing_ok=True)
    # With this on, IPv4 addresses are reported in a form that few programs know.
    made.setsockopt(zmq.IPV6, int("[" in endpoint))
    try:
        made.bind(endpoint)
    except zmq.ZMQError as failed:
        if failed.errno == errno.EADDRINUSE:
            raise taken from failed
        raise UsageError(
            f"address cannot be bound: {failed.strerror}", where, "correct the address"
        ) from failed
    if path is not None:
        path.chmod(0o600)
        return endpoint
    return made.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")


def remove_name(endpoint: str) -> None:
    """Take away the file of an ipc socket; libzmq leaves it."""
    if (path := _ipc_path(endpoint)) is not None:
        path.unlink(missing_ok=True)


def _limited(made: zmq.asyncio.Socket, keys: KeyPair | None) -> zmq.asyncio.Socket:
    made.setsockopt(zmq.LINGER, LINGER_MS)
    # Without probes a peer that vanished with its cable would be served for ever.
    made.setsockopt(zmq.HEARTBEAT_IVL, _PROBE_MS)
    made.setsockopt(zmq.HEARTBEAT_TIMEOUT, _PROBE_PATIENCE_MS)
    if keys is not None:
        made.setsockopt(zmq.CURVE_SERVER, 1)
        made.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
        made.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
        made.setsockopt_string(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
        # A domain alone is not enough: without this a dead gatekeeper lets all in.
        made.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return made


def _ipc_path(endpoint: str) -> Path | None:
    if not endpoint.startswith("ipc://"):
        return None
    return Path(endpoint.removeprefix("ipc://"))


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        with suppress(OSError):
            probe.connect(str(path))
            return True
    return False
