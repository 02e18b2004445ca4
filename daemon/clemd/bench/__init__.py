"""Benchmarks: the tables of this project, against peers, in one run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from clemd.errors import UsageError

WHATS = (
    "faults",
    "heat",
    "methods",
    "pairing",
    "pipeline",
    "registration",
    "sessions",
    "train-verdict",
    "watching",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationWishes:
    """The options that only some benchmarks know, as typed."""

    tiers: str = ""
    kinds: str = ""
    arms: str = ""
    size: str = "small"
    real_seeds: int | None = None
    """None = as many as trials."""
    jobs: int = 1
    threads: int = 1
    rows: Path | None = None
    from_rows: Path | None = None


def run_bench(
    what: str,
    *,
    trials: int,
    seed: int,
    data: Path | None,
    parts: str,
    kills: int,
    as_json: bool,
    pixels: bool = False,
    method: str = "",
    wishes: RegistrationWishes | None = None,
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
    if what in ("registration", "train-verdict"):
        return _run_trials(
            what, wishes or RegistrationWishes(), trials, seed, data, as_json
        )
    if what == "faults":
        from ._fault_run import run_faults

        kept = None if wishes is None else wishes.rows
        return run_faults(trials, seed, kept, as_json=as_json)
    if what == "methods":
        from ._methods import run_methods

        return run_methods(method, trials=trials, seed=seed, data=data, as_json=as_json)
    if what == "heat":
        from ._heat import run_heat

        return run_heat(trials, seed, as_json)
    if what == "pairing":
        from ._pairing import run_pairing

        return run_pairing(trials, seed, as_json=as_json)
    if what == "sessions" and pixels:
        from ._session_pixels import run_pixels

        return run_pixels(trials, seed, as_json=as_json)
    if what == "sessions":
        from ._sessions import run_sessions

        return run_sessions(trials, seed, as_json=as_json)
    if what == "watching":
        from ._watching import run_watching

        wishes = wishes or RegistrationWishes()
        return run_watching(
            trials=trials,
            seed=seed,
            data=data,
            parts=parts,
            jobs=wishes.jobs,
            rows=wishes.rows,
            as_json=as_json,
        )
    raise UsageError("no such benchmark", what, f"choose one of {', '.join(WHATS)}")


def _run_trials(
    what: str,
    wishes: RegistrationWishes,
    trials: int,
    seed: int,
    data: Path | None,
    as_json: bool,
) -> int:
    from ._options import Options
    from ._registration import run_registration
    from ._training import run_training

    options = Options.of(wishes, trials=trials, seed=seed, data=data, as_json=as_json)
    try:
        run = run_registration if what == "registration" else run_training
        return run(options)
    except KeyboardInterrupt:
        kept = "" if wishes.rows is None else "; the same command goes on from its rows"
        sys.stderr.write(f"\nbroken off{kept}\n")
        return 130


__all__ = ["RegistrationWishes", "run_bench"]
