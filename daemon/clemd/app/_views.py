"""What the page and the bus are shown: the database's state in their words."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clemd.jobs import UNFINISHED
from clemd.messages import FileMessage, JobMessage
from clemd.model import display_name
from clemd.reading import to_contract
from clemd.store import NoSuchRecordError, OutboxRow, Reader

from ._house import House
from ._inbox import Inbox
from ._kinds import READ, REGISTER

FILES_SHOWN = 200
JOBS_SHOWN = 200
HISTORY_S = 3600.0


class Views:
    """Read-only looks at the running daemon; meets `clemd.page.PageSources`."""

    def __init__(self, house: House, inbox: Inbox) -> None:
        self._house = house
        self._inbox = inbox
        self.verbs: list[str] = []
        """Commands the page may offer."""
        self.ready = False

    def bus_snapshot(self) -> dict[str, Any]:
        """The state for clients of the bus."""
        return self._house.store.snapshot(show_frame=to_contract)

    def replay(self, after_seq: int, limit: int) -> Sequence[OutboxRow]:
        """Committed messages after `after_seq`."""
        return self._house.store.outbox_after(after_seq, limit)

    def snapshot(self) -> dict[str, Any]:
        """The state for the page, newest first."""
        house = self._house
        shown = house.store.snapshot(show_frame=to_contract)
        shown |= {
            "run_epoch": house.run_epoch,
            "instrument": house.profile.instrument,
            "now": datetime.now(UTC).isoformat(),
            "stale_after_s": house.profile.page.stale_after_s,
            "files": recent_files(house.store),
            "jobs": self._jobs(),
            "roots": [
                {
                    "name": s.root,
                    "present": s.present,
                    "reason": s.reason,
                    "files": s.files,
                    "hints": s.hints,
                }
                for s in self._inbox.statuses()
            ],
            "verbs": self.verbs,
        }
        thermal = shown["thermal"] or {"topic": "thermal", "state": "blind"}
        shown["thermal"] = thermal | {
            "sensor": house.monitor.sensor_name,
            "history": self.temperature(HISTORY_S),
        }
        wish = house.guard.wish()
        if wish is not None:
            until = datetime.now(UTC) + timedelta(seconds=wish[1])
            shown["thermal"] |= {
                "wish": wish[0].wish.value,
                "wish_until": until.isoformat(timespec="seconds"),
            }
        return shown

    def _jobs(self) -> list[dict[str, Any]]:
        """What waits or runs, as job messages, the newest first."""
        jobs = self._house.queue.jobs(UNFINISHED, limit=JOBS_SHOWN)
        return [
            JobMessage.model_validate(
                {
                    "job_id": job.id,
                    "kind": job.kind,
                    "state": job.state,
                    "subject": str(next(iter(job.payload.values()), "")),
                    "reason": job.reason,
                }
            ).model_dump(mode="json")
            for job in jobs
        ]

    def events_after(self, seq: int, limit: int) -> Sequence[OutboxRow]:
        """Messages for the page's stream."""
        return self._house.store.outbox_after(seq, limit)

    def file(self, registration_id: str, name: str) -> Path | None:
        """An output by the name the database gives it."""
        try:
            row = self._house.store.registration(registration_id)
        except NoSuchRecordError:
            return None
        relative = row.outputs.get(name)
        return None if relative is None else self._house.state / relative

    def layer(self, frame_id: str, channel: int, level: int) -> Path | None:
        """The 8-bit picture of one channel, if a worker has made it."""
        if level != 0:
            return None
        try:
            frame = self._house.store.frame(frame_id).frame
        except NoSuchRecordError:
            return None
        if not 0 <= channel < len(frame.channels):
            return None
        path = self._house.cache / f"{frame.content_sha256}-{channel}.layer.png"
        return path if path.exists() else None

    def health(self) -> dict[str, Any]:
        """Is the loop turning, and can the daemon do its work?"""
        house = self._house
        late = house.heartbeats.late()
        roots = self._inbox.statuses()
        present = any(s.present for s in roots) or not roots
        return {
            "live": not late,
            "ready": self.ready and present and not late and not house.troubles,
            "state": "ready" if self.ready else "starting",
            "late": late,
            "troubles": dict(house.troubles),
            "run_epoch": house.run_epoch,
            "jobs": house.queue.counts(),
            "counts": house.store.counts(),
            "thermal": house.monitor.state.value,
            "duty": house.guard.duty,
        }

    def metrics(self) -> bytes:
        """Prometheus text."""
        house = self._house
        waiting = [s.oldest_waiting_s or 0.0 for s in self._inbox.statuses()]
        waiting.append(house.queue.oldest_s((READ, REGISTER)))
        house.metrics.oldest_waiting_s.set(max(waiting))
        counts = house.queue.counts()
        waiting_jobs = sum(counts.get(s, 0) for s in UNFINISHED)
        house.metrics.queue_depth.set(waiting_jobs)
        house.metrics.free_bytes.set(shutil.disk_usage(house.state).free)
        return house.metrics.render()

    def heat(self, since_s: float) -> dict[str, Any]:
        """The timeline of the last `since_s` seconds: readings, limits, jobs."""
        house, limits = self._house, self._house.monitor.limits
        since = datetime.now(UTC) - timedelta(seconds=since_s)
        return {
            "since": since.isoformat(),
            "now": datetime.now(UTC).isoformat(),
            "sensor": house.monitor.sensor_name,
            "warm_c": limits.warm_c,
            "hot_c": limits.hot_c,
            "readings": [
                {
                    "at": row.at,
                    "state": row.state,
                    "temperature_c": row.temperature_c,
                    "power_w": row.power_w,
                    "duty": row.duty,
                    "throttle": row.throttle,
                    # of the others it would be a long text for nothing
                    "reason": row.reason if row.temperature_c is None else "",
                }
                for row in house.store.thermal_history(since)
            ],
            "jobs": [asdict(span) for span in house.store.job_spans(since)],
        }

    def temperature(self, since_s: float) -> list[Any]:
        """[time, °C] of the last `since_s` seconds."""
        since = datetime.now(UTC) - timedelta(seconds=since_s)
        rows = self._house.store.thermal_history(since)
        return [[row.at, row.temperature_c] for row in rows]


def recent_files(reader: Reader) -> list[dict[str, Any]]:
    """The newest files of every state, as file messages."""
    states = ("noticed", "waiting", "reading", "read", "refused", "vanished")
    rows = [r for s in states for r in reader.files_in_state(s, limit=FILES_SHOWN)]
    rows.sort(key=lambda r: (r.noticed_at, r.id), reverse=True)
    return [
        FileMessage.model_validate(
            {
                "file_id": row.id,
                "root": row.root,
                "name": display_name(row.relative),
                "state": row.state,
                "reason": row.reason,
                "revision": row.revision,
            }
        ).model_dump(mode="json")
        for row in rows[:FILES_SHOWN]
    ]
