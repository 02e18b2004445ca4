"""A pair that the operator lays over a few points: rescued, but not taken on trust."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.client import Client, RejectedError
from clemd.geometry import apply, as_matrix, corner_errors, corners
from clemd_drivers.simulated import render_pair

SHAPE = (600, 800)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """EM and LM of one specimen as plain files, and the truth."""
    folder = tmp_path_factory.mktemp("pair")
    made = render_pair(21, em_shape=SHAPE, lm_shape=(400, 400))
    tifffile.imwrite(folder / "lm.tif", made.lm[0], metadata=None)
    tifffile.imwrite(folder / "em.tif", made.em, metadata=None)
    noise = np.random.default_rng(3).integers(0, 255, SHAPE, np.uint8)
    tifffile.imwrite(folder / "noise.tif", noise, metadata=None)
    return folder, as_matrix(made.em_to_lm)


def clicks(truth: Any, off_lm_px: float) -> list[str]:
    """Options for three points near the corners, each clicked a little off."""
    at = corners(SHAPE)[:3] * 0.8 + 40
    there = apply(truth, at)
    rng = np.random.default_rng(5)
    turn = rng.uniform(0, 2 * np.pi, 3)
    there = there + off_lm_px * np.c_[np.cos(turn), np.sin(turn)]
    rows = np.c_[at, there]
    return [v for row in rows for v in ("--point", ",".join(f"{x:.2f}" for x in row))]


def width_lm_px(truth: Any) -> float:
    """Of the EM field."""
    return float(SHAPE[1] * np.sqrt(abs(np.linalg.det(truth[:2, :2]))))


@pytest.mark.slow
def test_pixels_make_rough_points_exact(clemd: Any, pair: Any) -> None:
    """Nobody clicks to a tenth of a pixel, and nobody has to."""
    folder, truth = pair
    found = clemd.json(
        "register", folder / "em.tif", folder / "lm.tif", *clicks(truth, 4.0)
    )
    error = corner_errors(as_matrix(found["em_to_lm"]), truth, SHAPE).max()

    assert found["verdict"] == "accepted"
    assert error < 0.005 * width_lm_px(truth)
    assert "placed by hand over 3 points" in found["reasons"][0]


@pytest.mark.slow
def test_points_that_the_pixels_do_not_confirm_are_never_shown_as_right(
    clemd: Any, pair: Any
) -> None:
    """The operator's own pose is shown, with the radius that clicks have."""
    folder, truth = pair
    found = clemd.json(
        "register", folder / "noise.tif", folder / "lm.tif", *clicks(truth, 0.5)
    )
    error = corner_errors(as_matrix(found["em_to_lm"]), truth, SHAPE).max()

    assert found["verdict"] == "review"
    assert found["engine"] == "by hand"
    assert "not confirmed" in found["reasons"][0]
    assert error <= found["error_lm_px"]["p95"] < 0.05 * width_lm_px(truth)


@pytest.mark.slow
def test_points_in_a_wrong_place_are_not_taken_for_right(clemd: Any, pair: Any) -> None:
    """Two cells look alike, and the wrong one was clicked."""
    folder, truth = pair
    wrong = truth.copy()
    wrong[:2, 2] += 0.2 * width_lm_px(truth)
    found = clemd.json(
        "register", folder / "em.tif", folder / "lm.tif", *clicks(wrong, 0.5)
    )

    assert found["verdict"] != "accepted"
    assert "not confirmed" in found["reasons"][0]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (["1,2,3"], "is not a pair of points"),
        (["1,2,3,x"], "is not a pair of points"),
        (["1,2,3,4"], "1 points"),
        (["1,2,3,4", "5000,2,3,4"], "is not on the EM image"),
        (["1,2,3,4", "5,2,3,4000"], "is not on the LM image"),
        (["9,9,9,9", "9,9,9,9"], "all points lie in one place"),
    ],
)
def test_points_that_say_nothing_are_refused_in_words(
    clemd: Any, pair: Any, points: list[str], said: str
) -> None:
    """One line: what, where, what to do."""
    folder, _ = pair
    options = [v for text in points for v in ("--point", text)]
    done = clemd("register", folder / "em.tif", folder / "lm.tif", *options)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def rescued(
    daemon_type: Any, tmp_path_factory: pytest.TempPathFactory, pair: Any
) -> Iterator[Any]:
    """A daemon with one pair that it rejected, and what came of the points since."""
    folder, truth = pair
    daemon = daemon_type(tmp_path_factory.mktemp("hand"))
    try:
        daemon.start()
        shutil.copy(folder / "lm.tif", daemon.lm / "lm.tif")
        shutil.copy(folder / "noise.tif", daemon.em / "em.tif")
        daemon.wait_for_results(1)
        (first,) = daemon.ask(lambda reader: reader.registrations())
        rows = [
            [float(v) for v in text.split(",")] for text in clicks(truth, 0.5)[1::2]
        ]
        with Client(state=daemon.state) as client:
            asked = {"em_frame_id": first.em_frame_id, "lm_frame_id": first.lm_frame_id}
            client.command("place", **asked, points=rows)
            daemon.wait_for_results(2)
            yield daemon, first, client, asked, rows
        daemon.stop()
    finally:
        daemon.close()


@pytest.mark.slow
def test_pair_placed_by_hand_replaces_what_was_rejected(rescued: Any) -> None:
    """It is what the page shows from then on, to be reviewed."""
    daemon, first, _, _, rows = rescued
    found = daemon.ask(lambda reader: reader.registrations(best_only=True))

    assert first.verdict.value == "rejected"
    assert [row.verdict.value for row in found] == ["review"]
    assert found[0].registration.engine == "by hand"
    assert found[0].registration.asked.points == tuple(map(tuple, rows))


@pytest.mark.slow
def test_pair_placed_by_hand_can_be_replayed(rescued: Any, clemd: Any) -> None:
    """Its points are kept with it."""
    daemon = rescued[0]
    (best,) = daemon.ask(lambda reader: reader.registrations(best_only=True))
    done = clemd("replay", best.id, "--state", daemon.state)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the same")


@pytest.mark.slow
def test_registering_once_more_keeps_both_results(rescued: Any) -> None:
    """The page's "Try again" names the result, not a job."""
    daemon, first, client, *_ = rescued
    client.command("retry", registration_id=first.id)
    daemon.wait_for_results(3)
    (best,) = daemon.ask(lambda reader: reader.registrations(best_only=True))

    assert best.registration.engine == "by hand"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("points", "said"),
    [
        (None, "0 points"),
        ([[1, 2, 3, 4]], "1 points"),
        ([[1, 2, 3, 4], [1, 2, 3, float("nan")]], "is not four numbers"),
        ([[1, 2, 3, 4], [1, 2, 3]], "is not a pair of points"),
        ([[1, 2, 3, 4], [5, 6, 7, 1e9]], "is not on the LM image"),
        ([[9, 9, 9, 9]] * 3, "all points lie in one place"),
        ([[1, 2, 3, 4]] * 25, "25 points"),
    ],
)
def test_daemon_refuses_points_that_say_nothing(
    rescued: Any, points: Any, said: str
) -> None:
    """Before a job is made of them."""
    _, _, client, asked, _ = rescued
    with pytest.raises((RejectedError, ValueError)) as refused:
        client.command("place", **asked, points=points)
    assert said in str(refused.value) or "JSON" in str(refused.value)
