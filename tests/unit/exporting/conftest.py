"""One small pair with a known transform, for every exporter."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.exporting import (
    ExportSource,
    LightLayer,
    PairContext,
    Pictures,
    Plane,
    Stage,
    Target,
)
from clemd.geometry import as_rows, corners, decompose, similarity
from clemd.model import (
    ChannelKind,
    ErrorRadius,
    Matrix,
    Registration,
    TileState,
    TileVote,
    TileVotes,
    TransformModel,
    Verdict,
)

EM_SHAPE = (480, 640)
LM_SHAPE = (200, 220)
TRUE = similarity(
    scale=0.25, rotation_deg=20, mirrored=True, about=(319, 240), onto=(105, 96)
)
STATES = "aaeaaueeaaaa"
"""Votes of 3 x 4 tiles of 160 px: agrees, elsewhere, unasked."""
TILE_PX = 160
Register = Callable[..., Registration]


def vote_of(place: int, letter: str) -> TileVote:
    """Tile number `place`, row by row."""
    row, column = divmod(place, 4)
    state = next(s for s in TileState if s.startswith(letter))
    shift = (10.0, 0.0) if letter == "e" else (0.0, 0.0)
    return TileVote(
        x_em_px=TILE_PX * (column + 0.5) - 0.5,
        y_em_px=TILE_PX * (row + 0.5) - 0.5,
        state=state,
        dx_lm_px=shift[0],
        dy_lm_px=shift[1],
    )


VOTES = TileVotes(
    rows=3,
    columns=4,
    tile_width_em_px=TILE_PX,
    tile_height_em_px=TILE_PX,
    reach_lm_px=10.0,
    chance=0.0865,
    tiles=tuple(vote_of(i, letter) for i, letter in enumerate(STATES)),
)


@pytest.fixture(scope="session")
def em() -> Plane:
    """Blobs on grey, 8 bit."""
    noise = np.random.default_rng(3).normal(size=EM_SHAPE).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 9)
    grey = np.clip(128 + 45 * blobs / blobs.std(), 0, 255)
    return np.asarray(grey, np.uint8)


@pytest.fixture(scope="session")
def layers(em: Plane) -> tuple[LightLayer, ...]:
    """A reflected channel that shows the EM's structure, and a label in 16 bit."""
    seen = cv2.warpPerspective(
        cv2.GaussianBlur(em, (0, 0), 2), TRUE, LM_SHAPE[::-1], flags=cv2.INTER_LINEAR
    )
    label = np.full(LM_SHAPE, 200, np.uint16)
    label[90:100, 95:110] = 4000
    return (
        LightLayer(plane=seen, name="R", kind=ChannelKind.REFLECTED),
        LightLayer(plane=label, name="GFP", kind=ChannelKind.FLUORESCENCE),
    )


@pytest.fixture(scope="session")
def context() -> PairContext:
    """Both images, calibrated; the LM's px are not square."""
    return PairContext(
        em_name="slice_µm 04.tif",
        lm_name="map_2.lsm",
        em_shape=EM_SHAPE,
        lm_shape=LM_SHAPE,
        em_pixel_um=(0.05, 0.05),
        lm_pixel_um=(0.2, 0.21),
        metadata_ratio=4.2,
        registration_id="r7",
        session="s1",
    )


@pytest.fixture(scope="session")
def true() -> Matrix:
    """EM px -> LM px, as the pair was made."""
    return TRUE


@pytest.fixture
def register() -> Register:
    """Makes a registration with the true matrix; keywords change it."""

    def make(verdict: Verdict = Verdict.ACCEPTED, **changes: object) -> Registration:
        made = Registration(
            verdict=verdict,
            confidence=0.97,
            em_to_lm=as_rows(TRUE),
            model=TransformModel.SIMILARITY,
            pixel_size_ratio=4.0,
            rotation_deg=20.0,
            mirrored=True,
            error_lm_px=ErrorRadius(p50=0.2, p95=0.5),
            error_um=ErrorRadius(p50=0.04, p95=0.1),
            engine="multimodal",
            engine_version="1",
            reasons=("61 of 64 tiles agree.",),
            input_sha256=("a" * 64, "b" * 64),
            votes=VOTES,
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def homography() -> Matrix:
    """The true matrix with a little perspective."""
    bent = TRUE.copy()
    bent[2, :2] = 2e-5, -1e-5
    return bent


UPRIGHT = similarity(
    scale=0.25, rotation_deg=-35, about=(319, 240), onto=(105.25, 96.5)
)
AFFINE = UPRIGHT @ np.array([[1.04, 0.03, 2.0], [-0.01, 0.97, -1.0], [0, 0, 1.0]])
LEVEL = np.array([[0.25, 0, 31.25], [0, 0.24, 22.5], [0, 0, 1.0]])
STRAIGHT = {"similarity": UPRIGHT, "mirrored": TRUE, "affine": AFFINE}
"""Matrices that an affine dialect must carry."""
TO_STAGE = np.array([[0.2, 0.01, -1500.0], [0.012, -0.21, 820.0], [0, 0, 1.0]])
"""LM px -> EM stage micrometres: y points up there, and nothing is square."""
Sourced = Callable[..., ExportSource]


@pytest.fixture(params=STRAIGHT)
def straight(request: pytest.FixtureRequest) -> Matrix:
    """Each matrix that an affine dialect must carry."""
    return STRAIGHT[request.param]


@pytest.fixture
def sourced(
    context: PairContext, register: Register, em: Plane, layers: tuple[LightLayer, ...]
) -> Sourced:
    """Makes what a dialect is given, with this matrix; keywords change the result."""

    def make(
        matrix: Matrix,
        *,
        pair: PairContext = context,
        stage: bool = True,
        **changes: object,
    ) -> ExportSource:
        parts = decompose(matrix)
        model = TransformModel.SIMILARITY
        if parts.anisotropy > 1e-9:
            model = TransformModel.AFFINE
        if matrix[2, :2].any():
            model = TransformModel.HOMOGRAPHY
        facts = {"model": model, "mirrored": parts.mirrored} | changes
        return ExportSource(
            registration=register(em_to_lm=as_rows(matrix), **facts),
            context=pair,
            targets=(
                Target(name='spot: 1, "µ"', x_lm_px=100.25, y_lm_px=90, radius_um=0.4),
                Target(name="spot 2", x_lm_px=0, y_lm_px=199),
            ),
            stage=Stage(lm_px_to_um=TO_STAGE, z_um=12.5) if stage else None,
            pictures=lambda: Pictures(em=em, layers=layers),
        )

    return make


@pytest.fixture(scope="session")
def library() -> Callable[[str], Any]:
    """Imports the program or library a dialect is for, or skips the test."""

    def load(name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says on the way is not our news
            return pytest.importorskip(name, reason=f"{name} is not installed")

    return load


@pytest.fixture(scope="session")
def places() -> Callable[[tuple[int, int]], np.ndarray[Any, Any]]:
    """Px to compare at on an image of that shape, (n, 2): corners, and some between."""

    def choose(shape: tuple[int, int]) -> np.ndarray[Any, Any]:
        inner = np.random.default_rng(0).uniform(0, shape[::-1], (20, 2))
        return np.vstack([corners(shape), inner])

    return choose


@pytest.fixture(scope="session")
def matrices() -> dict[str, Matrix]:
    """Matrices by name; `level` is all that NGFF 0.5 can say."""
    return {**STRAIGHT, "level": LEVEL}


@pytest.fixture(scope="session")
def to_stage() -> Matrix:
    """LM px -> EM stage micrometres of every source that has a stage."""
    return TO_STAGE
