"""Jobs and leases as frozen facts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UNFINISHED = ("queued", "leased", "deferred")
STATES = (*UNFINISHED, "done", "poisoned")
"""`queued` and `deferred` wait their turn; `poisoned` waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one job, until its deadline or the next epoch."""

    job_id: int
    kind: str
    key: str
    payload: dict[str, Any]
    epoch: int
    """Counts the leases of this job; an older one is worth nothing."""
    attempt: int
    """1 at the first try."""
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job as it stands."""

    id: int
    kind: str
    key: str
    payload: dict[str, Any]
    priority: int
    state: str
    attempts: int
    epoch: int
    owner: str | None
    reason: str
    created_at: str
    updated_at: str


COLUMNS = (
    "id, kind, key, payload, priority, state, attempts, epoch, owner, reason, "
    "created_at, updated_at"
)


def job_row(values: Sequence[Any]) -> JobRow:
    """A row selected by `COLUMNS`."""
    names = COLUMNS.split(", ")
    fields = dict(zip(names, values, strict=True))
    return JobRow(**(fields | {"payload": json.loads(fields["payload"])}))
