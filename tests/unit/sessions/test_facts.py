"""What cannot be is not told to a session."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from clemd.geometry import as_rows
from clemd.model import (
    ErrorRadius,
    Frame,
    Modality,
    PixelSize,
    Registration,
    StagePose,
    Verdict,
)
from clemd.sessions import observed_of, sighting_of


def frame(*, pixel_um: float = 0.05, **stage: Any) -> Frame:
    """A frame with that stage."""
    return Frame(
        path="a.tif",
        driver="zeiss",
        driver_version="1",
        modality=Modality.SEM,
        shape=(300, 400),
        dtype="uint8",
        channels=(),
        pixel_size=PixelSize(x_um=pixel_um, y_um=pixel_um, source="x"),
        stage=StagePose(**({"x_um": 1.0, "y_um": 2.0} | stage)),
    )


def test_plausible_frame_is_a_sighting() -> None:
    """Or the refusals below would prove nothing."""
    seen = sighting_of("f", frame(), at_s=5.0)
    assert seen is not None
    assert seen.stage_um == (1.0, 2.0)
    assert seen.microscope == "zeiss"


@pytest.mark.parametrize(
    "wrong",
    [
        {"x_um": 1e200},
        {"y_um": math.nan},
        {"x_um": None},
        {"scan_rotation_deg": math.inf},
        {"tilt_deg": math.nan},
        {"pixel_um": 1e-200},
        {"pixel_um": 1e200},
        {"pixel_um": math.nan},
    ],
    ids=str,
)
def test_nonsense_is_no_sighting(wrong: dict[str, Any]) -> None:
    """Metadata may say anything; a session must never choke on it."""
    assert sighting_of("f", frame(**wrong), at_s=0.0) is None


def found(matrix: Any, p95: float = 1.0) -> Registration:
    """An accepted result."""
    return Registration(
        verdict=Verdict.ACCEPTED,
        confidence=0.9,
        em_to_lm=as_rows(np.asarray(matrix, float)),
        error_lm_px=ErrorRadius(p50=0.5 * p95, p95=p95),
    )


@pytest.mark.parametrize(
    "registration",
    [
        found(np.zeros((3, 3))),
        found(np.diag([0.0, 0.0, 1.0])),
        found([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]]),
        found(np.eye(3), p95=math.inf),
        found(np.eye(3), p95=math.nan),
        found(np.full((3, 3), math.nan)),
    ],
    ids=["nothing", "flat", "horizon", "endless", "unknown radius", "not a number"],
)
def test_unusable_result_teaches_nothing(registration: Registration) -> None:
    """An operator may accept anything; the transform takes only what can be."""
    assert observed_of("r", found(np.eye(3)), (300, 400)) is not None
    assert observed_of("r", registration, (300, 400)) is None
