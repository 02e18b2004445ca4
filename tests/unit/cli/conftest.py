"""A state folder as a daemon leaves it, and the command in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clemd.cli import main
from clemd.jobs import JobQueue, boottime_s, owner_name
from clemd.messages import PairMessage
from clemd.model import (
    ErrorRadius,
    Frame,
    Modality,
    PairProposal,
    Registration,
    Timing,
    Verdict,
)
from clemd.store import Store


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        values: dict[str, Any] = json.loads(self.out)
        return values


@pytest.fixture
def clemd(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run `clemd` with these words."""

    def run(*words: object) -> Answer:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


def add_frame(store: Store, root: str, name: bytes) -> str:
    """A file that was read."""
    row = store.note_file(root, name, size_bytes=10, modified_ns=1, inode=7)
    store.set_file_state(row.id, "read", content_sha256=name.hex())
    shown = name.decode()
    frame = Frame(
        path=f"/exports/{root}/{shown}",
        driver="plain",
        driver_version="1",
        modality=Modality.SEM if root == "em" else Modality.CLSM,
        shape=(8, 8),
        dtype="uint8",
        channels=(),
        content_sha256=name.hex(),
    )
    return store.add_frame(frame, file_id=row.id, revision=1, side=root, session="S")


def add_result(store: Store, pair_id: str, name: str, verdict: Verdict) -> None:
    """A registration that took 4.5 s."""
    store.add_registration(
        pair_id,
        Registration(
            verdict=verdict,
            confidence=0.9,
            em_to_lm=None,
            error_um=ErrorRadius(p50=0.02, p95=0.05),
            seconds=Timing(total=4.5),
            reasons=("tiles agree",),
        ),
        registration_id=name,
        job_key=name,
        outputs={},
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """One accepted, one rejected, one alone, one waiting, one refused, one poisoned."""
    folder = tmp_path / "state"
    store = Store.open(folder)
    lm = add_frame(store, "lm", b"map.tif")
    for name, verdict in (("a", Verdict.ACCEPTED), ("b", Verdict.REJECTED)):
        em = add_frame(store, "em", f"{name}.tif".encode())
        proposal = PairProposal(
            em_frame_id=em, lm_frame_id=lm, score=1.0, reasons=("same folder",)
        )
        pair_id = store.add_pair(proposal)
        store.set_pair_state(pair_id, "done")
        add_result(store, pair_id, name, verdict)
    alone = add_frame(store, "em", b"alone.tif")
    store.announce(
        PairMessage(em_frame_id=alone, state="waiting", reasons=("no LM map yet",))
    )
    store.add_decision(alone, "waiting", reasons=("no LM map yet",))
    for raw, kind, reason in (
        (b"late\n.tif", "waiting", "bytes 10..99 are missing"),
        (b"\xff.doc", "refused", "not an image"),
    ):
        row = store.note_file("em", raw, size_bytes=1, modified_ns=1, inode=9)
        store.set_file_state(row.id, kind, reason)
    store.record_thermal("warm", temperature_c=71.0, sensor="nvml:0 Card")
    queue = JobQueue(
        store.connection, owner=owner_name(), clock=boottime_s, max_attempts=1
    )
    queue.enqueue("register", "r:1", {"pair_id": "x"})
    lease = queue.claim(["register"])
    assert lease is not None
    queue.fail(lease, "the worker was killed", retry_after_s=0)
    store.close()
    return folder
