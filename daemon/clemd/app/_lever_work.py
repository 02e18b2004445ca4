"""Sets levers on a device so that what was there before is never lost.

The note is on the disk before the device is touched, and goes when everything is back.
Everything here may block, and is called from one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from clemd.driver_api import Levers, LeverSensor, SensorDriver
from clemd.errors import LeverRefusedError, SensorLostError
from clemd.model import LeverState
from clemd.thermal import LeverStep

from ._lever_note import Before, LeverNote

_log = structlog.get_logger(__name__)


class LeverWork:
    """One device's levers and the note of what they were."""

    def __init__(self, levers: Levers, note: LeverNote) -> None:
        self._levers, self._note = levers, note
        self.found = LeverState(card="")
        """As it was before the first change."""
        self.holds = LeverStep()
        """What is set."""
        self.refusals: dict[str, str] = {}
        """Lever -> why it cannot be set."""

    def begin(self) -> LeverState:
        """Look what is there; what an earlier life has left is put back first.

        Raises:
            LeverRefusedError: it cannot be put back.
            SensorLostError: the device does not answer.
            UsageError: the note cannot be read.
        """
        found = self._levers.look()
        left = self._note.read()
        if left is not None and left.card == found.card:
            restore(self._levers, left, self._note)
            found = self._levers.look()
        self.found, self.holds = found, LeverStep()
        return found

    def set(self, wanted: LeverStep) -> None:
        """Set one step; the first one writes the note, the step of nothing removes it.

        Raises:
            LeverRefusedError: what was there cannot be put back.
            SensorLostError: the device does not answer.
            OSError: the note cannot be written; then nothing is changed.
        """
        wanted = self._possible(wanted)
        if wanted == self.holds:
            return
        if wanted == LeverStep():
            self.put_back()
            return
        self._note.write(self._before(wanted))
        try:
            self._set_power(wanted.power_limit_w)
            self._set_clocks(wanted.clocks_mhz)
        finally:
            if self.refusals:  # nothing is owed for what was never changed
                self._note_what_holds()

    def put_back(self) -> None:
        """As it was before the first change.

        Raises:
            LeverRefusedError: it does not let itself be put back; the note stays.
            SensorLostError: it does not answer; the note stays.
        """
        if self.holds == LeverStep():
            return
        restore(self._levers, self._before(self.holds), self._note)
        self.holds = LeverStep()

    def _possible(self, wanted: LeverStep) -> LeverStep:
        held = self.holds
        return LeverStep(
            power_limit_w=(
                held.power_limit_w
                if "power_limit_w" in self.refusals
                else wanted.power_limit_w
            ),
            clocks_mhz=(
                held.clocks_mhz
                if "lock_clocks_mhz" in self.refusals
                else wanted.clocks_mhz
            ),
        )

    def _before(self, step: LeverStep) -> Before:
        is_lowered = step.power_limit_w is not None
        return Before(
            card=self.found.card,
            power_limit_w=self.found.power_limit_w if is_lowered else None,
            clocks_locked=step.clocks_mhz is not None,
        )

    def _note_what_holds(self) -> None:
        if self.holds == LeverStep():
            self._note.remove()
        else:
            self._note.write(self._before(self.holds))

    def _set_power(self, watts: float | None) -> None:
        if watts is None or watts == self.holds.power_limit_w:
            return
        try:
            self._levers.set_power_limit(watts)
        except LeverRefusedError as refused:
            self._refuse("power_limit_w", refused)
        else:
            self.holds = LeverStep(
                power_limit_w=watts, clocks_mhz=self.holds.clocks_mhz
            )

    def _set_clocks(self, clocks_mhz: tuple[int, int] | None) -> None:
        if clocks_mhz is None or clocks_mhz == self.holds.clocks_mhz:
            return
        try:
            self._levers.lock_clocks(*clocks_mhz)
        except LeverRefusedError as refused:
            self._refuse("lock_clocks_mhz", refused)
        else:
            self.holds = LeverStep(
                power_limit_w=self.holds.power_limit_w, clocks_mhz=clocks_mhz
            )

    def _refuse(self, lever: str, refused: LeverRefusedError) -> None:
        said = f"{refused}: take thermal.{lever} out of the profile, or run as root"
        self.refusals[lever] = said
        _log.warning("lever_refused", lever=lever, reason=said)


def restore(levers: Levers, before: Before, note: LeverNote) -> None:
    """Put back what a note says, and remove it; each lever is tried.

    Raises:
        LeverRefusedError: one is refused; the note stays.
        SensorLostError: the device does not answer; the note stays.
    """
    refusals: list[str] = []
    if before.power_limit_w is not None:
        try:
            levers.set_power_limit(before.power_limit_w)
        except LeverRefusedError as refused:
            refusals.append(str(refused))
    if before.clocks_locked:
        try:
            levers.free_clocks()
        except LeverRefusedError as refused:
            refusals.append(str(refused))
    if refusals:
        raise LeverRefusedError(
            f"{before.in_words()} cannot be put back ({'; '.join(refusals)}): "
            f"as root: {before.by_hand()}"
        )
    note.remove()
    _log.info("levers_put_back", card=before.card, what=before.in_words())


def restore_leftover(drivers: Iterable[SensorDriver], note: LeverNote) -> str:
    """What a daemon that was killed has left is put back; else why it could not be.

    Raises:
        UsageError: the note cannot be read.
    """
    before = note.read()
    if before is None:
        return ""
    for driver in drivers:
        for sensor in driver.discover():
            try:
                if isinstance(sensor, LeverSensor):
                    levers = sensor.levers()
                    if levers.look().card == before.card:
                        restore(levers, before, note)
                        return ""
            except (SensorLostError, LeverRefusedError) as failed:
                return str(failed)
            finally:
                sensor.close()
    return (
        f"{before.in_words()} of {before.card} cannot be put back, the card is not "
        f"there: when it is: {before.by_hand()}"
    )
