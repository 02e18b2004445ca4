"""An image is found inside another of the same microscope, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clemd.bench._session_nesting import CHILD, Nest, drawn
from clemd.geometry import as_matrix, compose, corner_errors, decompose, invert
from clemd.model import ErrorRadius, Verdict
from clemd.nesting import register_nested
from clemd.pipeline import Request
from clemd.registration import find_nested


@pytest.fixture(scope="module")
def nest() -> Nest:
    """A child whose field is an eighth of its parent's."""
    return drawn(91, 8.0, says_size=True, is_turned=False)


def _off(nest: Nest) -> float:
    """How far off the place is that is found, as a share of the child's field."""
    known = nest.parent.registration.em_to_lm
    assert known is not None
    true = compose(invert(as_matrix(known)), nest.true)
    scale = decompose(true).scale
    found = find_nested(nest.child.planes[0], nest.parent.image.planes[0], scale)
    assert found is not None
    return float(corner_errors(found.matrix, true, CHILD).max() / (CHILD[1] * scale))


def test_place_is_right_within_a_tenth_of_the_field(nest: Nest) -> None:
    """What is verified afterwards must start in the right basin."""
    assert _off(nest) < 0.1


def test_turned_child_of_a_twentieth_is_found() -> None:
    """At coarse pixels another place fits as well; at fine ones it does not."""
    assert _off(drawn(10, 20.0, says_size=True, is_turned=True)) < 0.1


def test_composed_matrix_and_radius_hold(nest: Nest) -> None:
    """The parent's error is the child's too; nothing may get lost on the way."""
    found = register_nested(nest.child, [nest.parent], Request(device="cpu"))
    assert found is not None
    assert found.em_to_lm is not None
    assert found.error_lm_px is not None
    assert found.error_lm_px.p95 > 0.2
    assert corner_errors(as_matrix(found.em_to_lm), nest.true, CHILD).max() < 0.05
    assert found.asked is not None
    assert found.asked.parent == nest.parent.registration_id


def test_what_is_not_accepted_is_no_parent(nest: Nest) -> None:
    """A doubtful place must not become two."""
    doubted = replace(nest.parent.registration, verdict=Verdict.REVIEW)
    parent = replace(nest.parent, registration=doubted)
    assert register_nested(nest.child, [parent], Request(device="cpu")) is None


def test_parent_with_a_wide_radius_makes_a_warning(nest: Nest) -> None:
    """Two LM px are little for an overview and much for a detail of it."""
    wide = replace(nest.parent.registration, error_lm_px=ErrorRadius(p50=1.0, p95=2.0))
    parent = replace(nest.parent, registration=wide)
    found = register_nested(nest.child, [parent], Request(device="cpu"))
    assert found is not None
    assert any("small field" in warning for warning in found.warnings)


def test_another_specimen_is_not_found(nest: Nest) -> None:
    """A false place would be shown as accepted."""
    other = drawn(92, 8.0, says_size=True, is_turned=False)
    assert register_nested(other.child, [nest.parent], Request(device="cpu")) is None


def test_structureless_image_is_not_found(nest: Nest) -> None:
    """Nothing to recognise, nothing found."""
    grey = np.full(CHILD, 80, np.uint8)
    assert find_nested(grey, nest.parent.image.planes[0], 0.25) is None
