"""A series of images by one microscope: the session learns while it runs."""

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

from clemd.client import Client, RejectedError
from clemd.geometry import as_matrix, corner_errors, resizing, translation

pytestmark = pytest.mark.slow


@dataclass
class Series:
    """A daemon that has seen seven images, one after the other."""

    daemon: Any
    truth: dict[str, Any]
    foretold: dict[str, dict[str, Any]] = field(default_factory=dict)
    """EM file name -> the newest prediction of it."""
    told: list[dict[str, Any]] = field(default_factory=list)
    """What was said of the session, in order."""

    def true(self, name: str) -> tuple[Any, tuple[int, int]]:
        """Matrix and shape by the simulator's truth."""
        entry = self.truth[name]
        (matrix,) = map(as_matrix, entry["em_to_lm"].values())
        return matrix, (entry["shape"][0], entry["shape"][1])


@pytest.fixture(scope="module")
def series(
    daemon_type: Any,
    tmp_path_factory: pytest.TempPathFactory,
    play: Callable[..., None],
) -> Iterator[Series]:
    """All is exported into a folder beside, then handed over image by image."""
    folder = tmp_path_factory.mktemp("series")
    (folder / "made").mkdir()
    play(folder / "made", folder / "made", folder / "truth.json", plan="series")
    daemon = daemon_type(folder)
    truth = json.loads((folder / "truth.json").read_text())["em"]
    series = Series(daemon, truth)
    try:
        daemon.start()
        with Client(state=daemon.state) as client:
            updates = client.messages(
                ["prediction", "session", "registration"], timeout_s=120
            )
            made = sorted((folder / "made").iterdir())
            for file in [f for f in made if f.name not in truth]:
                file.rename(daemon.lm / file.name)
            for file in [f for f in made if f.name in truth]:
                file.rename(daemon.em / file.name)
                _hear(series, updates, file.name)
        yield series
        if daemon.is_running:
            daemon.stop()
    finally:
        daemon.close()


def _hear(series: Series, updates: Any, name: str) -> None:
    """Until the image has its result."""
    for update in updates:
        body = update.body
        if body["topic"] == "prediction":
            series.foretold[Path(body["em_file"]).name] = body
        elif body["topic"] == "session":
            series.told.append(body)
        elif Path(body["em_file"]).name == name:
            return


def test_later_images_are_foretold_within_their_radius(series: Series) -> None:
    """From the third image on the stage is understood; its word must be honest."""
    names = sorted(series.truth)
    late = [n for n in names[3:] if n in series.foretold]
    assert len(late) >= 2, series.told
    held = 0
    for name in late:
        said = series.foretold[name]
        matrix, shape = series.true(name)
        error = corner_errors(as_matrix(said["em_to_lm"]), matrix, shape).max()
        held += error <= said["error_lm_px"]["p95"]
    assert held >= len(late) - 1


def test_nothing_is_retired_in_a_calm_series(series: Series) -> None:
    """False alarms would teach people to ignore true ones."""
    assert [t["event"] for t in series.told] == ["begun"]


def test_every_image_is_accepted_and_right(series: Series) -> None:
    """A foretold place that is checked is as exact as a searched one."""
    rows = series.daemon.ask(lambda reader: reader.registrations())
    assert len(rows) == len(series.truth)
    for row in rows:
        em = series.daemon.ask(lambda r, i=row.em_frame_id: r.frame(i)).frame
        matrix, shape = series.true(Path(em.path).name)
        assert row.verdict.value == "accepted", row.registration.reasons
        found = as_matrix(row.registration.em_to_lm)
        assert corner_errors(found, matrix, shape).max() < 1.0


def test_sessions_are_listed_with_their_story(series: Series, clemd: Any) -> None:
    """What the facility engineer looks at in the morning."""
    done = clemd("sessions", "--state", series.daemon.state, "--json")
    (one,) = json.loads(done.stdout)["transforms"]
    assert one["standing"] == "trusted"
    assert one["images"] == len(series.truth)
    assert one["transform"]["axes"].startswith(
        "image x is stage +x, image y is stage -y"
    )
    words = clemd("sessions", one["session"], "--state", series.daemon.state).stdout
    assert "trusted" in words


def test_map_point_is_told_in_stage_coordinates(series: Series, clemd: Any) -> None:
    """The middle of an image, on the map, leads back to where the stage stood."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    frame = series.daemon.ask(lambda r: r.frame(row.em_frame_id)).frame
    x, y = (frame.shape[1] - 1) / 2, (frame.shape[0] - 1) / 2
    state = ("--state", series.daemon.state, "--json")
    there = clemd("map", "--em-frame", row.em_frame_id, "--px", f"{x},{y}", *state)
    lm_x, lm_y = json.loads(there.stdout)["lm_px"]
    back = clemd("map", "--session", row.session, "--lm", f"{lm_x},{lm_y}", *state)
    found = json.loads(back.stdout)
    off = [
        a - b
        for a, b in zip(
            found["stage_um"], (frame.stage.x_um, frame.stage.y_um), strict=True
        )
    ]
    assert (off[0] ** 2 + off[1] ** 2) ** 0.5 <= found["radius_um"]["p95"]


def test_result_is_repeated_exactly(series: Series, clemd: Any) -> None:
    """Every published matrix can be made again, its prediction included."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    assert row.registration.asked.expected is not None
    done = clemd("replay", row.id, "--state", series.daemon.state, "--json")
    answer = json.loads(done.stdout)
    assert answer["same"] is True
    assert answer["moved_lm_px"] <= 1e-6
    shown = clemd("show", row.id, "--state", series.daemon.state).stdout
    assert "taught_its_session: True" in shown


def test_rejected_result_no_longer_speaks_for_its_session(
    series: Series, clemd: Any
) -> None:
    """An operator's no is undone in the transform too, and so is its undoing."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]

    def images() -> int:
        return int(series.daemon.ask(lambda r: r.transforms())[0].images)

    before = images()
    with Client(state=series.daemon.state) as client:
        client.command("reject", registration_id=row.id)
        assert images() == before - 1
        client.command("undo", registration_id=row.id)
        assert images() == before


def test_crop_of_a_placed_image_reuses_its_matrix_exactly(
    series: Series, tmp_path: Path
) -> None:
    """The operator cuts something out and saves it: there is nothing to register."""
    known = {r.id for r in series.daemon.ask(lambda r: r.registrations())}
    parent = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    frame = series.daemon.ask(lambda r: r.frame(parent.em_frame_id)).frame
    plane = np.load(series.daemon.state / "cache" / f"{frame.content_sha256}-0.npy")
    tifffile.imwrite(tmp_path / "crop.tif", plane[60:260, 110:410])
    shutil.copy(tmp_path / "crop.tif", series.daemon.em / "crop.tif")
    series.daemon.wait_for_results(len(known) + 1)
    rows = series.daemon.ask(lambda r: r.registrations())
    (crop,) = [r for r in rows if r.id not in known]
    assert crop.registration.engine == "cut-out"
    moved = as_matrix(parent.registration.em_to_lm) @ translation(110, 60)
    assert np.abs(as_matrix(crop.registration.em_to_lm) - moved).max() < 1e-12


def test_cut_out_is_repeated_by_way_of_its_parent(series: Series, clemd: Any) -> None:
    """What was published can be made again, however it was found."""
    rows = series.daemon.ask(lambda r: r.registrations())
    crop = next(r for r in rows if r.registration.engine == "cut-out")
    done = clemd("replay", crop.id, "--state", series.daemon.state, "--json")
    assert json.loads(done.stdout)["moved_lm_px"] <= 1e-6


def test_image_without_stage_is_found_inside_an_earlier_one(
    series: Series, tmp_path: Path, clemd: Any
) -> None:
    """Magnified, inverted, noisy, no metadata at all: its pixels still say where."""
    known = {r.id for r in series.daemon.ask(lambda r: r.registrations())}
    rows = series.daemon.ask(lambda r: r.registrations())
    parent = next(r for r in rows if r.registration.engine == "multimodal")
    frame = series.daemon.ask(lambda r: r.frame(parent.em_frame_id)).frame
    plane = np.load(series.daemon.state / "cache" / f"{frame.content_sha256}-0.npy")
    part = plane[80:320, 150:470].astype(np.float32)
    large = cv2.resize(part, (800, 600), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(4).normal(0, 8, large.shape)
    detail = np.clip(255 - large + noise, 0, 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "detail.tif", detail)
    shutil.copy(tmp_path / "detail.tif", series.daemon.em / "detail.tif")
    series.daemon.wait_for_results(len(known) + 1)
    rows = series.daemon.ask(lambda r: r.registrations())
    (found,) = [r for r in rows if r.id not in known]
    assert found.registration.engine == "nested", found.registration.reasons
    assert found.verdict.value == "accepted"
    to_part = translation(150, 80) @ resizing((600, 800), (240, 320))
    true = as_matrix(parent.registration.em_to_lm) @ to_part
    error = corner_errors(as_matrix(found.registration.em_to_lm), true, (600, 800))
    assert error.max() < 0.2
    done = clemd("replay", found.id, "--state", series.daemon.state, "--json")
    assert json.loads(done.stdout)["moved_lm_px"] <= 1e-6


def test_target_is_answered_on_the_bus(series: Series) -> None:
    """A program that drives the stage asks the running daemon."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    with Client(state=series.daemon.state) as client:
        found = client.command(
            "target",
            session=row.session,
            lm_frame_id=row.lm_frame_id,
            lm_px=[256.0, 256.0],
        )
        with pytest.raises(RejectedError, match="not a point"):
            client.command(
                "target", session=row.session, lm_frame_id=row.lm_frame_id, lm_px=[1]
            )
    assert found["radius_um"]["p95"] > 0


def test_spots_become_targets_with_stage_positions(series: Series, clemd: Any) -> None:
    """A list that the acquisition software can drive along, on both ways."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    state = ("--state", series.daemon.state, "--json")
    told = json.loads(clemd("spots", row.lm_frame_id, "--most", "20", *state).stdout)
    assert told["targets"], told
    with Client(state=series.daemon.state) as client:
        heard = client.command(
            "spots", lm_frame_id=row.lm_frame_id, most=20, timeout_s=60
        )
        with pytest.raises(RejectedError, match="no such channel"):
            client.command("spots", lm_frame_id=row.lm_frame_id, channel=99)
    assert heard["channel"] == told["channel"]
    assert len(heard["targets"]) == len(told["targets"])
    for one, other in zip(told["targets"], heard["targets"], strict=True):
        assert one["lm_px"] == other["lm_px"]
        assert one["stage_um"] == pytest.approx(other["stage_um"])
        assert one["radius_um"]["p95"] > 0


def test_next_image_is_advised_on_both_ways(series: Series, clemd: Any) -> None:
    """One more image where it helps, not where the stage happens to be."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    state = ("--state", series.daemon.state, "--json")
    asked = ("--session", row.session, "--lm", "450,450", "--lm", "470,400")
    told = json.loads(clemd("advise", *asked, *state).stdout)
    with Client(state=series.daemon.state) as client:
        heard = client.command(
            "advise",
            session=row.session,
            lm_frame_id=row.lm_frame_id,
            lm_px=[[450, 450], [470, 400]],
        )
    assert told["lm_px"] == heard["lm_px"]
    assert 0 < told["lm_px"][0] < 512


def test_exported_targets_lie_on_the_stage_without_a_matrix(
    series: Series, clemd: Any, tmp_path: Path
) -> None:
    """What the session has learned need not be typed in."""
    row = series.daemon.ask(lambda r: r.registrations(limit=1))[0]
    targets = {"targets": [{"name": "a", "x_lm_px": 200.0, "y_lm_px": 260.0}]}
    (tmp_path / "targets.json").write_text(json.dumps(targets))
    done = clemd(
        *("export", row.id, "--format", "useq", "--out", tmp_path / "way.json"),
        *("--targets", tmp_path / "targets.json", "--state", series.daemon.state),
    )
    assert done.returncode == 0, done.stderr
    (place,) = json.loads((tmp_path / "way.json").read_text())["stage_positions"]
    asked = ("--session", row.session, "--lm", "200,260")
    found = json.loads(
        clemd("map", *asked, "--state", series.daemon.state, "--json").stdout
    )
    assert [place["x"], place["y"]] == pytest.approx(found["stage_um"], abs=1e-3)
