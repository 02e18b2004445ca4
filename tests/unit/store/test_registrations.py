"""One result for each piece of work, and the best of each EM frame is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clemd.model import (
    Agreement,
    ErrorRadius,
    Registration,
    SecondOpinion,
    Verdict,
)
from clemd.store import NoSuchRecordError, Store

A, R, X = Verdict.ACCEPTED, Verdict.REVIEW, Verdict.REJECTED
Best = Callable[[], list[str]]


def test_result_comes_back_whole(store: Store, facts: Any) -> None:
    """`clemd replay` needs every number of it."""
    pair_id = facts.pair()
    registration = Registration(
        verdict=R,
        confidence=0.4,
        em_to_lm=((0.1, 0, 3), (0, 0.1, 4), (0, 0, 1)),
        error_lm_px=ErrorRadius(p50=0.2, p95=0.5),
        reasons=("few structures",),
        evidence={"votes": 3.0},
        input_sha256=("aa", "bb"),
    )
    store.add_registration(
        pair_id, registration, registration_id="r", job_key="k", outputs={"a": "b"}
    )

    row = store.registration("r")
    assert row.registration == registration
    assert (row.session, row.verdict, row.is_best) == ("S", R, True)
    assert (row.outputs, row.decided_by) == ({"a": "b"}, "engine")


def test_same_work_has_one_result(store: Store, facts: Any) -> None:
    """Two workers may finish the same job key; the first is the truth."""
    pair_id = facts.pair()

    assert facts.result(pair_id, "first", job_key="k")
    assert not facts.result(pair_id, "second", R, job_key="k")
    assert [r.id for r in store.registrations()] == ["first"]


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"verdict": R, "confidence": 0.9}, {"verdict": A, "confidence": 0.1}),
        ({"verdict": X, "confidence": 0.9}, {"verdict": R, "confidence": 0.1}),
        ({"confidence": 0.8, "p95": 0.1}, {"confidence": 0.9, "p95": 0.5}),
        ({"p95": 0.5}, {"p95": 0.1}),
        ({"p95": None}, {"p95": 9.0}),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_verdict_then_confidence_then_error_decide_which_is_best(
    facts: Any, best: Best, worse: Any, better: Any, order: int
) -> None:
    """Whichever of two light maps came first, the better one is shown."""
    trials = [("better", better, "l1"), ("worse", worse, "l2")][::order]
    for name, what, lm in trials:
        facts.result(facts.pair(lm=lm), name, **what)

    assert best() == ["better"]


def test_each_em_frame_has_its_own_best(facts: Any, best: Best) -> None:
    """A good overlay elsewhere does not hide a poor one here."""
    facts.result(facts.pair(em="e1"), "good")
    facts.result(facts.pair(em="e2"), "poor", X)

    assert sorted(best()) == ["good", "poor"]


def test_operator_overrules_the_engine(store: Store, facts: Any, best: Best) -> None:
    """The engine's own word is kept beside the operator's, and can be restored."""
    facts.result(facts.pair(lm="l1"), "shown", confidence=0.9)
    facts.result(facts.pair(lm="l2"), "other", confidence=0.5)

    row = store.overrule("shown", X, by="operator", reason="wrong\ncell")

    assert (row.verdict, row.registration.verdict) == (X, A)
    assert (row.decided_by, row.decided_reason) == ("operator", "wrong\\x0acell")
    assert best() == ["other"]
    assert store.counts()["rejected"] == 1

    assert store.overrule("shown", X, by="engine").verdict is A
    assert best() == ["shown"]


def test_operators_word_outranks_a_higher_confidence(
    store: Store, facts: Any, best: Best
) -> None:
    """Who pressed accept on this map wants to see this map."""
    facts.result(facts.pair(lm="l1"), "sure", confidence=0.99)
    facts.result(facts.pair(lm="l2"), "chosen", R, confidence=0.3)
    store.overrule("chosen", A, by="operator")

    assert best() == ["chosen"]


def test_results_are_found_by_session_and_frame(store: Store, facts: Any) -> None:
    """The page asks for one sitting, the bus for one image."""
    pair_id = facts.pair()
    facts.result(pair_id, "r")
    em = store.pair(pair_id).em_frame_id

    assert [r.id for r in store.registrations(session="S")] == ["r"]
    assert [r.id for r in store.registrations(em_frame_id=em)] == ["r"]
    assert store.registrations(session="T") == []


def test_outputs_are_replaced_when_the_full_overlay_is_ready(
    store: Store, facts: Any
) -> None:
    """The preview is published first, the large file follows."""
    facts.result(facts.pair(), "r")
    store.update_outputs("r", {"overlay": "outputs/S/r/overlay.ome.tif"})

    assert store.registration("r").outputs == {"overlay": "outputs/S/r/overlay.ome.tif"}


def opinion(sentence: str) -> SecondOpinion:
    """Another engine's answer."""
    answer = Registration(verdict=R, confidence=0.5, em_to_lm=None, engine="mine")
    return SecondOpinion(
        agreement=Agreement.DISAGREES, answer=answer, apart_lm_px=9.0, sentence=sentence
    )


def test_second_engines_word_stands_beside_the_result(
    store: Store, facts: Any, best: Best
) -> None:
    """The engine's own result is never changed; whoever is told hears both."""
    facts.result(facts.pair(), "r", R)
    before = store.registration("r")

    assert before.second is None
    assert store.add_second("r", opinion("they disagree"))

    row = store.registration("r")
    assert row.second == opinion("they disagree")
    assert (row.registration, row.verdict) == (before.registration, R)
    told = store.registration_message("r")
    assert told.second is not None
    assert (told.second["engine"], told.second["apart_lm_px"]) == ("mine", 9.0)
    assert told.registration["reasons"][0] == "they disagree"
    assert best() == ["r"]


def test_second_engine_speaks_once(store: Store, facts: Any) -> None:
    """A job that is done again after a kill must not change what was published."""
    facts.result(facts.pair(), "r", R)

    assert store.add_second("r", opinion("first"))
    assert not store.add_second("r", opinion("again"))
    kept = store.registration("r").second
    assert kept is not None
    assert kept.sentence == "first"


def test_infinite_error_is_refused_before_it_breaks_the_page(
    store: Store, facts: Any
) -> None:
    """JSON would keep it as null, and no later query could read the row."""
    pair_id = facts.pair()
    with pytest.raises(ValueError, match="p95"):
        facts.result(pair_id, "r", p95=float("inf"))
    assert store.registrations() == []


def test_unknown_ids_are_named(store: Store, facts: Any) -> None:
    """`clemd show ID` with a typing mistake gets one line."""
    with pytest.raises(NoSuchRecordError, match="no registration 'x'"):
        store.registration("x")
    with pytest.raises(NoSuchRecordError, match="no pair 'x'"):
        facts.result("x", "r")
    with pytest.raises(LookupError, match="no registration 'x'"):
        store.update_outputs("x", {})
