"""The engine `regressor` meets the contract of every engine; its network is pinned."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.geometry import compose, corner_errors, decompose, invert
from clemd.model import Matrix, PosePrior, PreparedImage, Verdict
from clemd.preparing import prepare
from clemd.registration import Engine, EngineContext, engine_named
from clemd.registration.regressor import (
    SHA256,
    WEIGHTS,
    Example,
    Prediction,
    Recipe,
    as_bytes,
    example_of,
    from_bytes,
    hint,
    outside,
    predict,
    sha256_of,
    train,
    trained,
)
from clemd.registration.regressor._examples import _turned, draw
from clemd.registration.regressor._looking import lm_on_grid, shifts_of, step_of
from clemd.registration.regressor._network import REACH_PX
from clemd.registration.regressor._training import fresh, loss_of
from clemd.registration.regressor._weights import checked
from clemd.testing import EngineSuite
from clemd.testing._engine_suite import EM_SHAPE, pair_of

Image = NDArray[Any]
TOLD = PosePrior(pixel_size_ratio=2.08)


@pytest.mark.long
class TestRegressor(EngineSuite):
    """As the daemon makes it."""

    def make_engine(self) -> Engine:
        """The engine by its name."""
        return engine_named("regressor")


def prepared(
    seed: int, *, rotation_deg: float, mirrored: bool = False
) -> tuple[PreparedImage, PreparedImage, Matrix]:
    """A pair of the suite's scenes, with the truth."""
    em, lm, true = pair_of(seed, rotation_deg=rotation_deg, mirrored=mirrored)
    return prepare([em], reduction=2.08), prepare([lm], reduction=1.0), true


def predicted(
    em: PreparedImage, lm: PreparedImage, prior: PosePrior = TOLD
) -> Prediction:
    """What the network says; these pairs it can be asked about."""
    said = predict(trained(), em, lm, prior)
    assert said is not None
    return said


@pytest.mark.parametrize(
    ("rotation_deg", "mirrored"), [(0.0, False), (97.0, False), (-140.0, True)]
)
def test_pose_of_a_kind_of_specimen_it_never_saw_is_near(
    rotation_deg: float, mirrored: bool
) -> None:
    """It has learned to read shifts, not to know the simulator's cells."""
    em, lm, true = prepared(3, rotation_deg=rotation_deg, mirrored=mirrored)
    said = predicted(em, lm)
    width = EM_SHAPE[1] * decompose(true).scale
    assert corner_errors(said.matrix, true, EM_SHAPE).mean() < 0.02 * width
    assert said.mirrored is mirrored
    assert said.log_odds > 0


def test_deviations_say_how_far_off_it_is() -> None:
    """A variance that is always small or always large would say nothing."""
    missed = []
    for seed in range(3, 9):
        em, lm, true = prepared(seed, rotation_deg=50.0 * seed)
        said, parts = predicted(em, lm), decompose(true)
        turn = (said.rotation_deg - parts.rotation_deg + 180) % 360 - 180
        missed += [
            turn / said.deviations[2],
            (said.scale / parts.scale - 1) / said.deviations[3],
        ]
    assert np.abs(missed).max() < 6
    assert np.sqrt(np.mean(np.square(missed))) > 0.1


def test_contrast_upside_down_changes_nothing_to_speak_of() -> None:
    """The fields know neither the sign nor the size of contrast."""
    em, lm, _ = prepared(5, rotation_deg=33.0)
    turned = replace(em, layers=tuple(1 - layer for layer in em.layers))
    gap = corner_errors(
        predicted(em, lm).matrix, predicted(turned, lm).matrix, EM_SHAPE
    )
    assert gap.max() < 0.05


def test_same_input_gives_same_bits() -> None:
    """A prior that wavers would make the search waver."""
    em, lm, _ = prepared(4, rotation_deg=-20.0)
    first, second = predicted(em, lm), predicted(em, lm)
    assert np.array_equal(first.matrix, second.matrix)
    assert first.deviations == second.deviations


def test_told_mirror_and_range_are_kept() -> None:
    """What a profile rules out is not proposed."""
    em, lm, _ = prepared(3, rotation_deg=97.0)
    told = replace(TOLD, mirror=True, rotation_deg=(-30.0, 30.0))
    said = predicted(em, lm, told)
    assert said.mirrored
    assert abs(said.rotation_deg) < 50.0


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (PosePrior(), "needs the pixel sizes"),
        (PosePrior(pixel_size_ratio=2.0, scale_tolerance=0.3), "within 10 %, not 30 %"),
        (PosePrior(pixel_size_ratio=7.0), "as wide as the map"),
    ],
    ids=["no ratio", "loose ratio", "small field"],
)
def test_outside_its_range_it_says_so(prior: PosePrior, words: str) -> None:
    """A network asked about what it was not trained for answers all the same."""
    em, lm, _ = prepared(3, rotation_deg=0.0)
    assert words in outside(em, lm, prior)
    found = engine_named("regressor").register(em, lm, prior, EngineContext())
    assert found.verdict is Verdict.REJECTED
    assert found.em_to_lm is None
    assert words in found.reasons[0]
    assert hint(em, lm, prior) is None


def test_field_of_few_pixels_is_outside_its_range() -> None:
    """On a tiny map there is nothing for a field of 48 px to show."""
    rng = np.random.default_rng(0)
    em = prepare([np.asarray(rng.integers(0, 255, (60, 60)), np.uint8)], reduction=2.0)
    lm = prepare([np.asarray(rng.integers(0, 255, (60, 60)), np.uint8)])
    assert "only 30 px wide" in outside(em, lm, PosePrior(pixel_size_ratio=2.0))


def test_answer_names_what_the_network_had_said() -> None:
    """The operator sees which engine spoke, and how sure it had been."""
    em, lm, _ = prepared(3, rotation_deg=20.0)
    found = engine_named("regressor").register(em, lm, TOLD, EngineContext())
    assert found.engine == "regressor"
    assert "the network had said: rotation" in found.reasons[-1]
    assert found.evidence["regressor_sd_rotation_deg"] > 0
    assert found.evidence["regressor_moved_lm_px"] < 8


def test_hint_is_given_only_where_nothing_else_foretells() -> None:
    """A session knows better where its next image lies."""
    em, lm, true = prepared(3, rotation_deg=20.0)
    given = hint(em, lm, TOLD)
    assert given is not None
    assert corner_errors(np.array(given), true, EM_SHAPE).mean() < 4
    assert hint(em, lm, replace(TOLD, expected=given)) is None


def test_unrelated_images_are_no_hint() -> None:
    """A hint costs a check; one about nothing would only cost time."""
    doubted = 0
    for seed in range(3, 9):
        em, _, _ = prepared(seed, rotation_deg=0.0)
        _, lm, _ = prepared(seed + 20, rotation_deg=0.0)
        doubted += hint(em, lm, TOLD) is None
    assert doubted >= 5


def test_weights_are_the_pinned_ones() -> None:
    """What was measured is what is delivered, and it is small."""
    content = WEIGHTS.read_bytes()
    assert sha256_of(content) == SHA256
    assert len(content) <= 5_000_000


def test_damaged_weights_are_refused_in_words() -> None:
    """One flipped bit, and the figures hold no more."""
    content = bytearray(WEIGHTS.read_bytes())
    content[-9] ^= 1
    with pytest.raises(UsageError, match="not those of this version"):
        checked(bytes(content))


def test_weights_come_back_as_they_were() -> None:
    """Written and read again, the same network."""
    network = fresh(5)
    again = from_bytes(as_bytes(network, (1.0, 1.0, 1.1, 1.2)))
    assert again.calibration == (1.0, 1.0, 1.1, 1.2)
    assert as_bytes(again.network, again.calibration) == as_bytes(
        network, (1.0, 1.0, 1.1, 1.2)
    )


def test_steps_and_shifts_are_inverse() -> None:
    """What is learned and what is done with it must mean the same."""
    guess = step_of((3.0, -2.0, 1.0, -0.5))
    shifts = (1.25, -0.75, 2.0, -1.0)
    assert np.allclose(shifts_of(guess, compose(guess, step_of(shifts))), shifts)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """A few pairs of the suite's scenes to learn from."""
    made = []
    for seed in range(30, 34):
        em, lm, true = prepared(seed, rotation_deg=40.0 * seed)
        made.append(example_of(em, lm, 2.08, true))
    return made


def test_every_way_of_laying_the_square_tells_the_same_truth(
    examples: list[Example],
) -> None:
    """A wrong sign in one of the eight would teach half of the truth."""
    one, rng = examples[0], np.random.default_rng(0)
    agreeing = []
    for _ in range(24):
        em, way = _turned(one.em.float(), rng)
        seen = lm_on_grid(one.lm.float(), [compose(one.true, invert(way))])[0]
        inner = seen[:2, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
        agreeing.append(float((em[:2] * inner).sum() / (em[:2] ** 2).sum()))
    assert min(agreeing) > 0.3
    assert max(agreeing) - min(agreeing) < 1e-3


def test_training_learns_and_is_repeatable(examples: list[Example]) -> None:
    """The pinned hash means something only if the same command gives the same file."""
    recipe = Recipe(steps=12, batch=8, warm_up=3, report_every=6)
    told: list[float] = []
    first = train(examples, examples, recipe, lambda at: told.append(at.loss))
    second = train(examples, examples, recipe, lambda _at: None)
    assert as_bytes(first, (1.0,)) == as_bytes(second, (1.0,))
    batch = draw(examples, np.random.default_rng(3), 64)
    with torch.inference_mode():
        assert float(loss_of(first, batch)) < float(loss_of(fresh(0), batch))
    assert len(told) == 2
    assert all(math.isfinite(loss) for loss in told)
