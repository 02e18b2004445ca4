"""Does `multimodal` gain by looking first where the network says?

Every trial twice: as it is, and with the network's pose handed in as expected, which
is then checked against few rivals before anything is searched. What counts is the time
and whether anything wrong is accepted that was not accepted without.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clemd.bench._ambiguous import ambiguous
from clemd.bench._figures import Share
from clemd.bench._negatives import CODES as NEGATIVES
from clemd.bench._negatives import negative
from clemd.bench._specimens import positive
from clemd.bench._trial import SUCCESS, Trial
from clemd.errors import RegistrationRefusedError
from clemd.geometry import as_matrix
from clemd.model import Matrix3, PosePrior, PreparedImage, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named
from clemd.registration.regressor import hint

from ._figures import Figure, median_in_words, tell

TIERS = ("mild", "session", "wild", "noisy")
AMBIGUOUS = ("twins", "lattice")
NEAR = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """One trial, without and with the hint."""

    kind: str
    hinted: bool
    near: bool
    """The hint was at the right place."""
    seconds: tuple[float, float]
    """Processor time of one thread; the hint's own is in the second."""
    accepted: tuple[bool, bool]
    wrong: tuple[bool, bool]
    """Accepted, and not right."""


def run(trials: int, seed: int, data: Path | None, as_json: bool) -> int:
    """Print the table; the exit code."""
    rows = [twice(kind, trial) for kind, trial in _trials(trials, seed)]
    return tell(
        "regressor:hint",
        [
            figure
            for part in ("with a right answer", "ambiguous", "negative")
            for figure in figures_of(part, [r for r in rows if _part(r.kind) == part])
        ],
        trials=trials,
        seed=seed,
        as_json=as_json,
        notes=(
            "multimodal, with and without the network's pose as the expected one; "
            "processor time of one thread.",
        ),
    )


def _trials(trials: int, seed: int) -> Iterator[tuple[str, Trial]]:
    for number in range(seed, seed + trials):
        for tier in TIERS:
            yield tier, positive(tier, "small", number)
        for kind in AMBIGUOUS:
            yield kind, ambiguous(kind, "small", number)
        for kind in NEGATIVES:
            yield kind, negative(kind, "small", number)


def _part(kind: str) -> str:
    if kind in TIERS:
        return "with a right answer"
    return "ambiguous" if kind in AMBIGUOUS else "negative"


def twice(kind: str, trial: Trial) -> Twice:
    """Register without and with the hint."""
    em = prepare([trial.em], reduction=trial.ratio)
    lm = prepare([trial.lm], reduction=1.0)
    prior = PosePrior(
        pixel_size_ratio=trial.ratio,
        mirror=trial.mirror,
        rotation_deg=trial.rotation_deg,
    )
    began = time.process_time()
    plain = _register(em, lm, prior)
    between = time.process_time()
    given = hint(em, lm, prior)
    hinted = _register(em, lm, replace(prior, expected=given))
    ended = time.process_time()
    found = (plain, hinted)
    accepted = [f is not None and f.verdict is Verdict.ACCEPTED for f in found]
    wrong = [
        a and not _right(trial, f, SUCCESS)
        for a, f in zip(accepted, found, strict=True)
    ]
    return Twice(
        kind=kind,
        hinted=given is not None,
        near=given is not None and _gap(trial, given) < NEAR,
        seconds=(between - began, ended - between),
        accepted=(accepted[0], accepted[1]),
        wrong=(wrong[0], wrong[1]),
    )


def _register(
    em: PreparedImage, lm: PreparedImage, prior: PosePrior
) -> Registration | None:
    try:
        return engine_named("multimodal").register(em, lm, prior, EngineContext())
    except RegistrationRefusedError:
        return None


def _right(trial: Trial, found: Registration | None, share: float) -> bool:
    return (
        found is not None
        and found.em_to_lm is not None
        and _gap(trial, found.em_to_lm) < share
    )


def _gap(trial: Trial, rows: Matrix3) -> float:
    """Mean corner error as a share of the EM width; infinite if nothing is right."""
    if trial.em_to_lm is None or trial.is_negative:
        return float("inf")
    return float(trial.errors_lm_px(as_matrix(rows)).mean() / trial.width_lm_px)


def figures_of(part: str, rows: Sequence[Twice]) -> list[Figure]:
    """What both arms came to."""
    count = len(rows)
    made = [
        Figure(
            part=part,
            what="hints given; at the right place",
            published="-",
            ours=f"{Share(sum(r.hinted for r in rows), count)}; "
            f"{Share(sum(r.near for r in rows), count)}",
        )
    ]
    for i, arm in enumerate(("without a hint", "with a hint")):
        spent = [r.seconds[i] for r in rows]
        made.append(
            Figure(
                part=part,
                what=f"{arm}: accepted; wrong and accepted; seconds",
                published="-",
                ours=f"{Share(sum(r.accepted[i] for r in rows), count)}; "
                f"{Share(sum(r.wrong[i] for r in rows), count)}; "
                f"{median_in_words(spent, 's')}, mean {np.mean(spent):.2f}",
                values=tuple(spent),
            )
        )
    return made
