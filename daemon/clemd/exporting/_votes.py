"""The tile-vote map: which parts of the EM image find this place by themselves.

Drawn on the EM image as it is stored, because that is what the operator looks at and
because it needs no overlay: it may be shown for a rejected pair too.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from clemd.geometry import apply, compose, resizing
from clemd.model import Matrix, Registration, TileState, TileVote, TileVotes, Verdict

from ._arrows import arrow_factor, draw_arrows
from ._atomic import write_bytes
from ._banner import draw_scale_bar, letter_px, with_banner
from ._context import Colour, PixelUm, Plane
from ._contrast import GreyImage
from ._layer import encode_png
from ._legend import Entry, legend_rows, with_legend
from ._scale_bar import choose_bar
from ._scene import grey_em

STATE_COLOURS: dict[TileState, Colour] = {
    TileState.AGREES: (86, 180, 233),
    TileState.ELSEWHERE: (230, 132, 0),
    TileState.UNASKED: (150, 150, 150),
}
"""Sky blue, orange and grey stay apart for every kind of colour vision."""
STATE_WORDS: dict[TileState, str] = {
    TileState.AGREES: "finds this place",
    TileState.ELSEWHERE: "fits better along its arrow",
    TileState.UNASKED: "not asked: no structure or map",
}
_ENTRIES = tuple(
    Entry(colour=STATE_COLOURS[state], words=words)
    for state, words in STATE_WORDS.items()
)
_TINT = 0.30
_LEAST_WIDTH_PX = 900
"""A smaller EM image is enlarged: the words need room."""


def count_line(votes: TileVotes, verdict: Verdict) -> str:
    """E.g. `31 of 34 tiles find this place by themselves (3 would by chance)`."""
    place = "the best place" if verdict is Verdict.REJECTED else "this place"
    agreeing = votes.count(TileState.AGREES)
    find = "finds" if agreeing == 1 else "find"
    themselves = "itself" if agreeing == 1 else "themselves"
    return (
        f"{agreeing} of {votes.asked} tiles {find} {place} by {themselves} "
        f"({votes.asked * votes.chance:.0f} would by chance)"
    )


def write_vote_map(
    path: Path,
    em: Plane,
    registration: Registration,
    *,
    em_pixel_um: PixelUm | None,
    title: str,
    max_side: int = 1600,
    info_bar_rows: int = 0,
) -> None:
    """Write the EM image with its tiles tinted by state and an arrow from each.

    Raises:
        ValueError: the registration has no tile votes.
        OSError: the file cannot be written.
    """
    votes = registration.votes
    if votes is None:
        raise ValueError("this registration has no tile votes")
    grey, to_picture = _enlarged(*grey_em(em, max_side, info_bar_rows))
    picture = _tinted(grey, votes, to_picture)
    factor = arrow_factor(registration)
    if factor:
        draw_arrows(picture, registration, to_picture, factor)
    bar = choose_bar(
        picture_width_px=picture.shape[1],
        picture_px_per_em_px=float(to_picture[0, 0]),
        em_pixel_um=em_pixel_um,
    )
    specimen = picture.shape[0] - round(info_bar_rows * to_picture[1, 1])
    draw_scale_bar(picture[: max(16, specimen)], bar)
    headline, note = count_line(votes, registration.verdict), _note(factor)
    shown = with_legend(picture, headline, _ENTRIES, note)
    write_bytes(path, encode_png(with_banner(shown, registration, title)))


def strip_rows(registration: Registration, width_px: int) -> int:
    """Height of the legend below a map `width_px` wide."""
    note = _note(arrow_factor(registration))
    return legend_rows(width_px, _ENTRIES, note)


def _note(factor: int) -> str:
    return f"arrows x {factor}" if factor > 1 else ""


def _enlarged(grey: GreyImage, from_full: Matrix) -> tuple[GreyImage, Matrix]:
    height, width = grey.shape
    times = -(-_LEAST_WIDTH_PX // width)
    if times <= 1:
        return grey, from_full
    shape = (height * times, width * times)
    big = cv2.resize(grey, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(big, np.uint8), compose(
        resizing((height, width), shape), from_full
    )


def _tinted(grey: GreyImage, votes: TileVotes, to_picture: Matrix) -> GreyImage:
    """The EM image, each tile in its colour with a frame of exactly that colour."""
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    thick = max(2, round(letter_px(grey.shape[1]) / 6))
    for tile in votes.tiles:
        x0, y0, x1, y1 = _box(tile, votes, to_picture, grey.shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            continue
        colour = STATE_COLOURS[tile.state][::-1]
        part = picture[y0:y1, x0:x1]
        if tile.state is TileState.UNASKED:
            part[:] = part // 2 + 20
            _hatch(part, colour)
        else:
            wash = np.array(colour) * _TINT
            part[:] = np.rint(part * (1 - _TINT) + wash).astype(np.uint8)
        low, high = (x0 + thick, y0 + thick), (x1 - 1 - thick, y1 - 1 - thick)
        cv2.rectangle(picture, low, high, colour, thick, cv2.LINE_8)
    return picture


def _box(
    tile: TileVote, votes: TileVotes, to_picture: Matrix, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a tile on the picture, the part that sticks out cut off."""
    half = np.array([votes.tile_width_em_px, votes.tile_height_em_px]) / 2
    centre = np.array([tile.x_em_px, tile.y_em_px])
    (x0, y0), (x1, y1) = apply(to_picture, [centre - half, centre + half]) + 0.5
    height, width = shape[:2]
    return (
        max(0, round(x0)),
        max(0, round(y0)),
        min(width, round(x1)),
        min(height, round(y1)),
    )


def _hatch(part: GreyImage, colour: tuple[int, ...]) -> None:
    height, width = part.shape[:2]
    step = max(12, round(letter_px(width * 6)))
    for start in range(-height, width, step):
        ends = (start, height - 1), (start + height - 1, 0)
        cv2.line(part, ends[0], ends[1], [c // 2 for c in colour], 1, cv2.LINE_AA)
