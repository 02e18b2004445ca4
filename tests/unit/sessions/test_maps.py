"""Two light maps that contradict each other are told apart from two that agree."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.geometry import as_rows, compose, similarity, translation
from clemd.model import Matrix
from clemd.sessions import OnBoth, maps_differ

SHAPE = (600, 800)
BETWEEN = similarity(scale=1.7, rotation_deg=31.0, onto=(40.0, -12.0))
"""How map two truly lies on map one's px."""


def image(name: str, x: float, y: float, *, wrong: Matrix | None = None) -> OnBoth:
    """An EM image at (x, y) of map one; `wrong` moves it on map two."""
    on_one = compose(translation(x, y), similarity(scale=0.2, rotation_deg=10.0))
    on_other = compose(BETWEEN, on_one)
    if wrong is not None:
        on_other = compose(wrong, on_other)
    return OnBoth(
        name=name,
        shape=SHAPE,
        on_one=as_rows(on_one),
        one_lm_px=0.3,
        on_other=as_rows(on_other),
        other_lm_px=0.4,
    )


def test_maps_that_agree_are_not_told() -> None:
    """Nobody reads warnings that are always there."""
    assert maps_differ(image("b", 500, 300), image("a", 100, 80)) is None


def test_small_error_within_both_radii_is_not_told() -> None:
    """Half a pixel is what the radii allow."""
    off = image("b", 200, 120, wrong=translation(0.5, 0.0))
    assert maps_differ(off, image("a", 150, 80)) is None


def test_contradiction_names_both_places() -> None:
    """The operator must see what to decide between."""
    off = image("b", 200, 120, wrong=translation(25.0, 0.0))
    found = maps_differ(off, image("a", 150, 80))
    assert found is not None
    assert found.apart_lm_px == pytest.approx(25.0)
    gap = np.subtract(found.directly, found.by_way_of)
    assert gap == pytest.approx([25.0, 0.0])
    for value in (*found.directly, *found.by_way_of):
        assert f"{value:.1f}" in found.reason


def test_error_far_away_is_weighed_by_its_lever() -> None:
    """A hundredth of a degree moves what lies far off; that is no contradiction."""
    turned = similarity(scale=1.0, rotation_deg=0.05)
    near, far = image("a", 100, 80), image("b", 900, 700, wrong=turned)
    assert maps_differ(far, near) is None
