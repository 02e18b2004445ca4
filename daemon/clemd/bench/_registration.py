"""`clemd bench registration`: success, honesty and speed on trials with truth."""

from __future__ import annotations

import json
import math
import platform
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clemd import __version__
from clemd.errors import UsageError
from clemd.model import Verdict

from ._throwing import TIERS
from ._trials import (
    FIRST_REPORTING_SEED,
    Outcome,
    pairs_in,
    real_trials,
    simulated_trials,
    solve,
)

Rows = list[Outcome]


def run_registration(
    *, trials: int, seed: int, data: Path | None, tiers: str, as_json: bool
) -> int:
    """Run `trials` reporting seeds of each tier and print the table.

    Raises:
        UsageError: a tuning seed or an unknown tier.
    """
    if seed < FIRST_REPORTING_SEED:
        raise UsageError(
            "tuning seeds are not reported", f"--seed {seed}", "use 1000 or more"
        )
    chosen = tuple(tiers.split(",")) if tiers else TIERS
    if unknown := set(chosen) - set(TIERS):
        raise UsageError(
            f"unknown tier {sorted(unknown)}", "--parts", f"use {', '.join(TIERS)}"
        )
    outcomes = list(_run(pairs_in(data), chosen, range(seed, seed + trials)))
    table = summarise(outcomes)
    facts = {
        "schema": "clemd.bench.registration/1",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": [seed, seed + trials - 1],
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {
            "clemd": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "rows": table,
    }
    sys.stdout.write(json.dumps(facts) + "\n" if as_json else _in_words(facts))
    return 0


def _run(
    pairs: Sequence[Any], tiers: tuple[str, ...], seeds: Iterable[int]
) -> Iterable[Outcome]:
    count = 0
    for seed in seeds:
        for trials in (
            real_trials(list(pairs), tiers, seed),
            simulated_trials(tiers, seed),
        ):
            for source, trial in trials:
                count += 1
                sys.stderr.write(f"\rseed {seed}, {count} trials ")
                yield solve(source, trial)
    sys.stderr.write("\n")


def summarise(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row for each source and tier, EBSD apart: no known arm registers it."""
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for one in outcomes:
        is_ebsd = one.pair.startswith("ebsd") and not one.is_negative
        groups["real, EBSD/BSE" if is_ebsd else one.source, one.tier].append(one)
    return [_row(source, tier, rows) for (source, tier), rows in groups.items()]


def _row(source: str, tier: str, rows: Rows) -> dict[str, Any]:
    positive = [r for r in rows if not r.is_negative]
    right = [r for r in positive if r.is_right]
    wrong = [r for r in rows if not r.is_right]
    accepted = [r for r in right if _verdict(r) is Verdict.ACCEPTED]
    covered = [r for r in accepted if _covers(r)]
    false = [r for r in wrong if _verdict(r) is Verdict.ACCEPTED]
    errors = [r.error_lm_px for r in right]
    return {
        "source": source,
        "tier": tier,
        "success": _share(len(right), len(positive)),
        "error_lm_px_median": _percentile(errors, 50),
        "error_lm_px_p95": _percentile(errors, 95),
        "right_accepted": _share(len(accepted), len(right)),
        "radius_covers": _share(len(covered), len(accepted)),
        "wrong_accepted": _share(len(false), len(wrong)),
        "seconds_median": _percentile([r.seconds for r in rows], 50),
    }


def _verdict(one: Outcome) -> Verdict:
    found = one.registration
    return Verdict.REJECTED if found is None else found.verdict


def _covers(one: Outcome) -> bool:
    found = one.registration
    return (
        found is not None
        and found.error_lm_px is not None
        and one.error_lm_px <= found.error_lm_px.p95
    )


def _percentile(values: Sequence[float], q: float) -> float | None:
    return round(float(np.percentile(values, q)), 3) if values else None


def _share(hits: int, of: int) -> dict[str, Any]:
    low, high = wilson(hits, of)
    return {"hits": hits, "of": of, "low": round(low, 3), "high": round(high, 3)}


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927).

    >>> [round(v, 3) for v in wilson(0, 300)]
    [0.0, 0.013]
    """
    if of == 0:
        return 0.0, 1.0
    p = hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def _in_words(facts: dict[str, Any]) -> str:
    lines = [
        f"clemd {facts['versions']['clemd']}, torch {facts['versions']['torch']}, "
        f"{facts['machine']}, seeds {facts['seeds'][0]}..{facts['seeds'][1]}, "
        f"{facts['at']}",
        "",
        "| source | tier | success | error LM px, median / 95 % | right accepted "
        "| radius covers | wrong accepted | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in facts["rows"]]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    cells = [
        row["source"],
        row["tier"],
        _words(row["success"]),
        f"{row['error_lm_px_median']} / {row['error_lm_px_p95']}",
        _words(row["right_accepted"]),
        _words(row["radius_covers"]),
        _words(row["wrong_accepted"]),
        str(row["seconds_median"]),
    ]
    return f"| {' | '.join(cells)} |"


def _words(share: dict[str, Any]) -> str:
    if not share["of"]:
        return "-"
    percent = 100 * share["hits"] / share["of"]
    interval = f"{100 * share['low']:.0f}-{100 * share['high']:.0f}"
    return f"{share['hits']}/{share['of']} = {percent:.0f} % [{interval}]"
