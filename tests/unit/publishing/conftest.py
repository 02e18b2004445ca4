"""Rows as a store would hand them over."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One committed message."""

    seq: int
    topic: str
    topic_seq: int
    session: str | None = "s1"
    body: str = ""
    created_at: object = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def job_row() -> Callable[[int], Row]:
    """The n-th message of an outbox that holds nothing but jobs."""

    def make(n: int) -> Row:
        body = {"topic": "job", "job_id": n, "kind": "register", "state": "queued"}
        return Row(seq=n, topic="job", topic_seq=n, body=json.dumps(body))

    return make
