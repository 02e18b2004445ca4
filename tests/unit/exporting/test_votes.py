"""The pictures that show why: tile votes on the EM image, its outline on the map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.errors import UsageError
from clemd.exporting import (
    LightLayer,
    Plane,
    write_checkerboard,
    write_outline,
    write_vote_map,
)
from clemd.exporting._arrows import arrow_factor
from clemd.exporting._banner import banner_rows
from clemd.exporting._votes import STATE_COLOURS, count_line, strip_rows
from clemd.geometry import apply, compose, invert, resizing
from clemd.model import Matrix, Registration, TileState, TileVotes, Verdict

Register = Callable[..., Registration]
Layers = tuple[LightLayer, ...]
SHOWN = (960, 1280)
"""The EM image of 480 x 640 px is enlarged twice."""


def read(path: Path) -> Any:
    """The written picture as BGR."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def specimen(path: Path, registration: Registration) -> Any:
    """The picture without the strips above and below."""
    picture = read(path)
    width = picture.shape[1]
    rows = picture.shape[0] - strip_rows(registration, width)
    return picture[banner_rows(width) : rows]


def is_colour(picture: Any, state: TileState) -> Any:
    """Where the picture has exactly the colour of `state`."""
    return (picture == STATE_COLOURS[state][::-1]).all(axis=2)


def votes_of(registration: Registration) -> TileVotes:
    """The votes, which are there."""
    assert registration.votes is not None
    return registration.votes


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_tile_is_framed_in_the_colour_of_its_state(
    tmp_path: Path, em: Plane, register: Register, verdict: Verdict
) -> None:
    """The count in words and the count by eye must be one."""
    path = tmp_path / "v.png"
    found = register(verdict)
    write_vote_map(path, em, found, em_pixel_um=(0.05, 0.05), title="t")

    picture = specimen(path, found)
    assert picture.shape[:2] == SHOWN
    for tile in votes_of(found).tiles:
        x0, y0 = int(2 * (tile.x_em_px - 79.5)), int(2 * (tile.y_em_px - 79.5))
        part = picture[y0 : y0 + 320, x0 : x0 + 320]
        framed = {s for s in TileState if is_colour(part[:8], s).sum() > 300}
        assert framed == {tile.state}
        if tile.state is not TileState.UNASKED:  # the scale bar covers nothing here
            tint = part[20:100].reshape(-1, 3).mean(axis=0)
            bluer = tint[0] > tint[2]
            assert bluer == (tile.state is TileState.AGREES)


def test_an_arrow_ends_where_its_tile_would_rather_be(
    tmp_path: Path, em: Plane, register: Register, true: Matrix
) -> None:
    """Turned, mirrored and exaggerated arrows are easily drawn the wrong way."""
    path = tmp_path / "v.png"
    found = register()
    write_vote_map(path, em, found, em_pixel_um=None, title="t")
    factor = arrow_factor(found)
    assert factor == 2, "40 EM px of reach, 80 px of room"

    tile = votes_of(found).tiles[2]
    start = np.array([tile.x_em_px, tile.y_em_px])
    wanted = apply(true, [start]) + np.array([tile.dx_lm_px, tile.dy_lm_px])
    end = apply(invert(true), wanted)[0]
    tip = apply(resizing((480, 640), SHOWN), [start + factor * (end - start)])[0]
    white = (specimen(path, found)[0:320, 640:960] == 255).all(axis=2)
    y, x = np.nonzero(white)
    distance = np.hypot(x + 640 - tip[0], y - tip[1])
    assert distance.min() < 2.5
    reached = np.hypot(x + 640 - 2 * start[0], y - 2 * start[1]).max()
    assert abs(reached - 2 * factor * np.linalg.norm(end - start)) < 6


def test_without_a_matrix_there_are_tiles_and_no_arrows(
    tmp_path: Path, em: Plane, register: Register
) -> None:
    """A shift in LM px has no direction on the EM then."""
    path = tmp_path / "v.png"
    found = register(Verdict.REJECTED, em_to_lm=None, best_guess=None)
    write_vote_map(path, em, found, em_pixel_um=None, title="t")

    assert arrow_factor(found) == 0
    picture = specimen(path, found)[:640]  # above the scale bar
    assert not (picture == 255).all(axis=2).any()
    assert is_colour(picture, TileState.AGREES).any()


@pytest.mark.parametrize("shape", [(40, 700), (700, 40), (30, 30), (2000, 3000)])
def test_any_image_gets_a_map(
    tmp_path: Path, register: Register, shape: tuple[int, int]
) -> None:
    """Strips, crumbs and mosaics; tiles may stick out of them."""
    found = register()
    grey = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    write_vote_map(tmp_path / "v.png", grey, found, em_pixel_um=None, title="t")

    assert specimen(tmp_path / "v.png", found).size


def test_the_count_is_a_sentence(register: Register) -> None:
    """It stands on the picture and in the report."""
    votes = votes_of(register())
    words = count_line(votes, Verdict.ACCEPTED)
    assert words == "8 of 11 tiles find this place by themselves (1 would by chance)"
    one = replace(votes, tiles=votes.tiles[:1])
    words = count_line(one, Verdict.REJECTED)
    assert words == "1 of 1 tiles finds the best place by itself (0 would by chance)"


def test_a_registration_without_votes_has_no_map(
    tmp_path: Path, em: Plane, register: Register
) -> None:
    """An engine that asks no tiles must not seem to have asked."""
    with pytest.raises(ValueError, match="no tile votes"):
        write_vote_map(
            tmp_path / "v.png", em, register(votes=None), em_pixel_um=None, title="t"
        )
    assert list(tmp_path.iterdir()) == []


def test_the_outline_lies_where_the_matrix_says(
    tmp_path: Path, register: Register, context: Any, true: Matrix
) -> None:
    """The filled corner is the EM's first pixel: it shows turn and mirror."""
    path = tmp_path / "o.png"
    dark = LightLayer(plane=np.zeros(context.lm_shape, np.uint8), name="R")
    inside = compose(np.diag([0.5, 0.5, 1.0]), true)  # all of it on the map
    inside[:2, 2] += 50
    found = register(em_to_lm=tuple(map(tuple, inside.tolist())))
    write_outline(
        path,
        [dark],
        found,
        em_shape=context.em_shape,
        em_pixel_um=None,
        title="t",
    )

    picture = read(path)
    picture = picture[banner_rows(picture.shape[1]) :]
    assert picture.shape[:2] == context.lm_shape
    corners = [(-0.5, -0.5), (639.5, -0.5), (639.5, 479.5), (-0.5, 479.5)]
    ends = apply(inside, corners)
    for a, b in zip(ends, np.roll(ends, -1, axis=0), strict=True):
        for part in (0.3, 0.5, 0.7):
            x, y = np.rint(a + part * (b - a)).astype(int)
            assert picture[y, x].min() > 150
    towards = apply(inside, [(20.0, 20.0), (620.0, 20.0), (620.0, 460.0)])
    filled = [picture[round(y), round(x)].min() for x, y in towards]
    assert filled[0] > 200
    assert max(filled[1:]) < 60


def test_an_outline_that_leaves_the_map_gets_room(
    tmp_path: Path, register: Register, layers: Layers, context: Any, true: Matrix
) -> None:
    """Half an EM image beside the map is what the operator must notice."""
    moved = true.copy()
    moved[0, 2] += 60
    found = register(em_to_lm=tuple(map(tuple, moved.tolist())))
    for name, one in (("far", found), ("near", register())):
        write_outline(
            tmp_path / f"{name}.png",
            layers,
            one,
            em_shape=context.em_shape,
            em_pixel_um=None,
            title="t",
        )

    far, near = (read(tmp_path / f"{name}.png") for name in ("far", "near"))
    assert far.shape[1] > near.shape[1]


def test_a_rejected_place_is_not_outlined(
    tmp_path: Path, register: Register, layers: Layers, context: Any
) -> None:
    """An outline says "here" as loudly as an overlay."""
    with pytest.raises(UsageError):
        write_outline(
            tmp_path / "o.png",
            layers,
            register(Verdict.REJECTED),
            em_shape=context.em_shape,
            em_pixel_um=None,
            title="t",
        )
    assert list(tmp_path.iterdir()) == []


def test_a_new_answer_takes_the_pictures_of_the_old_one_away(
    tmp_path: Path, em: Plane, layers: Layers, register: Register
) -> None:
    """An outline that stays beside a rejected result would be believed."""
    path = tmp_path / "checkerboard.png"

    def names(found: Registration) -> set[str]:
        write_checkerboard(path, em, layers, found, em_pixel_um=None, title="t")
        return {file.name for file in tmp_path.iterdir()}

    first = names(register())
    assert first == {"checkerboard.png", "votes.png", "outline.png"}
    assert names(register(Verdict.REJECTED)) == {"checkerboard.png", "votes.png"}
    assert names(register(Verdict.REJECTED, votes=None)) == {"checkerboard.png"}
