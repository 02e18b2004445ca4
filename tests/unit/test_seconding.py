"""Which engine is asked as well, and what its answer means for the first one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clemd.geometry import as_rows, similarity
from clemd.model import (
    Agreement,
    Asked,
    ErrorRadius,
    Matrix3,
    Registration,
    Verdict,
    from_json,
    to_json,
)
from clemd.seconding import compared, guess_for, second_engine

EM_SHAPE = (600, 800)


def pose(dx: float = 0.0, *, turned_deg: float = 12.0) -> Matrix3:
    """EM px -> LM px; the EM field is 200 LM px wide."""
    return as_rows(
        similarity(
            scale=0.25,
            rotation_deg=turned_deg,
            about=(399.5, 299.5),
            onto=(310.0 + dx, 230.0),
        )
    )


def answer(matrix: Matrix3 | None = None, p95: float = 1.5, **more: Any) -> Any:
    """A result in review."""
    known: dict[str, Any] = {
        "verdict": Verdict.REVIEW,
        "confidence": 0.6,
        "em_to_lm": matrix,
        "error_lm_px": None if matrix is None else ErrorRadius(p50=p95 / 2, p95=p95),
        "engine": "multimodal",
        "rotation_deg": 12.0,
        "asked": Asked(),
        "reasons": ("few tiles were asked",),
    }
    return Registration(**(known | more))


FIRST = answer(pose())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("multimodal", "mine"),
        ("spatio-spectral", "multimodal"),
        ("global-gradient", "multimodal"),
    ],
)
def test_auto_asks_another_engine_than_the_first(first: str, second: str) -> None:
    """The same engine once more would only say the same."""
    assert second_engine(replace(FIRST, engine=first), "auto", "auto") == second


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.REJECTED])
def test_only_a_result_in_review_is_asked_about(verdict: Verdict) -> None:
    """What is sure needs nobody; what is rejected shows nothing that could be wrong."""
    assert second_engine(replace(FIRST, verdict=verdict), "auto", "auto") is None


@pytest.mark.parametrize(
    ("chosen", "engine", "second"),
    [
        ("none", "auto", None),
        ("spatio-spectral", "auto", "spatio-spectral"),
        ("multimodal", "auto", None),
        ("auto", "multimodal", None),
        ("mine", "multimodal", "mine"),
    ],
)
def test_profile_has_the_last_word(
    chosen: str, engine: str, second: str | None
) -> None:
    """Who names an engine hears that one, and a second one only where named."""
    assert second_engine(FIRST, chosen, engine) == second


def test_only_an_engine_that_climbs_is_told_the_answer() -> None:
    """Who can search has to find it without having heard it."""
    told = replace(FIRST, asked=Asked(expected=pose(5.0)))

    assert guess_for("mine", told) == told.em_to_lm
    assert guess_for("multimodal", told) == pose(5.0)
    assert guess_for("multimodal", FIRST) is None


@pytest.mark.parametrize(
    "asked", [None, Asked(points=((1, 1, 2, 2),)), Asked(parent="r")]
)
def test_what_stands_on_others_is_not_asked_about(asked: Asked | None) -> None:
    """By hand, cut out or nested: an engine's search would compare other things."""
    assert second_engine(replace(FIRST, asked=asked), "auto", "auto") is None


def test_same_place_within_both_radii_is_agreement() -> None:
    """2 px apart, 2.5 are left open by 1.5 and 2 together; it is no proof, in words."""
    said = compared(FIRST, answer(pose(2.0), 2.0, engine="mine"), EM_SHAPE)

    assert said.agreement is Agreement.AGREES
    assert said.apart_lm_px == pytest.approx(2.0)
    assert said.allowed_lm_px == pytest.approx(2.5)
    assert "mine puts the corners within 2.00 LM px" in said.sentence
    assert "look nevertheless" in said.sentence


def test_another_place_is_told_with_both_answers_and_their_distance() -> None:
    """The operator sees at once where each of the two wants the image."""
    other = answer(pose(30.0), engine="mine", rotation_deg=13.5, mirrored=True)
    said = compared(FIRST, other, EM_SHAPE)

    assert said.agreement is Agreement.DISAGREES
    assert said.sentence == (
        "two engines disagree by 30.0 LM px, 2.1 are allowed: multimodal puts the "
        "middle of the image at (310.0, 230.0) LM px, turned 12.0°, 200.0 LM "
        "px wide; mine puts the middle of the image at (340.0, 230.0) LM px, turned "
        "13.5°, mirrored, 200.0 LM px wide"
    )


def test_the_worst_corner_counts() -> None:
    """Middles that agree say nothing about an image that is turned."""
    said = compared(FIRST, answer(pose(turned_deg=16.0)), EM_SHAPE)

    assert said.agreement is Agreement.DISAGREES
    assert said.apart_lm_px == pytest.approx(8.7, abs=0.1)


def test_wide_radii_do_not_make_two_places_one() -> None:
    """Two engines that know nothing would agree about everything."""
    said = compared(answer(pose(), 40.0), answer(pose(30.0), 40.0), EM_SHAPE)

    assert said.agreement is Agreement.DISAGREES
    assert said.allowed_lm_px == pytest.approx(10.0)


def test_an_engine_that_finds_nothing_is_silent_with_its_reason() -> None:
    """Neither a vote for the first answer nor one against it."""
    nothing = answer(
        verdict=Verdict.REJECTED, engine="mine", reasons=("not found within 180 s",)
    )
    said = compared(FIRST, nothing, EM_SHAPE)

    assert said.agreement is Agreement.SILENT
    assert said.apart_lm_px is None
    assert said.sentence.endswith("mine has no answer (not found within 180 s)")


def test_contradiction_comes_before_all_other_reasons_and_agreement_after() -> None:
    """Reasons are read from the top."""
    against = compared(FIRST, answer(pose(30.0)), EM_SHAPE)
    for_it = compared(FIRST, answer(pose(1.0)), EM_SHAPE)

    assert against.beside(FIRST).reasons[0] == against.sentence
    assert for_it.beside(FIRST).reasons == (*FIRST.reasons, for_it.sentence)
    assert for_it.beside(FIRST).verdict is Verdict.REVIEW


def test_opinion_is_kept_whole_and_published_without_its_matrix() -> None:
    """Replay needs the matrix; a program must not find a second one to use."""
    said = compared(FIRST, answer(pose(30.0), engine="mine"), EM_SHAPE)

    assert from_json(type(said), to_json(said)) == said
    told = said.to_contract()
    assert "em_to_lm" not in told
    assert (told["engine"], told["agreement"]) == ("mine", "disagrees")
