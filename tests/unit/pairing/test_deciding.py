"""Partners are found whichever image comes first, and every decision has its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clemd.config import NameRule, PairingSettings
from clemd.model import Frame, Modality, PixelSize, Side, StagePose
from clemd.pairing import (
    Arrived,
    State,
    Told,
    Tried,
    decide,
    metadata_ratio,
    session_of,
    several_specimens,
)

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def frame(
    side: Side,
    *,
    at_h: float | None = None,
    sample: str | None = None,
    um: float | None = None,
    session: str | None = None,
    ids: dict[str, str] | None = None,
    stage_um: tuple[float, float] | None = None,
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
        ids=ids or {},
        stage=None
        if stage_um is None
        else StagePose(x_um=stage_um[0], y_um=stage_um[1]),
    )


def arrived(
    name: str,
    side: Side,
    *,
    session: str = "S",
    told: Told = Told.RULE,
    file: str = "",
    came_h: float = 0.0,
    at_h: float | None = None,
    sample: str | None = None,
    um: float | None = None,
    ids: dict[str, str] | None = None,
    stage_um: tuple[float, float] | None = None,
) -> Arrived:
    """A frame that came `came_h` hours after noon."""
    return Arrived(
        frame_id=name,
        side=side,
        session=session,
        told=told,
        relative=file or f"{name}.tif",
        frame=frame(side, at_h=at_h, sample=sample, um=um, ids=ids, stage_um=stage_um),
        arrived_at=NOON + timedelta(hours=came_h),
    )


def em(name: str = "e", **facts: object) -> Arrived:
    """An EM image."""
    return arrived(name, Side.EM, **facts)  # type: ignore[arg-type]


def lm(name: str = "l", **facts: object) -> Arrived:
    """A map."""
    return arrived(name, Side.LM, **facts)  # type: ignore[arg-type]


RULES = PairingSettings(
    ids=("sample",),
    names=(
        NameRule(
            em="{sample}_{area}_em{n:#}.tif", lm="{sample}_{area}_map{version:#}.czi"
        ),
    ),
)
PLAIN = PairingSettings()
STRICT = PairingSettings(ids=("sample", "dataset", "stage_label"))


def tried_maps(found: object) -> list[str]:
    """The maps that are to be tried now."""
    return [pair.lm_frame_id for pair in found.tries]  # type: ignore[attr-defined]


def test_reasons_name_sample_session_ratio_and_time() -> None:
    """The strongest comes first; each is a sentence."""
    found = decide(
        em(at_h=0, sample="S62", um=0.01), [lm(at_h=0.5, sample="S62", um=0.1)], PLAIN
    )

    assert found.state is State.TRYING
    assert found.doubt == ""
    assert found.tries[0].reasons == (
        "same sample 'S62' in both files",
        "same session 'S'",
        "metadata say one LM pixel is 10.00 EM pixels",
        "taken 30 min apart",
    )


def test_ids_outweigh_names_session_and_time() -> None:
    """What the microscope wrote into the file was there before anybody renamed it."""
    image = em(file="S63_A_em1.tif", sample="S62", at_h=0)
    named = lm("named", file="S63_A_map1.czi", sample="S63", at_h=0)
    stated = lm("stated", file="x.czi", sample="S62", at_h=48, session="T")

    found = decide(image, [named, stated], RULES)

    assert tried_maps(found) == ["stated"]
    assert "session" in found.doubt
    (left,) = found.left_out
    assert left.lm_frame_id == "named"
    assert "'S63'" in left.reason


@pytest.mark.parametrize("written", ["S62-B7", "s62 b7", "S62_B7"])
def test_ids_are_compared_as_people_write_them(written: str) -> None:
    """Case, spaces and hyphens differ between two instruments' dialogs."""
    found = decide(em(sample="S62-B7"), [lm(sample=written)], PLAIN)

    assert found.tries[0].reasons[0].startswith("same sample")


def test_dataset_that_differs_counts_for_nothing_where_the_sample_agrees() -> None:
    """Each microscope has datasets of its own; the first id that both state decides."""
    image = em(sample="S62", ids={"dataset": "SEM day 2"})
    found = decide(image, [lm(sample="S62", ids={"dataset": "overview"})], PLAIN)

    assert found.doubt == ""


def test_stage_label_picks_between_maps_of_one_sample() -> None:
    """Two grids of one sample: the label says which."""
    image = em(sample="S62", ids={"stage_label": "B7"})
    maps = [
        lm("a", sample="S62", ids={"stage_label": "B6"}),
        lm("b", sample="S62", ids={"stage_label": "B7"}),
    ]
    found = decide(image, maps, PLAIN)

    assert tried_maps(found) == ["b"]
    assert found.doubt == ""


def test_label_that_differs_makes_a_map_of_the_same_sample_doubtful() -> None:
    """The map of the other grid may have lost its label, or not have come yet."""
    image = em(sample="S62", ids={"stage_label": "B7"})
    found = decide(image, [lm(sample="S62", ids={"stage_label": "B6"})], PLAIN)

    assert tried_maps(found) == ["l"]
    assert "'B6'" in found.doubt


def test_name_rule_pairs_files_that_state_nothing() -> None:
    """A PNG has no metadata, but somebody named it."""
    image = em(file="day1/S62_B7_em003.png".replace("png", "tif"), told=Told.NOBODY)
    maps = [
        lm("other", file="S62_B8_map1.czi", told=Told.NOBODY),
        lm("right", file="S62_B7_map1.czi", told=Told.NOBODY),
    ]
    found = decide(image, maps, RULES)

    assert tried_maps(found) == ["right"]
    assert found.doubt == ""
    assert found.tries[0].reasons[0] == "both names say area 'b7', sample 's62'"


def test_newer_version_of_a_map_supersedes_the_older() -> None:
    """New images go to the new map; what was accepted on the old one stays."""
    image = em(file="S62_B7_em1.tif")
    old, new = (lm(n, file=f"S62_B7_map{n}.czi") for n in ("1", "10"))

    fresh = decide(image, [old, new], RULES)
    published = decide(image, [old, new], RULES, tried={"1": Tried.ACCEPTED})

    assert tried_maps(fresh) == ["10"]
    assert "superseded" in fresh.left_out[0].reason
    assert published.state is State.SETTLED
    assert (published.tries, published.doubt) == ((), "")


def test_map_of_the_same_place_supersedes_without_a_name_rule() -> None:
    """The same field taken again: the later one is how the specimen looks now."""
    place = {"um": 0.1, "stage_um": (100.0, 50.0)}
    old, new = lm("old", at_h=0, **place), lm("new", at_h=5, **place)
    beside = lm("beside", at_h=5, um=0.1, stage_um=(101.0, 50.0))

    assert tried_maps(decide(em(at_h=6), [old, new], PLAIN)) == ["new"]
    assert len(tried_maps(decide(em(at_h=6), [old, beside], PLAIN))) == 2


def test_stage_picks_between_maps_once_it_is_known() -> None:
    """Two sections in one holder: the stage says on which the beam was."""
    share = {"a": 0.0, "b": 0.93}
    found = decide(em(), [lm("a"), lm("b")], PLAIN, stage=lambda _e, m: share[m])

    assert tried_maps(found) == ["b"]
    assert found.doubt == ""
    assert "by the stage 93 % of it lie on the map" in found.tries[0].reasons


def test_maps_that_cannot_be_told_apart_are_both_tried_and_doubtful() -> None:
    """The verdict decides, and until then nobody is told that it is sure."""
    found = decide(em(at_h=2), [lm("a", at_h=0), lm("b", at_h=1)], PLAIN)

    assert tried_maps(found) == ["b", "a"]
    assert "2 maps are equally likely" in found.doubt
    assert any("doubtful" in reason for reason in found.tries[0].reasons)


def test_budget_bounds_the_tries_at_a_time_and_altogether() -> None:
    """Each try costs seconds of the device; the likeliest go first, more follow."""
    maps = [lm(f"l{h}", at_h=h) for h in range(5)]
    settings = PairingSettings(max_candidates=2, max_tries=3)
    image = em(at_h=10)

    first = decide(image, maps, settings)
    both_no = dict.fromkeys(tried_maps(first), Tried.REJECTED)
    second = decide(image, maps, settings, tried=both_no)
    third = decide(
        image, maps, settings, tried=both_no | {tried_maps(second)[0]: Tried.REVIEW}
    )

    assert tried_maps(first) == ["l4", "l3"]
    assert tried_maps(second) == ["l2"]
    assert third.tries == ()
    assert third.state is State.EXHAUSTED
    assert third.lm_frame_id == "l2", "a review outranks rejections"
    assert third.doubt


def test_running_tries_count_against_the_budget() -> None:
    """A map that comes while two are tried waits for its turn."""
    maps = [lm(f"l{h}", at_h=h) for h in range(3)]
    running = {"l1": Tried.OPEN, "l2": Tried.OPEN}

    found = decide(em(at_h=10), maps, PLAIN, tried=running)

    assert found.tries == ()
    assert found.state is State.TRYING


def test_sure_map_is_tried_alone_and_others_follow_where_the_pixels_say_no() -> None:
    """A typed name may be wrong; a rejection makes it doubtful."""
    maps = [lm("named", sample="S62"), lm("silent")]
    image = em(sample="S62")

    first = decide(image, maps, PLAIN)
    second = decide(image, maps, PLAIN, tried={"named": Tried.REJECTED})

    assert tried_maps(first) == ["named"]
    assert tried_maps(second) == ["silent"]
    assert second.doubt


def test_accepted_result_settles_and_new_maps_change_nothing() -> None:
    """What was published stays."""
    maps = [lm("l", sample="S62"), lm("new", at_h=1)]
    image = em(at_h=1, sample="S62")
    found = decide(image, maps, PLAIN, tried={"l": Tried.ACCEPTED})

    assert found.state is State.SETTLED
    assert (found.lm_frame_id, found.doubt, found.tries) == ("l", "", ())


def test_accepted_on_a_map_that_the_files_speak_against_is_doubtful() -> None:
    """One of the two is wrong, and somebody should look."""
    found = decide(
        em(sample="S62"), [lm(sample="S63")], STRICT, tried={"l": Tried.ACCEPTED}
    )
    softly = decide(
        em(sample="S62"), [lm(sample="S63")], PLAIN, tried={"l": Tried.ACCEPTED}
    )

    assert found.state is State.SETTLED
    assert "speak against" in found.doubt
    assert "accepted although the EM file states sample 'S62'" in softly.doubt


def test_free_text_that_differs_makes_doubtful_and_rules_nothing_out() -> None:
    """Sample fields hold titles and labels; only a named id is meant as one."""
    image = em(sample="grid 3, overview")
    maps = [lm("other", sample="S62"), lm("silent")]
    found = decide(image, maps, PLAIN)
    alone = decide(image, maps[:1], PLAIN)

    assert tried_maps(found) == ["silent"]
    assert tried_maps(alone) == ["other"]
    assert "contradict" in alone.doubt
    assert decide(image, maps[:1], STRICT).state is State.WAITING


def test_projects_name_taken_for_the_sample_only_ever_agrees() -> None:
    """OMERO's projects are people's; where one is named after a sample, it counts."""
    image = em(sample="S62")
    person, named = (
        lm("l", sample=name, ids={"project": name}) for name in ("M. Mueller", "S62")
    )

    assert tried_maps(decide(image, [person], STRICT)) == ["l"]
    reasons = decide(image, [named], STRICT).tries[0].reasons
    assert reasons[0] == "same sample 'S62' in both files"


def test_map_that_is_as_likely_is_tried_even_after_another_was_accepted() -> None:
    """One wrong overlay in a thousand is accepted: the right map gives it away."""
    maps = [lm("a"), lm("b"), lm("other", session="T")]
    first = decide(em(), maps, PLAIN, tried={"a": Tried.ACCEPTED})
    done = {"a": Tried.ACCEPTED, "b": Tried.REJECTED}

    assert (first.state, tried_maps(first)) == (State.SETTLED, ["b"])
    assert first.doubt == "1 equally likely map is not tried yet"
    assert decide(em(), maps, PLAIN, tried=done).doubt == ""


def test_accepted_on_two_places_is_doubtful() -> None:
    """At most one can be right; somebody should look."""
    both = {"a": Tried.ACCEPTED, "b": Tried.ACCEPTED}
    found = decide(em(), [lm("a"), lm("b")], PLAIN, tried=both)

    assert found.state is State.SETTLED
    assert "2 maps" in found.doubt


def test_a_person_is_obeyed() -> None:
    """What was chosen holds; what was forbidden is never tried again."""
    maps = [lm("a", sample="S62"), lm("b")]
    image = em(sample="S62")

    chosen = decide(image, maps, PLAIN, chosen="b")
    forbidden = decide(image, maps, PLAIN, tried={"a": Tried.FORBIDDEN})

    assert (chosen.state, chosen.lm_frame_id) == (State.OVERRULED, "b")
    assert tried_maps(forbidden) == ["b"]
    assert "operator" in forbidden.left_out[0].reason


def test_older_map_serves_again_where_the_newer_is_forbidden() -> None:
    """Superseded by what does not belong to the image is not superseded."""
    old, new = (lm(n, file=f"S62_B7_map{n}.czi") for n in ("1", "2"))
    image = em(file="S62_B7_em1.tif")

    found = decide(image, [old, new], RULES, tried={"2": Tried.FORBIDDEN})

    assert tried_maps(found) == ["1"]


def test_other_session_is_no_partner() -> None:
    """A folder per specimen keeps specimens apart."""
    found = decide(em(session="S1"), [lm(session="S2")], PLAIN)

    assert found.state is State.WAITING
    assert found.reasons == ("no LM map in session 'S1' yet",)


def test_file_of_unknown_session_may_belong_to_any_but_never_surely() -> None:
    """A file that lies beside the folders is tried, not forgotten."""
    found = decide(em(session="default", told=Told.NOBODY), [lm(session="S2")], PLAIN)

    assert tried_maps(found) == ["l"]
    assert found.doubt == "nothing but the time speaks for this map"
    assert found.session is None, "what is not sure must not be made to look known"


def test_file_of_unknown_session_joins_that_of_the_map_it_names() -> None:
    """Then its place can be foretold as for the others."""
    image = em(session="default", told=Told.NOBODY, sample="S62")
    found = decide(image, [lm(session="S2", sample="S62")], PLAIN)

    assert found.session == "S2"


def test_session_that_a_person_named_is_no_wall() -> None:
    """The map was taken before anybody said that a session begins."""
    image = em(session="by hand", told=Told.COMMAND)

    assert tried_maps(decide(image, [lm(session="folder")], PLAIN)) == ["l"]


def test_session_with_several_specimens_is_not_enough() -> None:
    """The only map so far may be of the other specimen."""
    image, map_a = em(), lm(sample="S62")
    mixed = several_specimens([map_a, em("e2", sample="S63"), image], PLAIN)

    found = decide(image, [map_a], PLAIN, mixed=mixed)

    assert mixed == {"S"}
    assert "several specimens" in found.doubt
    assert decide(image, [map_a], PLAIN).doubt == ""


@pytest.mark.parametrize(("apart_h", "count"), [(71.9, 1), (72.1, 0)])
def test_window_bounds_the_time_where_nothing_else_speaks(
    apart_h: float, count: int
) -> None:
    """Friday's map for Monday's sections, but not last month's."""
    unknown = {"session": "default", "told": Told.NOBODY}
    found = decide(em(at_h=apart_h, **unknown), [lm(at_h=0, **unknown)], PLAIN)

    assert len(found.tries) == count


def test_wrong_clock_does_not_undo_what_the_files_state() -> None:
    """A PC whose clock stands in 2020: the pair is tried, and marked."""
    found = decide(em(at_h=500, sample="S62"), [lm(at_h=0, sample="S62")], PLAIN)

    assert len(found.tries) == 1
    assert "taken 21 days apart" in found.doubt


def test_image_without_a_map_says_what_it_waits_for() -> None:
    """Nothing there, or nothing that fits, and why."""
    nothing = decide(em(), [], PLAIN)
    unfit = decide(em(sample="S62"), [lm(sample="S63")], STRICT)

    assert nothing.reasons == ("no LM map has arrived yet",)
    assert unfit.state is State.WAITING
    assert unfit.reasons == (
        "none of 1 LM maps fits: the EM file states sample 'S62', the map 'S63'",
    )
    assert unfit.doubt


def test_ratio_needs_both_pixel_sizes() -> None:
    """One silent file leaves it unknown."""
    image, map_ = frame(Side.EM, um=0.02), frame(Side.LM, um=0.1)

    assert metadata_ratio(image, map_) == pytest.approx(5.0)
    assert metadata_ratio(image, frame(Side.LM)) is None
    assert metadata_ratio(frame(Side.EM), map_) is None


@pytest.mark.parametrize(
    ("relative", "session"),
    [
        (b"S62-B7/em/a.tif", ("S62-B7", Told.RULE)),
        (b"a.tif", ("default", Told.RULE)),
        (b"S\xff\xfe/a.tif", ("S\\xff\\xfe", Told.RULE)),
        ("Prüfling/a.tif".encode(), ("Prüfling", Told.RULE)),
    ],
)
def test_first_folder_names_the_session(
    relative: bytes, session: tuple[str, Told]
) -> None:
    """Bytes that are no text are spelled out, so that the name can be stored."""
    assert session_of(frame(Side.EM), relative, PLAIN) == session


def test_names_that_differ_in_undecodable_bytes_are_different_sessions() -> None:
    """Two specimens must not be mixed because neither name is text."""
    names = {
        session_of(frame(Side.EM), bytes([0xF0 + n]) + b"/a.tif", PLAIN)[0]
        for n in range(8)
    }

    assert len(names) == 8


def test_session_may_come_from_the_sample_the_name_or_nothing() -> None:
    """By the profile's rule; what a file leaves open is not known."""
    by_sample = PairingSettings(session_from="sample")
    by_name = RULES.model_copy(update={"session_from": "name"})
    nothing = PairingSettings(session_from="none")
    silent = frame(Side.EM)

    assert session_of(frame(Side.EM, sample="S62"), b"x/a", by_sample)[0] == "S62"
    assert session_of(frame(Side.EM, session="day"), b"x/a", by_sample)[0] == "day"
    assert session_of(silent, b"x/a.tif", by_sample) == ("default", Told.NOBODY)
    said = session_of(silent, b"x/S62_A_em1.tif", by_name, side=Side.EM)
    assert said == ("s62", Told.RULE)
    assert session_of(silent, b"x/odd.tif", by_name)[1] is Told.NOBODY
    assert session_of(silent, b"x/a.tif", nothing) == ("default", Told.RULE)


def test_a_pause_begins_a_new_session() -> None:
    """In either order of arrival: what lies near a session in time belongs to it."""
    by_time = PairingSettings(session_from="time", session_gap_h=4)
    running = [("morning", NOON, NOON + timedelta(hours=2))]

    def session(hours: float) -> str:
        return session_of(
            frame(Side.EM),
            b"a.tif",
            by_time,
            taken_at=NOON + timedelta(hours=hours),
            running=running,
        )[0]

    assert session(5) == "morning"
    assert session(-3.5) == "morning"
    assert session(6.5) == "2026-03-12 183000"
