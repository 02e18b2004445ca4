"""The tile map says what the verdict counted, and its arrows point the right way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from clemd.geometry import middle_of, similarity, translation
from clemd.model import PreparedImage, TileState, TileVotes
from clemd.registration._evidence import (
    JUDGE_EM_PX,
    JUDGE_LM_PX,
    gather_votes,
)
from clemd.registration._images import Images, between
from clemd.registration._witnesses import tile_witnesses

TRUE = similarity(
    scale=0.5, rotation_deg=30, mirrored=True, about=(299.5, 249.5), onto=(200, 190)
)


@pytest.fixture(scope="module")
def images() -> Images:
    """One specimen, seen twice."""
    noise = np.random.default_rng(5).normal(size=(500, 600)).astype(np.float32)
    em = cv2.GaussianBlur(noise, (0, 0), 6)
    em = (em - em.min()) / np.ptp(em)
    seen = cv2.warpPerspective(em, TRUE, (400, 380), flags=cv2.INTER_AREA)
    inside = cv2.warpPerspective(np.ones_like(em), TRUE, (400, 380)) > 0.99

    def prepared(layer: np.ndarray, mask: np.ndarray) -> PreparedImage:
        return PreparedImage(
            layers=(layer.astype(np.float32),),
            mask=mask,
            from_full=np.eye(3),
            full_shape=layer.shape,
        )

    whole = np.ones(em.shape, bool)
    return Images(prepared(em, whole), prepared(seen, inside), torch.device("cpu"))


def agreeing(votes: TileVotes) -> np.ndarray:
    """The shifts of the tiles that agree, LM px."""
    return np.array(
        [(t.dx_lm_px, t.dy_lm_px) for t in votes.tiles if t.state is TileState.AGREES]
    )


def test_at_the_true_place_tiles_agree_and_stay(images: Images) -> None:
    """What the verdict counts as hits is what the operator is shown."""
    votes = gather_votes(images, TRUE)
    ratio = 2.0
    em, lm = images.at(ratio, images.reduction(ratio, JUDGE_EM_PX, JUDGE_LM_PX))
    seen = tile_witnesses(em.z, lm.z, between(em, lm, [TRUE])[0])

    assert votes.asked == seen["tiles"]
    assert votes.count(TileState.AGREES) / votes.asked == seen["hits"] > 0.8
    assert np.abs(agreeing(votes)).max() < 1.0
    middle = np.mean([(t.x_em_px, t.y_em_px) for t in votes.tiles], axis=0)
    size = votes.tile_width_em_px * votes.columns, votes.tile_height_em_px * votes.rows
    assert np.abs(middle - middle_of((500, 600))).max() < 8
    assert np.all(np.array(size) >= (599, 499))


@pytest.mark.parametrize("moved_px", [(1.8, 0.0), (0.0, -1.8)])
def test_tiles_ask_back_what_the_matrix_was_moved(
    images: Images, moved_px: tuple[float, float]
) -> None:
    """In LM px and along the LM's axes, although the pose is turned and mirrored."""
    votes = gather_votes(images, translation(*moved_px) @ TRUE)

    assert np.median(agreeing(votes), axis=0) == pytest.approx(
        [-moved_px[0], -moved_px[1]], abs=0.3
    )
