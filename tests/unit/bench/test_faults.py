"""Faults do what they are named for, and are counted for what they did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from clemd.bench import _faults, _forking
from clemd.bench._fault_kinds import KINDS
from clemd.bench._fault_run import fault_rows, has_moved, is_caught, is_dangerous
from clemd.bench._faults import NONE, Outcome, answer, faults_of, pair_of
from clemd.bench._forking import Watcher
from clemd.bench._table import Row, rows_table

RESULT = torch.linspace(-1.0, 1.0, 600).reshape(3, 200)
CLEAN = Outcome(
    seed=1000,
    tier="session",
    kind=NONE,
    stays=False,
    operation=-1,
    name="",
    operations=50_000,
    end="accepted",
    noticed="",
    moved_lm_px=0.0,
    error_lm_px=0.2,
)
FAULT = replace(CLEAN, kind="bit", operation=7, name="add")


def rng() -> np.random.Generator:
    """The same moments each time."""
    return np.random.default_rng(5)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"stale"}))
def test_fault_changes_the_result_and_leaves_the_original(kind: str) -> None:
    """A fault that changed nothing would count as one that was harmless."""
    before = RESULT.clone()
    broken = KINDS[kind]("add", RESULT, {}, rng())
    assert broken is not None
    assert broken.shape == RESULT.shape
    assert broken.dtype == RESULT.dtype
    assert not torch.equal(broken, RESULT)
    assert torch.equal(RESULT, before)


def test_one_bit_changes_one_number() -> None:
    """In reals, complex numbers and integers alike."""
    for result in (RESULT, torch.complex(RESULT, RESULT), (RESULT * 100).long()):
        broken = KINDS["bit"]("add", result, {}, rng())
        assert broken is not None
        assert int((broken != result).sum()) == 1


def test_stale_result_is_the_one_of_the_time_before() -> None:
    """Of the same operation and shape; where there was none it cannot be."""
    old = RESULT * 2
    past = {("add", tuple(RESULT.shape), RESULT.dtype): old}
    assert KINDS["stale"]("add", RESULT, past, rng()) is old
    assert KINDS["stale"]("mul", RESULT, past, rng()) is None


@pytest.mark.parametrize(
    ("changed", "moved", "caught", "dangerous"),
    [
        ({}, False, False, False),
        ({"moved_lm_px": 0.3}, True, False, False),
        ({"moved_lm_px": 3.0, "error_lm_px": 3.0}, True, False, True),
        ({"moved_lm_px": 3.0, "error_lm_px": 3.0, "noticed": "x"}, True, True, False),
        ({"moved_lm_px": 3.0, "error_lm_px": 3.0, "end": "review"}, True, True, False),
        (
            {"moved_lm_px": None, "end": "stopped", "noticed": "x"},
            False,
            True,
            False,
        ),
        (
            {"moved_lm_px": None, "error_lm_px": None, "end": "failed"},
            False,
            True,
            False,
        ),
    ],
)
def test_outcomes_are_counted_for_what_they_are(
    changed: dict[str, Any], moved: bool, caught: bool, dangerous: bool
) -> None:
    """What was noticed, or is not accepted, is not published as right."""
    one = replace(FAULT, **changed)
    assert has_moved(one) is moved
    assert is_caught(one) is caught
    assert is_dangerous(one, [CLEAN, one]) is dangerous
    rows = {row.what: row for row in fault_rows([CLEAN, one])}
    wrong = rows["published as accepted and off by more than 1 LM px"]
    assert wrong.met is not dangerous


@pytest.mark.parametrize(
    ("trials", "dangerous", "caught", "mark"),
    [(10, 0, 10, "open"), (2000, 0, 2000, "met"), (10, 10, 0, "NOT MET")],
)
def test_goal_is_met_only_where_chance_cannot_have_met_it(
    trials: int, dangerous: int, caught: int, mark: str
) -> None:
    """One of one caught is 100 %, and might as well be a fifth."""
    noticed = replace(FAULT, moved_lm_px=0.5, noticed="a sum")
    missed = replace(FAULT, moved_lm_px=5.0, error_lm_px=5.0)
    rows = fault_rows([CLEAN, *[noticed] * caught, *[missed] * dangerous])
    marks = {row.what: line for row, line in zip(rows, _marks(rows), strict=True)}

    assert marks["of those: caught before publication"] == mark
    assert marks["published as accepted and off by more than 1 LM px"] == mark
    assert marks["false alarms: no fault, and yet a check complains"] == "open"
    assert len(rows) == len(marks)
    assert trials == caught + dangerous


def _marks(rows: list[Row]) -> list[str]:
    """What stands at the end of each line."""
    _head, _rule, *lines = rows_table(rows).splitlines()
    return [line.split("|")[-2].strip() for line in lines]


def test_released_device_goes_on_to_the_same_bits() -> None:
    """Or children that are hurried along would tell of other registrations."""
    pair = pair_of(10)
    watched, _ = answer(pair, Watcher())
    hurried, _ = answer(pair, Releasing())
    assert hurried.em_to_lm == watched.em_to_lm
    assert hurried.evidence == watched.evidence


class Releasing(Watcher):
    """Lets the device go in the middle of it."""

    def __call__(self, name: str, result: torch.Tensor) -> None:
        """Nothing is wrong."""
        super().__call__(name, result)
        assert self.device is not None
        assert not self.device.is_released
        if self.count == 20_000:
            self.device.release()


def test_faults_happen_in_whole_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones: a device that stays broken in its transforms is noticed."""
    kinds = {"scaled": lambda _n, r, _p, _g: r * 1.5}
    monkeypatch.setattr(_faults, "KINDS", kinds)
    monkeypatch.setattr(_forking, "KINDS", kinds)
    monkeypatch.setattr(_faults, "STAYS", 1.0)
    clean, *broken = faults_of(pair_of(10), 3)
    assert (clean.kind, clean.end, clean.noticed) == (NONE, "accepted", "")
    assert clean.operations > 10_000
    assert broken
    assert all(one.kind == "scaled" and one.stays for one in broken)
    assert all(is_caught(one) or not has_moved(one) for one in broken)
