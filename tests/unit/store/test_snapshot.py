"""A late client ends with what the database holds, whenever it comes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from clemd.messages import (
    FileMessage,
    FrameMessage,
    PairMessage,
    RegistrationMessage,
    SessionMessage,
    StatusMessage,
    ThermalMessage,
)
from clemd.model import Frame, Modality, PairProposal, Registration, Verdict, to_dict
from clemd.store import Store

STATUS = StatusMessage(state="ready", run_epoch="e")


def test_snapshot_of_an_empty_store_is_complete(store: Store) -> None:
    """The page opens before the first file arrives."""
    snapshot = store.snapshot()

    assert (snapshot["seq"], snapshot["topic_seq"], snapshot["thermal"]) == (
        0,
        {},
        None,
    )
    assert all(snapshot[k] == [] for k in ("frames", "pairs", "registrations"))


def test_late_client_hears_what_is_foretold_and_doubted(
    store: Store, facts: Any
) -> None:
    """A page that is opened again must not forget what it had shown."""
    pair = store.pair(facts.pair())
    em, lm = store.frame(pair.em_frame_id), pair.lm_frame_id
    said = {"topic": "prediction", "em_frame_id": em.id, "lm_frame_id": lm}
    store.keep_prediction(em.id, lm, json.dumps(said))
    assert store.snapshot()["predictions"] == [said]

    told = {"session": em.session, "lm_frame_id": lm, "epoch": 2}
    store.keep_transform(**told, standing="doubted", images=1, text="{}")
    store.add_transform_event(
        **told, event="retired", reason="turned by 7 degrees", registration_id=None
    )
    store.add_transform_event(
        **told, event="contradicted", reason="two maps", registration_id=None
    )
    snapshot = store.snapshot()
    assert snapshot["predictions"] == []
    (one,) = snapshot["transforms"]
    assert SessionMessage.model_validate(one).model_dump(mode="json") == one
    assert (one["standing"], one["event"]) == ("doubted", "retired")
    assert one["reason"] == "turned by 7 degrees"


def test_measured_place_ends_its_prediction(store: Store, facts: Any) -> None:
    """What the pixels said is not shown as unchecked any more."""
    pair_id = facts.pair()
    pair = store.pair(pair_id)
    store.keep_prediction(pair.em_frame_id, pair.lm_frame_id, "{}")
    facts.result(pair_id, "r")
    assert store.snapshot()["predictions"] == []


def test_contradiction_is_told_while_its_result_holds(store: Store, facts: Any) -> None:
    """Rejecting the wrong result settles it."""
    pair_id = facts.pair()
    facts.result(pair_id, "r")
    pair = store.pair(pair_id)
    store.add_transform_event(
        session="s",
        lm_frame_id=pair.lm_frame_id,
        epoch=0,
        event="contradicted",
        reason="two light maps contradict each other",
        registration_id="r",
    )
    (one,) = store.snapshot()["transforms"]
    assert one["event"] == "contradicted"
    store.overrule("r", Verdict.REJECTED, by="operator", reason="")
    assert store.snapshot()["transforms"] == []


def test_entries_are_messages(store: Store, facts: Any) -> None:
    """A client has one parser, for the snapshot and for what comes after."""
    facts.result(facts.pair(), "r")
    bad = facts.file(b"bad\n.tif")
    store.set_file_state(bad, "refused", "not an image")
    store.record_thermal("warm", temperature_c=76.0, sensor="cpu")
    snapshot = json.loads(json.dumps(store.snapshot()))

    for kind, entry in (
        (FrameMessage, snapshot["frames"][0]),
        (PairMessage, snapshot["pairs"][0]),
        (FileMessage, snapshot["refused"][0]),
        (ThermalMessage, snapshot["thermal"]),
    ):
        assert kind.model_validate(entry).model_dump(mode="json") == entry
    result = RegistrationMessage.model_validate(snapshot["registrations"][0])
    assert result == store.registration_message("r")
    assert result.metadata_ratio == pytest.approx(10)
    assert snapshot["refused"][0]["name"] == "bad\\x0a.tif"
    assert snapshot["files"]["em"] == {"noticed": 1, "refused": 1}


def test_result_of_an_overwritten_file_stays_visible(store: Store, facts: Any) -> None:
    """The overlay was right when it was made; only its frame is no candidate."""
    facts.result(facts.pair(), "r")
    facts.file(b"e", modified_ns=2)
    snapshot = store.snapshot()

    assert [r["registration_id"] for r in snapshot["registrations"]] == ["r"]
    assert [f["side"] for f in snapshot["frames"]] == ["lm"]


def test_change_in_the_middle_is_not_seen_by_half(
    store: Store, state: Path, facts: Any
) -> None:
    """The writer commits while a reader is still collecting."""
    pair_id = facts.pair()
    calls: list[str] = []

    def show_and_disturb(frame: Frame) -> dict[str, Any]:
        if not calls:
            with store.transaction():
                facts.result(pair_id, "late")
                store.announce(STATUS)
        calls.append(frame.path)
        return to_dict(frame)

    with Store.open_reader(state) as reader:
        disturbed = reader.snapshot(show_frame=show_and_disturb)
        after = reader.snapshot()

    assert (disturbed["seq"], disturbed["registrations"]) == (0, [])
    assert (after["seq"], len(after["registrations"])) == (1, 1)


def test_frames_that_wait_are_told_to_whoever_comes_late(
    store: Store, facts: Any
) -> None:
    """The message that said so may have been sent hours ago, and be pruned."""
    pair = store.pair(facts.pair())
    store.add_decision(
        pair.em_frame_id, "exhausted", doubt="none", reasons=("3 maps were tried",)
    )
    store.add_decision(pair.lm_frame_id, "waiting", reasons=("no EM image yet",))
    store.add_decision(pair.lm_frame_id, "settled", reasons=("the pixels fit",))
    lone = [p for p in store.snapshot()["pairs"] if p["pair_id"] is None]

    assert [(p["em_frame_id"], p["state"], p["reasons"]) for p in lone] == [
        (pair.em_frame_id, "waiting", ["3 maps were tried"])
    ]


class LateClients(RuleBasedStateMachine):
    """Clients come at any moment, take a snapshot, and follow the outbox."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self.folder.name) / "state")
        # Durability is tested elsewhere; thousands of flushes are not needed here.
        self.store.connection.execute("PRAGMA synchronous=OFF")
        self.clients: list[tuple[int, dict[str, Any]]] = []
        self.count = 0

    def _frame(self, name: str, side: str) -> str:
        file = self.store.note_file(
            side, name.encode(), size_bytes=1, modified_ns=1, inode=1
        )
        frame = Frame(
            path=name,
            driver="plain",
            driver_version="1",
            modality=Modality.UNKNOWN,
            shape=(1, 1),
            dtype="uint8",
            channels=(),
        )
        return self.store.add_frame(
            frame, file_id=file.id, revision=1, side=side, session="S"
        )

    @rule(
        em=st.integers(0, 2),
        lm=st.integers(0, 2),
        verdict=st.sampled_from(list(Verdict)),
        confidence=st.sampled_from([0.1, 0.5, 0.9]),
    )
    def register(self, em: int, lm: int, verdict: Verdict, confidence: float) -> None:
        """A result arrives; every result whose standing changed is said anew."""
        self.count += 1
        proposal = PairProposal(
            em_frame_id=self._frame(f"e{em}", "em"),
            lm_frame_id=self._frame(f"l{lm}", "lm"),
            score=0.0,
            reasons=(),
        )
        with self.store.transaction():
            self.store.add_registration(
                self.store.add_pair(proposal),
                Registration(verdict=verdict, confidence=confidence, em_to_lm=None),
                registration_id=str(self.count),
                job_key=str(self.count),
                outputs={},
            )
            for row in self.store.registrations(em_frame_id=proposal.em_frame_id):
                self.store.announce(self.store.registration_message(row.id))

    @rule()
    def undo(self) -> None:
        """Something fails half way."""
        try:
            with self.store.transaction():
                self.store.announce(STATUS)
                raise ZeroDivisionError
        except ZeroDivisionError:
            return

    @rule()
    def arrive(self) -> None:
        """A client connects."""
        snapshot = self.store.snapshot()
        held = {r["registration_id"]: r for r in snapshot["registrations"]}
        self.clients.append((snapshot["seq"], held))

    @invariant()
    def every_client_holds_what_the_database_holds(self) -> None:
        """Snapshot plus later messages is the truth."""
        truth = {
            row.id: self.store.registration_message(row.id).model_dump(mode="json")
            for row in self.store.registrations()
        }
        for seq, held in self.clients:
            later = [json.loads(r.body) for r in self.store.outbox_after(seq)]
            assert (
                held
                | {
                    m["registration_id"]: m
                    for m in later
                    if m["topic"] == "registration"
                }
                == truth
            )

    @invariant()
    def topics_are_numbered_without_gaps(self) -> None:
        """A gap means loss, so there must be none."""
        seqs = [r.topic_seq for r in self.store.outbox_after(0)]
        assert seqs == list(range(1, len(seqs) + 1))

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.store.close()
        self.folder.cleanup()


TestLateClients = LateClients.TestCase
TestLateClients.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, derandomize=True
)
