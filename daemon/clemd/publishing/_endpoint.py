"""Where the bus listens, who may hear it there, and how clients find out."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clemd.config import BusSettings
from clemd.errors import ProfileError

from ._json import MalformedError, dump_object, parse_object

IPC_PATH_BYTES = 107
"""What the kernel's socket address holds, without its closing zero."""
PROTOCOL = 1
_TCP = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.*-]+):(\d{1,5}|\*)")
_PUB_NAME, _CMD_NAME, _CARD_NAME = "bus-pub.sock", "bus-cmd.sock", "bus.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The two addresses of the bus, as a client connects to them."""

    publish: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BusCard:
    """What `<state>/run/bus.json` tells a client on the same machine."""

    endpoints: Endpoints
    run_epoch: str
    server_key: str | None = None
    """Public CURVE key (Z85) of the daemon, where its sockets ask for keys."""


def choose_endpoints(settings: BusSettings, folder: Path) -> Endpoints:
    """The addresses to bind: the profile's, or ipc sockets in `folder`.

    Raises:
        ProfileError: an address is not allowed; see `check_endpoint`.
    """
    has_keys = has_curve(settings)
    for key in ("publish", "command"):
        if (endpoint := getattr(settings, key)) is not None:
            check_endpoint(f"bus.{key}", endpoint, has_keys=has_keys)
    return Endpoints(
        publish=settings.publish or f"ipc://{folder / _PUB_NAME}",
        command=settings.command or f"ipc://{folder / _CMD_NAME}",
    )


def has_curve(settings: BusSettings) -> bool:
    """Are tcp sockets to ask for keys?

    Raises:
        ProfileError: only one of the two key settings is given.
    """
    secret, ring = settings.curve_secret_file, settings.authorised_keys
    if (secret is None) != (ring is None):
        raise ProfileError(
            "curve_secret_file and authorised_keys go together", "bus", "set both"
        )
    if ring is not None:
        if not ring.is_dir():
            raise ProfileError(
                "folder of client keys is missing", str(ring), "create it"
            )
        if ring.stat().st_mode & stat.S_IWOTH:
            raise ProfileError("anybody could add a client key", str(ring), "chmod o-w")
    return ring is not None


def check_endpoint(key: str, endpoint: str, *, has_keys: bool) -> None:
    """Refuse an address that would serve strangers.

    Raises:
        ProfileError: a transport we do not serve, a name anybody may connect to, or
            a network address without keys.
    """
    where = f"{key} = {endpoint!r}"
    if endpoint.startswith("ipc://"):
        path = endpoint.removeprefix("ipc://")
        # An abstract socket (@name) has no file, hence no permissions.
        if not path.startswith("/"):
            raise ProfileError(
                "ipc needs an absolute path", where, "ipc:///folder/name"
            )
        if len(os.fsencode(path)) > IPC_PATH_BYTES:
            raise ProfileError(
                f"ipc path is longer than {IPC_PATH_BYTES} bytes", where, "shorten it"
            )
        return
    found = _TCP.fullmatch(endpoint)
    if found is None:
        raise ProfileError(
            "not an address the bus can use", where, "tcp://HOST:PORT or ipc:///PATH"
        )
    if not has_keys and not is_loopback(found["host"]):
        raise ProfileError(
            "tcp beyond this machine needs keys",
            where,
            "set bus.curve_secret_file and bus.authorised_keys, or use 127.0.0.1",
        )


def is_loopback(host: str) -> bool:
    """Does only this machine reach `host`?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def make_run_folder(state: Path) -> Path:
    """`<state>/run`, for this user alone.

    Raises:
        ProfileError: it cannot be made, or is not ours.
    """
    folder = state / "run"
    _make_private(folder)
    return folder


def make_socket_folder(run: Path) -> tuple[Path, bool]:
    """A folder whose ipc names the kernel can hold, and whether it is temporary.

    Raises:
        ProfileError: no such folder can be made.
    """
    if _fits(run):
        return run, False
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    digest = hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:12]
    if runtime and _fits(Path(runtime) / f"clemd-{digest}"):
        folder = Path(runtime) / f"clemd-{digest}"
        _make_private(folder)
        return folder, True
    folder = Path(tempfile.mkdtemp(prefix="clemd-"))
    if not _fits(folder):
        folder.rmdir()
        raise ProfileError(
            "path too long for a socket", str(run), "use a state folder nearer the root"
        )
    return folder, True


def write_card(run: Path, card: BusCard) -> None:
    """Put `bus.json` (0600) in place, whole or not at all."""
    text = dump_object(
        {
            "schema": "clemd.bus/1",
            "protocol": PROTOCOL,
            "run_epoch": card.run_epoch,
            "publish": card.endpoints.publish,
            "command": card.endpoints.command,
            "server_key": card.server_key,
        }
    )
    part = run / f".{_CARD_NAME}.{os.getpid()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(run / _CARD_NAME)


def read_card(state: Path) -> BusCard | None:
    """What a running (or killed) daemon wrote about itself; None if nothing."""
    try:
        values = parse_object(
            (state / "run" / _CARD_NAME).read_bytes(), what="bus.json"
        )
        endpoints = Endpoints(publish=values["publish"], command=values["command"])
        return BusCard(
            endpoints=endpoints,
            run_epoch=values["run_epoch"],
            server_key=values.get("server_key"),
        )
    except (OSError, KeyError, MalformedError):
        return None


def remove_card(state: Path, *, run_epoch: str) -> None:
    """Take down our own `bus.json`, never a successor's."""
    card = read_card(state)
    if card is not None and card.run_epoch == run_epoch:
        (state / "run" / _CARD_NAME).unlink(missing_ok=True)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _PUB_NAME)) <= IPC_PATH_BYTES


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            raise ProfileError(
                "folder for sockets belongs to somebody else", str(folder), "remove it"
            )
        folder.chmod(0o700)
    except OSError as failed:
        raise ProfileError(
            f"folder for sockets cannot be made: {failed.strerror}",
            str(folder),
            "check the state folder",
        ) from failed
