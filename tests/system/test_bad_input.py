"""What bad input gets: one line, no result, and a daemon that is not moved by it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

SETTINGS = {
    "root": "incomplete_s = 2.0",
    "tables": "[page]\nport = 0\n[pairing]\nwindow_h = 1e6\n",
}


@pytest.fixture(scope="module")
def bench(daemon_type: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One daemon that gets everything below; at the end it must still stop cleanly.

    Root may read everything; a daemon without that power sees permissions as they are.
    """
    launcher: tuple[str, ...] = ()
    if os.geteuid() == 0 and shutil.which("setpriv"):
        launcher = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    daemon = daemon_type(tmp_path_factory.mktemp("bad"), launcher=launcher, **SETTINGS)
    try:
        daemon.start()
        yield daemon
        daemon.stop()
    finally:
        daemon.close()


@pytest.fixture(autouse=True)
def unmoved(bench: Any) -> Iterator[None]:
    """Every test ends with the same daemon, still at work."""
    pid = bench.pid
    yield
    assert bench.is_running
    assert bench.pid == pid
    assert bench.get("/readyz")[0] == 200


def image(seed: int = 0, side: int = 96) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Noise that is no other image."""
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def frames_of(daemon: Any, row: Any) -> list[Any]:
    """Every frame that was ever made of a file."""
    frames: list[Any] = daemon.ask(
        lambda reader: reader.frames(file_id=row.id, include_superseded=True)
    )
    return frames


def refused(daemon: Any, name: str | bytes) -> str:
    """Wait for the refusal; the reason, which is one line and said in one line."""
    row = daemon.wait_for_file(name, "refused")
    assert frames_of(daemon, row) == []
    assert "\n" not in row.reason
    lines = [
        line
        for line in daemon.said()
        if line["event"] == "file_refused" and line["reason"] == row.reason
    ]
    assert lines
    return str(row.reason)


def test_truncated_file_waits_and_is_refused_with_what_is_missing(bench: Any) -> None:
    """The rest may still come; when it does not, the operator learns which bytes."""
    whole = bench.folder / "whole.tif"
    tifffile.imwrite(whole, image(1))
    data = whole.read_bytes()
    (bench.em / "truncated.tif").write_bytes(data[: len(data) - 5000])

    waiting = bench.wait_for_file("truncated.tif", "waiting")
    assert waiting.reason
    reason = refused(bench, "truncated.tif")
    assert re.search(rf"bytes \d+ to {len(data)}\b", reason), reason
    assert f"the file has {len(data) - 5000}" in reason


def test_truncated_file_that_grows_on_is_read(bench: Any) -> None:
    """A writer that pauses is not a broken writer."""
    whole = bench.folder / "pausing.tif"
    tifffile.imwrite(whole, image(2))
    data = whole.read_bytes()
    target = bench.em / "pausing.tif"
    target.write_bytes(data[:4000])
    bench.wait_for_file("pausing.tif", "waiting")
    with target.open("ab") as stream:
        stream.write(data[4000:])

    row = bench.wait_for_file("pausing.tif", "read")
    assert row.content_sha256 == hashlib.sha256(data).hexdigest()


def test_text_under_an_image_name_is_refused(bench: Any) -> None:
    """Not an image."""
    (bench.em / "letter.tif").write_text("Dear colleague, " * 100)

    assert refused(bench, "letter.tif")


def test_empty_file_is_refused(bench: Any) -> None:
    """After a longer quiet time: the name may be claimed before the first byte."""
    (bench.em / "empty.tif").touch()

    assert "empty" in refused(bench, "empty.tif")


def test_pipe_is_refused_and_blocks_nobody(bench: Any) -> None:
    """Opening a FIFO waits for a writer, for ever."""
    os.mkfifo(bench.em / "pipe.tif")

    assert refused(bench, "pipe.tif")


def test_link_out_of_the_folder_is_refused(bench: Any) -> None:
    """Whoever may export files may not thereby read others."""
    secret = bench.folder / "secret.tif"
    tifffile.imwrite(secret, image(3))
    (bench.em / "link.tif").symlink_to(secret)

    assert "link" in refused(bench, "link.tif")


def test_folder_linked_from_outside_is_not_entered(bench: Any) -> None:
    """The same by way of a folder."""
    outside = bench.folder / "outside"
    outside.mkdir()
    tifffile.imwrite(outside / "secret.tif", image(4))
    (bench.em / "linked").symlink_to(outside, target_is_directory=True)
    tifffile.imwrite(bench.em / "after-linked.tif", image(5))
    bench.wait_for_file("after-linked.tif", "read")

    assert bench.file("linked/secret.tif") is None
    bench.wait_for_file("linked", "refused")


def test_file_without_permission_is_refused(bench: Any) -> None:
    """The reason names the permission, not the format."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root reads everything, and setpriv is not here to forbid it")
    closed = bench.folder / "closed.tif"
    tifffile.imwrite(closed, image(6))
    closed.chmod(0)
    closed.rename(bench.em / "closed.tif")

    assert "permission" in refused(bench, "closed.tif").lower()


def test_line_break_in_a_name_is_refused_in_one_line(bench: Any) -> None:
    """It could forge lines of a log; the name is shown with its break spelled out."""
    name = b"one\ntwo.tif"
    whole = bench.folder / "named.tif"
    tifffile.imwrite(whole, image(7))
    whole.rename(bench.em / os.fsdecode(name))

    assert refused(bench, name)
    shown = [line["file"] for line in bench.said() if "two.tif" in line.get("file", "")]
    assert shown
    assert all("\n" not in text for text in shown)


def big(path: Path, seed: int) -> str:
    """A file whose reading takes a while; its digest."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6000, 6000), np.uint8)
    part = path.with_name(f".{path.name}")
    tifffile.imwrite(part, pixels)
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    part.rename(path)
    return digest


def stop_reader_in(daemon: Any, path: Path) -> Callable[[], Any]:
    """Stop the reading child while it has `path` open; the answer lets it go on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in daemon.children():
            try:
                if "clemd.reading._child" not in " ".join(child.cmdline()):
                    continue
                if any(opened(fd) == str(path) for fd in descriptors(child.pid)):
                    child.send_signal(signal.SIGSTOP)
                    resume: Callable[[], Any] = child.resume
                    return resume
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.002)
    pytest.fail("the reader never opened the file")


def descriptors(pid: int) -> list[Path]:
    """Links to what a process has open."""
    return list(Path(f"/proc/{pid}/fd").iterdir())


def opened(link: Path) -> str:
    """What a descriptor leads to; nothing if it has just been closed."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


@pytest.mark.slow
def test_file_replaced_while_being_read_gives_the_new_one_only(bench: Any) -> None:
    """Never a result of bytes from two files."""
    path = bench.em / "replaced.tif"
    big(path, 10)
    resume = stop_reader_in(bench, path)
    second = big(path, 11)
    bench.wait_until(lambda: bench.file("replaced.tif").revision == 2, "noticed")
    resume()
    bench.wait_until(
        lambda: (row := bench.file("replaced.tif")) and row.content_sha256 == second,
        "the second version is read",
    )
    row = bench.wait_for_file("replaced.tif", "read")

    assert [f.frame.content_sha256 for f in frames_of(bench, row)] == [second]


@pytest.mark.slow
def test_file_overwritten_while_being_read_gives_the_new_one_only(bench: Any) -> None:
    """The same in place: one inode, one size, other bytes."""
    path = bench.em / "overwritten.tif"
    big(path, 12)
    second = big(bench.folder / "second.tif", 13)
    resume = stop_reader_in(bench, path)
    path.write_bytes((bench.folder / "second.tif").read_bytes())
    resume()
    bench.wait_until(
        lambda: (row := bench.file("overwritten.tif")) and row.content_sha256 == second,
        "the second version is read",
    )
    row = bench.wait_for_file("overwritten.tif", "read")

    assert [f.frame.content_sha256 for f in frames_of(bench, row)] == [second]


@pytest.mark.slow
def test_file_that_shrinks_while_being_read_gives_no_result(bench: Any) -> None:
    """What is left is incomplete, and in the end refused."""
    path = bench.em / "shrunk.tif"
    big(path, 14)
    resume = stop_reader_in(bench, path)
    os.truncate(path, 1_000_000)
    resume()

    assert "1000000" in refused(bench, "shrunk.tif")


@pytest.mark.slow
def test_file_that_vanishes_while_being_read_is_dropped(bench: Any) -> None:
    """It is neither waited for nor refused: it is gone."""
    path = bench.em / "fleeting.tif"
    big(path, 15)
    resume = stop_reader_in(bench, path)
    path.unlink()
    row = bench.wait_for_file("fleeting.tif", "vanished")
    resume()
    tifffile.imwrite(bench.em / "after-fleeting.tif", image(16))
    bench.wait_for_file("after-fleeting.tif", "read")

    assert frames_of(bench, row) == []
    assert bench.file("fleeting.tif").state == "vanished"


def test_image_without_a_partner_waits_visibly(bench: Any) -> None:
    """On the bus and on the page, with the reason."""
    (bench.em / "lonely").mkdir()
    tifffile.imwrite(bench.em / "lonely" / "alone.tif", image(17))
    row = bench.wait_for_file("lonely/alone.tif", "read")
    (frame,) = frames_of(bench, row)
    said = [
        json.loads(message.body)
        for message in bench.ask(lambda reader: reader.outbox_after(0, 10_000))
        if message.topic == "pair"
    ]
    (waiting,) = [body for body in said if body["em_frame_id"] == frame.id]

    assert waiting["state"] == "waiting"
    assert "no LM map" in waiting["reasons"][0]
    status, body = bench.get("/api/snapshot")
    assert status == 200
    shown = json.loads(body)
    assert any(f["frame_id"] == frame.id for f in shown["frames"])
    assert bench.ask(lambda reader: reader.pairs(em_frame_id=frame.id)) == []


@pytest.mark.slow
def test_unrelated_images_are_rejected_and_no_overlay_is_offered(
    bench: Any, session_files: Path, other_map: Path
) -> None:
    """A wrong overlay shown as right is the worst this program can do."""
    em = next((session_files / "em").glob("*.tif"))
    for root, file in ((bench.em, em), (bench.lm, other_map)):
        (root / "unrelated").mkdir()
        shutil.copy(file, root / "unrelated" / file.name)
    bench.wait_for_results(1)
    (row,) = bench.ask(lambda reader: reader.registrations(session="unrelated"))

    assert row.verdict.value == "rejected", row.registration.reasons
    assert {"overlay", "transform", "itk", "bigwarp"}.isdisjoint(row.outputs)


@pytest.fixture(scope="module")
def other_map(
    tmp_path_factory: pytest.TempPathFactory, play: Callable[..., None]
) -> Path:
    """The light map of another specimen."""
    folder = tmp_path_factory.mktemp("other")
    for side in ("em", "lm"):
        (folder / side).mkdir()
    play(folder / "em", folder / "lm", folder / "truth.json", seed=8)
    return next((folder / "lm").glob("*.tif"))


def test_inputs_are_as_they_were(bench: Any) -> None:
    """Runs last: nothing was added to the watched folders, nothing taken away."""
    here = {
        os.fsencode(p.relative_to(root))
        for root in (bench.em, bench.lm)
        for p in root.rglob("*")
        if p.is_symlink() or not p.is_dir()
    }
    known = bench.ask(lambda r: r.known_files("em") | r.known_files("lm"))

    assert here == {name for name, row in known.items() if row.state != "vanished"}
