"""Taking a result out of a long session costs what came after it, not all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clemd.app import _marks
from clemd.app._learning import Learning
from clemd.bench._session_world import LM_PIXEL_UM, MAP, SHAPE, World
from clemd.config import Profile
from clemd.model import (
    ErrorRadius,
    Frame,
    Modality,
    PairProposal,
    PixelSize,
    Registration,
    StagePose,
    Verdict,
)
from clemd.sessions import to_text
from clemd.store import Store

IMAGES = 30


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own."""
    opened = Store.open(tmp_path / "state")
    yield opened
    opened.close()


def frame(
    store: Store, side: str, name: str, um: float, stage: StagePose | None = None
) -> str:
    """A frame of a new file."""
    found = Frame(
        path=f"/{side}/{name}",
        driver="plain",
        driver_version="1",
        modality=Modality.SEM if side == "em" else Modality.CLSM,
        shape=SHAPE if side == "em" else MAP,
        dtype="uint8",
        channels=(),
        pixel_size=PixelSize(x_um=um, y_um=um, source="test"),
        stage=stage,
        content_sha256=name,
    )
    file = store.note_file(side, name.encode(), size_bytes=1, modified_ns=1, inode=1)
    return store.add_frame(found, file_id=file.id, revision=1, side=side, session="S")


def learned(store: Store, root: Path) -> tuple[Learning, str]:
    """A session of `IMAGES` images, and its map."""
    roots = [{"name": "em", "path": root}]
    profile = Profile.model_validate({"instrument": "t", "roots": roots})
    house = cast(Any, SimpleNamespace(store=store, profile=profile))
    learning, world = Learning(house), World.drawn(3)
    lm = frame(store, "lm", "map", LM_PIXEL_UM)
    for n in range(IMAGES):
        shot = world.shoot()
        x, y = shot.sighting.stage_um
        stage = StagePose(x_um=x, y_um=y)
        em = frame(store, "em", f"e{n}", shot.sighting.pixel_um[0], stage)
        pair = store.add_pair(
            PairProposal(em_frame_id=em, lm_frame_id=lm, score=1.0, reasons=("x",))
        )
        with store.transaction():
            store.add_registration(
                pair,
                Registration(
                    verdict=Verdict.ACCEPTED,
                    confidence=0.9,
                    em_to_lm=shot.observed.em_to_lm,
                    error_lm_px=ErrorRadius(p50=0.1, p95=shot.observed.p95_lm_px),
                ),
                registration_id=f"r{n}",
                job_key=f"k{n}",
                outputs={},
            )
            learning.learn(store.registration(f"r{n}"))
        world = world.later(5.0)
    return learning, lm


@pytest.mark.parametrize("number", [1, 12, 28])
def test_what_is_left_is_the_same_as_added_up_anew(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A shortcut that differs in the last bit could not be replayed."""
    monkeypatch.setattr(_marks, "EVERY", 5)
    learning, lm = learned(store, tmp_path)
    with store.transaction():
        learning.unlearn(store.registration(f"r{number}"), "test")
    kept = store.transform("S", lm)
    assert kept is not None
    assert kept.text == to_text(learning._added_up("S", lm))


def test_mark_of_a_transaction_that_was_undone_is_not_used(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was rolled back never was."""
    monkeypatch.setattr(_marks, "EVERY", 5)
    learning, lm = learned(store, tmp_path)
    marks = learning._marks._marks["S", lm]
    marks.append(_marks.Mark(IMAGES, "never", marks[-1].session))
    found = learning._marks.before("S", lm, IMAGES + 1)
    assert found is not None
    assert found.registration_id != "never"
