"""One session on one LM map: trusted, doubted, begun anew.

                 first registered image
        ┌───────┐ ───────────────────► ┌─────────┐ ◄───────────┐
        │ empty │                      │ trusted │             │ the next image agrees
        └───────┘                      └─────────┘ ──┐         │ with the new epoch, or
                                         │  an image │         │ with the old one (then
                 settings changed, as    │  is not   ▼         │ the odd image stands
                 the microscope says:    │  where  ┌─────────┐ │ alone and is named)
                 next epoch, or the one  │  it     │ doubted │─┘
                 with those settings ◄───┘  should └─────────┘ ◄┐
                                            be           └──────┘ neither: again a
                                                                  new epoch

A contradiction is never averaged away: the old transform is retired at once, with its
reason, and a new epoch begins from the image that disagreed. Which of the two was odd,
only another image can tell; until then nothing is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from clemd.geometry import as_rows

from ._axes import Axes, StatedAxes, hypotheses
from ._estimate import Estimate, Noise
from ._facts import Observed, Predicted, Sighting
from ._gate import Change, Contradiction, contradiction, settings_changed

PARKED = 8
"""Epochs of other microscope settings that can be returned to."""
SILENT_FOR = 8
"""Images after which a stage that says nothing is asked anew."""
USEFUL_RADIUS = 0.25
"""A prediction whose error may be a larger share of the field helps nobody."""
SHARE_ON_MAP = 0.5
"""Of the image, on the map, or it belongs to another one."""
SEEN = 4
"""Images that decide about the stage's axes; before, a contradiction counts against
what is stated of them."""
GRID = 9
"""Points of the image, each way, that are asked whether they lie on a map."""


class Standing(StrEnum):
    """May the session transform be used?"""

    EMPTY = "empty"
    TRUSTED = "trusted"
    DOUBTED = "doubted"


class Event(StrEnum):
    """What folding an image led to."""

    BEGUN = "begun"
    SHARPENED = "sharpened"
    RETIRED = "retired"
    CONFIRMED = "confirmed"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A time in which nothing was changed: one estimate."""

    number: int
    estimate: Estimate
    last: Sighting
    reason: str
    """Why it began."""
    worst_lm_px: float = 0.0
    """Largest distance of an image from where it had been expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The session after an image, and what there is to tell."""

    session: Session
    event: Event
    reason: str
    """In words; empty where nothing happened that anyone must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The transform of one session on one LM map; a value, replaced by each image."""

    noise: Noise = field(default_factory=Noise)
    stated: StatedAxes | None = None
    """What the profile says of the stage's axes: believed until an image is seen."""
    epoch: Epoch | None = None
    former: Epoch | None = None
    """Retired by one image only; it may yet prove right."""
    parked: tuple[Epoch, ...] = ()
    """Of other settings of the microscope, newest last."""
    numbered: int = 0

    @property
    def standing(self) -> Standing:
        """Empty, trusted or doubted."""
        if self.epoch is None:
            return Standing.EMPTY
        return Standing.TRUSTED if self.former is None else Standing.DOUBTED

    def predict(self, sighting: Sighting, lm_shape: tuple[int, int]) -> Predicted | str:
        """Where the image lies on the map; or, in words, why nothing is foretold."""
        if self.epoch is None:
            return "no image of this session is registered"
        epoch = self._epoch_for(sighting)
        if epoch is None:
            changed = settings_changed(sighting, self.epoch.last)
            return changed or "no image with these settings is registered"
        if self.former is not None:
            return f"the session transform is in doubt: {self.epoch.reason}"
        if not epoch.estimate.speaks:
            return "the stage's positions say nothing about where images lie"
        expected = epoch.estimate.expected(sighting)
        radius = epoch.estimate.radius_lm_px(sighting)
        width_lm_px = (
            max(sighting.shape) * sighting.pixel_um[0] * epoch.estimate.lm_px_per_um
        )
        if not radius.p95 <= USEFUL_RADIUS * min(width_lm_px, max(lm_shape)):
            return (
                f"the stage says where it lies only to {radius.p95:.0f} LM px "
                f"({100 * radius.p95 / width_lm_px:.0f} % of the field)"
            )
        x, y = expected.values[:2]
        if not (0 <= x < lm_shape[1] and 0 <= y < lm_shape[0]):
            return "the stage says that it lies beside this map"
        pairs = epoch.estimate.images
        return Predicted(
            em_to_lm=as_rows(expected.matrix),
            error_lm_px=radius,
            epoch=epoch.number,
            pairs=pairs,
            reasons=(
                f"from the stage, by {pairs} registered image{'s' * (pairs > 1)} of "
                f"this session (epoch {epoch.number}); not yet checked against the "
                "pixels",
            ),
        )

    def share_on(self, sighting: Sighting, lm_shape: tuple[int, int]) -> float | None:
        """Share of the image that lies on the map, by the stage; None if unknown."""
        epoch = self._epoch_for(sighting)
        if epoch is None or self.former is not None or not epoch.estimate.speaks:
            return None
        expected = epoch.estimate.expected(sighting)
        if not epoch.estimate.radius_lm_px(sighting).p95 <= max(lm_shape) / 4:
            return None
        height, width = sighting.shape
        across, down = np.meshgrid(
            np.linspace(0, width - 1, GRID), np.linspace(0, height - 1, GRID)
        )
        x, y, depth = expected.matrix @ np.stack(
            [across.ravel(), down.ravel(), np.ones(across.size)]
        )
        x, y = x / depth, y / depth
        on = (x >= 0) & (x < lm_shape[1]) & (y >= 0) & (y < lm_shape[0])
        return float(on.mean())

    def doubts(self, sighting: Sighting, observed: Observed) -> Contradiction | None:
        """Test a result before it is published; None where nothing speaks against."""
        epoch = self._epoch_for(sighting)
        if epoch is None:
            return None
        return contradiction(epoch.estimate, sighting, observed.placement(sighting))

    def folded(self, sighting: Sighting, observed: Observed) -> Folded:
        """With one more accepted image."""
        if self.epoch is None:
            begun = self._begin(sighting, observed, "the first registered image", None)
            return Folded(session=begun, event=Event.BEGUN, reason="")
        changed = settings_changed(sighting, self.epoch.last)
        if changed is not None:
            return self._resettled(self.epoch, sighting, observed, changed)
        seen = observed.placement(sighting)
        against = contradiction(self.epoch.estimate, sighting, seen)
        if against is None:
            return self._agreed(self.epoch, sighting, observed)
        if self.former is not None:
            was = contradiction(self.former.estimate, sighting, seen)
            if was is None:
                return self._resumed(self.former, self.epoch, sighting, observed)
        retired = self._begin(sighting, observed, against.reason, against)
        former = self.former or self.epoch
        return Folded(
            session=replace(retired, former=former),
            event=Event.RETIRED,
            reason=against.reason,
        )

    def _epoch_for(self, sighting: Sighting) -> Epoch | None:
        """The epoch with this image's settings."""
        known = [self.epoch, *reversed(self.parked)]
        return next(
            (e for e in known if e and settings_changed(sighting, e.last) is None), None
        )

    def _agreed(self, now: Epoch, sighting: Sighting, observed: Observed) -> Folded:
        confirmed = self.former is not None
        epoch = _sharpened(now, sighting, observed)
        return Folded(
            session=replace(self, epoch=epoch, former=None),
            event=Event.CONFIRMED if confirmed else Event.SHARPENED,
            reason="a second image agrees with the new epoch" if confirmed else "",
        )

    def _resumed(
        self, former: Epoch, odd: Epoch, sighting: Sighting, observed: Observed
    ) -> Folded:
        return Folded(
            session=replace(
                self, epoch=_sharpened(former, sighting, observed), former=None
            ),
            event=Event.RESUMED,
            reason=f"frame {odd.last.frame_id} stands alone ({odd.reason}): look at "
            "it again",
        )

    def _resettled(
        self, now: Epoch, sighting: Sighting, observed: Observed, changed: str
    ) -> Folded:
        """The microscope says that it was set otherwise."""
        back = self._epoch_for(sighting)
        # an epoch in doubt is not one to come back to
        trusted = () if self.former is not None else (now,)
        others = tuple(e for e in (*self.parked, *trusted) if e is not back)[-PARKED:]
        seen = observed.placement(sighting)
        if back is not None and not contradiction(back.estimate, sighting, seen):
            session = replace(
                self,
                epoch=_sharpened(back, sighting, observed),
                former=None,
                parked=others,
            )
            if sighting.microscope != now.last.microscope:  # they take turns: no news
                return Folded(session=session, event=Event.SHARPENED, reason="")
            reason = f"{changed}: epoch {back.number} goes on"
            return Folded(session=session, event=Event.RESUMED, reason=reason)
        begun = self._begin(sighting, observed, changed, None)
        return Folded(
            session=replace(begun, former=None, parked=others),
            event=Event.RETIRED,
            reason=changed,
        )

    def _begin(
        self,
        sighting: Sighting,
        observed: Observed,
        reason: str,
        against: Contradiction | None,
    ) -> Session:
        """A new epoch; keeps of the old one what the contradiction does not touch."""
        seen = observed.placement(sighting)
        old = None if self.epoch is None else self.epoch.estimate
        if old is None:
            estimate = Estimate.begun(
                sighting, seen, self.noise, axes=self._first_axes(sighting)
            )
        elif against and (against.change is Change.MIRRORED or self._is_hearsay(old)):
            estimate = Estimate.begun(sighting, seen, self.noise)
        elif against and against.change is Change.SHIFTED:
            estimate = old.loosened(sighting, seen)
        else:
            estimate = Estimate.begun(
                sighting,
                seen,
                self.noise,
                axes=old.axes,
                weights=old.weights,
                learned=old.learned,
            )
        number = self.numbered + 1
        epoch = Epoch(number=number, estimate=estimate, last=sighting, reason=reason)
        return replace(self, epoch=epoch, numbered=number)

    def _is_hearsay(self, old: Estimate) -> bool:
        """Do the axes rest on what the profile says more than on images?"""
        return self.stated is not None and old.images < SEEN

    def _first_axes(self, sighting: Sighting) -> tuple[Axes, ...]:
        # a turned scan turns the axes, by an angle whose sign is the vendor's
        is_turned = sighting.scan_rotation_deg != 0
        return tuple(hypotheses(None if is_turned else self.stated))


def _sharpened(epoch: Epoch, sighting: Sighting, observed: Observed) -> Epoch:
    seen = observed.placement(sighting)
    estimate = epoch.estimate
    off = seen.values[:2] - estimate.expected(sighting).values[:2]
    if not estimate.speaks and estimate.images >= SILENT_FOR:
        # what was learned of a stage that says nothing is nothing: ask it again
        fresh = Estimate.begun(sighting, seen, estimate.noise)
        return replace(epoch, estimate=fresh, last=sighting)
    return replace(
        epoch,
        estimate=estimate.folded(sighting, seen),
        last=sighting,
        worst_lm_px=max(epoch.worst_lm_px, float((off @ off) ** 0.5)),
    )
