"""What was set on a card is put back, whatever ends the daemon or the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clemd.app._lever_note import Before, LeverNote
from clemd.app._lever_work import restore_leftover
from clemd.app._levers import LeverKeeper
from clemd.config import ThermalSettings
from clemd.errors import UsageError
from clemd.thermal import ThermalLook, ThermalMonitor
from clemd_drivers.sensors.nvml._nvml import find_gpus

SETTINGS = ThermalSettings.model_validate(
    {"power_limit_w": {"min": 150, "step": 50}, "lock_clocks_mhz": {"max": 1200}}
)


class Clock:
    """A clock that a test turns."""

    now_s = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Machines:
    """The driver that finds the pretended card."""

    name, priority = "nvml", 0

    def __init__(self, library: Any) -> None:
        self.library = library

    def discover(self) -> Any:
        """Its one sensor."""
        return find_gpus(self.library)


class Life:
    """One daemon's life, as far as the card sees it."""

    def __init__(
        self, library: Any, state: Path, settings: ThermalSettings = SETTINGS
    ) -> None:
        (self.sensor,) = find_gpus(library)
        self.library, self.clock = library, Clock()
        self.monitor = ThermalMonitor(
            self.sensor, settings, self.clock, device="cuda:0"
        )
        self.note = LeverNote(state)
        self.keeper = LeverKeeper(settings, self.note)

    async def feel(self, celsius: int, seconds: int) -> None:
        """So warm for so long, a look a second."""
        self.library.turn(temperature_c=celsius)
        for _ in range(seconds):
            self.clock.now_s += 1.0
            await self.see(self.monitor.look())

    async def see(self, look: ThermalLook) -> None:
        """Take one look."""
        await self.keeper.follow(self.monitor, look, self.monitor.take(look))


def set_on(library: Any) -> tuple[float, Any]:
    """Watts and clocks, as the card has them."""
    card = library.card()
    return card["power_limit_mw"] / 1000, card["locked_mhz"]


async def test_warm_card_is_lowered_step_by_step_and_raised_when_cool(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """And what was there before stands on the disk before the first change."""
    life = Life(pretend_nvml, tmp_path)
    await life.feel(60, 5)
    assert set_on(pretend_nvml) == (250.0, None)
    assert life.note.read() is None

    await life.feel(78, 30)
    assert set_on(pretend_nvml) == (150.0, [210, 1200])
    assert life.keeper.said == (
        "power limit lowered to 150 of 250 W; clock kept below 1200 MHz"
    )
    assert life.note.read() == Before(
        card="GPU-pretended", power_limit_w=250.0, clocks_locked=True
    )

    await life.feel(50, 90)
    assert set_on(pretend_nvml) == (250.0, None)
    assert (life.note.read(), life.keeper.said) == (None, "")


async def test_end_puts_back_what_was_there(pretend_nvml: Any, tmp_path: Path) -> None:
    """The next user of the card must not wonder why it is slow."""
    life = Life(pretend_nvml, tmp_path)
    await life.feel(90, 5)
    assert set_on(pretend_nvml) == (150.0, [210, 1200])

    await life.keeper.close()
    await life.feel(90, 5)

    assert set_on(pretend_nvml) == (250.0, None)
    assert life.note.read() is None


async def test_next_start_puts_back_what_a_killed_one_has_left(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """Also where its profile no longer speaks of levers."""
    await Life(pretend_nvml, tmp_path).feel(90, 5)

    next_one = LeverKeeper(ThermalSettings(), LeverNote(tmp_path))
    await next_one.put_back_leftover([Machines(pretend_nvml)])

    assert set_on(pretend_nvml) == (250.0, None)
    assert (LeverNote(tmp_path).read(), next_one.said) == (None, "")


async def test_leftover_of_a_card_that_is_away_is_kept_and_told(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """It is the only place where the old value stands."""
    await Life(pretend_nvml, tmp_path).feel(90, 5)
    note = LeverNote(tmp_path)
    kept = note.read()

    said = restore_leftover([], note)

    assert note.read() == kept
    assert "nvidia-smi -i GPU-pretended -pl 250; nvidia-smi" in said
    assert "\n" not in said


async def test_lost_card_is_put_back_when_it_is_seen_again(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """What it was set to before must not be taken for what it was found with."""
    life = Life(pretend_nvml, tmp_path)
    await life.feel(90, 5)
    pretend_nvml.turn(is_lost=True)
    await life.feel(60, 10)
    pretend_nvml.turn(is_lost=False)
    pretend_nvml.turn(calls=[])
    await life.feel(60, 1)
    assert pretend_nvml.card()["calls"][:2] == ["power 250000", "free"]
    await life.feel(60, 90)
    assert set_on(pretend_nvml) == (250.0, None)

    await life.feel(90, 5)
    assert set_on(pretend_nvml)[0] == 150.0
    await life.keeper.close()
    assert set_on(pretend_nvml) == (250.0, None)


async def test_card_lost_in_the_middle_of_a_change_is_owed_what_it_was(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """The note is older than the change."""
    life = Life(pretend_nvml, tmp_path)
    await life.feel(60, 3)
    pretend_nvml.turn(temperature_c=90)
    hot = life.monitor.look()
    pretend_nvml.turn(is_lost=True)
    await life.see(hot)
    assert life.note.read() == Before(
        card="GPU-pretended", power_limit_w=250.0, clocks_locked=True
    )
    pretend_nvml.turn(is_lost=False, power_limit_mw=170_000)

    await life.feel(60, 1)

    assert set_on(pretend_nvml) == (250.0, None)


async def test_refusal_is_one_line_and_the_other_lever_still_works(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """Most services have no rights; heat is then kept by pauses alone."""
    pretend_nvml.turn(may_set=False)
    life = Life(pretend_nvml, tmp_path)
    await life.feel(90, 5)

    assert set_on(pretend_nvml) == (250.0, [210, 1200])
    assert life.keeper.said == (
        "clock kept below 1200 MHz; power limit of nvml:0: clemd has no right to set "
        "it, only root has: take thermal.power_limit_w out of the profile, or run as "
        "root"
    )
    await life.keeper.close()
    assert set_on(pretend_nvml) == (250.0, None)
    assert pretend_nvml.card()["calls"].count("free") == 1


async def test_card_that_refuses_everything_leaves_no_note(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """Nothing was changed, so nothing is owed; and it is not asked again and again."""
    pretend_nvml.turn(may_set=False, may_lock=False)
    life = Life(pretend_nvml, tmp_path)
    await life.feel(90, 20)
    assert life.note.read() is None
    assert life.keeper.said.count("clemd has no right") == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "clemd.levers/9"}'])
async def test_note_that_cannot_be_read_is_told_and_never_overwritten(
    pretend_nvml: Any, tmp_path: Path, text: str
) -> None:
    """It may still tell a person what the limit was."""
    path = tmp_path / "levers.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="delete the file"):
        LeverNote(tmp_path).read()
    life = Life(pretend_nvml, tmp_path)
    await life.keeper.put_back_leftover([Machines(pretend_nvml)])
    assert "levers.json" in life.keeper.said

    await life.feel(90, 5)

    assert path.read_text() == text
    assert set_on(pretend_nvml) == (250.0, None)
    assert "levers.json" in life.keeper.said


async def test_profile_that_allows_nothing_asks_the_card_nothing(
    pretend_nvml: Any, tmp_path: Path
) -> None:
    """Nobody's card is touched without consent."""
    life = Life(pretend_nvml, tmp_path, ThermalSettings())
    await life.feel(95, 30)
    await life.keeper.close()
    assert pretend_nvml.card()["calls"] == []
    assert json.loads((tmp_path / "nvml" / "card.json").read_text())["calls"] == []
