"""A real store in a real folder, a clock that a test moves, and facts to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clemd.model import (
    ErrorRadius,
    Frame,
    Modality,
    PairProposal,
    PixelSize,
    Registration,
    Verdict,
)
from clemd.store import Store


@dataclass
class Clock:
    """A wall clock that moves when told."""

    time: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time it is."""
        return self.time

    def pass_(self, **amount: float) -> None:
        """Let time go by, e.g. `days=3`."""
        self.time += timedelta(**amount)


@pytest.fixture
def clock() -> Clock:
    """Noon."""
    return Clock()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
def store(state: Path, clock: Clock) -> Iterator[Store]:
    """The one writer."""
    opened = Store.open(state, now=clock)
    yield opened
    opened.close()


class Facts:
    """Short ways to fill a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def file(self, name: bytes, *, root: str = "em", modified_ns: int = 1) -> int:
        """A file of the inventory."""
        return self.store.note_file(
            root, name, size_bytes=10, modified_ns=modified_ns, inode=7
        ).id

    def frame(
        self, name: bytes, *, side: str = "em", session: str = "S", um: float = 0.01
    ) -> str:
        """A frame of a new file."""
        modality = Modality.SEM if side == "em" else Modality.CLSM
        frame = Frame(
            path=f"/{side}/{name!r}",
            driver="plain",
            driver_version="1",
            modality=modality,
            shape=(8, 8),
            dtype="uint8",
            channels=(),
            pixel_size=PixelSize(x_um=um, y_um=um, source="test"),
            content_sha256="aa",
        )
        file_id = self.file(name, root=side)
        return self.store.add_frame(
            frame, file_id=file_id, revision=1, side=side, session=session
        )

    def pair(self, em: str = "e", lm: str = "l") -> str:
        """A pair of two frames named after their files."""
        proposal = PairProposal(
            em_frame_id=self.frame(em.encode()),
            lm_frame_id=self.frame(lm.encode(), side="lm", um=0.1),
            score=1.0,
            reasons=("same folder",),
        )
        return self.store.add_pair(proposal)

    def result(
        self,
        pair_id: str,
        name: str,
        verdict: Verdict = Verdict.ACCEPTED,
        *,
        confidence: float = 0.9,
        p95: float | None = None,
        job_key: str | None = None,
    ) -> bool:
        """A registration of `pair_id`."""
        error = None if p95 is None else ErrorRadius(p50=p95 / 2, p95=p95)
        return self.store.add_registration(
            pair_id,
            Registration(
                verdict=verdict, confidence=confidence, em_to_lm=None, error_um=error
            ),
            registration_id=name,
            job_key=job_key or name,
            outputs={"overlay": f"outputs/S/{name}/overlay.png"},
        )


@pytest.fixture
def facts(store: Store) -> Facts:
    """Facts for `store`."""
    return Facts(store)


@pytest.fixture
def best(store: Store) -> Callable[[], list[str]]:
    """Ids of the results marked best."""
    return lambda: [r.id for r in store.registrations(best_only=True)]
