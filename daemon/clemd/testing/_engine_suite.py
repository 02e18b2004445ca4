"""What every registration engine must do: a suite that each one inherits.

The scene is made here: blobs and filaments whose brightness in the two images is
unrelated (a random grey per object), so only structure can be matched.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import (
    as_matrix,
    compose,
    corner_errors,
    decompose,
    invert,
    middle_of,
    similarity,
)
from clemd.model import Matrix, PosePrior, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import Engine, EngineContext

Image = NDArray[Any]
LM_SIDE_PX = 360
EM_SHAPE = (300, 400)


class Scene:
    """Objects with one outline and two unrelated brightnesses."""

    def __init__(self, seed: int, side_um: float = 100.0, objects: int = 260) -> None:
        rng = np.random.default_rng(seed)
        self._centres = rng.uniform(-10, side_um + 10, (objects, 2))
        self._radii = rng.lognormal(0.6, 0.5, (objects, 2))
        self._turns = rng.uniform(0, 180, objects)
        self._greys = rng.uniform(20, 235, (2, objects))

    def seen(self, matrix: Matrix, shape: tuple[int, int], look: int) -> Image:
        """The scene through `matrix` (µm -> px), 8 bit, (height, width)."""
        over = 2  # drawn twice as fine, then averaged: edges without steps
        canvas = np.full((shape[0] * over, shape[1] * over), 90.0, np.float32)
        parts = decompose(matrix)
        fine = compose(np.diag([over, over, 1.0]), matrix)
        fine[:2, 2] += (over - 1) / 2
        for centre, radii, turn, grey in zip(
            self._centres, self._radii, self._turns, self._greys[look], strict=True
        ):
            x, y, _ = fine @ [*centre, 1.0]
            angle = -turn if parts.mirrored else turn
            axes = tuple(int(r * parts.scale * over * 16) for r in radii)
            cv2.ellipse(
                canvas,
                (round(x * 16), round(y * 16)),
                axes,
                angle + parts.rotation_deg,
                0,
                360,
                float(grey),
                -1,
                cv2.LINE_8,
                4,
            )
        small = cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(small, 0, 255), np.uint8)


def pair_of(
    seed: int,
    *,
    rotation_deg: float,
    mirrored: bool = False,
    ratio: float = 2.0,
    lm_look: int = 1,
) -> tuple[Image, Image, Matrix]:
    """EM image, LM image and the true EM -> LM matrix; ratio = LM px / EM px.

    `lm_look` 0 shows the objects as bright in the LM as they are in the EM.
    """
    scene = Scene(seed)
    to_lm = similarity(scale=LM_SIDE_PX / 100.0, rotation_deg=0.0)
    em_scale = ratio * LM_SIDE_PX / 100.0
    to_em = similarity(
        scale=em_scale,
        rotation_deg=rotation_deg,
        mirrored=mirrored,
        about=(52.0, 47.0),
        onto=middle_of(EM_SHAPE),
    )
    noise = np.random.default_rng(seed + 1)
    em = scene.seen(to_em, EM_SHAPE, 0) + noise.normal(0, 6, EM_SHAPE)
    lm = cv2.GaussianBlur(
        scene.seen(to_lm, (LM_SIDE_PX, LM_SIDE_PX), lm_look), (0, 0), 1.0
    )
    em_to_lm = compose(to_lm, invert(to_em))
    return np.asarray(np.clip(em, 0, 255), np.uint8), np.asarray(lm), em_to_lm


class EngineSuite:
    """Inherit it and say which engine; every test is then collected."""

    ratio = 2.0
    tolerance_lm_px = 0.5

    def make_engine(self) -> Engine:
        """The engine under test."""
        raise AssertionError("say which engine")

    def pair(
        self, seed: int, *, rotation_deg: float, mirrored: bool = False
    ) -> tuple[Image, Image, Matrix]:
        """EM image, LM image, truth; an engine for like images asks for such."""
        return pair_of(seed, rotation_deg=rotation_deg, mirrored=mirrored)

    def run(
        self, em: Image, lm: Image, *, ratio: float | None = None, **prior: Any
    ) -> Registration:
        """Prepare and register with the ratio known to a few percent."""
        given = ratio if ratio is not None else self.ratio * 1.04
        return self.make_engine().register(
            prepare([em], reduction=given),
            prepare([lm], reduction=1.0),
            PosePrior(pixel_size_ratio=given, **prior),
            EngineContext(),
        )

    def check_right(self, found: Registration, true: Matrix) -> None:
        """Accepted, where it belongs, and inside its own radius."""
        assert found.verdict is Verdict.ACCEPTED, found.reasons
        assert found.em_to_lm is not None
        error = corner_errors(as_matrix(found.em_to_lm), true, EM_SHAPE).mean()
        assert error < self.tolerance_lm_px
        assert found.error_lm_px is not None
        assert error < found.error_lm_px.p95

    @pytest.mark.parametrize("rotation_deg", [0.0, 137.0])
    def test_known_pose_is_found(self, rotation_deg: float) -> None:
        """Any rotation is found without help, to a fraction of a light pixel."""
        em, lm, true = self.pair(3, rotation_deg=rotation_deg)
        self.check_right(self.run(em, lm), true)

    def test_mirrored_pose_is_found(self) -> None:
        """A remounted specimen may lie face down."""
        em, lm, true = self.pair(4, rotation_deg=-71.0, mirrored=True)
        found = self.run(em, lm)
        self.check_right(found, true)
        assert found.mirrored is True

    def test_ratio_is_measured(self) -> None:
        """Metadata are wrong by percents; the pixels know better."""
        em, lm, _ = self.pair(3, rotation_deg=20.0)
        found = self.run(em, lm, ratio=self.ratio * 1.07)
        assert found.pixel_size_ratio == pytest.approx(self.ratio, rel=2e-3)

    def test_inverted_contrast_costs_nothing(self) -> None:
        """TEM-like contrast is SEM contrast upside down."""
        em, lm, true = self.pair(5, rotation_deg=66.0)
        self.check_right(self.run(np.asarray(255 - em, np.uint8), lm), true)

    @pytest.mark.parametrize("kind", ["uint16", "float32"])
    def test_sample_type_does_not_matter(self, kind: str) -> None:
        """16-bit and float images hold the same structure."""
        em, lm, true = self.pair(6, rotation_deg=15.0)
        scale = 257 if kind == "uint16" else 1 / 255
        self.check_right(self.run((em * float(scale)).astype(kind), lm), true)

    def test_not_a_number_is_masked(self) -> None:
        """A dead stripe takes part in nothing."""
        em, lm, true = self.pair(6, rotation_deg=15.0)
        holed = em.astype(np.float32)
        holed[40:70] = np.nan
        self.check_right(self.run(holed, lm), true)

    def test_same_input_gives_same_bits(self) -> None:
        """Repeat runs on one device agree to the last bit."""
        em, lm, _ = self.pair(3, rotation_deg=40.0)
        first, second = self.run(em, lm), self.run(em, lm)
        assert first.em_to_lm == second.em_to_lm
        assert first.evidence == second.evidence

    def test_unrelated_images_are_rejected(self) -> None:
        """Two specimens: no matrix that looks like an answer."""
        em, _, _ = self.pair(7, rotation_deg=0.0)
        _, lm, _ = self.pair(8, rotation_deg=0.0)
        found = self.run(em, lm)
        assert found.verdict is Verdict.REJECTED
        assert found.em_to_lm is None
        assert found.reasons

    def test_noise_is_never_accepted(self) -> None:
        """An empty field is noise, and noise matches everywhere a little."""
        rng = np.random.default_rng(0)
        _, lm, _ = self.pair(8, rotation_deg=0.0)
        em = np.asarray(rng.integers(0, 255, EM_SHAPE), np.uint8)
        assert self.run(em, lm).verdict is not Verdict.ACCEPTED

    @pytest.mark.parametrize(
        "em",
        [
            np.full(EM_SHAPE, 128, np.uint8),
            np.zeros((1, 1), np.uint8),
            np.zeros((1, 400), np.uint8),
            np.full(EM_SHAPE, np.nan, np.float32),
            np.zeros(EM_SHAPE, np.complex64),
        ],
        ids=["constant", "one pixel", "one row", "not a number", "complex"],
    )
    def test_nothing_to_register_is_refused_in_words(self, em: Image) -> None:
        """A refusal, not a traceback and not a matrix."""
        _, lm, _ = self.pair(8, rotation_deg=0.0)
        with pytest.raises(RegistrationRefusedError) as refused:
            self.run(em, lm)
        assert len(refused.value.reason) > 20

    def test_torn_specimen_is_not_accepted(self) -> None:
        """A crack moves one half: no rigid pose is right for both."""
        em, lm, _ = self.pair(3, rotation_deg=20.0)
        torn = em.copy()
        torn[:, 200:] = np.roll(em[:, 200:], 14, axis=0)
        found = self.run(torn, lm)
        assert found.verdict is not Verdict.ACCEPTED, found.evidence

    def test_lattice_is_not_accepted(self) -> None:
        """Every period of a grid fits as well as the next: ask a person."""
        y, x = np.mgrid[:LM_SIDE_PX, :LM_SIDE_PX]
        lm = np.asarray(127 + 90 * np.sin(x / 3) * np.sin(y / 3), np.uint8)
        crop = lm[60:210, 60:260]
        em = cv2.resize(crop, EM_SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
        found = self.run(em, lm, ratio=self.ratio)
        assert found.verdict is not Verdict.ACCEPTED, math.inf
