"""Sessions at work: foretell new images, learn from results, tell when one is off."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import structlog

from clemd.config import SessionSettings
from clemd.cutting import ENGINE as CUT_OUT
from clemd.messages import PredictionMessage, SessionMessage
from clemd.model import Frame, Registration, Verdict
from clemd.nesting import ENGINE as NESTED
from clemd.sessions import (
    Event,
    MapsDiffer,
    Noise,
    OnBoth,
    Predicted,
    Session,
    Sighting,
    StatedAxes,
    from_text,
    maps_differ,
    observed_from,
    observed_of,
    sighting_from,
    sighting_of,
    to_text,
)
from clemd.store import FrameRow, RegistrationRow, TransformRow

from ._house import House
from ._marks import Marks

REMEMBERED = 16
NUMERICAL = (ArithmeticError, ValueError, np.linalg.LinAlgError)
_log = structlog.get_logger(__name__)


class Learning:
    """The sessions of this daemon, each folded once and kept.

    All methods that change something must run inside a transaction of the store.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.profile.sessions
        self._noise = Noise(
            stage_um=settings.stage_sigma_um,
            drift_um_per_root_h=settings.drift_um_per_root_h,
        )
        self._stated = _stated(settings)
        self._enabled = settings.predict
        self._marks = Marks(house.store)
        self._sessions: OrderedDict[tuple[str, str], tuple[str, Session]] = (
            OrderedDict()
        )

    def foretold(self, em: FrameRow, lm: FrameRow) -> Predicted | str:
        """Where the session expects the image, or why it expects nothing."""
        if not self._enabled:
            return "predictions are switched off in the profile"
        sighting = _sighting(em)
        if sighting is None:
            return "the file states no stage position or no pixel size"
        try:
            session = self.session(em.session, lm.id)
            return session.predict(sighting, lm.frame.shape)
        except NUMERICAL as failed:  # metadata may say anything; the image goes on
            _log.warning("cannot_foretell", em=em.frame.path, reason=str(failed))
            return "the session's numbers cannot be used"

    def share_on(self, em: FrameRow, lm: FrameRow) -> float | None:
        """Share of the image that lies on the map, by the stage; None if unknown."""
        sighting = _sighting(em) if self._enabled else None
        if sighting is None:
            return None
        try:
            for name in dict.fromkeys((em.session, lm.session)):
                session = self.session(name, lm.id)
                share = session.share_on(sighting, lm.frame.shape)
                if share is not None:
                    return share
        except NUMERICAL:
            return None
        return None

    def announce(self, em: FrameRow, lm: FrameRow) -> bool:
        """Foretell the image to everyone; False where there is nothing to foretell."""
        found = self.foretold(em, lm)
        if isinstance(found, str):
            return False
        message = PredictionMessage(
            session=em.session,
            em_frame_id=em.id,
            lm_frame_id=lm.id,
            em_file=em.frame.path,
            lm_file=lm.frame.path,
            em_to_lm=[list(row) for row in found.em_to_lm],
            error_lm_px=asdict(found.error_lm_px),
            error_um=_in_um(found, lm.frame),
            epoch=found.epoch,
            pairs=found.pairs,
            reasons=found.reasons,
        )
        store = self._house.store
        store.keep_prediction(em.id, lm.id, message.model_dump_json())
        store.announce(message, session=em.session)
        return True

    def doubts(
        self, em: FrameRow, lm_frame_id: str, registration_id: str, found: Registration
    ) -> str:
        """What speaks against a result before it is published; empty if nothing."""
        sighting = _sighting(em)
        observed = observed_of(registration_id, found, em.frame.shape)
        if sighting is None or observed is None:
            return ""
        try:
            session = self.session(em.session, lm_frame_id)
            against = session.doubts(sighting, observed)
        except NUMERICAL:
            return ""
        return "" if against is None else against.reason

    def learn(self, row: RegistrationRow) -> str:
        """Fold a result that holds as accepted; what it contradicts, if anything."""
        store = self._house.store
        em = store.frame(row.em_frame_id)
        sighting = _sighting(em)
        observed = (
            observed_of(row.id, row.registration, em.frame.shape)
            if row.verdict is Verdict.ACCEPTED and row.decided_by == "engine"
            else _accepted_by_hand(row, em.frame)
        )
        if sighting is None or observed is None:
            return ""
        if row.registration.engine in {CUT_OUT, NESTED}:
            return ""  # they tell nothing that their parent has not told
        if store.speaks_already(em.session, row.lm_frame_id, row.em_frame_id):
            return ""
        try:
            before = self.session(em.session, row.lm_frame_id)
            folded = before.folded(sighting, observed)
            to_text(folded.session)
        except NUMERICAL as failed:
            _log.warning("cannot_learn", em=em.frame.path, reason=str(failed))
            return ""
        again = store.add_link(
            registration_id=row.id,
            session=em.session,
            lm_frame_id=row.lm_frame_id,
            sighting=json.dumps(asdict(sighting)),
            observed=json.dumps(asdict(observed)),
        )
        link = store.link(row.id)
        if again and link is not None:  # it has its old place in the order
            whole = self._added_up(em.session, row.lm_frame_id, before=link.seq)
            self._keep(em.session, row.lm_frame_id, whole)
            self._tell(
                em.session, row.lm_frame_id, "corrected", "taken back in", row.id
            )
            return ""
        self._keep(em.session, row.lm_frame_id, folded.session)
        if link is not None:
            self._marks.pass_by(link, folded.session)
        if folded.event is not Event.SHARPENED:
            event = folded.event.value
            self._tell(em.session, row.lm_frame_id, event, folded.reason, row.id)
        return folded.reason if folded.event is Event.RETIRED else ""

    def unlearn(self, row: RegistrationRow, why: str) -> None:
        """Take a result back and add up what is left."""
        store = self._house.store
        session = store.frame(row.em_frame_id).session
        link = store.link(row.id)
        if link is None or not store.take_back_link(row.id):
            return
        rest = self._added_up(session, row.lm_frame_id, before=link.seq)
        self._keep(session, row.lm_frame_id, rest)
        self._tell(session, row.lm_frame_id, "corrected", why, row.id)

    def compare_maps(self, row: RegistrationRow) -> str:
        """Tell what this result and earlier ones say differently of two maps."""
        if row.verdict is not Verdict.ACCEPTED:
            return ""
        store = self._house.store
        for other in store.registrations(em_frame_id=row.em_frame_id):
            if other.lm_frame_id == row.lm_frame_id or not _holds(other):
                continue
            for em_frame_id in store.frames_on_both(
                row.lm_frame_id, other.lm_frame_id, but=row.em_frame_id
            ):
                differ = self._differ(row, other, em_frame_id)
                if differ is not None:
                    self._contradict(row, differ.reason)
                    return differ.reason
        return ""

    def _differ(
        self, row: RegistrationRow, other: RegistrationRow, em_frame_id: str
    ) -> MapsDiffer | None:
        store = self._house.store
        earlier = {
            r.lm_frame_id: r
            for r in reversed(store.registrations(em_frame_id=em_frame_id))
            if _holds(r)
        }
        now = _on_both(store.frame(row.em_frame_id).frame, other, row)
        before = _on_both(
            store.frame(em_frame_id).frame,
            earlier[other.lm_frame_id],
            earlier[row.lm_frame_id],
        )
        try:
            return None if now is None or before is None else maps_differ(now, before)
        except NUMERICAL:
            return None

    def _contradict(self, row: RegistrationRow, reason: str) -> None:
        session = self._house.store.frame(row.em_frame_id).session
        self.session(session, row.lm_frame_id)
        self._tell(session, row.lm_frame_id, "contradicted", reason, row.id)

    def session(self, session: str, lm_frame_id: str) -> Session:
        """One session on one map, as of its last image."""
        key = (session, lm_frame_id)
        row = self._house.store.transform(session, lm_frame_id)
        text = "" if row is None else row.text
        known = self._sessions.get(key)
        if known is None or known[0] != text:  # or a transaction was rolled back
            self._sessions[key] = (text, self._recalled(row, session, lm_frame_id))
            while len(self._sessions) > REMEMBERED:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(key)
        return self._sessions[key][1]

    def _recalled(
        self, row: TransformRow | None, session: str, lm_frame_id: str
    ) -> Session:
        if row is None:
            return self._empty()
        try:
            return from_text(row.text)
        except (ValueError, KeyError, TypeError):  # of another version
            return self._added_up(session, lm_frame_id)

    def _empty(self) -> Session:
        return Session(noise=self._noise, stated=self._stated)

    def _added_up(self, session: str, lm_frame_id: str, *, before: int = 0) -> Session:
        """All images; up to the one at `before` as they were added up already."""
        mark = self._marks.before(session, lm_frame_id, before)
        whole = self._empty() if mark is None else mark.session
        after = 0 if mark is None else mark.seq
        for link in self._house.store.links(session, lm_frame_id, after_seq=after):
            whole = whole.folded(
                sighting_from(json.loads(link.sighting)),
                observed_from(json.loads(link.observed)),
            ).session
            self._marks.pass_by(link, whole)
        return whole

    def _keep(self, session: str, lm_frame_id: str, now: Session) -> None:
        text = to_text(now)
        self._sessions[session, lm_frame_id] = (text, now)
        self._house.store.keep_transform(
            session=session,
            lm_frame_id=lm_frame_id,
            epoch=0 if now.epoch is None else now.epoch.number,
            standing=now.standing.value,
            images=0 if now.epoch is None else now.epoch.estimate.images,
            text=text,
        )

    def _tell(
        self,
        session: str,
        lm_frame_id: str,
        event: str,
        reason: str,
        registration_id: str,
    ) -> None:
        _, now = self._sessions[session, lm_frame_id]
        epoch = 0 if now.epoch is None else now.epoch.number
        self._house.store.add_transform_event(
            session=session,
            lm_frame_id=lm_frame_id,
            epoch=epoch,
            event=event,
            reason=reason,
            registration_id=registration_id,
        )
        self._house.store.announce(
            SessionMessage.model_validate(
                {
                    "session": session,
                    "lm_frame_id": lm_frame_id,
                    "epoch": epoch,
                    "standing": now.standing.value,
                    "event": event,
                    "reason": reason,
                    "images": 0 if now.epoch is None else now.epoch.estimate.images,
                    "registration_id": registration_id,
                }
            ),
            session=session,
        )
        loud = event in {"retired", "contradicted"}
        say = _log.warning if loud else _log.info
        say("session_transform", session=session, event_=event, epoch=epoch, why=reason)


def _stated(settings: SessionSettings) -> StatedAxes | None:
    if settings.stage_to_image is None:
        return None
    (xx, xy), (yx, yy) = settings.stage_to_image
    return StatedAxes(
        stage_to_image=(xx, xy, yx, yy), confidence=settings.stage_to_image_confidence
    )


def _sighting(em: FrameRow) -> Sighting | None:
    came = datetime.fromisoformat(em.created_at)
    # an image cannot have been taken after it came: a clock is wrong
    taken = min(em.frame.acquired_at or came, came)
    return sighting_of(em.id, em.frame, at_s=taken.timestamp())


def _holds(row: RegistrationRow) -> bool:
    return row.verdict is Verdict.ACCEPTED and row.registration.em_to_lm is not None


def _on_both(em: Frame, one: RegistrationRow, other: RegistrationRow) -> OnBoth | None:
    found, again = one.registration, other.registration
    if found.em_to_lm is None or again.em_to_lm is None:
        return None
    if found.error_lm_px is None or again.error_lm_px is None:
        return None
    return OnBoth(
        name=PurePosixPath(em.path).name,
        shape=em.shape,
        on_one=found.em_to_lm,
        one_lm_px=found.error_lm_px.p95,
        on_other=again.em_to_lm,
        other_lm_px=again.error_lm_px.p95,
    )


def _accepted_by_hand(row: RegistrationRow, em: Frame) -> Any:
    """An operator's word for a result that the engine would not vouch for."""
    if row.verdict is not Verdict.ACCEPTED:
        return None
    from dataclasses import replace

    return observed_of(
        row.id, replace(row.registration, verdict=Verdict.ACCEPTED), em.shape
    )


def _in_um(found: Predicted, lm: Frame) -> dict[str, float] | None:
    if lm.pixel_size is None:
        return None
    size_um = math.sqrt(lm.pixel_size.x_um * lm.pixel_size.y_um)
    return {
        "p50": found.error_lm_px.p50 * size_um,
        "p95": found.error_lm_px.p95 * size_um,
    }
