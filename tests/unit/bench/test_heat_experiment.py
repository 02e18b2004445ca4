"""The experiment's table says what its rows say, and what was not measured."""

from __future__ import annotations

from typing import Any

from clemd.bench._heat_experiment import CONDITIONS, ENGINES, HEAD, summary

STILL = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
MOVED = [[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def row(condition: str, engine: str, seed: int, **changed: Any) -> dict[str, Any]:
    """One repeat."""
    return {
        "key": f"{engine}-{seed}",
        "arm": condition,
        "engine": engine,
        "seconds": 2.0,
        "verdict": "accepted",
        "error": 0.001,
        "error_lm_px": 0.1,
        "matrix": STILL,
        "highest_c": 60.0,
        "slowed": [],
        "power_limit_w": 300.0,
    } | changed


def test_hot_repeats_are_compared_with_the_same_pair_cool() -> None:
    """Other bits, a lost pose and a slow-down each have their column."""
    lost = {"error": None, "error_lm_px": None, "matrix": None}
    rows = [
        row("cool", "mine", 1000),
        row("cool", "mine", 1001),
        row("soaked", "mine", 1000, highest_c=88.0, slowed=["thermal"]),
        row("soaked", "mine", 1001, highest_c=90.0, **lost),
        row("limited", "mine", 1000, matrix=MOVED),
    ]
    lines = {line[:2]: dict(zip(HEAD, line, strict=True)) for line in summary(rows)}
    soaked = lines["soaked", "mine"]
    assert soaked["highest °C, median"] == "89"
    assert soaked["slowed"].startswith("1/2")
    assert soaked["diverged"].startswith("1/2")
    assert soaked["same bits as cool"].startswith("1/2")
    assert lines["limited", "mine"]["same bits as cool"].startswith("0/1")
    assert lines["cool", "multimodal"]["repeats"] == "not measured"
    assert len(lines) == len(CONDITIONS) * len(ENGINES)
