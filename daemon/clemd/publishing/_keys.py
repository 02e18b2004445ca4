"""CURVE keys: the server's own pair and the folder of clients it lets in.

An unauthenticated key is served by plain CURVE, so every secured socket asks the
gatekeeper (ZAP) first, and a socket whose gatekeeper is gone lets nobody in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.auth
from zmq.utils import z85

from clemd.errors import ProfileError, UsageError

_MONITOR = ".monitor"
_PUBLIC = re.compile(r'^\s*public-key\s*=\s*"(.{40})"\s*$', re.MULTILINE)
_MAX_KEY_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A CURVE key pair, Z85 text as bytes (40 each)."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A client that is let in."""

    name: str
    """Stem of its key file."""
    may_command: bool
    """False for `NAME.monitor.key`: it may look and nothing else."""


class KeyRing:
    """The folder of authorised keys, read afresh at every handshake.

    A key file that is removed shuts its holder out at the next connection, without a
    restart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, public: bytes) -> KeyHolder | None:
        """Who holds the 32-byte public key, or None."""
        if len(public) != 32:
            return None
        wanted = z85.encode(public)
        for path in sorted(self._folder.glob("*.key")):
            if _public_key(path) == wanted:
                name = path.stem
                return KeyHolder(name.removesuffix(_MONITOR), _may_command(name))
        return None


def load_key_pair(path: Path) -> KeyPair:
    """Read a secret certificate file, which nobody else may be able to read.

    Raises:
        ProfileError: not there, readable by others, or not a key pair.
    """
    make = "make one with `clemd.publishing.make_key_pair`"
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise ProfileError(
                "secret key can be read by others", str(path), "chmod 600"
            )
        public, secret = zmq.auth.load_certificate(path)
    except OSError as failed:
        raise ProfileError("secret key cannot be read", str(path), make) from failed
    except ValueError as failed:
        raise ProfileError("not a CURVE key file", str(path), make) from failed
    if secret is None or len(public) != 40 or len(secret) != 40:
        raise ProfileError("file holds no secret key", str(path), make)
    return KeyPair(public=public, secret=secret)


def make_key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Write `NAME.key` (to hand over) and `NAME.key_secret` (to keep, 0600).

    Raises:
        UsageError: the folder cannot be written, or holds such a key already.
    """
    if (folder / f"{name}.key_secret").exists():
        raise UsageError(
            "key exists already", str(folder / name), "choose another name"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        public, secret = zmq.curve_keypair()
        _write(folder / f"{name}.key_secret", public, secret, mode=0o600)
        _write(folder / f"{name}.key", public, None, mode=0o644)
    except OSError as failed:
        raise UsageError(
            f"key cannot be written: {failed.strerror}", str(folder), "check the folder"
        ) from failed
    return folder / f"{name}.key", folder / f"{name}.key_secret"


def _write(path: Path, public: bytes, secret: bytes | None, *, mode: int) -> None:
    text = f'metadata\ncurve\n    public-key = "{public.decode()}"\n'
    if secret is not None:
        text += f'    secret-key = "{secret.decode()}"\n'
    # The mode is set at creation: a secret is never readable, not even for a moment.
    path.touch(mode=mode, exist_ok=False)
    path.write_text(text, encoding="ascii")


def _public_key(path: Path) -> bytes | None:
    """The key in a certificate file, or in a file that is just the 40 characters."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_KEY_FILE_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    found = _PUBLIC.search(text)
    bare = text.strip()
    if found:
        return found[1].encode()
    return bare.encode() if len(bare) == 40 else None


def _may_command(stem: str) -> bool:
    return not stem.endswith(_MONITOR)
