"""The pictures that go beside a checkerboard: why it is right, and where on the map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clemd.model import Registration, Verdict

from ._context import LightLayer, PixelUm, Plane
from ._outline import write_outline
from ._votes import write_vote_map

VOTES_FILE = "votes.png"
OUTLINE_FILE = "outline.png"


def write_beside(
    folder: Path,
    em: Plane,
    lm_layers: Sequence[LightLayer],
    registration: Registration,
    *,
    em_pixel_um: PixelUm | None,
    title: str,
    max_side: int,
    info_bar_rows: int,
) -> None:
    """Write the tile-vote map and the outline into `folder`, where there are such.

    What cannot be drawn is taken away: it belongs to an earlier answer, and an outline
    beside a rejected result would be believed.

    Raises:
        OSError: a file cannot be written.
    """
    votes, outline = folder / VOTES_FILE, folder / OUTLINE_FILE
    if registration.votes is None:
        votes.unlink(missing_ok=True)
    else:
        write_vote_map(
            votes,
            em,
            registration,
            em_pixel_um=em_pixel_um,
            title=title,
            max_side=max_side,
            info_bar_rows=info_bar_rows,
        )
    placed = registration.em_to_lm is not None
    if registration.verdict is Verdict.REJECTED or not placed or not lm_layers:
        outline.unlink(missing_ok=True)
    else:
        write_outline(
            outline,
            lm_layers,
            registration,
            em_shape=(em.shape[0], em.shape[1]),
            em_pixel_um=em_pixel_um,
            title=title,
            max_side=max_side,
        )
