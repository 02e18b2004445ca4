"""Files whose bytes change while size, time and inode stay, in the running service."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow


def picture(seed: int) -> bytes:
    """A TIFF without compression: every seed gives as many bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (96, 128), np.uint8)
    plain = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    return bytes(cv2.imencode(".tif", pixels, plain)[1].tobytes())


def rewrite(path: Path, data: bytes) -> None:
    """`r+b`, then the time put back before anybody can look."""
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(data)
        stream.flush()
        os.utime(stream.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def doubts(service: Any, file_id: int) -> list[str]:
    """States of the jobs that read a version of a file once more."""
    with sqlite3.connect(service.state / "clemd.sqlite") as database:
        found = database.execute(
            "SELECT state FROM jobs WHERE key LIKE ?", (f"again:{file_id}:%",)
        )
        return [state for (state,) in found]


def test_other_bytes_under_an_old_time_are_a_new_revision(
    daemon: Callable[..., Any],
) -> None:
    """Once for other content, never for the same; a restart reads neither again."""
    service = daemon()
    service.start()
    for name in ("a.tif", "b.tif"):
        (service.em / name).write_bytes(picture(1))
    old, same = (service.wait_for_file(n, "read") for n in ("a.tif", "b.tif"))
    said = service.ask(lambda r: r.last_seq())
    rewrite(service.em / "b.tif", picture(1))
    rewrite(service.em / "a.tif", picture(2))
    service.wait_until(lambda: doubts(service, same.id) == ["done"], "b compared", 30)
    service.wait_until(lambda: service.file("a.tif").revision > 1, "a is new", 30)
    new = service.wait_for_file("a.tif", "read")
    service.stop()
    service.start()
    time.sleep(2)

    told = service.ask(lambda r: r.outbox_after(said, topic="file"))
    assert {json.loads(message.body)["name"] for message in told} == {"a.tif"}
    assert old.content_sha256 != new.content_sha256
    assert [service.file(n) for n in ("a.tif", "b.tif")] == [new, same]
    assert doubts(service, same.id) == ["done"]
