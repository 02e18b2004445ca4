"""`auto:second`: what a second engine's word is worth, by a truth that it never sees.

The trials are of the kinds that the first engine leaves in doubt: noise, distortion,
and several places that look right. Where it says `review`, the second engine is asked
as the daemon asks it. What decides is how often it agrees with a wrong answer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from clemd.bench._ambiguous import ambiguous
from clemd.bench._figures import Share
from clemd.bench._specimens import positive
from clemd.bench._trial import SUCCESS, Trial
from clemd.errors import RegistrationRefusedError
from clemd.geometry import as_matrix
from clemd.model import Agreement, PosePrior, PreparedImage, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named
from clemd.seconding import BESIDE, compared, guess_for

from ._figures import Figure, median_in_words, tell

FIRST = "multimodal"
LIMIT_S = 180.0
"""As a profile allows by itself."""
UNSTATED = "-"
NOTES = (
    "Simulated, of size `small`; each seed gives one trial of every kind: `wild` and "
    "`noisy` with one right answer, mirror twins and lattices with several places that "
    "look right.",
    "Right: mean corner error below 2 % of the EM's width.",
)
_MAKERS: dict[str, Callable[[int], Trial]] = {
    **{tier: partial(positive, tier, "small") for tier in ("wild", "noisy")},
    **{kind: partial(ambiguous, kind, "small") for kind in ("twins", "lattice")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One result in doubt, and what the second engine made of it."""

    kind: str
    is_right: bool
    agreement: Agreement
    is_accepted: bool
    """By the second engine's own verdict."""
    seconds: float


def run(trials: int, seed: int, data: Path | None, as_json: bool) -> int:
    """Ask, and count."""
    rows: list[Asked] = []
    for at in range(seed, seed + trials):
        sys.stderr.write(f"auto:second: seed {at}, {len(rows)} in review\n")
        rows += list(doubted(at))
    figures = _figures(rows, trials * len(_MAKERS))
    return tell(
        "auto:second", figures, trials=trials, seed=seed, as_json=as_json, notes=NOTES
    )


def doubted(seed: int) -> Iterator[Asked]:
    """The trials of a seed that the first engine leaves in review."""
    for kind, make in _MAKERS.items():
        trial = make(seed)
        prior = PosePrior(
            pixel_size_ratio=trial.ratio,
            mirror=trial.mirror,
            rotation_deg=trial.rotation_deg,
        )
        try:
            em = prepare([trial.em], reduction=trial.ratio)
            lm = prepare([trial.lm], reduction=1.0)
            first = engine_named(FIRST).register(em, lm, prior, EngineContext())
        except RegistrationRefusedError:
            continue
        if first.verdict is not Verdict.REVIEW or first.em_to_lm is None:
            continue
        began = time.perf_counter()
        answer = _asked(
            em, lm, replace(prior, expected=guess_for(BESIDE[FIRST], first))
        )
        seconds = time.perf_counter() - began
        shape = (int(trial.em.shape[0]), int(trial.em.shape[1]))
        errors = trial.errors_lm_px(as_matrix(first.em_to_lm))
        yield Asked(
            kind=kind,
            is_right=bool(errors.mean() < SUCCESS * trial.width_lm_px),
            agreement=compared(first, answer, shape).agreement,
            is_accepted=answer.verdict is Verdict.ACCEPTED,
            seconds=seconds,
        )


def _asked(em: PreparedImage, lm: PreparedImage, prior: PosePrior) -> Registration:
    second = engine_named(BESIDE[FIRST], afresh=True)
    try:
        return second.register(em, lm, prior, EngineContext(time_limit_s=LIMIT_S))
    except RegistrationRefusedError as refused:
        return Registration(
            verdict=Verdict.REJECTED,
            confidence=0.01,
            em_to_lm=None,
            engine=second.name,
            reasons=(refused.reason,),
        )


def _figures(rows: Sequence[Asked], firsts: int) -> list[Figure]:
    right = [row for row in rows if row.is_right]
    wrong = [row for row in rows if not row.is_right]
    agreed = [row for row in rows if row.agreement is Agreement.AGREES]
    sure = [row for row in agreed if row.is_accepted]
    return [
        _line("in doubt", f"{FIRST} says review", Share(len(rows), firsts)),
        _line("in doubt", "of these the first answer is right", _share(right, rows)),
        *(
            _line(
                f"first answer {name}",
                f"second engine {word.value}",
                Share(sum(row.agreement is word for row in some), len(some)),
            )
            for name, some in (("right", right), ("wrong", wrong))
            for word in Agreement
        ),
        _line("would it do?", "wrong, of those agreed with", _wrong(agreed)),
        _line("would it do?", "wrong, of those agreed with and accepted", _wrong(sure)),
        Figure(
            part="cost",
            what="second engine, seconds",
            published=UNSTATED,
            ours=median_in_words([row.seconds for row in rows], "s", 1),
            values=tuple(row.seconds for row in rows),
        ),
    ]


def _line(part: str, what: str, share: Share) -> Figure:
    return Figure(
        part=part,
        what=what,
        published=UNSTATED,
        ours=str(share),
        values=(float(share.hits), float(share.of)),
    )


def _share(some: Sequence[Asked], of: Sequence[Asked]) -> Share:
    return Share(len(some), len(of))


def _wrong(some: Sequence[Asked]) -> Share:
    return Share(sum(not row.is_right for row in some), len(some))
