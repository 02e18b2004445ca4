"""Frames, sessions and pairs are kept once, under ids made from what they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from clemd.model import Channel, Frame, Modality, PairProposal, PixelSize, StagePose
from clemd.store import NoSuchRecordError, Store

FRAME = Frame(
    path="/em/a.tif",
    driver="zeiss",
    driver_version="1",
    modality=Modality.SEM,
    shape=(3840, 5120),
    dtype="uint8",
    channels=(Channel(name="SE2"),),
    pixel_size=PixelSize(x_um=0.01, y_um=0.01, source="AP_PIXEL_SIZE"),
    stage=StagePose(x_um=12.5, rotation_deg=-3.0),
    acquired_at=datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))),
    content_sha256="ab",
    extra={"note": "line\nbreak"},
    warnings=("no scan rotation",),
)


def test_frame_comes_back_whole(store: Store, facts: Any) -> None:
    """Every fact a driver read is worth keeping."""
    file_id = facts.file(b"a.tif")
    frame_id = store.add_frame(
        FRAME, file_id=file_id, revision=1, side="em", session=""
    )

    row = store.frame(frame_id)

    assert row.frame == FRAME
    assert (row.file_id, row.revision, row.side, row.session) == (file_id, 1, "em", "")


def test_second_time_changes_nothing(store: Store, facts: Any) -> None:
    """A read job that is done twice after a crash leaves one frame."""
    file_id = facts.file(b"a.tif")
    ids = {
        store.add_frame(FRAME, file_id=file_id, revision=1, side="em", session="S")
        for _ in range(2)
    }

    assert len(ids) == len(store.frames()) == len(store.sessions()) == 1


@pytest.mark.parametrize("differs", ["content", "name", "root", "revision"])
def test_id_says_which_content_under_which_name(
    store: Store, facts: Any, differs: str
) -> None:
    """Two files with the same bytes are two frames, and so are two revisions."""
    first = store.add_frame(
        FRAME, file_id=facts.file(b"a.tif"), revision=1, side="em", session="S"
    )
    frame = replace(FRAME, content_sha256="cd") if differs == "content" else FRAME
    name = b"b.tif" if differs == "name" else b"a.tif"
    file_id = facts.file(name, root="lm" if differs == "root" else "em")
    revision = 2 if differs == "revision" else 1

    second = store.add_frame(
        frame, file_id=file_id, revision=revision, side="em", session="S"
    )

    assert second != first


def test_overwritten_frame_is_shown_only_when_asked_for(
    store: Store, facts: Any
) -> None:
    """Its pixels are gone: nothing may be paired with it any more."""
    old = facts.frame(b"a.tif")
    facts.file(b"a.tif", modified_ns=2)

    assert store.frames() == []
    assert [f.id for f in store.frames(include_superseded=True)] == [old]


def test_frames_are_found_by_side_and_session(
    store: Store, facts: Any, clock: Any
) -> None:
    """Pairing asks for the light maps of one session, the newest first."""
    facts.frame(b"a", side="em", session="S")
    first = facts.frame(b"b", side="lm", session="S")
    clock.pass_(minutes=1)
    second = facts.frame(b"c", side="lm", session="S")
    facts.frame(b"d", side="lm", session="T")

    found = store.frames(side="lm", session="S")

    assert [f.id for f in found] == [second, first]
    assert [f.id for f in store.frames(side="lm", session="S", limit=1)] == [second]
    assert {s.id for s in store.sessions()} == {"S", "T"}


def test_acquisition_time_is_kept_in_utc(store: Store, facts: Any) -> None:
    """Text order must be time order, whatever zone an instrument states."""
    store.add_frame(FRAME, file_id=facts.file(b"a"), revision=1, side="em", session="")

    found = store.connection.execute("SELECT acquired_at FROM frames").fetchone()[0]
    assert found == "2026-03-01T12:00:00.000000+00:00"


@pytest.mark.parametrize(
    "bad",
    [
        {"acquired_at": datetime(2026, 3, 1)},  # noqa: DTZ001 - the mistake
        {"pixel_size": PixelSize(x_um=float("nan"), y_um=1.0, source="x")},
        {"driver": "\udcff"},
    ],
)
def test_frame_that_would_not_read_back_is_refused(
    store: Store, facts: Any, bad: dict[str, Any]
) -> None:
    """One such row would break every later list of frames."""
    file_id = facts.file(b"a")
    frame = replace(FRAME, **bad)

    with pytest.raises(ValueError, match=r".+"):
        store.add_frame(frame, file_id=file_id, revision=1, side="em", session="S")
    assert store.frames() == []


def test_session_state_is_kept(store: Store) -> None:
    """A remount makes the session transform stale before the next overlay."""
    assert store.note_session("S", "grid 4")
    assert not store.note_session("S")
    store.set_session_state("S", "stale")

    row = store.session("S")
    assert (row.name, row.state) == ("grid 4", "stale")


def test_same_two_frames_are_one_pair(store: Store, facts: Any) -> None:
    """A proposal may be made again after every restart; the operator's word stays."""
    pair_id = facts.pair()
    store.set_pair_state(pair_id, "overruled", ["wrong grid"])

    assert facts.pair() == pair_id
    row = store.pair(pair_id)
    assert (row.state, row.reasons) == ("overruled", ("wrong grid",))


def test_pair_keeps_its_reasons_unless_new_ones_are_given(
    store: Store, facts: Any
) -> None:
    """Every decision is shown with why it was made."""
    pair_id = facts.pair()
    store.set_pair_state(pair_id, "registering")

    assert store.pairs(state="registering")[0].reasons == ("same folder",)
    assert store.pairs(state="proposed") == []
    assert [p.id for p in store.pairs(em_frame_id=store.pair(pair_id).em_frame_id)] == [
        pair_id
    ]


def test_pair_of_an_unknown_frame_is_refused(store: Store, facts: Any) -> None:
    """A command from the bus may name anything."""
    proposal = PairProposal(
        em_frame_id=facts.frame(b"a"), lm_frame_id="nothing", score=1, reasons=()
    )
    with pytest.raises(NoSuchRecordError, match="no frame 'nothing'"):
        store.add_pair(proposal)
