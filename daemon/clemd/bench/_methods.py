"""`clemd bench methods`: every published method on the data it was made for.

Each method has a module of its own under `clemd.bench.methods`, with a
`run(trials, seed, data, as_json) -> int` that prints one table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from clemd.errors import UsageError

from ._trial import FIRST_REPORTING_SEED

Run = Callable[[int, int, Path | None, bool], int]
"""(trials, first seed, folder of real data, as JSON) -> exit code."""

_METHODS: dict[str, str] = {
    "mine": "clemd.bench.methods._mine:run",
    "spatio-spectral": "clemd.bench.methods._energy_series:run",
    "global-gradient": "clemd.bench.methods._global_gradient:run",
    "regressor": "clemd.bench.methods._regressor:run",
    "regressor:hint": "clemd.bench.methods._regressor_hint:run",
    "auto:second": "clemd.bench.methods._second:run",
    "enlarging": "clemd.bench.methods._enlarging:run",
    "mine:accuracy": "clemd.bench.methods._mine:run_accuracy",
    "mine:large": "clemd.bench.methods._mine:run_large",
    "mine:range": "clemd.bench.methods._mine:run_range",
    "mine:padding": "clemd.bench.methods._mine:run_padding",
    "mine:truncation": "clemd.bench.methods._mine:run_truncation",
    "mine:divergence": "clemd.bench.methods._mine:run_divergence",
}
"""Name -> "module:function": nobody pays for what another method imports. With a colon:
one experiment of a method, run when it is named."""


def run_methods(
    method: str, *, trials: int, seed: int, data: Path | None, as_json: bool
) -> int:
    """Run one method, or all of them one after the other; the worst exit code.

    Raises:
        UsageError: no such method, a tuning seed, or one JSON object for several.
    """
    chosen = [name.strip() for name in method.split(",") if name.strip()]
    chosen = chosen or [name for name in _METHODS if ":" not in name]
    for name in chosen:
        if name not in _METHODS:
            raise UsageError(
                "no such method",
                f"--method {name}",
                f"choose from {', '.join(_METHODS)}",
            )
    if seed < FIRST_REPORTING_SEED:
        raise UsageError(
            "tuning seeds are not reported",
            f"--seed {seed}",
            f"use {FIRST_REPORTING_SEED} or more",
        )
    if as_json and len(chosen) > 1:
        raise UsageError(
            "one JSON object holds one method",
            "--json",
            f"add --method, one of {', '.join(_METHODS)}",
        )
    worst = 0
    for name in chosen:
        if not as_json:
            sys.stdout.write(f"## {name}\n\n")
        worst = max(worst, _run_of(name)(trials, seed, data, as_json))
    return worst


def _run_of(name: str) -> Run:
    module, _, function = _METHODS[name].partition(":")
    found: Run = getattr(importlib.import_module(module), function)
    return found
