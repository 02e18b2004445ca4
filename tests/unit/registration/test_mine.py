"""The engine `mine` meets the contract of every engine, and keeps its own promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.checkpoints import FolderCheckpoints
from clemd.errors import RegistrationRefusedError, StoppedError
from clemd.geometry import as_matrix, compose, corner_errors, cropping
from clemd.model import Matrix, PosePrior, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import Engine, EngineContext, engine_named
from clemd.registration.mine import MineEngine, Networks
from clemd.registration.mine._learning import Schedule
from clemd.testing import EngineSuite
from clemd.testing._engine_suite import EM_SHAPE, pair_of

Image = NDArray[Any]
SHORT = Schedule(most=120, warm_up=20, keep_every=50)
"""Enough to come within a pixel of a pair that was started beside its place."""


@pytest.mark.long
class TestMine(EngineSuite):
    """As the daemon makes it."""

    def make_engine(self) -> Engine:
        """The engine by its name."""
        return engine_named("mine")


def run(
    engine: Engine,
    *,
    scene: int = 3,
    rotation_deg: float = 20.0,
    label: str = "",
    **context: Any,
) -> Registration:
    """One pair of the suite's scenes, through an engine."""
    em, lm, _ = pair_of(scene, rotation_deg=rotation_deg)
    return engine.register(
        prepare([em], reduction=2.0),
        prepare([lm], reduction=1.0, label=label),
        PosePrior(pixel_size_ratio=2.0),
        EngineContext(**context),
    )


def short() -> MineEngine:
    """An engine that learns for a moment and remembers nothing."""
    return MineEngine(schedule=SHORT, networks=None)


def stopping(at: int) -> Callable[[str], None]:
    """A supervisor that stops the job at the n-th breath of its climb."""
    breaths = 0

    def breathe(stage: str) -> None:
        nonlocal breaths
        breaths += stage == "refine"
        if breaths == at:
            raise StoppedError(stage)

    return breathe


@pytest.mark.parametrize("at", [1, 17])
def test_a_stopped_job_goes_on_to_the_same_bits(tmp_path: Path, at: int) -> None:
    """Heat may stop a job at any breath; what it had learned is not lost."""
    whole = run(short())
    store = FolderCheckpoints(tmp_path / "checkpoints")
    with pytest.raises(StoppedError):
        run(short(), checkpoints=store, breathe=stopping(at))
    kept = list((tmp_path / "checkpoints").iterdir())
    resumed = run(short(), checkpoints=store)
    assert len(kept) == 1
    assert resumed.em_to_lm == whole.em_to_lm
    assert resumed.evidence == whole.evidence
    assert not list((tmp_path / "checkpoints").iterdir()), "done: nothing is left"


def test_a_job_that_was_stopped_late_does_not_begin_anew(tmp_path: Path) -> None:
    """Going on must cost less than beginning: that is what a checkpoint is for."""
    store = FolderCheckpoints(tmp_path)
    counted: list[str] = []
    with pytest.raises(StoppedError):
        run(short(), checkpoints=store, breathe=stopping(25))
    run(short(), checkpoints=store, breathe=counted.append)
    assert counted.count("refine") <= 120 // SHORT.breathe_every - 25


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    """A disk that lies costs time, never the answer."""
    whole = run(short())
    store = FolderCheckpoints(tmp_path)
    with pytest.raises(StoppedError):
        run(short(), checkpoints=store, breathe=stopping(9))
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"PK\x03\x04 torn")
    assert run(short(), checkpoints=store).em_to_lm == whole.em_to_lm


def test_another_pair_does_not_go_on_from_it(tmp_path: Path) -> None:
    """The key names the pixels: no job takes up what another has left."""
    store = FolderCheckpoints(tmp_path)
    with pytest.raises(StoppedError):
        run(short(), checkpoints=store, breathe=stopping(9))
    other = run(short(), scene=4, checkpoints=store)
    assert other.em_to_lm == run(short(), scene=4).em_to_lm
    assert len(list(tmp_path.iterdir())) == 1, "the first job's is still there"


def test_next_pair_of_a_channel_uses_the_network_again() -> None:
    """What was learned of two detectors holds for their next image."""
    engine = MineEngine(networks=Networks())
    first = run(engine, label="reflection")
    again = run(engine, label="reflection", rotation_deg=75.0)
    _, _, true = pair_of(3, rotation_deg=75.0)
    assert first.verdict is again.verdict is Verdict.ACCEPTED
    assert first.evidence["mine_iterations"] > 0
    assert again.evidence["mine_iterations"] == 0
    error = corner_errors(as_matrix(again.em_to_lm or ()), true, EM_SHAPE).mean()
    assert error < 1.0


def test_channels_without_a_name_share_nothing() -> None:
    """Whose network would it be? The same input gives the same bits instead."""
    engine = MineEngine(schedule=SHORT, networks=Networks())
    assert run(engine).em_to_lm == run(engine).em_to_lm
    assert run(engine).evidence["mine_iterations"] > 0


def test_seeds_are_heard() -> None:
    """Another seed is another draw; a result says which one it had."""
    one, other = run(short()), run(short(), seed=1)
    assert one.em_to_lm != other.em_to_lm
    assert (one.seed, other.seed) == (0, 1)


def test_centre_start_arrives_within_the_published_range() -> None:
    """As published, no search; how far it reaches depends on the objects' size."""
    em, lm, true = centred_pair(3.0)
    found = from_the_centre(em, lm)
    assert found.best_guess is not None
    error = corner_errors(as_matrix(found.best_guess), true, EM_SHAPE).mean()
    assert error < 1.0


def centred_pair(rotation_deg: float) -> tuple[Image, Image, Matrix]:
    """A scene whose map is cut so that centre on centre is 2 % of the field off."""
    em, lm, true = pair_of(3, rotation_deg=rotation_deg)
    x0 = 8
    return em, np.ascontiguousarray(lm[:346, x0:]), compose(cropping(x0, 0), true)


def from_the_centre(em: Image, lm: Image) -> Registration:
    """Laid as published: no search, nothing remembered."""
    return MineEngine(start="centre", networks=None).register(
        prepare([em], reduction=2.0),
        prepare([lm], reduction=1.0),
        PosePrior(pixel_size_ratio=2.0),
        EngineContext(),
    )


@pytest.mark.parametrize("ratio", [2.0, None])
def test_an_image_that_is_too_small_is_refused_before_any_search(
    ratio: float | None,
) -> None:
    """A quarter of a minute of search told nobody more than its size does."""
    em, lm, _ = pair_of(3, rotation_deg=0.0)
    side, field = (70, lm) if ratio else (200, lm[:30, :30])
    stages: list[str] = []
    with pytest.raises(RegistrationRefusedError, match="smaller than the pyramid"):
        MineEngine(networks=None).register(
            prepare([np.ascontiguousarray(em[:side, :side])], reduction=ratio or 1.0),
            prepare([np.ascontiguousarray(field)], reduction=1.0),
            PosePrior(pixel_size_ratio=ratio),
            EngineContext(breathe=stages.append),
        )

    assert stages == []


def test_an_image_smaller_than_the_pyramid_is_refused_in_words() -> None:
    """Nothing can be learned from a few hundred pixels."""
    em, lm, _ = pair_of(3, rotation_deg=0.0)
    small = np.ascontiguousarray(em[:90, :90])
    with pytest.raises(RegistrationRefusedError, match="smaller than the pyramid"):
        MineEngine(start="centre").register(
            prepare([small], reduction=2.0),
            prepare([lm], reduction=1.0),
            PosePrior(pixel_size_ratio=2.0),
            EngineContext(),
        )


def test_what_hangs_over_the_map_does_not_count() -> None:
    """A mask instead of padding: grey or black, padding enters the statistics."""
    em, lm, true = centred_pair(4.0)
    ending = lm.astype(np.float32)
    ending[:, 242:] = np.nan
    found = from_the_centre(em, ending)
    assert found.evidence["mine_overlap"] < 0.95
    assert found.best_guess is not None
    error = corner_errors(as_matrix(found.best_guess), true, EM_SHAPE).mean()
    assert error < 1.5


def test_default_schedule_is_no_fixed_number() -> None:
    """Held-out pixels end it, not a number that was found by eye."""
    engine = MineEngine(
        schedule=replace(SHORT, most=5000, patience=2, slow_downs=0), networks=None
    )
    assert run(engine).evidence["mine_iterations"] < 2000
