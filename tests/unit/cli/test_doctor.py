"""`clemd doctor` finds what will not work before the daemon does, with its mend."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clemd.store import Store

Run = Callable[..., Any]
FAST = "clemd.cli._doctor._TORCH"
NO_GPU = 'print("{\\"version\\": \\"9\\", \\"gpus\\": [], \\"usable\\": false}")'


@pytest.fixture(autouse=True)
def _torch_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child is started all the same; one test loads the real library."""
    monkeypatch.setattr(FAST, NO_GPU)


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Two export folders."""
    for name in ("em", "lm"):
        (tmp_path / "exports" / name).mkdir(parents=True)
    return tmp_path / "exports"


def write_profile(folder: Path, exports: Path, *, em: str = "", more: str = "") -> Path:
    """A profile of two local roots and any free port."""
    page = "" if "[page]" in more else "[page]\nport = 0\n"
    file = folder / "pair.toml"
    file.write_text(
        f'[[roots]]\nname = "em"\npath = "{exports}/em"\nside = "em"\n{em}\n'
        f'[[roots]]\nname = "lm"\npath = "{exports}/lm"\nside = "lm"\n{page}{more}\n'
    )
    return file


def examine(clemd: Run, profile: Path, state: Path) -> tuple[int, dict[str, Any]]:
    """Exit code, and the findings by what was looked at."""
    answer = clemd("doctor", "--profile", profile, "--state", state, "--json")
    shown = answer.json
    assert shown["schema"] == "clemd.doctor/1"
    assert shown["ok"] is (answer.code == 0)
    return answer.code, {finding["what"]: finding for finding in shown["findings"]}


def test_good_machine_passes(clemd: Run, tmp_path: Path, exports: Path) -> None:
    """Exit 0, every part looked at, and the folder was not made by looking."""
    state = tmp_path / "state"
    code, found = examine(clemd, write_profile(tmp_path, exports), state)

    assert code == 0
    looked_at = {
        "Python", "SQLite", "torch", "device", "sensor", "drivers formats", "timezone",
        "clock", "open files", "memory", "state folder", "disk space", "root em",
        "root lm", "inotify", "page", "bus",
    }  # fmt: skip
    assert looked_at <= set(found)
    assert any(what.startswith("sandbox ") for what in found)
    assert not state.exists()


def test_what_is_not_well_has_a_mend(clemd: Run, tmp_path: Path, exports: Path) -> None:
    """A finding without one would leave the reader alone."""
    profile = write_profile(tmp_path, exports, em='kind = "share"')
    _, found = examine(clemd, profile, tmp_path / "state")

    assert all(f["mend"] for f in found.values() if f["level"] != "ok")
    assert not any(f["mend"] for f in found.values() if f["level"] == "ok")


def test_missing_folder_fails(clemd: Run, tmp_path: Path, exports: Path) -> None:
    """A local folder that is not there never comes."""
    (exports / "lm").rmdir()
    code, found = examine(clemd, write_profile(tmp_path, exports), tmp_path / "state")

    assert code == 2
    assert found["root lm"]["level"] == "fail"
    assert str(exports / "lm") in found["root lm"]["value"]


def test_missing_share_is_only_a_warning(
    clemd: Run, tmp_path: Path, exports: Path
) -> None:
    """It may be mounted later; the daemon waits for it."""
    (exports / "em").rmdir()
    profile = write_profile(tmp_path, exports, em='kind = "share"')
    code, found = examine(clemd, profile, tmp_path / "state")

    assert (code, found["root em"]["level"]) == (0, "warn")


def test_share_on_a_local_disk_is_pointed_out(
    clemd: Run, tmp_path: Path, exports: Path
) -> None:
    """The profile and the mount table disagree."""
    profile = write_profile(tmp_path, exports, em='kind = "share"')
    _, found = examine(clemd, profile, tmp_path / "state")

    assert found["root em"]["level"] == "warn"
    assert "the profile says share" in found["root em"]["value"]


@pytest.mark.parametrize(
    ("ready", "level", "code"), [("settle", "warn", 0), ("close", "fail", 2)]
)
def test_local_root_on_a_share_is_pointed_out(
    clemd: Run,
    tmp_path: Path,
    exports: Path,
    monkeypatch: pytest.MonkeyPatch,
    ready: str,
    level: str,
    code: int,
) -> None:
    """Scans still find its files, but no close-write event ever comes."""
    kinds = {str(exports / "em"): "cifs"}
    monkeypatch.setattr(
        "clemd.cli._doctor._filesystem", lambda path: kinds.get(str(path), "ext4")
    )
    profile = write_profile(tmp_path, exports, em=f'ready = "{ready}"')
    got, found = examine(clemd, profile, tmp_path / "state")

    assert (found["root em"]["level"], got) == (level, code)
    assert "cifs" in found["root em"]["value"]


def test_state_folder_inside_a_watched_folder_fails(
    clemd: Run, tmp_path: Path, exports: Path
) -> None:
    """The daemon would watch its own outputs."""
    code, found = examine(
        clemd, write_profile(tmp_path, exports), exports / "em" / "state"
    )

    assert (code, found["root em"]["level"]) == (2, "fail")


def test_state_folder_that_is_a_file_fails(
    clemd: Run, tmp_path: Path, exports: Path
) -> None:
    """Nothing can be made in it."""
    (tmp_path / "file").write_text("x")
    code, found = examine(clemd, write_profile(tmp_path, exports), tmp_path / "file")

    assert (code, found["state folder"]["level"]) == (2, "fail")


def test_port_in_use_fails(clemd: Run, tmp_path: Path, exports: Path) -> None:
    """Somebody else's, since no daemon runs on this state folder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        profile = write_profile(tmp_path, exports, more=f"[page]\nport = {port}")
        code, found = examine(clemd, profile, tmp_path / "state")

    assert (code, found["page"]["level"]) == (2, "fail")
    assert str(port) in found["page"]["value"]


def test_port_of_the_running_daemon_is_no_fault(
    clemd: Run, tmp_path: Path, exports: Path
) -> None:
    """A service may be examined while it runs."""
    state = tmp_path / "state"
    with socket.create_server(("127.0.0.1", 0)) as ours:
        more = f"[page]\nport = {ours.getsockname()[1]}"
        profile = write_profile(tmp_path, exports, more=more)
        store = Store.open(state)
        code, found = examine(clemd, profile, state)
        store.close()

    assert (code, found["page"]["level"]) == (0, "ok")
    assert "a daemon runs" in found["state folder"]["value"]


def test_bus_open_to_strangers_fails(clemd: Run, tmp_path: Path, exports: Path) -> None:
    """As the daemon would refuse it, in the same words."""
    more = '[bus]\npublish = "tcp://0.0.0.0:0"'
    code, found = examine(
        clemd, write_profile(tmp_path, exports, more=more), tmp_path / "state"
    )

    assert (code, found["bus"]["level"]) == (2, "fail")
    assert "keys" in found["bus"]["mend"]


def test_unknown_timezone_fails(clemd: Run, tmp_path: Path, exports: Path) -> None:
    """Every acquisition time would be off."""
    profile = write_profile(tmp_path, exports)
    profile.write_text('timezone = "Mars/Olympus"\n' + profile.read_text())
    code, found = examine(clemd, profile, tmp_path / "state")

    assert (code, found["profile"]["level"]) == (2, "fail")
    assert "Mars/Olympus" in found["profile"]["value"]


def test_gpu_that_is_asked_for_and_absent_fails(
    clemd: Run, tmp_path: Path, exports: Path
) -> None:
    """`auto` falls back to the CPU; a name does not."""
    more = '[registration]\ndevice = "cuda:0"'
    code, found = examine(
        clemd, write_profile(tmp_path, exports, more=more), tmp_path / "state"
    )

    assert (code, found["device"]["level"]) == (2, "fail")


def test_broken_torch_is_a_finding_not_a_crash(
    clemd: Run, tmp_path: Path, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the child dies of is shown."""
    monkeypatch.setattr(FAST, "raise ImportError('libcudart.so is missing')")
    code, found = examine(clemd, write_profile(tmp_path, exports), tmp_path / "state")

    assert (code, found["torch"]["level"]) == (2, "fail")
    assert "libcudart.so is missing" in found["torch"]["value"]


def test_broken_profile_is_a_finding_among_the_others(
    clemd: Run, tmp_path: Path
) -> None:
    """The rest of the machine is looked at all the same."""
    profile = tmp_path / "bad.toml"
    profile.write_text("colour = 1\n")
    code, found = examine(clemd, profile, tmp_path / "state")

    assert (code, found["profile"]["level"]) == (2, "fail")
    assert "colour" in found["profile"]["value"]
    assert found["Python"]["level"] == "ok"


def test_without_a_profile_the_machine_is_looked_at(clemd: Run, tmp_path: Path) -> None:
    """A first look, before there is a profile."""
    answer = clemd("doctor", "--state", tmp_path / "state", "--json")
    found = {finding["what"] for finding in answer.json["findings"]}

    assert answer.code == 0
    assert "SQLite" in found
    assert "page" not in found


def test_people_read_level_finding_and_mend(
    clemd: Run, tmp_path: Path, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at the end, whether it will run."""
    monkeypatch.setenv("COLUMNS", "300")
    (exports / "lm").rmdir()
    profile = write_profile(tmp_path, exports)
    lines = clemd("doctor", "--profile", profile, "--state", tmp_path).out.splitlines()

    mended = "create the folder or correct the path"
    assert f"fail root lm: {exports}/lm is not a folder -> {mended}" in lines
    assert lines[-1].endswith("to mend before it runs")


@pytest.mark.slow
def test_real_torch_is_found_and_stays_out_of_this_process(tmp_path: Path) -> None:
    """The command itself stays light."""
    code = (
        "import sys; from clemd.cli import main; "
        f"code = main(['doctor', '--json', '--state', {str(tmp_path / 's')!r}]); "
        "sys.exit(9 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    found = {f["what"]: f for f in json.loads(done.stdout)["findings"]}

    assert done.returncode == 0
    assert found["torch"]["level"] == "ok"
