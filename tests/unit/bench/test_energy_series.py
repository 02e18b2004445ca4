"""The table of `clemd bench methods --method spatio-spectral`, on small series."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.bench._specimens import simulator
from clemd.bench.methods._energy_measures import agreement
from clemd.bench.methods._energy_series import Row, measure, summary, tables


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """One pair of one tuning specimen, every arm."""
    return list(measure(12, size="small", fields_um=(100.0, 40.0)))


def test_every_arm_says_what_it_found(rows: list[Row]) -> None:
    """Five arms, in one run, on the same pair."""
    assert [row.arm for row in rows] == [
        "ours",
        "published",
        "SIFT only",
        "HSI-ORB",
        "HSI-KAZE",
    ]
    assert {row.pair for row in rows} == {(100, 40)}


def test_ours_reaches_the_goal_against_the_truth(rows: list[Row]) -> None:
    """A quarter of a light px, which is the goal, and accepted."""
    (own,) = (row for row in rows if row.arm == "ours")

    assert own.measured is not None
    assert own.measured.held_out_lm_px < 0.25
    assert own.outcome.verdict == "accepted"


def test_measures_fall_where_the_matrix_is_wrong(rows: list[Row]) -> None:
    """A measure that stays would measure nothing."""
    made = simulator()
    lm, em = made.render_series(12, size="small", fields_um=(100.0, 40.0))
    truth = made.em_to_lm(em, lm, 48, 48)
    off = truth.copy()
    off[0, 2] += 6.0
    right = agreement(em, lm, 48, 48, truth, truth)
    wrong = agreement(em, lm, 48, 48, off, truth)

    assert right.held_out_lm_px == pytest.approx(0.0, abs=1e-9)
    assert wrong.held_out_lm_px == pytest.approx(6.0)
    assert wrong.ncc < right.ncc - 0.2
    assert wrong.cosine < right.cosine
    assert wrong.sam_rad > right.sam_rad


def test_tables_name_pairs_goals_and_published_figures(rows: list[Row]) -> None:
    """The paper's figures stand beside ours."""
    text = tables(rows)
    figures = summary(rows)

    assert "100 µm, 40 µm" in text
    assert "335 matches, 0.29 px" in text
    assert {f.goal for f in figures} >= {"<= 0.25", "<= 0.37", ">= 0.87", "<= 6"}
    assert all(np.isfinite(f.values).all() for f in figures)
