"""How the regressor's answers are scored, and that nothing asked about was learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clemd.bench._posed_pairs import LEARN, learned, published, wide
from clemd.bench._regressor_asked import Asked, ask, r_squared, standardised
from clemd.bench._specimens import specimen
from clemd.bench.train_regressor import main
from clemd.registration.regressor import from_bytes, trained


def asked(true: float, found: float, deviation: float = 1.0) -> Asked:
    """A pair whose four numbers are all alike."""
    return Asked(
        true=np.full(4, true),
        found=np.full(4, found),
        deviations=np.full(4, deviation),
        log_odds=1.0,
        corner_error=0.0,
        flipped=False,
        cpu_s=0.01,
    )


def test_r2_is_one_for_the_truth_and_nought_for_its_mean() -> None:
    """The scale's two fixed points."""
    right = [asked(t, t) for t in (-1.0, 0.0, 4.0)]
    mean = [replace(row, found=np.full(4, 1.0)) for row in right]
    assert r_squared(right) == pytest.approx(np.ones(4))
    assert r_squared(mean) == pytest.approx(np.zeros(4))


def test_one_wrong_place_among_many_is_heard() -> None:
    """Nothing is left out of the figure, however far off it is."""
    rows = [asked(t, t) for t in np.linspace(-1, 1, 50)]
    rows[0] = replace(rows[0], found=np.full(4, 1.0))
    assert r_squared(rows).max() < 0.8


def test_misses_are_told_in_predicted_deviations() -> None:
    """Coverage is counted on these."""
    assert standardised([asked(1.0, 2.0, 0.5)]) == pytest.approx(np.full((1, 4), 2.0))


def test_what_is_asked_was_not_learned_from() -> None:
    """Held out means: not one specimen in common, at any seed."""
    asked_of = {specimen(s, p) for s in range(1000, 3000) for p in (54, 55)}
    assert not asked_of & {specimen(s, LEARN) for s in range(100_000)}


def test_truth_of_a_pair_lies_in_the_range_that_is_stated() -> None:
    """A narrower range than stated would flatter the errors, a wider one R2."""
    for seed in range(4):
        turned = ask(published(seed), trained()).true
        assert abs(turned[0]) <= 15
        assert np.abs(turned[2:]).max() <= 0.051
        assert 0.9 < ask(wide(seed), trained()).true[1] < 1.11


def test_wide_pair_is_found_and_its_deviation_is_small() -> None:
    """From pixels to parameters, as the table does it."""
    found = ask(wide(7), trained())
    assert found.corner_error < 0.05
    assert found.deviations[0] < 3
    assert not found.flipped


def test_same_seed_gives_the_same_pair() -> None:
    """A figure that cannot be made again is none."""
    first, second = learned(3), learned(3)
    assert np.array_equal(first.em.layers[0], second.em.layers[0])
    assert np.array_equal(first.em_to_lm, second.em_to_lm)
    assert first.ratio == second.ratio


def test_train_writes_a_network_and_says_its_hash(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command behind the weights, in small."""
    out = tmp_path_factory.mktemp("weights") / "small.safetensors"
    small = ["--specimens", "6", "--watched", "3", "--calibrated", "3", "--steps", "3"]
    assert main([*small, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "sha256" in said
    assert "pinned is" in said
    assert len(from_bytes(out.read_bytes()).calibration) == 4
    assert [file.name for file in out.parent.iterdir()] == [out.name]
