"""The published methods' benchmark: what it refuses, and how it prints."""

from __future__ import annotations

import json

import pytest

from clemd.bench import run_bench
from clemd.bench.methods._figures import Figure, bootstrap_median, tell
from clemd.errors import UsageError

FIGURE = Figure(
    part="accuracy",
    what="corner error, LM px",
    published="-",
    ours="0.31 px",
    goal="<= 1",
    met=True,
    values=(0.31,),
)


def run(method: str = "", seed: int = 1000) -> int:
    """`clemd bench methods` as typed."""
    return run_bench(
        "methods",
        method=method,
        trials=1,
        seed=seed,
        data=None,
        parts="",
        kills=0,
        as_json=False,
    )


def test_unknown_method_is_refused_in_words() -> None:
    """A typing error must not run for an hour and print nothing."""
    with pytest.raises(UsageError, match="no such method"):
        run(method="min")


def test_tuning_seeds_are_not_reported() -> None:
    """What a method was tuned on says nothing about it."""
    with pytest.raises(UsageError, match="tuning seeds"):
        run(seed=999)


def test_table_has_the_published_figure_beside_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A figure alone compares with nothing."""
    assert tell("mine", [FIGURE], trials=2, seed=1000, as_json=False) == 0
    printed = capsys.readouterr().out
    assert "| published | ours" in printed
    assert "0.31 px" in printed
    assert "Seeds 1000 to 1001" in printed


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read it."""
    tell("mine", [FIGURE], trials=2, seed=1000, as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["schema"] == "clemd.bench.methods/1"
    assert facts["figures"][0]["values"] == [0.31]


def test_interval_of_a_median_holds_it() -> None:
    """The same values give the same interval, in every run."""
    values = [0.1, 0.2, 0.3, 0.4, 9.0]
    low, high = bootstrap_median(values)
    assert low <= 0.3 <= high
    assert (low, high) == bootstrap_median(values)
