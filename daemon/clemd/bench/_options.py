"""What `clemd bench registration` and `train-verdict` are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clemd.errors import UsageError

from . import RegistrationWishes
from ._plan import SIMULATED_KINDS
from ._solving import OURS
from ._trial import NEGATIVES, SIZES, TIERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Checked options."""

    trials: int
    """Seeds of each tier and each kind of negative."""
    real_seeds: int
    """Seeds of the real pairs: one trial of every pair, tier and kind for each."""
    seed: int
    data: Path | None = None
    tiers: tuple[str, ...] = (*TIERS, NEGATIVES)
    kinds: tuple[str, ...] = ()
    """Kinds of negatives; none = all."""
    arms: tuple[str, ...] = (OURS,)
    size: str = "small"
    jobs: int = 1
    threads: int = 1
    rows: Path | None = None
    from_rows: Path | None = None
    as_json: bool = False

    @classmethod
    def of(
        cls,
        wishes: RegistrationWishes,
        *,
        trials: int,
        seed: int,
        data: Path | None,
        as_json: bool,
    ) -> Options:
        """What was typed, split and checked.

        Raises:
            UsageError: an unknown name, or a number that cannot be used.
        """
        real = trials if wishes.real_seeds is None else wishes.real_seeds
        return cls(
            trials=trials,
            real_seeds=real,
            seed=seed,
            data=data,
            tiers=_split(wishes.tiers, (*TIERS, NEGATIVES)),
            kinds=_split(wishes.kinds, ()),
            arms=_split(wishes.arms, (OURS,)),
            size=wishes.size,
            jobs=wishes.jobs,
            threads=wishes.threads,
            rows=wishes.rows,
            from_rows=wishes.from_rows,
            as_json=as_json,
        )

    def __post_init__(self) -> None:
        _check_names("--tier", self.tiers, (*TIERS, NEGATIVES))
        _check_names("--kinds", self.kinds, SIMULATED_KINDS)
        _check_names("--size", (self.size,), SIZES)
        if others := [arm for arm in self.arms if arm != OURS]:
            _check_arms(others)
        for name, value in (("--jobs", self.jobs), ("--threads", self.threads)):
            if value < 1:
                raise UsageError("a number is too small", f"{name} {value}", "use 1")
        if self.real_seeds < 0:
            raise UsageError("a number is negative", "--real-seeds", "use 0 or more")


def _split(text: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Names between commas, each once."""
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    return tuple(names) or default


def _check_names(option: str, given: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        raise UsageError(
            f"unknown: {', '.join(unknown)}", option, f"use {', '.join(known)}"
        )


def _check_arms(names: Sequence[str]) -> None:
    """Before hours are spent: an arm that is not there, or not installed."""
    from .arms import arm_named

    for name in names:
        arm_named(name)
