"""Give pairs to a worker, keep what it finds, tell everyone."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import structlog

from clemd.config import RegistrationSettings
from clemd.errors import ClemdError, LeaseLostError
from clemd.jobs import (
    Executor,
    JobRow,
    Lease,
    WorkerDiskFullError,
    WorkerFailedError,
    WorkerLostError,
    WorkerStoppedError,
    WorkerWrongError,
)
from clemd.messages import PairMessage
from clemd.model import (
    Frame,
    Registration,
    ThermalState,
    Verdict,
    from_json,
    to_dict,
)
from clemd.sessions import states_place
from clemd.store import (
    DiskFullError,
    FrameRow,
    PairRow,
    RegistrationRow,
    StoreBusyError,
    StoreDamagedError,
)
from clemd.thermal import Admission, Priority, ThermalDecision

from ._holding import Holding, run_in_turn
from ._house import House
from ._kinds import EXPORT, ON_DEVICE, REGISTER, SECOND
from ._lasting import in_words, say_once
from ._learning import Learning
from ._matching import Matching
from ._overruling import Overruling
from ._planes import ensure_planes
from ._seconding import Seconding
from ._turn import Turn
from ._urgency import LATER, NEW

RETRY_S = 2.0
FULL_WAIT_S = 5.0
EXPORT_LIMIT_S = 900.0
MOST_PARENTS = 12
"""Newest placed images that a new one is held against, pixel for pixel."""
MOST_HOSTS = 4
"""Newest placed images in which one without a stage position is looked for."""
MOST_LOOKED_AT = 40
"""Newest results of a session among which those are chosen."""
_log = structlog.get_logger(__name__)


class Registrar:
    """Serves the jobs that need a worker.

    First registrations, then the files of results, then what looks again: second
    engines and re-runs.
    """

    def __init__(
        self,
        house: House,
        executor: Executor,
        learning: Learning,
        matching: Matching,
        *,
        request: dict[str, Any],
    ) -> None:
        self._house = house
        self._learning = learning
        self._matching = matching
        self._overruling = Overruling(house, learning, matching)
        self._executor = executor
        self._request = request
        self._hold = Holding(house)
        self._seconding = Seconding(house, self._hold, request=request)
        self._running: Lease | None = None
        self._owed: Lease | None = None
        """The job that is being served, until its end is kept."""

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._owed is not None:
            self._give_back(self._owed)
        while True:
            self._house.heartbeats.beat("registrar")
            job = self._house.queue.peek(ON_DEVICE)
            self._house.troubles.pop("registrar", None)
            if job is not None and job.priority < NEW and await self._serve_file():
                continue
            if self._house.guard.is_known:
                if job is not None and await self._start(job):
                    continue
                if job is None and await self._prove_idle():
                    continue
            if not await self._serve_file():
                await self._house.wait_for_work(1.0)

    def _give_back(self, lease: Lease) -> None:
        """What a full disk kept us from finishing is done again; no try is lost."""
        with suppress(LeaseLostError):
            self._house.queue.defer(lease, "interrupted", delay_s=FULL_WAIT_S)
        self._owed = None

    async def _start(self, job: JobRow) -> bool:
        """Serve the most urgent job, unless heat puts it off."""
        if job.kind == SECOND and self._hold.is_expecting():
            return False
        decision = self._house.guard.decide(job)
        if decision.admission is Admission.DEFER:
            self._hold.put_off(job, decision)
            return False
        if decision.may_start and self._house.guard.owes_proof():
            await self._hold.prove(self._executor, beat=self._beat)
            return True
        lease = self._house.queue.claim(ON_DEVICE)
        if lease is None:
            return False
        await self._serve(lease, decision)
        return True

    async def _prove_idle(self) -> bool:
        """Ask for the known answer while nobody waits for anything."""
        guard = self._house.guard
        if not guard.owes_proof():
            return False
        if not guard.decide_for(Priority.AGAIN, waited_s=0.0).may_start:
            return False
        await self._hold.prove(self._executor, beat=self._beat)
        return True

    async def _serve_file(self) -> bool:
        """Serve the next job that only writes files, if there is one."""
        guard = self._house.guard
        if guard.is_on_cpu and guard.governor.acting is ThermalState.HOT:
            return False
        lease = self._house.queue.claim([EXPORT])
        if lease is None:
            return False
        await self._serve(lease)
        return True

    async def _serve(
        self, lease: Lease, decision: ThermalDecision | None = None
    ) -> None:
        self._running = self._owed = lease
        try:
            if decision is None:
                await self._export(lease)
            elif lease.kind == SECOND:
                await self._ask_second(lease, decision)
            else:
                await self._register(lease, decision)
        except LeaseLostError as lost:
            _log.warning("lease_lost", job=lease.job_id, reason=str(lost))
        except (DiskFullError, StoreBusyError, StoreDamagedError):
            raise
        except WorkerDiskFullError as full:
            self._put_off(lease, str(full))
        except WorkerStoppedError as stopped:
            self._hold.put_back(lease, str(stopped))
        except WorkerWrongError as wrong:
            self._distrust(lease, str(wrong))
        except (WorkerLostError, WorkerFailedError) as failed:
            self._house.guard.trust.doubt()
            self._fail(lease, str(failed))
        except ClemdError as failed:
            self._fail(lease, str(failed))
        except Exception as failed:  # noqa: BLE001 - this job's trouble, not ours
            if lease.attempt == 1:
                say_once(f"registrar, job {lease.job_id} ({lease.kind})", failed)
            self._fail(lease, f"a defect of clemd: {in_words(failed)}")
        finally:
            self._running = None
        self._owed = None

    def _distrust(self, lease: Lease, reason: str) -> None:
        """The result is withheld, and the job repeated where it can be believed."""
        if self._house.guard.is_on_cpu:
            self._fail(lease, reason)
            return
        self._hold.ban(reason, "wrong")
        self._hold.put_back(lease, f"repeated on the CPU: {reason}")

    def _beat(self, _stage: str) -> None:
        """The worker breathes: the lease goes on, the watchdog sees progress."""
        self._house.heartbeats.beat("registrar")
        if self._running is not None:
            self._house.queue.extend(self._running)

    async def _register(self, lease: Lease, decision: ThermalDecision) -> None:
        house = self._house
        pair = house.store.pair(lease.payload["pair_id"])
        if pair.state == "overruled":  # while it waited for its turn
            house.queue.finish(lease)
            house.committed()
            return
        em, lm = (
            house.store.frame(pair.em_frame_id),
            house.store.frame(pair.lm_frame_id),
        )
        for row in (em, lm):
            await ensure_planes(house, row)
        registration_id = str(uuid5(NAMESPACE_URL, f"{pair.id}:{lease.key}"))
        folder = self._folder(em.session, registration_id)
        turn = self._hold.turn(lease, decision, beat=lambda: self._beat(""))
        self._announce_start(lease, pair, em.session, decision)
        # asked now, not when the file came: meanwhile the session may have learned
        foretold = self._learning.foretold(em, lm)
        expected = None if isinstance(foretold, str) else foretold.em_to_lm
        request = self._request | {"expected": expected}
        if not turn.is_guarded:
            request["device"] = "cpu"
        task = (
            self._task("register", em, lm, folder, registration_id)
            | {"request": request}
            | self._earlier(em, lm)
        )
        if "points" in lease.payload:
            task["points"] = lease.payload["points"]
        limit_s = house.profile.registration.time_limit_s
        found, answer = await self._worked(lease, turn, task, em, limit_s)
        outputs = self._relative(folder, answer["outputs"])
        self._keep(lease, pair, found, registration_id, outputs, em)

    async def _ask_second(self, lease: Lease, decision: ThermalDecision) -> None:
        """Another engine's word about a result in doubt."""
        house = self._house
        row = house.store.registration(lease.payload["registration_id"])
        if not self._seconding.is_wanted(row):
            with house.store.transaction():
                house.queue.finish(lease)
                self._hold.announce(lease, "done")
            house.committed()
            return
        em, lm = house.store.frame(row.em_frame_id), house.store.frame(row.lm_frame_id)
        for frame in (em, lm):
            await ensure_planes(house, frame)
        turn = self._hold.turn(
            lease, decision, beat=lambda: self._beat(""), gives_way=True
        )
        with house.store.transaction():
            self._hold.announce(lease, "leased", self._hold.reason_of(decision))
        house.committed()
        request = self._seconding.request(lease, row)
        if not turn.is_guarded:
            request["device"] = "cpu"
        folder = self._folder(em.session, row.id)
        task = self._task("second", em, lm, folder, row.id) | {"request": request}
        limit_s = self._seconding.limit_s
        found, _ = await self._worked(lease, turn, task, em, limit_s)
        self._seconding.keep(lease, row, em, found)

    async def _worked(
        self,
        lease: Lease,
        turn: Turn,
        task: dict[str, Any],
        em: FrameRow,
        limit_s: float,
    ) -> tuple[Registration, dict[str, Any]]:
        """A worker's registration, with what heat did meanwhile; the whole answer."""
        with self._hold.spending(turn, lease, subject=em.frame.path) as spent:
            answer = await run_in_turn(
                self._executor, task, turn, limit_s=limit_s, beat=self._beat
            )
            spent.outcome = "done"
        found = replace(
            from_json(Registration, json.dumps(answer["registration"])),
            highest_temperature_c=spent.highest_c,
            throttled_s=round(spent.throttled_s, 2),
        )
        return found, answer

    def _placed_on(self, em: FrameRow, lm: FrameRow) -> list[RegistrationRow]:
        """The newest images of the session that are accepted on this map."""
        rows = self._house.store.registrations(
            session=em.session, best_only=True, limit=MOST_LOOKED_AT
        )
        return [
            row
            for row in rows
            if row.lm_frame_id == lm.id
            and row.verdict is Verdict.ACCEPTED
            and row.em_frame_id != em.id
        ]

    def _earlier(self, em: FrameRow, lm: FrameRow) -> dict[str, list[dict[str, Any]]]:
        """Images that `em` may be cut out of, pixel for pixel, or lie inside of."""
        height, width = em.frame.shape
        parents, hosts = [], []
        for row in self._placed_on(em, lm):
            frame = self._house.store.frame(row.em_frame_id).frame
            given = self._image(frame) | {
                "registration": to_dict(row.registration),
                "registration_id": row.id,
            }
            is_larger = frame.shape[0] >= height and frame.shape[1] >= width
            if is_larger and frame.dtype == em.frame.dtype:
                parents.append(given)
            if not states_place(em.frame):
                hosts.append(given)
        return {"parents": parents[:MOST_PARENTS], "hosts": hosts[:MOST_HOSTS]}

    def _keep(
        self,
        lease: Lease,
        pair: PairRow,
        found: Registration,
        registration_id: str,
        outputs: dict[str, str],
        em: FrameRow,
    ) -> None:
        """Result, message and the end of the job: one transaction."""
        house, store = self._house, self._house.store
        against = self._learning.doubts(em, pair.lm_frame_id, registration_id, found)
        if against:
            said = f"not where its session expected it: {against}"
            found = replace(found, warnings=(*found.warnings, said))
        with store.transaction():
            before = _best_of(store.registrations(em_frame_id=pair.em_frame_id))
            added = store.add_registration(
                pair.id,
                found,
                registration_id=registration_id,
                job_key=lease.key,
                outputs=outputs,
            )
            pair = store.pair(pair.id)
            overruled = pair.state == "overruled"
            if not overruled:
                store.set_pair_state(pair.id, "done")
            if added:
                self._learning.learn(store.registration(registration_id))
                self._learning.compare_maps(store.registration(registration_id))
                self._announce_results(pair, registration_id, before, em.session)
                house.queue.enqueue(
                    EXPORT,
                    f"export:{registration_id}",
                    {"registration_id": registration_id},
                    priority=LATER,
                )
                self._seconding.ask(registration_id, found)
            if overruled:  # while it was being registered
                self._overruling.set_aside(pair)
            else:
                self._matching.consider(pair.em_frame_id)
            house.queue.finish(lease)
            self._hold.announce(lease, "done")
        house.troubles.pop("worker", None)
        house.metrics.jobs_done.inc()
        age_s = time.time() - store.file(em.file_id).modified_ns / 1e9
        if 0 <= age_s < 3600:
            house.metrics.last_byte_to_result_s.observe(age_s)
        house.committed()
        _log.info(
            "registered",
            em=em.frame.path,
            verdict=found.verdict.value,
            confidence=round(found.confidence, 3),
            radius_lm_px=found.error_lm_px and round(found.error_lm_px.p95, 2),
            seconds=round(found.seconds.total, 2),
            reason=found.reasons[0] if found.reasons else "",
        )

    def _announce_results(
        self, pair: PairRow, registration_id: str, before: str | None, session: str
    ) -> None:
        store = self._house.store
        store.announce(
            PairMessage(
                pair_id=pair.id,
                em_frame_id=pair.em_frame_id,
                lm_frame_id=pair.lm_frame_id,
                state="done",
                reasons=pair.reasons,
                doubt=store.doubt_about(pair.em_frame_id),
            ),
            session=session,
        )
        store.announce(store.registration_message(registration_id), session=session)
        after = _best_of(store.registrations(em_frame_id=pair.em_frame_id))
        if before is not None and after == registration_id:
            # what was best until now is no longer: clients must not keep showing it
            store.announce(store.registration_message(before), session=session)

    async def _export(self, lease: Lease) -> None:
        house, store = self._house, self._house.store
        row = store.registration(lease.payload["registration_id"])
        em, lm = store.frame(row.em_frame_id), store.frame(row.lm_frame_id)
        for frame in (em, lm):
            await ensure_planes(house, frame)
        folder = self._folder(em.session, row.id)
        answer = await self._executor.run(
            self._task("export", em, lm, folder, row.id)
            | {
                "registration": to_dict(row.registration),
                "second": None if row.second is None else to_dict(row.second),
                "report_only": lease.payload.get("report_only", False),
                "energy_line": house.profile.registration.energy_line,
            },
            limit_s=EXPORT_LIMIT_S,
            beat=self._beat,
        )
        with store.transaction():
            outputs = row.outputs | self._relative(folder, answer["outputs"])
            store.update_outputs(row.id, outputs)
            store.announce(store.registration_message(row.id), session=em.session)
            house.queue.finish(lease)
        house.committed()

    def _task(
        self,
        kind: str,
        em: FrameRow,
        lm: FrameRow,
        folder: Path,
        registration_id: str,
    ) -> dict[str, Any]:
        return {
            "kind": kind,
            "cache": str(self._house.cache),
            "folder": str(folder),
            "session": em.session,
            "registration_id": registration_id,
            "em": self._image(em.frame),
            "lm": self._image(lm.frame),
        }

    def _image(self, frame: Frame) -> dict[str, Any]:
        return {"frame": to_dict(frame), "planes": self._house.plane_names(frame)}

    def _folder(self, session: str, registration_id: str) -> Path:
        # a session's name comes from a folder or a file: it must not become a path
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in session)[:60]
        return self._house.state / "outputs" / (safe or "_") / registration_id

    def _relative(self, folder: Path, outputs: dict[str, str]) -> dict[str, str]:
        base = folder.relative_to(self._house.state)
        return {name: str(base / file) for name, file in outputs.items()}

    def _announce_start(
        self, lease: Lease, pair: PairRow, session: str, decision: ThermalDecision
    ) -> None:
        with self._house.store.transaction():
            self._house.store.set_pair_state(pair.id, "registering")
            self._house.store.announce(
                PairMessage(
                    pair_id=pair.id,
                    em_frame_id=pair.em_frame_id,
                    lm_frame_id=pair.lm_frame_id,
                    state="registering",
                    reasons=pair.reasons,
                    doubt=self._house.store.doubt_about(pair.em_frame_id),
                ),
                session=session,
            )
            reason = self._hold.reason_of(decision)
            self._house.queue.note(lease, reason)
            self._hold.announce(lease, "leased", reason)
        self._house.committed()

    def _put_off(self, lease: Lease, reason: str) -> None:
        """No fault of the pair's: it waits until there is room."""
        self._house.troubles["worker"] = reason
        with suppress(LeaseLostError), self._house.store.transaction():
            self._house.queue.defer(lease, reason, delay_s=FULL_WAIT_S)
            self._hold.announce(lease, "deferred", reason)
        self._house.committed()
        _log.error("in_trouble", part="worker", reason=reason, job=lease.job_id)

    def _fail(self, lease: Lease, reason: str) -> None:
        house = self._house
        with house.store.transaction():
            state = house.queue.fail(lease, reason, retry_after_s=RETRY_S)
            self._hold.announce(lease, state, reason)
            if state == "poisoned" and lease.kind == REGISTER:
                house.store.set_pair_state(
                    lease.payload["pair_id"],
                    "done",
                    [f"set aside after {lease.attempt} attempts: {reason}"],
                )
                pair = house.store.pair(lease.payload["pair_id"])
                self._matching.consider(pair.em_frame_id)
        house.metrics.jobs_failed.inc()
        house.committed()
        _log.warning("job_failed", job=lease.job_id, kind=lease.kind, reason=reason)


def _best_of(rows: list[RegistrationRow]) -> str | None:
    return next((row.id for row in rows if row.is_best), None)


def request_of(settings: RegistrationSettings) -> dict[str, Any]:
    """The profile's registration settings as a worker's request."""
    mirror = {"search": None, "yes": True, "no": False}[settings.mirror]
    return {
        "engine": settings.engine,
        "device": settings.device,
        "scale_tolerance": settings.scale_tolerance,
        "mirror": mirror,
        "tolerance": settings.tolerance,
        "energy_line": settings.energy_line,
        "time_limit_s": settings.time_limit_s,
    }
