"""A campaign may be broken off, and its rows say what made them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clemd.bench import RegistrationWishes, run_bench
from clemd.bench._campaign import Campaign, Progress
from clemd.bench._plan import HARD, SIMULATED_KINDS, plan
from clemd.bench._rows import open_rows, read_rows
from clemd.bench._summary import arms
from clemd.bench._training import as_evidence
from clemd.errors import UsageError

ARM = "sift"
"""The quickest: these tests are about the campaign."""
RUN = {"run": "clemd.bench.rows/1", "engine": "abc"}


def tasks(count: int) -> list:
    """Small trials of the mild tier."""
    specs = plan(
        tiers=("mild",),
        kinds=(),
        seeds=range(1000, 1000 + count),
        real_seeds=(),
        pairs=(),
        size="small",
    )
    return [(spec, ARM) for spec in specs]


def bench(what: str = "registration", **wishes: object) -> int:
    """As the command line calls it, with one trial."""
    seed = int(str(wishes.pop("seed", 1000)))
    return run_bench(
        what,
        trials=int(str(wishes.pop("trials", 1))),
        seed=seed,
        data=None,
        parts="",
        kills=0,
        as_json=False,
        wishes=RegistrationWishes(**wishes),  # type: ignore[arg-type]
    )


def shares(rows: list) -> list:
    """The table without its times."""
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in arms(rows)]


@pytest.mark.slow
@pytest.mark.long
def test_killed_campaign_goes_on_and_comes_to_the_same_table(tmp_path: Path) -> None:
    """Hours of work must not hang on one process, or on one torn line."""
    path = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "clemd", "bench", "registration", "--trials", "6"]
    command += ["--tier", "mild", "--arms", ARM, "--jobs", "2", "--rows", str(path)]
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while len(path.read_bytes().splitlines() if path.exists() else ()) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with path.open("ab") as stream:
        stream.write(b'{"key": "simulated::mild:pos')
    before = read_rows(path).rows

    assert 1 <= len(before) < 6
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    after = read_rows(path).rows
    whole = Campaign(tasks=tasks(6)).run().rows
    assert after[: len(before)] == before
    assert len({row["key"] for row in after}) == len(after) == 6
    assert shares(after) == shares(whole)


def test_rows_of_another_engine_are_not_continued(tmp_path: Path) -> None:
    """One table of two engines would be a table of neither."""
    path = tmp_path / "rows.jsonl"
    open_rows(path, RUN)

    with pytest.raises(UsageError, match="made by another engine"):
        open_rows(path, RUN | {"engine": "def"})
    open_rows(path, RUN)
    assert len(read_rows(path).runs) == 2


def test_rows_survive_a_line_that_was_cut_off(tmp_path: Path) -> None:
    """Power fails in the middle of a write."""
    path = tmp_path / "rows.jsonl"
    _, add = open_rows(path, RUN)
    add({"key": "a", "arm": ARM})
    with path.open("ab") as stream:
        stream.write(b'{"key": "b", "ar')
    saved, add = open_rows(path, RUN)
    add({"key": "c", "arm": ARM})

    assert saved.done == {("a", ARM), ("c", ARM)}
    assert read_rows(path).done == saved.done


def test_file_that_is_no_campaign_is_named(tmp_path: Path) -> None:
    """One line: what, where, what to do."""
    path = tmp_path / "notes.txt"
    path.write_text("hello\n", encoding="ascii")

    with pytest.raises(UsageError, match="line 1 is no row of a campaign"):
        read_rows(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "absent")


def test_progress_says_how_fast_and_how_long() -> None:
    """A campaign of hours must not leave its owner guessing."""
    said: list[str] = []
    progress = Progress(4, 2, said.append)
    progress.one_more()

    assert said[0] == "2 trials are in the file already\n"
    assert "1 of 4 trials" in said[1]
    assert "min left" in said[1]


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"seed": 999}, "tuning seeds are not reported"),
        ({"what": "train-verdict", "seed": 990, "trials": 20}, "reporting seeds"),
        ({"what": "train-verdict", "real_seeds": 999}, "reporting seeds"),
        ({"tiers": "mild,hard"}, "unknown: hard"),
        ({"kinds": "nonsense"}, "unknown: nonsense"),
        ({"size": "huge"}, "unknown: huge"),
        ({"arms": "ours,magic"}, "no such arm"),
        ({"jobs": 0}, "too small"),
        ({"real_seeds": -1}, "negative"),
    ],
)
def test_wish_that_cannot_be_met_is_refused_first(
    wishes: dict[str, object], words: str
) -> None:
    """Before anything is run; tuning and reporting seeds stay apart."""
    with pytest.raises(UsageError, match=words):
        bench(**wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "seed", "words"),
    [
        ("registration", 500, "tuning seeds are not reported"),
        ("train-verdict", 1500, "reporting seeds are not for tuning"),
    ],
)
def test_saved_rows_of_the_other_seeds_are_refused(
    tmp_path: Path, what: str, seed: int, words: str
) -> None:
    """Nor may they come in through a file."""
    path = tmp_path / "rows.jsonl"
    row = {"key": "a", "arm": "ours", "seed": seed, "evidence": {"x": 1.0}}
    path.write_text(json.dumps(RUN) + "\n" + json.dumps(row) + "\n", encoding="ascii")

    with pytest.raises(UsageError, match=words):
        bench(what, from_rows=path)


def test_third_of_the_negatives_is_hard() -> None:
    """Unrelated specimens alone would flatter the verdict."""
    hard = [kind for kind in SIMULATED_KINDS if kind in HARD]

    assert set(hard) == set(HARD)
    assert len(hard) >= len(SIMULATED_KINDS) / 3


def test_evidence_of_a_wrong_answer_is_infinitely_wrong() -> None:
    """JSON has no infinity; the fit needs one."""
    row = {"error": None, "error_lm_px": None, "evidence": {"hits": 0.2}}
    seen = as_evidence(row)

    assert seen is not None
    assert seen["error"] == seen["error_lm_px"] == float("inf")
    assert as_evidence({"key": "a", "arm": ARM, "skipped": True}) is None
