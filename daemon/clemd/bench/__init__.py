"""Benchmarks: the tables of this project, against peers, in one run."""

from __future__ import annotations

from pathlib import Path

from clemd.errors import UsageError

WHATS = ("pipeline", "registration", "train-verdict")


def run_bench(
    what: str,
    *,
    trials: int,
    seed: int,
    data: Path | None,
    parts: str,
    kills: int,
    as_json: bool,
) -> int:
    """Run one benchmark and print its tables; the exit code of the command.

    Raises:
        UsageError: no such benchmark, or numbers it cannot use.
    """
    if trials < 1:
        raise UsageError("too few trials", f"--trials {trials}", "choose 1 or more")
    if seed < 0:
        raise UsageError("a seed is negative", f"--seed {seed}", "choose 0 or more")
    if kills < 0:
        raise UsageError("kills are negative", f"--kills {kills}", "choose 0 or more")
    # Each benchmark on its own: none pays for what the others import.
    if what == "pipeline":
        from ._pipeline import run_pipeline

        return run_pipeline(
            trials=trials, seed=seed, kills=kills, parts=parts, as_json=as_json
        )
    if what == "registration":
        from ._registration import run_registration

        return run_registration(
            trials=trials, seed=seed, data=data, tiers=parts, as_json=as_json
        )
    if what == "train-verdict":
        from ._training import run_training

        return run_training(trials=trials, seed=seed, data=data, as_json=as_json)
    raise UsageError("no such benchmark", what, f"choose one of {', '.join(WHATS)}")


__all__ = ["run_bench"]
