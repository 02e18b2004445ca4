"""Arrows from tiles to where they would rather be, in the EM image's axes."""

from __future__ import annotations

import cv2
import numpy as np

from clemd.geometry import apply, as_matrix, invert
from clemd.model import Matrix, Registration, TileState

from ._banner import letter_px
from ._contrast import GreyImage

_FACTORS = (1, 2, 3, 5, 10, 20, 50)


def arrow_factor(registration: Registration) -> int:
    """How many times too long arrows are drawn: the longest fills half a tile.

    0 = none can be drawn, for want of a matrix between the two images.
    """
    votes, ratio = registration.votes, registration.pixel_size_ratio
    if votes is None or _judged_matrix(registration) is None or not ratio:
        return 0
    room = 0.5 * min(votes.tile_width_em_px, votes.tile_height_em_px)
    reach_em_px = votes.reach_lm_px * ratio
    return max((f for f in _FACTORS if f * reach_em_px <= room), default=1)


def _judged_matrix(registration: Registration) -> Matrix | None:
    """The matrix that the tiles were asked about.

    Of a rejected pair too: it only turns arrows into the EM's axes here, and neither
    the place nor the pose can be read from them.
    """
    rows = registration.em_to_lm or registration.best_guess
    return None if rows is None else as_matrix(rows)


def draw_arrows(
    picture: GreyImage, registration: Registration, to_picture: Matrix, factor: int
) -> None:
    """Draw the shift that each asked tile would like, `factor` times as long.

    `to_picture` maps EM px to px of the picture.
    """
    votes, matrix = registration.votes, _judged_matrix(registration)
    if votes is None or matrix is None:
        return
    asked = [t for t in votes.tiles if t.state is not TileState.UNASKED]
    if not asked:
        return
    starts = np.array([(t.x_em_px, t.y_em_px) for t in asked])
    shifts = np.array([(t.dx_lm_px, t.dy_lm_px) for t in asked])
    ends = apply(invert(matrix), apply(matrix, starts) + shifts)
    tails = apply(to_picture, starts)
    tips = tails + factor * (apply(to_picture, ends) - tails)
    for tail, tip in zip(tails, tips, strict=True):
        _draw_arrow(picture, tail, tip)


def _draw_arrow(picture: GreyImage, tail: Matrix, tip: Matrix) -> None:
    """White in a black casing: seen on any tint and any structure."""
    letter = letter_px(picture.shape[1])
    length = float(np.linalg.norm(tip - tail))
    a, b = (np.rint(end * 16).astype(int).tolist() for end in (tail, tip))
    thick = max(2, round(letter / 6))
    for colour, more in (((0, 0, 0), 2), ((255, 255, 255), 0)):
        dot = round(16 * (letter / 5 + more / 2))
        cv2.circle(picture, a, dot, colour, cv2.FILLED, cv2.LINE_AA, shift=4)
        if length > letter / 2:
            head = min(0.4, 0.6 * letter / length)
            cv2.arrowedLine(picture, a, b, colour, thick + more, cv2.LINE_AA, 4, head)
