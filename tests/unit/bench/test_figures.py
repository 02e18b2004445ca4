"""Figures, goals and tables say what was measured, no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clemd.bench import run_bench
from clemd.bench._machine import cpu_model, this_machine
from clemd.bench._pipeline import is_defect, wanted_parts
from clemd.bench._pipeline_demo import right_images
from clemd.bench._pipeline_latency import Trial, latency_rows, peak_mb
from clemd.bench._table import Row, Spread, against_goal, rows_table, table
from clemd.errors import UsageError

TRIAL = Trial(seed=1, seconds=4.0, verdict="accepted", error=0.001, engine_seconds=3)


def met(rows: list[Row]) -> dict[str, bool | None]:
    """What of the rows was reached."""
    return {row.what: row.met for row in rows}


def test_spread_is_the_middle_and_the_ends() -> None:
    """An even number of trials has its middle between two of them."""
    spread = Spread.of([3.0, 1.0, 10.0, 2.0])

    assert spread == Spread(median=2.5, least=1.0, most=10.0, count=4)
    assert spread.in_words("s") == "2.50 s (1.00 to 10.00, n = 4)"


def test_spread_of_nothing_is_refused() -> None:
    """No trials is not zero seconds."""
    with pytest.raises(ValueError, match="at least one value"):
        Spread.of([])


@pytest.mark.parametrize(("figure", "reached"), [(2.0, True), (2.01, False)])
def test_goal_is_met_up_to_its_limit(figure: float, reached: bool) -> None:
    """The figure itself is compared, not its rounded words."""
    row = against_goal("idle", "share", figure, unit="%", at_most=2.0)

    assert (row.met, row.goal) == (reached, "<= 2 %")


def test_table_is_markdown_with_straight_columns() -> None:
    """Bars in names are escaped, line breaks become spaces."""
    text = table(("name", "n"), [("a|b\nc", 1), ("long name", 22)])

    assert text.splitlines() == [
        "| name      | n   |",
        "| --------- | --- |",
        "| a\\|b c    | 1   |",
        "| long name | 22  |",
    ]


def test_missed_goal_is_shouted() -> None:
    """A goal that was not looked at is neither met nor missed."""
    rows = [
        Row(part="p", what="a", value="1", goal="0", met=False),
        Row(part="p", what="b", value="0", goal="0", met=True),
        Row(part="p", what="c", value="?"),
    ]
    ends = [line.split("|")[-2].strip() for line in rows_table(rows).splitlines()[2:]]

    assert ends == ["NOT MET", "met", ""]


def test_peer_is_compared_by_medians() -> None:
    """One slow pair of ours does not hide behind its mean."""
    trials = [replace(TRIAL, seconds=s, peer_seconds=15.0) for s in (4.0, 5.1, 30.0)]
    ours = met(latency_rows(trials))

    assert ours["our median / SimpleITK's median"] is False
    assert ours["5120x3840 on 1024x1024, last byte to message"] is True


def test_absent_peer_is_said_and_does_not_stop_the_run() -> None:
    """SimpleITK is optional."""
    rows = latency_rows([TRIAL])

    assert "not installed" in rows[-1].value


@pytest.mark.parametrize(
    ("trial", "wrong"),
    [
        (TRIAL, 0),
        (replace(TRIAL, error=0.02), 1),
        (replace(TRIAL, error=None), 1),
        (replace(TRIAL, error=0.5, verdict="rejected"), 0),
    ],
)
def test_wrong_but_accepted_is_counted(trial: Trial, wrong: int) -> None:
    """The worst thing the program can do has a row of its own."""
    row = next(r for r in latency_rows([trial]) if "wrong but" in r.what)

    assert row.figure == wrong
    assert is_defect(row) == bool(wrong)


def test_slow_is_not_a_defect() -> None:
    """A benchmark on a busy machine ends with exit code 0."""
    assert not is_defect(Row(part="latency", what="seconds", value="9", met=False))
    assert is_defect(
        Row(part="kills", what="lost, doubled, torn", value="1", met=False)
    )


def test_image_that_was_exported_twice_counts_once() -> None:
    """A rejected, a wrong and an unjudged answer count not at all."""
    answers = [
        ("a.tif", "accepted", 0.001),
        ("a.tif", "accepted", 0.001),
        ("b.tif", "review", 0.019),
        ("c.tif", "rejected", 0.001),
        ("d.tif", "accepted", 0.02),
        ("e.tif", "review", None),
    ]
    names = ("em_file", "verdict", "true_error_fraction")
    results = [dict(zip(names, answer, strict=True)) for answer in answers]

    assert right_images({"registrations": results}) == {"a.tif", "b.tif"}


def test_parts_keep_their_order() -> None:
    """All of them where none is named."""
    assert wanted_parts("kills, demo") == ("demo", "kills")
    assert wanted_parts("") == ("demo", "latency", "memory", "idle", "kills")


def test_peak_is_read_from_the_status() -> None:
    """Kibibytes in, mebibytes out."""
    assert peak_mb("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n") == 2.0
    with pytest.raises(ValueError, match="VmHWM"):
        peak_mb("Name:\tx\n")


def test_machine_is_named(tmp_path: Path) -> None:
    """A kernel without a model name still gives a table."""
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.1GHz\n")
    assert cpu_model(file) == "Some CPU @ 2.1GHz"
    assert cpu_model(tmp_path / "none")

    machine = this_machine()
    assert machine.cores >= 1
    assert "load average" in machine.in_words()


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"what": "speed"}, "no such benchmark"),
        ({"parts": "demo,tea"}, "no such part"),
        ({"trials": 0}, "too few trials"),
        ({"seed": -1}, "a seed is negative"),
        ({"kills": -1}, "kills are negative"),
    ],
)
def test_wrong_usage_is_one_line(given: dict[str, object], rule: str) -> None:
    """Before anything is rendered or started."""
    usual: dict[str, object] = {
        "what": "pipeline",
        "trials": 1,
        "seed": 1,
        "data": None,
        "parts": "",
        "kills": 1,
        "as_json": True,
    }
    with pytest.raises(UsageError, match=rule):
        run_bench(**(usual | given))  # type: ignore[arg-type]
