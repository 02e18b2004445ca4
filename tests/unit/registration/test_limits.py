"""Limits end a registration in words, at its breathing points."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.errors import RegistrationRefusedError
from clemd.model import PosePrior
from clemd.preparing import prepare
from clemd.registration import EngineContext, Limits, engine_named
from clemd.registration._limits import resident_bytes


def prepared(seed: int) -> Any:
    """A picture of smooth noise."""
    image = np.random.default_rng(seed).normal(size=(160, 200)).astype(np.float32)
    return prepare([cv2.GaussianBlur(image, (0, 0), 2.0)])


def test_nothing_happens_within_the_limits() -> None:
    """Checked hundreds of times a run."""
    Limits(time_s=60, memory_bytes=1e12).check("search")


def test_time_that_is_over_is_said_with_its_limit() -> None:
    """The reason tells how long, where, and what would help."""
    over = Limits(time_s=5, started_s=time.monotonic() - 6)
    with pytest.raises(RegistrationRefusedError) as refused:
        over.check("rank")
    assert "not found within 5 s" in refused.value.reason
    assert "ranking" in refused.value.reason


def test_time_before_the_call_counts() -> None:
    """The user's limit is for the whole command, reading included."""
    spent = Limits(time_s=5, started_s=time.monotonic() - 4)
    spent.check("search")
    assert time.monotonic() - spent.started_s > 3.9


def test_memory_is_refused_before_it_is_allocated() -> None:
    """An estimate, since the kernel's answer would be a killed process."""
    allowed = resident_bytes() + 2e9  # whatever ran in this process before
    limits = Limits(time_s=60, memory_bytes=allowed)
    limits.check_fits(1_000_000)
    with pytest.raises(RegistrationRefusedError, match="GB are allowed"):
        limits.check_fits(400_000_000)


def test_memory_that_is_held_ends_the_run() -> None:
    """Where the estimate was too low."""
    with pytest.raises(RegistrationRefusedError, match="of memory"):
        Limits(time_s=60, memory_bytes=1e6).check("search")


def test_engine_ends_at_its_limit_by_itself() -> None:
    """Whoever calls an engine need not watch the clock."""
    context = EngineContext(time_limit_s=0.0)
    with pytest.raises(RegistrationRefusedError, match="not found within 0 s"):
        engine_named("auto").register(
            prepared(1), prepared(2), PosePrior(pixel_size_ratio=1.0), context
        )


def test_engine_still_breathes_for_its_caller() -> None:
    """The limit is looked at beside the caller's own breathing, not instead."""
    stages: list[str] = []

    class StopError(Exception):
        pass

    def breathe(stage: str) -> None:
        stages.append(stage)
        raise StopError

    with pytest.raises(StopError):
        engine_named("auto").register(
            prepared(1),
            prepared(2),
            PosePrior(pixel_size_ratio=1.0),
            EngineContext(breathe=breathe),
        )
    assert stages == ["search"]
