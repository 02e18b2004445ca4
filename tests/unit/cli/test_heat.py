"""`clemd heat`: the hours in which nothing was seen count, up to this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clemd.errors import TransientError
from clemd.store import Store

Run = Callable[..., Any]
NOW = "clemd.cli._heat.Client"


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[Path]:
    """A minute of 50 °C, then two and a half of nothing; its daemon still runs."""
    store = Store.open(tmp_path / "state")
    now = datetime.now(UTC)
    for age_s in range(210, 150, -5):
        at = now - timedelta(seconds=age_s)
        store.record_thermal("cool", temperature_c=50.0, sensor="replay:t.csv", at=at)
    for age_s in (150, 90, 30):
        at = now - timedelta(seconds=age_s)
        store.record_thermal("blind", reason="it has ended", duty=0.0, at=at)
    yield tmp_path / "state"
    store.close()


class Silent:
    """A daemon without a bus."""

    def __init__(self, *, state: Path) -> None:
        self.state = state

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def command(self, verb: str, **_: Any) -> dict[str, Any]:
        """Nothing."""
        raise TransientError(f"{verb}: no answer")


class Live(Silent):
    """One that says what it sees."""

    def command(self, verb: str, **_: Any) -> dict[str, Any]:
        """At this moment."""
        assert verb == "status"
        return {
            "heat": {
                "at": "2030-01-01T00:00:00+00:00",
                "state": "blind",
                "temperature_c": None,
                "sensor": "replay:t.csv",
                "power_w": None,
                "duty": 0.0,
                "throttle": "",
                "reason": "gone for good",
            }
        }


@pytest.mark.parametrize("client", [Silent, Live])
def test_blind_time_counts_up_to_now(
    clemd: Run, lost: Path, monkeypatch: pytest.MonkeyPatch, client: type[Silent]
) -> None:
    """Whoever asks sees for how long, and what holds at this moment."""
    monkeypatch.setattr(NOW, client)
    found = clemd("heat", "--state", lost, "--json").json
    monkeypatch.setattr("clemd.cli._heat._clock", lambda seconds: f"{seconds:.0f} s")
    words = clemd("heat", "--state", lost).out.splitlines()

    assert found["seconds"]["blind"] == pytest.approx(150, abs=10)
    assert found["running"] is True
    is_live = client is Live
    assert words[0].startswith("blind at 2030" if is_live else "blind at 20")
    assert words[0].endswith("gone for good" if is_live else "it has ended")
    assert "50 to 50 °C, blind for 1" in words[1]


def test_after_the_daemon_nothing_counts(clemd: Run, state: Path) -> None:
    """Nobody looked, so nobody was blind; and the last value is not of now."""
    found = clemd("heat", "--state", state, "--json").json
    words = clemd("heat", "--state", state).out

    assert (found["running"], found["seconds"]) == (False, {})
    assert "UTC, and nobody looks now (nvml:0 Card)" in words


@pytest.mark.parametrize("minutes", ["nan", "inf", "0", "-3", "481"])
def test_wrong_duration_names_the_option(clemd: Run, state: Path, minutes: str) -> None:
    """Not the argument of a message that nobody has seen."""
    answer = clemd("heat", "allow", "--minutes", minutes, "--state", state)

    assert answer.code == 2
    assert f"--minutes {minutes}" in answer.err
    assert "at most 480 minutes" in answer.err
