"""The tables count what they say they count."""

from __future__ import annotations

from typing import Any

from clemd.bench._figures import Share, wilson
from clemd.bench._registration import report
from clemd.bench._summary import (
    EBSD,
    REAL,
    SIMULATED,
    alarms,
    arms,
    negatives,
    positives,
)


def row(**changes: Any) -> dict[str, Any]:
    """A right and accepted answer of our engine."""
    usual = {
        "key": "k",
        "arm": "ours",
        "source": "simulated",
        "pair": "simulated-1000",
        "tier": "session",
        "kind": "positive",
        "seed": 1000,
        "size": "small",
        "negative": False,
        "floor": 0.0,
        "truth_p95_lm_px": 0.0,
        "right": True,
        "error": 0.001,
        "error_lm_px": 0.2,
        "error_most_lm_px": 0.3,
        "ratio_error": 0.0005,
        "radius_p95": 0.4,
        "verdict": "accepted",
        "seconds": 2.0,
    }
    return usual | changes


def wrong(**changes: Any) -> dict[str, Any]:
    """A negative that was refused."""
    lost = {
        "right": False,
        "error": None,
        "error_lm_px": None,
        "error_most_lm_px": None,
        "ratio_error": None,
    }
    negative = {"tier": "negatives", "kind": "texture", "negative": True}
    return row(**(lost | negative | {"verdict": "review"} | changes))


def test_wilson_interval_of_nothing_seen_is_not_zero() -> None:
    """No event in 300 trials leaves room for one in a hundred."""
    low, high = wilson(0, 300)

    assert low == 0.0
    assert 0.011 < high < 0.014


def test_rare_share_keeps_its_decimals() -> None:
    """0.1 % must not be printed as 0 %."""
    assert str(Share(0, 3000)) == "0/3000 = 0.00 % [0.00-0.13]"
    assert str(Share(3, 4)) == "3/4 = 75 % [30-95]"
    assert str(Share(0, 0)) == "-"


def test_ebsd_has_rows_of_its_own() -> None:
    """It is never solved, and would hide what the others do."""
    rows = [
        row(),
        row(source="real", pair="retina_24"),
        row(source="real", pair="ebsd_slice0", right=False, verdict="rejected"),
    ]
    table = positives(rows)

    assert [line["source"] for line in table] == [SIMULATED, REAL, EBSD]
    assert [line["right"].hits for line in table] == [1, 1, 0]


def test_radius_is_held_against_both_errors() -> None:
    """Landmarks know corners badly: 5 px of error of which 4.9 may be theirs."""
    doubted = row(
        source="real", error_most_lm_px=5.0, truth_p95_lm_px=4.9, radius_p95=2.0
    )
    rows = [doubted]
    (line,) = positives(rows)

    assert (line["radius_covers"].hits, line["radius_covers"].of) == (0, 1)
    assert line["radius_covers_less_doubt"].hits == 1


def test_radius_counts_only_where_an_overlay_was_shown() -> None:
    """A refused answer promises nothing."""
    (line,) = positives([row(), row(verdict="review", error_most_lm_px=9.0)])

    assert line["radius_covers"].of == 1
    assert line["right_accepted"] == Share(1, 2)


def test_right_answer_to_a_twin_is_no_false_accept() -> None:
    """It counts neither for nor against."""
    rows = [wrong(kind="twins"), wrong(kind="twins", right=True, verdict="accepted")]
    line = negatives(rows)[0]

    assert (line["trials"], line["right"]) == (2, 1)
    assert line["wrong_accepted"] == Share(0, 1)


def test_false_accepts_are_totalled_over_hard_and_lost_ones() -> None:
    """Wrong places of positives are wrong answers too."""
    rows = [
        wrong(verdict="accepted"),
        wrong(kind="neighbour", verdict="accepted"),
        wrong(kind="off-map"),
        row(right=False, error=0.4, verdict="accepted"),
        row(),
    ]
    totals = {line["kind"]: line["wrong_accepted"] for line in negatives(rows)}

    assert totals["all negatives"] == Share(2, 3)
    assert totals["of these hard"] == Share(1, 1)
    assert totals["positives, wrong places"] == Share(1, 1)
    assert totals["all wrong answers"] == Share(3, 4)


def test_arms_are_compared_on_the_trials_all_of_them_had() -> None:
    """A broken-off campaign must not favour the arm that came first."""
    rows = [
        row(key="a", seconds=2.0),
        row(key="a", arm="sift", seconds=1.0, right=False),
        row(key="b", seconds=9.0),
    ]
    ours, sift = arms(rows)

    assert ours["right"]["session"] == Share(1, 1)
    assert sift["right"]["session"] == Share(0, 1)
    assert sift["seconds_to_ours"] == 0.5
    assert arms([row()]) == []


def test_report_names_command_machine_and_mixed_engines() -> None:
    """A figure without its origin says nothing."""
    machine = {
        "cpu": "a processor",
        "cores": 2,
        "python": "3.11",
        "packages": {"torch": "2"},
        "date": "2026-01-01",
    }
    run = {"engine": "abc", "jobs": 2, "threads": 1, "machine": machine}
    facts = {
        "runs": [
            run | {"command": "clemd bench"},
            run | {"command": "c", "engine": "d"},
        ],
        "seeds": [1000, 1001],
        "alarms": alarms(
            [
                row() | {"alarm": "it is said to compute wrongly"},
                row() | {"alarm": ""},
                wrong() | {"alarm": "", "verdict": "rejected"},
                row(),
            ]
        ),
        "defects": {"ValueError: x": 2},
        "positives": positives([row()]),
        "negatives": negatives([wrong()]),
        "arms": [],
    }
    text = report(facts)

    assert "`clemd bench`: a processor, 2 cores, 2 processes of 1 threads" in text
    assert "made by 2 different engines" in text
    assert "a check of the device complained: 1/2 = 50 %" in text
    assert "2 trials ended in a defect: ValueError: x" in text
    assert "1/1 = 100 % [21-100]" in text
