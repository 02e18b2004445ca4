"""The arms are set up fairly: on a pair that each is made for, it finds the answer."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.bench.arms import ARMS, arm_named
from clemd.bench.arms._mine import (
    DRMIME_RATES,
    TFUDL_ITERATIONS,
    DrmimeArm,
    TfudlArm,
    equal_frames,
    published_climb,
)
from clemd.errors import UsageError
from clemd.geometry import corner_errors, similarity
from clemd.model import Matrix

RIGHT = 0.02
needs_simpleitk = pytest.mark.skipif(
    importlib.util.find_spec("SimpleITK") is None,
    reason="SimpleITK is not installed: pip install 'clemd[bench]'",
)
needs_elastix = pytest.mark.skipif(
    importlib.util.find_spec("itk") is None,
    reason="itk-elastix is not installed: pip install 'clemd[bench]'",
)


@dataclass(frozen=True)
class Pair:
    """One specimen, twice, and where it was put."""

    em: Any
    lm: Any
    true: Matrix

    def error(self, found: Matrix | None) -> float:
        """Mean corner error / EM width."""
        assert found is not None
        errors = corner_errors(found, self.true, self.em.shape)
        return float(errors.mean()) / float(self.em.shape[1])


def made_pair(
    *,
    em_px: int = 120,
    ratio: float = 1.0,
    rotation_deg: float = 5.0,
    mirrored: bool = False,
) -> Pair:
    """Blobs of two sizes; the EM image is a crop, turned and moved by 6 px."""
    rng = np.random.default_rng(4)
    grain = rng.normal(size=(2, 150, 150)).astype(np.float32)
    blobs = 4 * cv2.GaussianBlur(grain[0], (0, 0), 4)
    blobs += 0.5 * cv2.GaussianBlur(grain[1], (0, 0), 1.5)
    lm = cv2.normalize(blobs, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    size = round(em_px * ratio)
    true = similarity(
        scale=1 / ratio,
        rotation_deg=rotation_deg,
        mirrored=mirrored,
        about=((size - 1) / 2, (size - 1) / 2),
        onto=(74.5 + 6, 74.5 - 3),
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    em = cv2.warpPerspective(
        lm, true, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT
    )
    return Pair(em, lm, true)


@pytest.mark.parametrize("ratio", [1.0, 2.5])
@pytest.mark.parametrize(
    "name", ["sift", pytest.param("simpleitk-1", marks=needs_simpleitk)]
)
def test_a_single_start_lands_a_pair_near_it(name: str, ratio: float) -> None:
    """The published capture range is what these are made for."""
    pair = made_pair(ratio=ratio)
    found = arm_named(name).register(pair.em, pair.lm, ratio=ratio, threads=1, seed=0)
    assert pair.error(found.em_to_lm) < RIGHT
    assert found.seconds > 0


@needs_elastix
@pytest.mark.slow
def test_elastix_lands_a_pair_near_it_and_repeats_itself() -> None:
    """Slow for its wrappers alone, which are not on its clock."""
    ratio = 2.5
    pair = made_pair(ratio=ratio)
    arm = arm_named("elastix")
    found = arm.register(pair.em, pair.lm, ratio=ratio, threads=1, seed=0)
    again = arm.register(pair.em, pair.lm, ratio=ratio, threads=1, seed=0)
    assert pair.error(found.em_to_lm) < RIGHT
    assert np.array_equal(found.em_to_lm, again.em_to_lm)


@needs_simpleitk
def test_many_starts_land_a_mirrored_pair_far_from_it() -> None:
    """Told neither the turn nor the mirror, it keeps the right one of 48."""
    pair = made_pair(em_px=70, rotation_deg=123.0, mirrored=True)
    found = arm_named("simpleitk-48").register(
        pair.em, pair.lm, ratio=1.0, threads=1, seed=0
    )
    assert pair.error(found.em_to_lm) < RIGHT


def test_drmime_lands_a_pair_near_it() -> None:
    """A fifth of its iterations, at a quarter of its size, is enough for 2 %."""
    pair = made_pair(ratio=1.5)
    arm = DrmimeArm(iterations=100, longest_px=64)
    found = arm.register(pair.em, pair.lm, ratio=1.5, threads=1, seed=0)
    assert pair.error(found.em_to_lm) < RIGHT


def test_drmime_runs_its_published_iterations() -> None:
    """The arm of the table is not the shortened one."""
    assert "500 iterations, EM at most 256 px" in arm_named("drmime-500").summary


def test_a_climb_repeats_itself_and_leaves_the_callers_draws_alone() -> None:
    """A trial is its seed and nothing else."""
    pair = made_pair(em_px=48)
    frames = equal_frames(pair.em, pair.em, 1.0, 48)
    found = []
    for _ in range(2):
        climb = published_climb(frames, DRMIME_RATES, seed=7)
        climb.step()
        climb.step()
        found.append(climb.matrix())
    assert np.array_equal(*found)
    assert not np.array_equal(found[0], np.eye(3))


def test_tfudl_tells_its_time_and_no_pose() -> None:
    """87,000 times one iteration, which costs more where there is more to sample."""
    seconds = []
    for size_px in (24, 150):
        image = made_pair().lm[:size_px, :size_px]
        found = TfudlArm(timed=5, warm_up=1).register(
            image, image, ratio=1.0, threads=1, seed=0
        )
        assert found.em_to_lm is None
        assert "s an iteration x 87,000" in found.note
        seconds.append(found.seconds)
    assert 0 < seconds[0] < seconds[1]
    assert seconds[0] > TFUDL_ITERATIONS * 1e-5


def test_sift_finds_nothing_in_noise() -> None:
    """Three points agree with any affine: that is no answer."""
    em, lm = np.random.default_rng(1).integers(0, 255, (2, 160, 160), np.uint8)
    found = arm_named("sift").register(em, lm, ratio=1.0, threads=1, seed=0)
    assert found.em_to_lm is None
    assert "too few" in found.note


@pytest.mark.parametrize(
    "name", ["sift", pytest.param("simpleitk-1", marks=needs_simpleitk)]
)
def test_an_empty_image_gives_no_matrix(name: str) -> None:
    """A campaign has such trials; they end in a result, not in a traceback."""
    empty = np.zeros((60, 80), np.uint8)
    found = arm_named(name).register(empty, empty, ratio=1.0, threads=1, seed=0)
    assert found.em_to_lm is None
    assert found.note


def test_without_a_ratio_equal_fields_are_assumed() -> None:
    """It has to begin somewhere; the note says where."""
    pair = made_pair(ratio=2.0, em_px=150)
    arm = DrmimeArm(iterations=1, longest_px=32)
    found = arm.register(pair.em, pair.lm, ratio=None, threads=1, seed=0)
    told = arm.register(pair.em, pair.lm, ratio=2.0, threads=1, seed=0)
    assert found.note == "ratio unknown: equal fields assumed"
    assert np.array_equal(found.em_to_lm, told.em_to_lm)  # they are equal here


def test_threads_are_given_back() -> None:
    """Equal threads for every arm, and the caller's own after it."""
    before = cv2.getNumThreads()
    pair = made_pair()
    arm_named("sift").register(pair.em, pair.lm, ratio=1.0, threads=1, seed=0)
    assert cv2.getNumThreads() == before


def test_an_unknown_arm_is_refused_in_one_line() -> None:
    """The line names all there are."""
    with pytest.raises(UsageError, match=r"no such arm \(surf\): choose from sift, "):
        arm_named("surf")


def test_an_absent_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers are optional; a user who asks for one is told the command."""
    absent = DrmimeArm(package="no_such_package.inside")
    monkeypatch.setitem(ARMS, "absent", absent)
    with pytest.raises(UsageError, match=r"pip install 'clemd\[bench\]'") as caught:
        arm_named("absent")
    assert "\n" not in str(caught.value)
