"""A result in doubt, and the second engine that is asked about it by the real service.

The largest radius that may be accepted is made so small that every right answer goes to
review: what follows is then known, without an image that is hard to register.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clemd.client import Client
from clemd.model import Agreement, Verdict
from clemd.store import RegistrationRow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOUBTING = "[page]\nport = 0\n[registration]\ntolerance = 1e-5\n"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECOND_S = 400.0
"""For all second answers, on a busy machine."""


def rows(daemon: Any) -> list[RegistrationRow]:
    """Every result, the oldest first."""
    return list(reversed(daemon.ask(lambda reader: reader.registrations())))


def jobs(daemon: Any, *states: str) -> list[tuple[str, str]]:
    """(id of the result, state) of the questions to a second engine."""
    marks = ", ".join("?" * len(states))
    found = daemon.ask(
        lambda reader: reader.connection.execute(
            "SELECT payload, state FROM jobs WHERE kind = 'second' "  # noqa: S608
            f"AND state IN ({marks})",
            states,
        ).fetchall()
    )
    return [(json.loads(payload)["registration_id"], state) for payload, state in found]


def messages(daemon: Any) -> list[dict[str, Any]]:
    """Every registration message, in order."""
    with Client(state=daemon.state) as client:
        return [
            update.body
            for update in client.messages(["registration"], timeout_s=2, after_seq=0)
        ]


@dataclass
class Doubted:
    """What came of a session in which every result is in doubt."""

    daemon: Any
    at_the_kill: list[RegistrationRow] = field(default_factory=list)
    decided: str = ""
    """A result that the operator accepts before anybody is asked about it."""
    late: str = ""
    """The result of an image that came while the second engine was at work."""
    answered_before_late: int = 0


@pytest.fixture(scope="module")
def doubted(
    daemon_type: Any,
    tmp_path_factory: pytest.TempPathFactory,
    play: Callable[..., None],
) -> Iterator[Doubted]:
    """Two results; a kill while the second engine works; then one more image."""
    folder = tmp_path_factory.mktemp("doubted")
    daemon = daemon_type(folder, tables=DOUBTING)
    try:
        daemon.start()
        play(daemon.em, daemon.lm, folder / "truth.json")
        daemon.wait_for_results(2)
        daemon.wait_until(lambda: jobs(daemon, "leased"), "the second engine works")
        doubted = Doubted(daemon)
        daemon.kill()
        doubted.at_the_kill = rows(daemon)
        assert daemon.ask(lambda reader: reader.integrity_check()) == []
        daemon.start()
        doubted.decided = jobs(daemon, "queued")[-1][0]
        with Client(state=daemon.state) as client:
            client.command("accept", registration_id=doubted.decided)
        daemon.wait_until(lambda: jobs(daemon, "leased"), "the second engine works")
        model = next(daemon.em.glob("*.tif"))
        shutil.copy(model, daemon.em / "late.tif")
        daemon.wait_for_results(3)
        (doubted.late,) = {r.id for r in rows(daemon)} - {
            r.id for r in doubted.at_the_kill
        }
        doubted.answered_before_late = len(jobs(daemon, "done"))
        daemon.wait_until(
            lambda: not jobs(daemon, "queued", "leased", "deferred"),
            "nobody is left to ask",
            SECOND_S,
        )
        daemon.wait_until(
            lambda: daemon.ask(lambda r: r.counts()["unpublished"]) == 0, "all told"
        )
        yield doubted
        daemon.stop()
    finally:
        daemon.close()


def test_first_answer_is_published_at_once(doubted: Doubted) -> None:
    """Nobody waits for the second engine: it is slower by minutes."""
    assert len(doubted.at_the_kill) == 2
    for row in doubted.at_the_kill:
        assert row.second is None
        assert row.verdict is Verdict.REVIEW
        assert "report" in row.outputs


def test_a_kill_between_the_two_loses_and_doubles_nothing(doubted: Doubted) -> None:
    """The same results, each with one second answer, told once."""
    now = rows(doubted.daemon)

    assert [row.id for row in now[:2]] == [row.id for row in doubted.at_the_kill]
    assert [row.registration for row in now[:2]] == [
        row.registration for row in doubted.at_the_kill
    ]
    told = messages(doubted.daemon)
    for row in now:
        if row.id == doubted.decided:
            continue
        own = [body for body in told if body["registration_id"] == row.id]
        first = next(n for n, body in enumerate(own) if body["second"])
        assert all(body["second"] == own[first]["second"] for body in own[first:])
        assert not any(body["second"] for body in own[:first])
    assert len(jobs(doubted.daemon, "done")) == len(now)


def test_second_engine_confirms_and_changes_neither_verdict_nor_matrix(
    doubted: Doubted,
) -> None:
    """Both read the same pixels: agreement is a reason, not a proof."""
    for row in rows(doubted.daemon):
        if row.id == doubted.decided:
            continue
        assert row.second is not None
        answer = row.second.answer
        assert (row.registration.engine, answer.engine) == ("multimodal", "mine")
        assert row.second.agreement is Agreement.AGREES, row.second.sentence
        assert answer.evidence["mine_iterations"] > 0, "it has learned on this pair"
        assert row.verdict is row.registration.verdict is Verdict.REVIEW
        last = messages_of(doubted, row)[-1]
        assert last["verdict"] == "review"
        assert last["registration"]["em_to_lm"] == [
            list(r) for r in row.registration.em_to_lm or ()
        ]
        assert last["registration"]["reasons"][-1] == row.second.sentence


def messages_of(doubted: Doubted, row: RegistrationRow) -> list[dict[str, Any]]:
    """What was told of one result."""
    return [m for m in messages(doubted.daemon) if m["registration_id"] == row.id]


def test_nobody_is_asked_once_the_operator_has_decided(doubted: Doubted) -> None:
    """Half a minute of heat for an answer that nobody waits for."""
    (row,) = (row for row in rows(doubted.daemon) if row.id == doubted.decided)

    assert row.verdict is Verdict.ACCEPTED
    assert row.decided_by == "operator"
    assert row.second is None


def test_an_image_that_comes_meanwhile_goes_first(doubted: Doubted) -> None:
    """The question is stopped, not waited for; it goes on afterwards."""
    spans = doubted.daemon.ask(lambda reader: reader.job_spans(LONG_AGO))
    outcomes = {span.outcome for span in spans if span.kind == "second"}

    assert doubted.answered_before_late < 2
    assert outcomes == {"stopped", "done"}
    assert rows(doubted.daemon)[-1].id == doubted.late


def test_report_and_show_name_both_engines(doubted: Doubted, clemd: Any) -> None:
    """Who reads the page that was mailed sees what the operator saw."""
    row = next(r for r in rows(doubted.daemon) if r.second)
    report = doubted.daemon.state / row.outputs["report"]
    doubted.daemon.wait_until(
        lambda: "Second engine" in report.read_text(), "the report is written anew"
    )
    shown = clemd.json("show", row.id, "--state", doubted.daemon.state)

    assert "a second engine agrees" in report.read_text()
    assert shown["second"]["engine"] == "mine"
    assert shown["registration"]["engine"] == "multimodal"
    assert shown["registration"]["reasons"][-1] == shown["second"]["sentence"]


def test_replay_repeats_both_answers(doubted: Doubted, clemd: Any) -> None:
    """To the last digit, also by an engine that was stopped and went on."""
    row = next(r for r in rows(doubted.daemon) if r.second and r.id != doubted.late)
    again = clemd.json("replay", row.id, "--state", doubted.daemon.state)

    assert again["same"], again
    assert again["second"]["same"], again
    assert again["second"]["engine"].startswith("mine")


def test_nobody_is_asked_where_the_profile_says_so(
    daemon: Callable[..., Any], session_files: Path
) -> None:
    """A site that wants its heat for registrations."""
    one = daemon(tables=f'{DOUBTING}second_engine = "none"\n')
    one.start()
    for side, folder in (("em", one.em), ("lm", one.lm)):
        for file in sorted((session_files / side).glob("*.tif"))[:1]:
            shutil.copy(file, folder / file.name)
    one.wait_for_results(1)

    assert rows(one)[0].verdict is Verdict.REVIEW
    assert jobs(one, "queued", "leased", "deferred", "done") == []


def test_without_the_service_it_is_asked_where_wanted(
    clemd: Any, session_files: Path
) -> None:
    """At once, in the same answer; without the option nobody waits for it."""
    em = next((session_files / "em").glob("*.tif"))
    lm = next((session_files / "lm").glob("*.tif"))
    asked = ("register", em, lm, "--tolerance", "1e-6")
    alone = clemd.json(*asked)
    found = clemd.json(*asked, "--second-engine", "auto")

    assert alone["second"] is None
    assert (found["engine"], found["second"]["engine"]) == ("multimodal", "mine")
    assert found["second"]["agreement"] == "agrees"
    assert found["reasons"] == [*alone["reasons"], found["second"]["sentence"]]
    assert found["em_to_lm"] == alone["em_to_lm"]


def test_an_unknown_second_engine_is_refused_before_anything_is_read(
    clemd: Any, session_files: Path
) -> None:
    """One line, and not after a minute."""
    done = clemd("register", "a.tif", "b.tif", "--second-engine", "magic")

    assert done.returncode == 2
    assert "unknown engine 'magic'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_paused_device_holds_it_and_it_goes_on_afterwards(
    daemon: Callable[..., Any], session_files: Path
) -> None:
    """Heat and the operator have their say over it as over any other job."""
    one = daemon(tables=DOUBTING)
    one.start()
    for side, folder in (("em", one.em), ("lm", one.lm)):
        for file in sorted((session_files / side).glob("*.tif"))[:1]:
            shutil.copy(file, folder / file.name)
    one.wait_for_results(1)
    with Client(state=one.state) as client:
        client.command("thermal", wish="pause", seconds=600)
        one.wait_until(lambda: "paused" in reason(one), "it stands still and says why")
        assert rows(one)[0].second is None
        client.command("thermal", wish="none")
    one.wait_until(lambda: rows(one)[0].second, "the second answer", SECOND_S)

    second = rows(one)[0].second
    assert second is not None
    assert second.agreement is Agreement.AGREES


def reason(daemon: Any) -> str:
    """Why the question to a second engine waits."""
    found = daemon.ask(
        lambda reader: reader.connection.execute(
            "SELECT reason FROM jobs WHERE kind = 'second'"
        ).fetchone()
    )
    return "" if found is None else str(found[0])
