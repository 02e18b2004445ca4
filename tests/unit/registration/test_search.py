"""The exhaustive search: shifts, half turns and mirrors land where they should."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from clemd.geometry import apply, corner_errors, decompose, invert, similarity
from clemd.preparing import prepare
from clemd.registration._fields import double_angle, field_of
from clemd.registration._search import Grid, distinct, search

CPU = torch.device("cpu")


def texture(seed: int, side: int = 300) -> np.ndarray:
    """Blobs of many sizes."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, side, side)).astype(np.float32)
    coarse = 6.0 * cv2.GaussianBlur(noise[0], (0, 0), 6.0)
    fine = 2.5 * cv2.GaussianBlur(noise[1], (0, 0), 2.5)
    return np.asarray(np.clip(128 + 90 * (coarse + fine), 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("rotation_deg", "mirrored"), [(0.0, False), (195.0, False), (75.0, True)]
)
def test_pose_on_the_grid_is_the_best(rotation_deg: float, mirrored: bool) -> None:
    """Half turns share a transform with their twin; the mirror conjugates the field."""
    lm = texture(1)
    true = similarity(
        scale=1.0,
        rotation_deg=rotation_deg,
        mirrored=mirrored,
        about=(69.5, 54.5),
        onto=(140.0, 160.0),
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    em = np.asarray(cv2.warpAffine(lm, true[:2], (140, 110), flags=flags))
    grid = Grid(
        rotations_deg=tuple(np.arange(0.0, 180.0, 15.0)),
        scales=(0.95, 1.0, 1.05),
        mirrors=(False, True),
    )
    found = search(
        field_of(prepare([em]), 1.0, CPU),
        field_of(prepare([lm]), 1.0, CPU),
        grid,
        lambda _stage: None,
    )
    best = found[0]
    assert best.mirrored is mirrored
    assert corner_errors(best.matrix, true, em.shape).max() < 2.5
    others = distinct(found, 5)
    assert best.score > 1.3 * others[1].score


def test_field_is_blind_to_contrast() -> None:
    """Inverting an image changes no angle of its gradients."""
    image = torch.from_numpy(texture(2).astype(np.float32))[None] / 255
    valid = torch.ones(image.shape[1:], dtype=torch.bool)
    one, other = (
        double_angle(image, valid, 1.4, 1.0),
        double_angle(1 - image, valid, 1.4, 1.0),
    )
    assert torch.allclose(one, other, atol=1e-4)


def test_padding_enters_no_field() -> None:
    """Beyond the mask and its rim the field is zero."""
    image = torch.from_numpy(texture(3).astype(np.float32))[None] / 255
    valid = torch.ones(image.shape[1:], dtype=torch.bool)
    valid[:, :60] = False
    field = double_angle(image, valid, 1.4, 1.0)
    assert float(field[:, :, :62].abs().max()) == 0.0
    assert float(field[2, 100, 100]) == 1.0


@pytest.mark.parametrize("mirrored", [False, True])
def test_candidate_tells_of_its_own_matrix(mirrored: bool) -> None:
    """Rotation, mirror, scale and place are read off it without another look.

    It is the map that is mirrored, so each has to be turned back with it.
    """
    lm, em = prepare([texture(4, 240)]), prepare([texture(5, 130)[:100]])
    em_field, lm_field = field_of(em, 1.6, CPU), field_of(lm, 1.3, CPU)
    grid = Grid(
        rotations_deg=(0.0, 52.5, 120.0), scales=(0.9, 1.1), mirrors=(mirrored,)
    )
    found = search(em_field, lm_field, grid, lambda _stage: None)
    assert len(found) == 3 * 2 * 2
    middle = ((em_field.shape[1] - 1) / 2, (em_field.shape[0] - 1) / 2)
    in_em = apply(invert(em_field.from_full), [middle])
    for one in found:
        parts = decompose(one.matrix, tuple(in_em[0]))
        assert parts.mirrored is one.mirrored is mirrored
        turn = (one.rotation_deg - parts.rotation_deg + 180) % 360 - 180
        assert turn == pytest.approx(0.0, abs=1.5)  # both grids round their sides
        assert one.log_scale == pytest.approx(np.log(parts.scale), abs=1e-3)
        on_map = apply(lm_field.from_full, apply(one.matrix, in_em))[0]
        assert one.centre == pytest.approx(on_map / max(lm_field.shape), abs=1e-6)


def test_half_turns_are_found_apart() -> None:
    """A double-angle field looks alike from both ends; the place must not."""
    lm = texture(6, 240)
    em = np.ascontiguousarray(lm[60:160, 40:170][::-1, ::-1])
    grid = Grid(rotations_deg=(0.0, 90.0), scales=(1.0,), mirrors=(False, True))
    best, *others = search(
        field_of(prepare([em]), 1.0, CPU),
        field_of(prepare([lm]), 1.0, CPU),
        grid,
        lambda _stage: None,
    )
    true = similarity(
        scale=1.0, rotation_deg=180.0, about=(64.5, 49.5), onto=(104.5, 109.5)
    )
    assert best.rotation_deg == 180.0
    assert corner_errors(best.matrix, true, em.shape).max() < 1.5
    assert best.score > 1.5 * others[0].score
