"""The peer is set up fairly: on an easy pair it finds the answer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from clemd.bench._peers import register_by_mutual_information
from clemd.geometry import corner_errors, similarity

pytest.importorskip("SimpleITK")
EM_SHAPE = (300, 400)


@pytest.mark.parametrize("mirrored", [False, True])
def test_peer_finds_an_easy_pair(mirrored: bool) -> None:
    """Same contrast, near the centre, turned by an amount that is among its starts."""
    noise = np.random.default_rng(4).normal(size=(240, 240)).astype(np.float32)
    lm = cv2.GaussianBlur(noise, (0, 0), 4)
    true = similarity(
        scale=0.5,
        rotation_deg=32,
        mirrored=mirrored,
        about=(199.5, 149.5),
        onto=(123, 117),
    )
    em = cv2.warpPerspective(
        lm, true, EM_SHAPE[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    with_bar = np.vstack([em, np.full((20, EM_SHAPE[1]), 9, np.float32)])

    found = register_by_mutual_information(
        with_bar, lm, ratio=2.0, info_bar_rows=20, mirrored=mirrored, threads=1
    )

    assert corner_errors(found.em_to_lm, true, EM_SHAPE).max() < 1.0
