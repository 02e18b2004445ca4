"""The default engine meets the contract that every engine inherits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import pytest

from clemd.model import PosePrior, Verdict
from clemd.preparing import prepare
from clemd.registration import Engine, EngineContext, engine_named
from clemd.testing import EngineSuite


class TestMultimodal(EngineSuite):
    """`multimodal` is what `auto` chooses."""

    def make_engine(self) -> Engine:
        """The engine as the daemon makes it."""
        return engine_named("auto")


@pytest.mark.parametrize("side_px", [16, 20, 25, 40])
def test_field_of_a_few_light_pixels_is_answered_in_words(
    texture: Callable[..., Any], side_px: int
) -> None:
    """Tiles of so small a grid end beyond its edge; that is no reason to fall over."""
    lm = texture(3)
    part = lm[100 : 100 + side_px, 80 : 80 + side_px]
    em = cv2.resize(part, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    found = engine_named("multimodal").register(
        prepare([em], reduction=8.0),
        prepare([lm]),
        PosePrior(pixel_size_ratio=8.0),
        EngineContext(),
    )
    assert found.verdict is not Verdict.ACCEPTED
    assert found.reasons
