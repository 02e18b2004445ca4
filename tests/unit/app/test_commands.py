"""What comes over the bus is checked before anything looks at it."""

from __future__ import annotations

from typing import Any

import pytest

from clemd.app._commands import _lm_point
from clemd.app._urgency import AGAIN, DOUBTED, FIRST, LATER, NEW
from clemd.errors import UsageError


@pytest.mark.parametrize(
    "point",
    [
        [10**400, 0],
        [0, -(10**400)],
        [float("nan"), 0],
        [float("inf"), 0],
        [True, 0],
        ["1", 2],
        [1, 2, 3],
        {"x": 1, "y": 2},
        None,
    ],
)
def test_what_is_no_point_is_refused_in_one_short_line(point: Any) -> None:
    """JSON knows numbers of any length; a defect in the log would be the daemon's."""
    with pytest.raises(UsageError, match="lm_px is not a point") as refused:
        _lm_point(point)
    assert len(str(refused.value)) < 200


def test_point_is_two_numbers() -> None:
    """Whole ones too."""
    assert _lm_point([3, -4.5]) == (3.0, -4.5)


def test_second_engine_goes_after_what_somebody_asked_for() -> None:
    """`Try again` must not wait minutes for a question that nobody put."""
    assert FIRST > NEW > AGAIN > DOUBTED > LATER
