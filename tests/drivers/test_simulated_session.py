"""The simulator as a process: what it writes, how it refuses, how it stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from clemd.driver_api import Simulator, SourceFile, load_drivers
from clemd_drivers.simulated import SIMULATOR
from clemd_drivers.simulated.__main__ import main


@dataclass(frozen=True)
class Bench:
    """The folders of one run."""

    em: Path
    lm: Path
    truth: Path

    def command(self, plan: str, seed: int = 2) -> list[str]:
        """As the daemon would start it."""
        return SIMULATOR.command(
            em_folder=self.em,
            lm_folder=self.lm,
            truth_file=self.truth,
            seed=seed,
            plan=plan,
        )

    def files(self) -> dict[str, bytes]:
        """What was exported, by name."""
        return {p.name: p.read_bytes() for d in (self.em, self.lm) for p in d.iterdir()}


def _bench(folder: Path) -> Bench:
    bench = Bench(folder / "em", folder / "lm", folder / "truth.json")
    bench.em.mkdir(parents=True)
    bench.lm.mkdir()
    return bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Empty folders."""
    return _bench(tmp_path)


def test_simulator_is_found_by_entry_point() -> None:
    """The daemon never imports it by name."""
    found = list(load_drivers("clemd.simulators"))

    assert any(driver is SIMULATOR for driver in found)
    assert all(isinstance(driver, Simulator) for driver in found)


def test_same_seed_plays_the_same_session(tmp_path: Path) -> None:
    """Bytes and truth, run to run, process to process."""
    first, second = _bench(tmp_path / "1"), _bench(tmp_path / "2")
    for bench in (first, second):
        command = [*bench.command("quick"), "--pace", "0"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        progress = [line for line in done.stderr.splitlines() if line]
        assert len(progress) == 3
    truth = json.loads(first.truth.read_text(encoding="utf-8"))

    assert first.files() == second.files()
    assert truth == json.loads(second.truth.read_text(encoding="utf-8"))
    assert {*truth["em"], *truth["lm"]} == set(first.files())
    assert all(len(e["em_to_lm"]) == 1 for e in truth["em"].values())


def test_importing_the_driver_is_cheap() -> None:
    """The supervisor lists simulators and must not carry an image library for it."""
    heavy = "cv2 scipy tifffile torch ome_types".split()
    code = (
        "import sys, clemd_drivers.simulated\n"
        f"sys.exit(','.join(m for m in {heavy} if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_termination_ends_the_session_between_two_steps(bench: Bench) -> None:
    """The demo is closed at any time; nothing may hang or print a traceback."""
    command = [*bench.command("sixty"), "--pace", "600"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=20)[1]

    assert first.startswith("simulated: 1/61")
    assert process.returncode == 143
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--plan", "nope"], "no such plan ('nope'): choose one of quick, demo"),
        (["--seed", "-1"], "a seed must not be negative (-1): choose 0 or more"),
        (["--pace", "-3"], "pace out of range (-3.0): choose 0 to 600 seconds"),
        (["--pace", "nan"], "pace out of range (nan)"),
        (
            ["--em", "/no/such/folder"],
            "no such folder (/no/such/folder): make it first",
        ),
    ],
)
def test_wrong_usage_is_one_line(
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
) -> None:
    """What, where, what to do."""
    arguments = [*bench.command("quick")[3:], *change]

    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"simulated: {message}")
    assert err.count("\n") == 1


def test_truth_is_refused_inside_an_export_folder(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon watches those folders."""
    arguments = [*bench.command("quick")[3:], "--truth", str(bench.em / "t.json")]

    assert main(arguments) == 2
    assert "truth inside an export folder" in capsys.readouterr().err
    assert bench.files() == {}


def test_plans_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who meets the simulator for the first time asks it what it can do."""
    assert main(["--list-plans"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]

    plans = ["quick", "demo", "series", "pipeline", "large", "sixty"]
    assert names == [*plans, "every"]


def test_every_format_is_written_and_read(tmp_path: Path) -> None:
    """What is damaged by a benchmark has to be good before."""
    for name in ("em", "lm"):
        (tmp_path / name).mkdir()
    arguments = [
        *("--plan", "every", "--em", str(tmp_path / "em")),
        *("--lm", str(tmp_path / "lm"), "--truth", str(tmp_path / "truth.json")),
    ]
    assert main(arguments) == 0
    truth = json.loads((tmp_path / "truth.json").read_text())
    told = {name: one["beside"] for name, one in truth["files"].items()}
    told |= dict.fromkeys(truth["folders"], ())
    drivers = list(load_drivers("clemd.formats"))
    readers = set()
    for name, beside in told.items():
        with SourceFile.open(tmp_path / name) as source:
            driver = next(d for d in drivers if d.recognises(source))
            with driver.open(source) as reader:
                assert reader.plane(0).any(), name
                size = reader.frame.pixel_size
        assert size is None or size.x_um == pytest.approx(0.0123, rel=2e-2), name
        assert all((tmp_path / name).with_name(n).is_file() for n in beside)
        readers.add(driver.name)

    # Without the extras those files are not written.
    assert {d.name for d in drivers} - readers <= {"emd", "delmic", "oir"}
