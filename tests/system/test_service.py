"""The installed daemon and a session on the simulated microscopes, end to end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from clemd.client import Client
from clemd.geometry import as_matrix, corner_errors
from clemd.store import RegistrationRow

pytestmark = pytest.mark.slow

TOLERANCE = 0.02
"""Largest mean corner error of a right answer, as a fraction of the EM width."""


@dataclass
class Played:
    """A daemon that has seen one session; the tests below look at what came of it."""

    daemon: Any
    truth: dict[str, Any]
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Registration id -> the first message about it."""

    def results(self) -> list[RegistrationRow]:
        """Every result, the oldest first."""
        rows = self.daemon.ask(lambda reader: reader.registrations())
        return list(reversed(rows))

    def folder(self, row: RegistrationRow, name: str) -> Path:
        """Where one of a result's files lies."""
        path: Path = self.daemon.state / row.outputs[name]
        return path


@pytest.fixture(scope="module")
def played(
    daemon_type: Any,
    tmp_path_factory: pytest.TempPathFactory,
    play: Callable[..., None],
) -> Iterator[Played]:
    """The daemon is started, somebody listens, the microscopes export."""
    folder = tmp_path_factory.mktemp("played")
    daemon = daemon_type(folder)
    try:
        daemon.start()
        with Client(state=daemon.state) as client:
            updates = client.messages(["registration"], timeout_s=120)
            play(daemon.em, daemon.lm, folder / "truth.json")
            truth = json.loads((folder / "truth.json").read_text())["em"]
            played = Played(daemon, truth)
            while len(played.heard) < len(truth):
                body = next(updates).body
                played.heard.setdefault(body["registration_id"], body)
        daemon.wait_for_results(len(truth))
        yield played
        if daemon.is_running:
            daemon.stop()
    finally:
        daemon.close()


def test_every_image_finds_its_place_on_the_map(played: Played) -> None:
    """Right by the simulator's truth, which the daemon never saw."""
    rows = played.results()

    assert len(rows) == len(played.truth)
    for row in rows:
        found = row.registration
        name = Path(played.heard[row.id]["em_file"]).name
        entry = played.truth[name]
        (true,) = map(as_matrix, entry["em_to_lm"].values())
        assert found.em_to_lm is not None, found.reasons
        shape = (entry["shape"][0], entry["shape"][1])
        errors = corner_errors(as_matrix(found.em_to_lm), true, shape)
        width = shape[1] * np.sqrt(abs(np.linalg.det(true[:2, :2])))
        assert errors.mean() / width < TOLERANCE
        assert row.verdict.value == "accepted", found.reasons


def test_results_come_over_the_bus(played: Played) -> None:
    """The acquisition software gets the matrix that the database keeps."""
    for row in played.results():
        body = played.heard[row.id]
        matrix = body["registration"]["em_to_lm"]
        assert body["verdict"] == row.verdict.value
        assert row.registration.em_to_lm is not None
        assert np.array_equal(matrix, as_matrix(row.registration.em_to_lm))
        assert body["best"] is True


def test_pictures_open(played: Played) -> None:
    """The preview in any viewer, the overlay with all channels in EM pixels."""
    for row in played.results():
        preview = cv2.imread(str(played.folder(row, "preview")))
        assert preview is not None
        assert preview.std() > 5
        with tifffile.TiffFile(played.folder(row, "overlay")) as overlay:
            assert overlay.is_ome
            series = overlay.series[0]
            channels = series.shape[series.axes.index("C")]
            frame = played.daemon.ask(lambda r, row=row: r.frame(row.em_frame_id).frame)
            assert series.shape[-2:] == frame.shape
            assert channels == 4  # the electron image and three light channels


def test_transforms_say_one_and_the_same(played: Played) -> None:
    """JSON, ITK and BigWarp: a user's next program must not get another answer."""
    for row in played.results():
        facts = json.loads(played.folder(row, "transform").read_text())
        assert row.registration.em_to_lm is not None
        assert facts["em_to_lm_px"] == [list(r) for r in row.registration.em_to_lm]
        itk = played.folder(row, "itk").read_text()
        assert itk.startswith("#Insight Transform File V1.0")
        lines = played.folder(row, "bigwarp").read_text().splitlines()
        assert len(lines) >= 4
        assert all(len(line.split(",")) == 6 for line in lines)


def test_figures_and_health_are_there_for_the_asking(played: Played) -> None:
    """What a monitoring system asks for."""
    played.daemon.wait_until(lambda: played.daemon.get("/livez")[0] == 200, "live")
    status, text = played.daemon.get("/metrics")

    assert status == 200
    assert b"clemd_jobs_done_total 2.0" in text
    assert b"clemd_files_read_total 3.0" in text


def test_status_looks_into_a_running_daemon(played: Played, clemd: Any) -> None:
    """One JSON object, without disturbing anybody."""
    answer = clemd.json("status", "--state", played.daemon.state)

    assert "2" in json.dumps(answer)


def test_stop_in_the_middle_of_a_job_loses_and_repeats_nothing(played: Played) -> None:
    """SIGTERM during a registration, a file that comes while it is down, a new start.

    Runs last: it stops and starts the daemon of this module.
    """
    daemon, before = played.daemon, played.results()
    sent = daemon.ask(lambda r: r.topic_seqs()["registration"])
    model = next(daemon.em.glob("*.tif"))
    shutil.copy(model, daemon.em / "during.tif")
    daemon.wait_until(
        lambda: daemon.ask(lambda r: r.pairs(state="registering")), "registering"
    )
    daemon.stop()
    shutil.copy(model, daemon.em / "while-down.tif")
    daemon.start()
    daemon.wait_for_results(len(before) + 2)
    daemon.stop()
    after = played.results()

    assert len(after) == len(before) + 2
    assert [r.id for r in after[: len(before)]] == [r.id for r in before]
    assert [r.created_at for r in after[: len(before)]] == [
        r.created_at for r in before
    ]
    # one message with each result, one when its files are there
    assert daemon.ask(lambda r: r.topic_seqs()["registration"]) == sent + 4
    assert len({r.em_frame_id for r in after}) == len(after)
    assert daemon.ask(lambda r: r.integrity_check()) == []
