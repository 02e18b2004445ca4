"""What is asked of the child, what it answers, and both as one line of JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from clemd.errors import (
    ChangedFileError,
    ClemdError,
    IncompleteFileError,
    RefusedFileError,
    UnreadableFormatError,
)
from clemd.model import Frame, from_json, to_dict

DENIED = b'{"error": {"kind": "Denied", "reason": "permission denied"}}'
"""The folder is not open to this child, or to this user."""
_PLANE = re.compile(r"[0-9a-f]{64}-\d{1,4}\.npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """One file to read."""

    path: str
    """Absolute; undecodable bytes as surrogate escapes."""
    root: str
    """Folder the file must lie in, links followed."""
    cache: str | None = None
    """Folder for the decoded planes; None = do not write any."""
    accept_zero_tail: bool = False
    """Take a file with holes or a tail of zeros: the caller has waited long enough."""
    want_pixels: bool = True
    timezone: str = "UTC"
    """IANA zone of the instrument's clock, for times that state none."""
    every_position: bool = False
    """Of a file that holds several images read the first, and say how many."""
    position: int | None = None
    """Read this one of them, from zero; None: the one that stands for the file."""
    stack: str = "auto"
    """What a series in depth becomes: `auto`, `focus` or `maximum`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """One file, read."""

    frame: Frame
    planes: tuple[str, ...]
    """Names in the cache folder, one per channel: `<content_sha256>-<n>.npy`."""
    look: tuple[int, int, int]
    """(size in bytes, modification time in ns, inode) of what was read."""
    seconds: float
    """Spent in the child."""
    positions: int = 1
    """Images in the file, where `every_position` was asked for."""


def request_line(request: ReadRequest) -> bytes:
    """The request for the child, one line."""
    return json.dumps(asdict(request)).encode() + b"\n"


class DeniedError(Exception):
    """Raised when the child may not look into the file's folder."""


def parse_request(line: bytes) -> ReadRequest:
    """The request that `request_line` wrote."""
    return ReadRequest(**json.loads(line))


def result_line(result: ReadResult) -> bytes:
    """The answer of the child, one line."""
    return _line({"ok": {**asdict(result), "frame": to_dict(result.frame)}})


def error_line(error: ClemdError) -> bytes:
    """The error of the child, one line."""
    facts: dict[str, Any] = {"kind": type(error).__name__, "reason": str(error)}
    if isinstance(error, IncompleteFileError):
        facts["missing"] = [error.missing_from, error.missing_to]
    return _line({"error": facts})


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def parse_answer(line: bytes) -> ReadResult:
    """The result, checked as what an untrusted process says.

    Raises:
        RefusedFileError, IncompleteFileError, ChangedFileError: what the child raised.
        DeniedError: the folder is closed to the child.
        ValueError: not an answer.
    """
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise TypeError("not an object")
    if "error" in answer:
        raise _error(answer["error"])
    said = answer["ok"]
    planes = tuple(str(name) for name in said["planes"])
    if not all(_PLANE.fullmatch(name) for name in planes):
        raise ValueError("a plane of another name")
    size, modified_ns, inode = (int(part) for part in said["look"])
    return ReadResult(
        frame=from_json(Frame, json.dumps(said["frame"])),
        planes=planes,
        look=(size, modified_ns, inode),
        seconds=float(said["seconds"]),
        positions=int(said["positions"]),
    )


def _error(said: dict[str, Any]) -> Exception:
    reason = " ".join(str(said["reason"]).split())[:500]
    if said["kind"] == "IncompleteFileError":
        start, end = (int(part) for part in said["missing"])
        return IncompleteFileError(reason, missing_from=start, missing_to=end)
    if said["kind"] == "Denied":
        return DeniedError(reason)
    if said["kind"] == "ChangedFileError":
        return ChangedFileError(reason)
    if said["kind"] == "UnreadableFormatError":
        return UnreadableFormatError(reason)
    return RefusedFileError(reason)
