"""The child that looks at a network share: one JSON line in, some JSON lines out.

Started as `python -m clemd.watching._share_child ROOT [PATTERN...]`. It ends with its
input, so it cannot outlive the daemon unless the kernel holds it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from ._ignore import Ignore
from ._scan import RootAwayError, identify, look_at, walk
from ._wire import decode_name, encode_entry

BATCH = 500
BATCH_S = 1.0
"""Entries are passed on after this time at the latest: silence means trouble."""


def main(arguments: list[str]) -> None:
    """Answer requests until there are no more."""
    root = os.fsencode(arguments[0])
    ignore = Ignore(arguments[1:])
    for line in sys.stdin.buffer:
        try:
            for answer in _answer(json.loads(line), root, ignore):
                _say(answer)
            _say({"end": True})
        except RootAwayError as away:
            _say({"away": away.reason})


def _answer(
    request: dict[str, Any], root: bytes, ignore: Ignore
) -> Iterator[dict[str, Any]]:
    if request["do"] == "identify":
        found = identify(root)
        yield {"root": [found.device, found.inode, found.is_empty]}
    elif request["do"] == "walk":
        yield from _walk(root, ignore, decode_name(request["below"]))
    else:
        names = [decode_name(text) for text in request["names"]]
        entries = [look_at(root, name) for name in names]
        yield {"looks": [None if e is None else encode_entry(e) for e in entries]}


def _walk(root: bytes, ignore: Ignore, below: bytes) -> Iterator[dict[str, Any]]:
    batch: list[list[Any]] = []
    said_s = time.monotonic()
    for entry in walk(root, ignore, below):
        batch.append(encode_entry(entry))
        if len(batch) >= BATCH or time.monotonic() - said_s >= BATCH_S:
            yield {"entries": batch}
            batch, said_s = [], time.monotonic()
    yield {"entries": batch}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
