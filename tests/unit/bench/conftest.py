"""A small state folder as a daemon leaves it, and what was exported to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from clemd.bench._pipeline_checks import Expected, Findings, check_state, sha256_of
from clemd.jobs import JobQueue, boottime_s, owner_name
from clemd.model import Frame, Modality, PairProposal, Registration, Verdict
from clemd.store import Store


@dataclass(frozen=True)
class Finished:
    """One map, two EM images, two results: all as it must be."""

    state: Path
    export: Path
    expected: dict[str, Expected]

    def problems(self) -> str:
        """What the checker says, in one text."""
        return "\n".join(self.findings().problems)

    def findings(self) -> Findings:
        """All that the checker finds."""
        return check_state(self.state, self.expected)

    def output(self, suffix: str) -> Path:
        """One output of that kind."""
        return sorted((self.state / "outputs").rglob(f"*{suffix}"))[0]


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    """Written by the real store and queue; the pictures are small, but real."""
    made = Finished(tmp_path / "state", tmp_path / "export", {})
    with Store.open(made.state) as store, store.transaction():
        queue = JobQueue(store.connection, owner=owner_name(), clock=boottime_s)
        lm = _frame(store, made, "lm", "map.tif")
        for name in ("a.tif", "b.tif"):
            em = _frame(store, made, "em", name)
            proposal = PairProposal(
                em_frame_id=em, lm_frame_id=lm, score=1.0, reasons=()
            )
            pair_id = store.add_pair(proposal, state="done")
            queue.enqueue("register", f"register:{name}", {"pair_id": pair_id})
            lease = queue.claim(["register"])
            assert lease is not None
            store.add_registration(
                pair_id,
                Registration(verdict=Verdict.REJECTED, confidence=0.1, em_to_lm=None),
                registration_id=name,
                job_key=lease.key,
                outputs=_outputs(made.state, name),
            )
            store.announce(store.registration_message(name))
            queue.finish(lease)
        store.mark_published(store.last_seq())
    return made


def _frame(store: Store, made: Finished, side: str, name: str) -> str:
    path = made.export / side / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode() * 50)
    digest = sha256_of(path)
    made.expected[name] = Expected(side=side, path=path, sha256=digest)
    file = store.note_file(
        side, name.encode(), size_bytes=1, modified_ns=1, inode=len(made.expected)
    )
    store.set_file_state(file.id, "read", content_sha256=digest)
    frame = Frame(
        path=str(path),
        driver="plain",
        driver_version="1",
        modality=Modality.UNKNOWN,
        shape=(16, 16),
        dtype="uint8",
        channels=(),
        content_sha256=digest,
    )
    return store.add_frame(frame, file_id=file.id, revision=1, side=side, session="")


def _outputs(state: Path, name: str) -> dict[str, str]:
    folder = state / "outputs" / name
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    cv2.imwrite(str(folder / "preview.png"), noise)
    tifffile.imwrite(folder / "overlay.ome.tif", noise, ome=True)
    (folder / "transform.json").write_text(json.dumps({"a": [1, 2]}))
    (folder / "transform.tfm").write_text("#Insight Transform File V1.0\n")
    (folder / "report.html").write_text("<html><body></body></html>\n")
    return {p.name: str(p.relative_to(state)) for p in folder.iterdir()}
