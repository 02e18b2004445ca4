"""A daemon that is killed again and again does everything once."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile

FILES = 8
KILLS = 4


@pytest.fixture
def small_files(tmp_path: Path) -> Path:
    """A map and the first eight images of the session of sixty."""
    folder = tmp_path / "made"
    for side in ("em", "lm"):
        (folder / side).mkdir(parents=True)
    command = [sys.executable, "-m", "clemd_drivers.simulated", "--plan", "sixty"]
    command += ["--em", str(folder / "em"), "--lm", str(folder / "lm"), "--pace", "0"]
    command += ["--truth", str(folder / "truth.json"), "--seed", "5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as microscopes:
        assert microscopes.stderr is not None
        for line in microscopes.stderr:
            if f"{FILES + 3}/" in line:  # the map, eight images and one under way
                break
        microscopes.terminate()
        microscopes.stderr.read()
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_file_has_exactly_one_result_after_kills(
    daemon: Callable[..., Any], small_files: Path
) -> None:
    """Nothing lost, nothing twice, nothing torn, whatever the moment of the kill."""
    one = daemon(tables="[page]\nport = 0\n[pairing]\nwindow_h = 1e6\n")
    moments = random.Random(20)  # noqa: S311 - the same moments every time
    files = sorted((small_files / "em").glob("*.tif"))[:FILES]
    (light,) = (small_files / "lm").glob("*.tif")
    assert len(files) == FILES
    one.start()
    shutil.copy(light, one.lm / light.name)
    for kill in range(KILLS):
        for file in files[kill::KILLS]:
            shutil.copy(file, one.em / file.name)
        # the one wait that is meant: how far it has come is left to chance
        time.sleep(moments.uniform(0.3, 4.0))
        one.kill()
        assert one.ask(lambda reader: reader.integrity_check()) == []
        one.start()
    one.wait_for_results(FILES)
    one.wait_until(lambda: one.ask(is_finished), "nothing left to do")
    one.stop()

    rows = one.ask(lambda reader: reader.registrations())
    names = [Path(r.registration_id).name for r in one.ask(messages_of(rows))]
    assert len(names) == len(set(names)) == FILES
    frames = one.ask(lambda reader: reader.frames(side="em"))
    assert len(frames) == FILES
    assert {r.em_frame_id for r in rows} == {frame.id for frame in frames}
    for row in rows:
        for output in row.outputs.values():
            assert (one.state / output).stat().st_size > 0
        if "overlay" in row.outputs:
            tifffile.imread(one.state / row.outputs["overlay"])
    assert list(one.state.rglob("*.part")) == []
    assert one.ask(lambda reader: reader.integrity_check()) == []


def messages_of(rows: list[Any]) -> Callable[[Any], list[Any]]:
    """Asks for what the bus would say of each result."""
    return lambda reader: [reader.registration_message(row.id) for row in rows]


def is_finished(reader: Any) -> bool:
    """Every file read, every job done, every message sent."""
    states = {state for root in reader.file_counts().values() for state in root}
    return states == {"read"} and reader.counts()["unpublished"] == 0
