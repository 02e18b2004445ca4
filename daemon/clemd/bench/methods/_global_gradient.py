"""`global-gradient`: simulated Raman and infrared maps, and real Renishaw files."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clemd.bench._figures import wilson
from clemd.model import Verdict
from clemd.registration import EngineContext, engine_named

from ._figures import RESAMPLES, Figure, tell
from ._gradient_real import real_figures
from ._gradient_trials import ARMS, OURS, Laid, between_px, lay, prepared
from ._vibrational import INFRARED, RAMAN, TECHNIQUES, vibrational_pair

GOAL_PX = 1.5
PUBLISHED = {
    "raman": "4.0, 4.0 (automatic); 2.8, 4.2 (weights by hand)",
    "infrared": "8.7, 7.6 (automatic); 7.7, 8.5 (weights by hand)",
}
PUBLISHED_START = {"raman": "10.5, 31.7", "infrared": "16.0, 39"}
PUBLISHED_BETWEEN = "5.8, 9.6 (sample 1); 4.4, 3.2 (sample 2)"
PUBLISHED_ALPHA = "0.50-0.68, 0, 0-0.10, 0.28-0.41"
PUBLISHED_BETA = "0.42-0.55, 0, 0-0.10, 0.40-0.58"
MISPLACED = 0.02
"""Of the map's width on the guide: an accepted answer further off is wrong."""


def run(trials: int, seed: int, data: Path | None, as_json: bool) -> int:
    """Print the table of this method; the exit code."""
    laid: dict[str, list[Laid]] = {name: [] for name in TECHNIQUES}
    apart: list[float] = []
    strangers: list[Verdict] = []
    for number in range(seed, seed + trials):
        for name, technique in TECHNIQUES.items():
            laid[name].append(lay(vibrational_pair(number, technique)))
        apart.append(between_px(laid[RAMAN.name][-1], laid[INFRARED.name][-1]))
        strangers.append(_on_another_guide(number))
    figures = [figure for name in laid for figure in _of(name, laid[name])]
    figures.append(_between(apart))
    figures += _weights([one for each in laid.values() for one in each])
    figures.append(_strangers(strangers))
    figures += real_figures(data)
    return tell(
        "global-gradient",
        figures,
        trials=trials,
        seed=seed,
        as_json=as_json,
        notes=(
            "Residuals: mean distance over the field of the map from the true place, "
            "px of a guide of 350 x 415; the paper's are of three points clicked by "
            "hand on its own specimens.",
            "All arms start from the device's placement, 7 to 40 px off.",
        ),
    )


def _of(name: str, laid: Sequence[Laid]) -> list[Figure]:
    published = {ARMS[0]: PUBLISHED_START[name], OURS: PUBLISHED[name]}
    figures = []
    for arm in ARMS:
        values = [one.errors_px[arm] for one in laid]
        figures.append(
            Figure(
                part=name,
                what=f"mean residual, {arm}",
                published=published.get(
                    arm, PUBLISHED[name] if arm == ARMS[2] else "-"
                ),
                ours=mean_in_words(values),
                goal=f"<= {GOAL_PX} px" if arm == OURS else "",
                met=statistics.fmean(values) <= GOAL_PX if arm == OURS else None,
                values=tuple(values),
            )
        )
    return [*figures, *_verdicts(name, laid)]


def _verdicts(name: str, laid: Sequence[Laid]) -> list[Figure]:
    accepted = [one for one in laid if one.found.verdict is Verdict.ACCEPTED]
    wrong = [one for one in accepted if one.errors_px[OURS] > MISPLACED * _width(one)]
    inside = [
        one
        for one in accepted
        if one.found.error_lm_px is not None
        and one.errors_px[OURS] <= one.found.error_lm_px.p95
    ]
    seconds = [one.seconds for one in laid]
    rows = (
        ("accepted", len(accepted), len(laid)),
        ("wrong but accepted", len(wrong), len(laid)),
        ("accepted, inside its own 95 % radius", len(inside), len(accepted)),
    )
    return [
        *(
            Figure(
                part=name, what=what, published="-", ours=share_in_words(hits, total)
            )
            for what, hits, total in rows
        ),
        Figure(
            part=name,
            what="seconds, one thread",
            published="-",
            ours=f"median {statistics.median(seconds):.1f}, most {max(seconds):.1f}",
            values=tuple(seconds),
        ),
    ]


def _width(one: Laid) -> float:
    return one.found.evidence.get("width_lm_px", 0.0)


def _between(apart: Sequence[float]) -> Figure:
    return Figure(
        part="both",
        what="Raman map against infrared map, both laid on the guide",
        published=PUBLISHED_BETWEEN,
        ours=mean_in_words(apart),
        values=tuple(apart),
    )


def _weights(laid: Sequence[Laid]) -> list[Figure]:
    """Equation 9, at the place that was found."""
    figures = []
    for letter, published in (("alpha", PUBLISHED_ALPHA), ("beta", PUBLISHED_BETA)):
        means = [
            statistics.fmean(
                one.found.evidence.get(f"{letter}_{k}", 0.0) for one in laid
            )
            for k in range(4)
        ]
        figures.append(
            Figure(
                part="both",
                what=f"{letter} of levels 0 to 3",
                published=published,
                ours=", ".join(f"{mean:.2f}" for mean in means),
                values=tuple(means),
            )
        )
    return figures


def _on_another_guide(number: int) -> Verdict:
    """The map of one specimen on the guide of the next."""
    pair = vibrational_pair(number, RAMAN)
    cube, _, prior = prepared(pair)
    _, guide, _ = prepared(vibrational_pair(number + 1, RAMAN))
    return engine_named(OURS).register(cube, guide, prior, EngineContext()).verdict


def _strangers(verdicts: Sequence[Verdict]) -> Figure:
    accepted = sum(verdict is Verdict.ACCEPTED for verdict in verdicts)
    return Figure(
        part="both",
        what="accepted on the guide of another specimen",
        published="-",
        ours=share_in_words(accepted, len(verdicts)),
        goal="0",
        met=accepted == 0,
    )


def mean_in_words(values: Sequence[float]) -> str:
    """Mean with its bootstrap interval, median, the largest, how many."""
    drawn = np.random.default_rng(0).choice(
        np.asarray(values, np.float64), (RESAMPLES, len(values))
    )
    low, high = np.percentile(drawn.mean(1), [2.5, 97.5])
    return (
        f"{statistics.fmean(values):.2f} px [{low:.2f}-{high:.2f}], median "
        f"{statistics.median(values):.2f}, most {max(values):.2f}, n = {len(values)}"
    )


def share_in_words(hits: int, total: int) -> str:
    """A share with Wilson's interval."""
    if not total:
        return "-"
    low, high = wilson(hits, total)
    return f"{hits} of {total} [{100 * low:.0f}-{100 * high:.0f} %]"
