"""Partners are found whichever image comes first, and every decision has its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clemd.config import PairingSettings
from clemd.model import Frame, Modality, PixelSize, Side
from clemd.pairing import Arrived, metadata_ratio, propose, session_of, waiting_reason

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def frame(
    side: Side,
    *,
    at_h: float | None = None,
    sample: str | None = None,
    um: float | None = None,
    session: str | None = None,
) -> Frame:
    """A frame with little to say."""
    return Frame(
        path=f"/{side}/a.tif",
        driver="plain",
        driver_version="1",
        modality=Modality.UNKNOWN,
        shape=(8, 8),
        dtype="uint8",
        channels=(),
        pixel_size=None if um is None else PixelSize(x_um=um, y_um=um, source="test"),
        acquired_at=None if at_h is None else NOON + timedelta(hours=at_h),
        sample=sample,
        session=session,
    )


def arrived(
    name: str,
    side: Side,
    *,
    session: str = "S",
    at_h: float | None = None,
    came_h: float = 0.0,
    sample: str | None = None,
    um: float | None = None,
) -> Arrived:
    """A frame that came `came_h` hours after noon."""
    return Arrived(
        frame_id=name,
        side=side,
        session=session,
        frame=frame(side, at_h=at_h, sample=sample, um=um),
        arrived_at=NOON + timedelta(hours=came_h),
    )


def test_either_order_proposes_the_same_pair_for_the_same_reasons() -> None:
    """Which microscope was quicker changes nothing."""
    em = arrived("e", Side.EM, at_h=0, sample="S62", um=0.01)
    lm = arrived("l", Side.LM, at_h=1, sample="S62", um=0.1)

    (one,) = propose(em, [lm], PairingSettings())
    (other,) = propose(lm, [em], PairingSettings())

    assert one == other
    assert (one.em_frame_id, one.lm_frame_id) == ("e", "l")


def test_reasons_name_sample_ratio_and_time() -> None:
    """The strongest comes first; each is a sentence."""
    em = arrived("e", Side.EM, at_h=0, sample="S62", um=0.01)
    lm = arrived("l", Side.LM, at_h=0.5, sample="S62", um=0.1)

    (pair,) = propose(em, [lm], PairingSettings())

    assert pair.reasons == (
        "same sample 'S62' in both files",
        "same session 'S'",
        "metadata say one LM pixel is 10.00 EM pixels",
        "taken 30 min apart",
    )


def test_images_of_one_side_are_never_paired() -> None:
    """Two maps lie beside each other, not on each other."""
    maps = [arrived(name, Side.LM) for name in "abc"]

    assert propose(maps[0], maps[1:], PairingSettings()) == []


def test_other_session_is_no_partner() -> None:
    """A folder per specimen keeps specimens apart."""
    em = arrived("e", Side.EM, session="S1")

    assert propose(em, [arrived("l", Side.LM, session="S2")], PairingSettings()) == []


@pytest.mark.parametrize(("apart_h", "count"), [(71.9, 1), (72.1, 0)])
def test_window_bounds_the_time_between_acquisitions(
    apart_h: float, count: int
) -> None:
    """Friday's map for Monday's sections, but not last month's."""
    em, lm = arrived("e", Side.EM, at_h=apart_h), arrived("l", Side.LM, at_h=0)

    assert len(propose(em, [lm], PairingSettings(window_h=72))) == count


def test_window_does_not_judge_files_that_state_no_time() -> None:
    """When a copy arrived says little about when the image was taken."""
    em, lm = arrived("e", Side.EM, came_h=500), arrived("l", Side.LM, at_h=0)

    assert len(propose(em, [lm], PairingSettings(window_h=72))) == 1


def test_em_image_is_tried_on_no_more_maps_than_the_profile_allows() -> None:
    """The likeliest are kept: the nearest in time."""
    em = arrived("e", Side.EM, at_h=10)
    maps = [arrived(f"l{h}", Side.LM, at_h=h) for h in (1, 9, 5, 8)]

    found = propose(em, maps, PairingSettings(max_candidates=2))

    assert [pair.lm_frame_id for pair in found] == ["l9", "l8"]


def test_map_is_offered_to_every_em_image_that_waits() -> None:
    """The limit is one of maps per EM image, not of EM images per map."""
    waiting = [arrived(f"e{n}", Side.EM) for n in range(5)]

    found = propose(arrived("l", Side.LM), waiting, PairingSettings(max_candidates=1))

    assert {pair.em_frame_id for pair in found} == {f"e{n}" for n in range(5)}


def test_same_sample_outweighs_a_shorter_time() -> None:
    """A name that a person typed says more than the clock."""
    em = arrived("e", Side.EM, at_h=10, sample="S62")
    near = arrived("near", Side.LM, at_h=10, sample="S63")
    named = arrived("named", Side.LM, at_h=0, sample="S62")

    found = propose(em, [near, named], PairingSettings())

    assert [pair.lm_frame_id for pair in found] == ["named", "near"]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([], "no LM map has arrived yet"),
        ([arrived("x", Side.EM)], "no LM map has arrived yet"),
        ([arrived("l", Side.LM, session="T")], "no LM map in session 'S' yet"),
        ([arrived("l", Side.LM, at_h=500)], "no LM map within 72 h of this image"),
    ],
)
def test_em_image_that_waits_says_what_for(others: list[Arrived], reason: str) -> None:
    """Nothing there, nothing in this session, or nothing in time."""
    new = arrived("e", Side.EM, at_h=0)

    assert waiting_reason(new, others, PairingSettings()) == reason


def test_map_that_waits_says_so_too() -> None:
    """The other way round, in its own words."""
    reason = waiting_reason(arrived("l", Side.LM), [], PairingSettings())

    assert reason == "no EM image has arrived yet"


def test_ratio_needs_both_pixel_sizes() -> None:
    """One silent file leaves it unknown."""
    em, lm = frame(Side.EM, um=0.02), frame(Side.LM, um=0.1)

    assert metadata_ratio(em, lm) == pytest.approx(5.0)
    assert metadata_ratio(em, frame(Side.LM)) is None
    assert metadata_ratio(frame(Side.EM), lm) is None


@pytest.mark.parametrize(
    ("relative", "session"),
    [
        (b"S62-B7/em/a.tif", "S62-B7"),
        (b"a.tif", "default"),
        (b"S\xff\xfe/a.tif", "S\\xff\\xfe"),
        ("Prüfling/a.tif".encode(), "Prüfling"),
    ],
)
def test_first_folder_names_the_session(relative: bytes, session: str) -> None:
    """Bytes that are no text are spelled out, so that the name can be stored."""
    assert session_of(frame(Side.EM), relative, PairingSettings()) == session


def test_names_that_differ_in_undecodable_bytes_are_different_sessions() -> None:
    """Two specimens must not be mixed because neither name is text."""
    names = {
        session_of(frame(Side.EM), bytes([0xF0 + n]) + b"/a.tif", PairingSettings())
        for n in range(8)
    }

    assert len(names) == 8


def test_session_may_come_from_the_sample_or_from_nothing() -> None:
    """By the profile's rule; what a file leaves open falls back."""
    by_sample = PairingSettings(session_from="sample")

    assert session_of(frame(Side.EM, sample="S62"), b"x/a.tif", by_sample) == "S62"
    assert session_of(frame(Side.EM, session="day 1"), b"x/a", by_sample) == "day 1"
    assert session_of(frame(Side.EM), b"x/a.tif", by_sample) == "default"
    none = PairingSettings(session_from="none")
    assert session_of(frame(Side.EM, sample="S62"), b"x/a.tif", none) == "default"
