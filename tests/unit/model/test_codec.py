"""Facts survive JSON, and names are safe to show."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clemd.model import (
    Channel,
    ChannelKind,
    ErrorRadius,
    Frame,
    Modality,
    PixelSize,
    Registration,
    Side,
    StagePose,
    TileState,
    TileVote,
    TileVotes,
    Timing,
    TransformModel,
    Verdict,
    display_name,
    from_json,
    to_dict,
    to_json,
)

steady = settings(deadline=None, derandomize=True, max_examples=150)

FRAME = Frame(
    path="/em/µ-Prüfling.tif",
    driver="zeiss",
    driver_version="1",
    modality=Modality.SEM,
    shape=(1536, 2048),
    dtype="uint16",
    channels=(Channel(name="InLens", kind=ChannelKind.SE, emission_nm=None),),
    pixel_size=PixelSize(x_um=0.0049, y_um=0.005, source="AP_IMAGE_PIXEL_SIZE"),
    stage=StagePose(x_um=1.5, rotation_deg=-12.0),
    acquired_at=datetime(2026, 3, 12, 11, 53, tzinfo=UTC),
    sample="S62-B7",
    info_bar_rows=96,
    extra={"EHT": "5.00 kV"},
    warnings=("no time zone in the file",),
)
FOUND = Registration(
    verdict=Verdict.ACCEPTED,
    confidence=0.97,
    em_to_lm=((0.1, -0.02, 300.0), (0.02, 0.1, 1 / 3), (0.0, 0.0, 1.0)),
    model=TransformModel.AFFINE,
    error_lm_px=ErrorRadius(p50=0.3, p95=0.7),
    corner_covariance_lm_px2=((1.0,) * 8,) * 8,
    seconds=Timing(search=1.5, total=4.0),
    reasons=("all tiles agree",),
    evidence={"hits": 0.5},
    votes=TileVotes(
        rows=1,
        columns=2,
        tile_width_em_px=1024.0,
        tile_height_em_px=1440.0,
        reach_lm_px=18.5,
        chance=0.0865,
        tiles=(
            TileVote(
                x_em_px=511.5,
                y_em_px=719.5,
                state=TileState.ELSEWHERE,
                dx_lm_px=-4.25,
                dy_lm_px=1.5,
            ),
            TileVote(x_em_px=1535.5, y_em_px=719.5, state=TileState.UNASKED),
        ),
    ),
)


@pytest.mark.parametrize("fact", [FRAME, FOUND, replace(FRAME, stage=None)])
def test_fact_comes_back_as_it_went(fact: object) -> None:
    """Tuples, enums, times and nested facts included."""
    assert from_json(type(fact), to_json(fact)) == fact


@steady
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=9, max_size=9)
)
def test_not_a_bit_of_a_matrix_is_lost(numbers: list[float]) -> None:
    """A matrix that changed by a rounding is no longer the one that was judged."""
    a, b, c = numbers[:3], numbers[3:6], numbers[6:]
    rows = ((a[0], a[1], a[2]), (b[0], b[1], b[2]), (c[0], c[1], c[2]))
    found = replace(FOUND, em_to_lm=rows)

    assert from_json(Registration, to_json(found)).em_to_lm == rows


def test_dictionary_holds_json_values_only() -> None:
    """It can be written by the plainest encoder."""
    values = to_dict(FRAME)

    assert json.loads(json.dumps(values)) == values
    assert values["modality"] == "sem"
    assert values["acquired_at"] == "2026-03-12T11:53:00Z"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"verdict":"sure","confidence":1,"em_to_lm":null}'],
)
def test_text_that_is_no_such_fact_is_refused(text: str) -> None:
    """A damaged row must not become a half-filled fact."""
    with pytest.raises(ValidationError):
        from_json(Registration, text)


def test_infinity_does_not_come_back_as_a_number() -> None:
    """JSON has none: whoever stores facts must look (the store does)."""
    endless = replace(FOUND, error_lm_px=ErrorRadius(p50=1.0, p95=math.inf))

    with pytest.raises(ValidationError):
        from_json(Registration, to_json(endless))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"map 01.tif", "map 01.tif"),
        ("Prüfling µ.tif", "Prüfling µ.tif"),
        (b"a\nb.tif", "a\\x0ab.tif"),
        (b"\x1b[31mred.tif", "\\x1b[31mred.tif"),
        ("gnp\u202efit.exe", "gnp\\u202efit.exe"),
        ("\u2067x", "\\u2067x"),
        (b"caf\xe9.tif", "caf\\xe9.tif"),
        ("caf\udce9.tif", "caf\\xe9.tif"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("", ""),
    ],
)
def test_name_is_shown_without_what_could_mislead(
    name: bytes | str, shown: str
) -> None:
    """Line feeds, terminal colours, reversed text and bytes that are no text."""
    assert display_name(name) == shown


@steady
@given(st.binary(max_size=60))
def test_every_name_becomes_one_printable_line(name: bytes) -> None:
    """Whatever the file system holds, it fits in a log line and in JSON."""
    shown = display_name(name)

    assert shown.isprintable()
    assert json.loads(json.dumps(shown).encode()) == shown
    assert display_name(shown) == shown


@pytest.mark.parametrize(
    ("modality", "side"),
    [
        (Modality.SEM, Side.EM),
        (Modality.TEM, Side.EM),
        (Modality.CLSM, Side.LM),
        (Modality.WIDEFIELD, Side.LM),
        (Modality.UNKNOWN, None),
        (Modality.XRAY, None),
    ],
)
def test_modality_decides_the_side_only_where_it_can(
    modality: Modality, side: Side | None
) -> None:
    """An instrument that could be either leaves it to the folder."""
    assert replace(FRAME, modality=modality).side is side


def test_contract_of_a_rejected_result_carries_no_matrix() -> None:
    """Not even the best guess, which was judged and found wanting."""
    rejected = replace(
        FOUND, verdict=Verdict.REJECTED, em_to_lm=None, best_guess=FOUND.em_to_lm
    )
    contract = rejected.to_contract()

    assert contract["em_to_lm"] is None
    assert "300.0" not in json.dumps(contract)
    assert contract["schema"] == "clemd.registration/1"


def test_contract_shows_where_the_images_agree() -> None:
    """A subscriber draws the tile map itself; plain values, whatever the verdict."""
    for verdict in Verdict:
        votes = replace(FOUND, verdict=verdict).to_contract()["votes"]
        assert json.loads(json.dumps(votes)) == votes
        assert (votes["rows"], votes["columns"]) == (1, 2)
        assert votes["tiles"][0] == {
            "x_em_px": 511.5,
            "y_em_px": 719.5,
            "state": "elsewhere",
            "dx_lm_px": -4.25,
            "dy_lm_px": 1.5,
        }
        assert type(votes["tiles"][1]["state"]) is str
    assert replace(FOUND, votes=None).to_contract()["votes"] is None


def test_only_tiles_that_were_asked_are_counted() -> None:
    """Bare resin neither agrees nor disagrees."""
    assert FOUND.votes is not None
    assert FOUND.votes.asked == 1
    assert FOUND.votes.count(TileState.AGREES) == 0
