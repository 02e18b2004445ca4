"""What an operator or a program may ask the running daemon to do."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from clemd.clicked import fit_points, points_of
from clemd.errors import UsageError
from clemd.model import MOST_SPECTRUM_RADIUS_PX, Verdict, display_name
from clemd.sessions import Session, Target, next_image, target
from clemd.store import NoSuchRecordError

from ._finding import find_frame
from ._heat import HeatWatch
from ._house import House
from ._known import SESSION_KEY
from ._learning import Learning
from ._looks import Looks
from ._matching import Matching
from ._overruling import Overruling
from ._urgency import AGAIN, FIRST
from ._views import Views

MOST_PX = 1e9
"""No image is wider; numbers of any length come over the bus."""


class Commands:
    """Verbs of the page and the bus; each is checked, kept and announced."""

    def __init__(
        self,
        house: House,
        matching: Matching,
        views: Views,
        learning: Learning,
        heat: HeatWatch,
        looks: Looks,
    ) -> None:
        self._house = house
        self._heat = heat
        self._looks = looks
        self._learning = learning
        self._matching = matching
        self._overruling = Overruling(house, learning, matching)
        self._views = views
        self.verbs: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "accept": self._accept,
            "reject": self._reject,
            "undo": self._undo,
            "pair": self._pair,
            "unpair": self._unpair,
            "place": self._place,
            "session": self._session,
            "retry": self._retry,
            "target": self._target,
            "first": self._first,
            "thermal": self._thermal,
            "spots": self._spots,
            "spectrum": self._spectrum,
            "advise": self._advise,
        }

    async def __call__(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command.

        Raises:
            UsageError: unknown verb, missing or wrong argument.
        """
        if verb not in self.verbs:
            raise UsageError(
                f"unknown command {verb!r}", "", f"use one of {', '.join(self.verbs)}"
            )
        try:
            return await self.verbs[verb](arguments)
        except NoSuchRecordError as missing:
            raise UsageError(str(missing), verb, "check the id") from missing

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._views.health() | {"heat": self._heat.now()}

    async def _accept(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._overrule(arguments, Verdict.ACCEPTED)

    async def _reject(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._overrule(arguments, Verdict.REJECTED)

    async def _undo(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._overrule(arguments, None)

    def _overrule(
        self, arguments: dict[str, Any], verdict: Verdict | None
    ) -> dict[str, Any]:
        store = self._house.store
        row = store.registration(_text(arguments, "registration_id"))
        if verdict is Verdict.ACCEPTED and row.registration.em_to_lm is None:
            raise UsageError(
                "a rejected result has no matrix to accept",
                row.id,
                "retry the pair",
            )
        by = "engine" if verdict is None else "operator"
        with store.transaction():
            changed = store.overrule(
                row.id,
                verdict or row.registration.verdict,
                by=by,
                reason=_reason(arguments),
            )
            if changed.verdict is Verdict.ACCEPTED:
                self._learning.learn(changed)
                self._learning.compare_maps(changed)
            else:
                self._learning.unlearn(changed, f"{by} says: {changed.verdict.value}")
            self._matching.consider(row.em_frame_id)
            for other in store.registrations(em_frame_id=row.em_frame_id):
                store.announce(
                    store.registration_message(other.id), session=row.session
                )
        self._house.committed()
        return {"registration_id": row.id, "verdict": changed.verdict.value}

    async def _pair(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Put an image on a map; with `belongs` false, keep it off that map."""
        em, lm = self._frames(arguments)
        belongs = arguments.get("belongs", True)
        if type(belongs) is not bool:
            raise UsageError("belongs is not true or false", repr(belongs), "leave out")
        with self._house.store.transaction():
            if belongs:
                pair_id, job_id = self._overruling.choose(em, lm)
                answer: dict[str, Any] = {"pair_id": pair_id, "job_id": job_id}
            else:
                answer = {"pair_id": self._overruling.forbid(em, lm)}
        self._house.committed()
        return answer

    async def _place(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Lay an image on a map over points that the operator clicked in both."""
        em, lm = self._frames(arguments)
        store = self._house.store
        points = points_of(arguments.get("points"))
        fit_points(points, store.frame(em).frame.shape, store.frame(lm).frame.shape)
        known = [p for p in store.pairs(em_frame_id=em) if p.lm_frame_id == lm]
        with store.transaction():
            if known and known[0].state != "overruled":
                pair_id = known[0].id
            else:
                pair_id, _ = self._overruling.choose(em, lm)
            job_id = self._matching.enqueue_placing(pair_id, points)
        self._house.committed()
        return {
            "pair_id": pair_id,
            "job_id": job_id,
            "message": f"laid over {len(points)} points; the pixels are being asked",
        }

    async def _unpair(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take back what a person said about an image: the rules hold again."""
        em = find_frame(self._house.store, _text(arguments, "em_frame_id"), "em")
        with self._house.store.transaction():
            self._overruling.release(em)
            newest = self._house.store.decisions(em)[0]
        self._house.committed()
        return {"em_frame_id": em, "state": newest.state}

    async def _session(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """From now on every file belongs to this session; null ends that."""
        name = arguments.get("name")
        if name is not None and not (
            isinstance(name, str) and name.strip() and name.isprintable()
        ):
            raise UsageError("name is not a name", repr(name), "give text, or null")
        name = None if name is None else name.strip()[:200]
        store = self._house.store
        before = store.meta(SESSION_KEY)
        with store.transaction():
            if before is not None and before != name:
                store.set_session_state(before, "closed")
            if name is not None:
                store.note_session(name)
                store.set_session_state(name, "open")
            store.keep_meta(SESSION_KEY, name)
        return {"session": name, "before": before}

    def _frames(self, arguments: dict[str, Any]) -> tuple[str, str]:
        store = self._house.store
        em = find_frame(store, _text(arguments, "em_frame_id"), "em")
        lm = find_frame(store, _text(arguments, "lm_frame_id"), "lm")
        return em, lm

    async def _retry(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if "registration_id" in arguments:
            return self._again(_text(arguments, "registration_id"))
        job_id = arguments.get("job_id")
        if type(job_id) is not int or not 0 < job_id < 1 << 62:
            raise UsageError("retry needs a job_id", repr(job_id), "give a number")
        if not self._house.queue.retry(job_id, again_priority=AGAIN):
            raise UsageError("no such job, or it is running", str(job_id), "wait")
        self._house.committed()
        return {"job_id": job_id}

    def _again(self, registration_id: str) -> dict[str, Any]:
        """Register the pair of a result once more: its session may know more by now."""
        row = self._house.store.registration(registration_id)
        with self._house.store.transaction():
            job_id = self._matching.enqueue_again(row.pair_id)
        self._house.committed()
        return {"job_id": job_id, "message": "registered again; the result will follow"}

    async def _first(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The EM image that the operator looks at goes before the others."""
        em = self._house.store.frame(_text(arguments, "em_frame_id"))
        pairs = self._house.store.pairs(em_frame_id=em.id)
        keys = [self._matching.key_of(pair.id) for pair in pairs]
        changed = self._house.queue.prioritise(keys, FIRST) if keys else 0
        self._house.committed()
        return {"em_frame_id": em.id, "jobs": changed}

    async def _thermal(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The operator's word about heat, for a while."""
        wish, seconds = _text(arguments, "wish"), arguments.get("seconds", 900)
        if type(seconds) not in {int, float} or not math.isfinite(seconds):
            raise UsageError("seconds is not a number", repr(seconds), "give seconds")
        asked = self._house.guard.override(wish, seconds=float(seconds))
        self._heat.tell()
        self._house.committed()
        said = "heat decides again" if asked is None else self._heat.reason()
        return {"wish": wish, "seconds": seconds if asked else 0, "message": said}

    async def _target(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Where the stage has to go so that an LM point is in the middle."""
        session = _text(arguments, "session")
        lm = self._house.store.frame(_text(arguments, "lm_frame_id"))
        point = _lm_point(arguments.get("lm_px"))
        return _driven(target(self._learning.session(session, lm.id), point))

    async def _spots(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Bright spots of a map, strongest first, with their stage positions."""
        lm = self._house.store.frame(_text(arguments, "lm_frame_id"))
        channel, most = arguments.get("channel"), arguments.get("most", 200)
        count = len(lm.frame.channels)
        if channel is not None and (
            type(channel) is not int or not 0 <= channel < count
        ):
            raise UsageError("no such channel", repr(channel), f"use 0 to {count - 1}")
        if type(most) is not int or not 0 < most <= 10_000:
            raise UsageError("most is not a number", repr(most), "use 1 to 10000")
        found = await self._looks.spots(lm, channel=channel, most=most)
        session = self._learning.session(lm.session, lm.id)
        for one in found["targets"]:
            one |= _driven_if_known(session, one["lm_px"])
        return {"lm_frame_id": lm.id, **found}

    async def _spectrum(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What a cube shows at a px; of either side."""
        row = self._house.store.frame(_text(arguments, "frame_id"))
        x, y = _lm_point(arguments.get("px"), "px")
        radius = arguments.get("radius_px", 2)
        if type(radius) is not int or not 0 <= radius <= MOST_SPECTRUM_RADIUS_PX:
            raise UsageError(
                "radius_px is not a number",
                repr(radius),
                f"use 0 to {MOST_SPECTRUM_RADIUS_PX}",
            )
        width, height = row.frame.shape[1], row.frame.shape[0] - row.frame.info_bar_rows
        if not row.frame.is_cube:
            raise UsageError(
                "no spectrum in its points", row.id, "choose a cube or an energy series"
            )
        if not (0 <= round(x) < width and 0 <= round(y) < height):
            raise UsageError(
                "px is off the image", f"{x:g}, {y:g}", f"it is {width} x {height} px"
            )
        found = await self._looks.spectrum(row, px=(x, y), radius_px=radius)
        return {"schema": "clemd.spectrum/1", "frame_id": row.id, "px": [x, y], **found}

    async def _advise(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Where one more EM image would shrink the error at open targets most."""
        session = _text(arguments, "session")
        lm = self._house.store.frame(_text(arguments, "lm_frame_id"))
        given = arguments.get("lm_px")
        if not isinstance(given, list) or not 0 < len(given) <= 1000:
            raise UsageError("no open targets", "lm_px", "give [[x, y], ...] in px")
        place, drive = next_image(
            self._learning.session(session, lm.id),
            [_lm_point(point) for point in given],
            lm.frame.shape,
        )
        return {"lm_px": list(place)} | _driven(drive)


def _lm_point(point: Any, name: str = "lm_px") -> tuple[float, float]:
    if not isinstance(point, list) or len(point) != 2 or not all(map(_is_px, point)):
        raise UsageError(
            f"{name} is not a point", repr(point)[:80], "give [x, y] in px"
        )
    return float(point[0]), float(point[1])


def _is_px(value: Any) -> bool:
    # JSON knows whole numbers of any length
    return type(value) in {int, float} and abs(value) <= MOST_PX


def _driven(found: Target) -> dict[str, Any]:
    return {
        "stage_um": list(found.stage_um),
        "radius_um": asdict(found.radius_um),
        "field_um": found.field_um,
    }


def _driven_if_known(session: Session, lm_px: list[float]) -> dict[str, Any]:
    try:
        return _driven(target(session, (lm_px[0], lm_px[1])))
    except UsageError:
        return {"stage_um": None, "radius_um": None, "field_um": None}


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise UsageError(f"{name} is missing", repr(value), "give the id as text")
    return value


def _reason(arguments: dict[str, Any]) -> str:
    """The operator's words, made fit for one line."""
    said = str(arguments.get("reason", ""))[:200]
    return display_name(said.encode("utf-8", "backslashreplace"))
