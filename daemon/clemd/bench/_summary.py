"""From rows to the figures of the tables."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ._figures import Share, percentile
from ._plan import HARD, SIMULATED_KINDS
from ._rows import Row, only
from ._solving import OURS
from ._trial import NEGATIVES, SIZES, TIERS

REAL, EBSD, SIMULATED = "real, without EBSD", "real, EBSD on BSE", "simulated"


def source_of(row: Row) -> str:
    """EBSD apart: no known method lays it on BSE."""
    if row["source"] != "real":
        return SIMULATED
    return EBSD if row["pair"].startswith("ebsd") else REAL


def positives(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Our engine on trials with a right answer: one row a size, source and tier."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["arm"] == OURS and row["tier"] != NEGATIVES:
            groups[row["size"], source_of(row), row["tier"]].append(row)
    return [
        {"size": size, "source": source, "tier": tier} | _positive(group)
        for (size, source, tier), group in sorted(groups.items(), key=_order)
    ]


def _order(item: tuple[tuple[str, str, str], Any]) -> tuple[int, int, int]:
    size, source, tier = item[0]
    sources = (SIMULATED, REAL, EBSD)
    return SIZES.index(size), sources.index(source), TIERS.index(tier)


def _positive(rows: Sequence[Row]) -> dict[str, Any]:
    right = [r for r in rows if r["right"]]
    accepted = [r for r in right if _is_accepted(r)]
    errors = [r["error_lm_px"] for r in right]
    ratios = [r["ratio_error"] for r in right if r["ratio_error"] is not None]
    return {
        "right": Share(len(right), len(rows)),
        "right_accepted": Share(len(accepted), len(right)),
        "wrong_accepted": Share(*_wrong_accepted(rows)),
        "radius_covers": _covered(accepted, less_doubt=False),
        "radius_covers_less_doubt": _covered(accepted, less_doubt=True),
        "error_lm_px_median": percentile(errors, 50),
        "error_lm_px_p95": percentile(errors, 95),
        "ratio_error_median": percentile(ratios, 50),
        "ratio_error_p95": percentile(ratios, 95),
        "seconds_median": percentile([r["seconds"] for r in rows], 50),
    }


def _is_accepted(row: Row) -> bool:
    return row.get("verdict") == "accepted"


def _wrong_accepted(rows: Sequence[Row]) -> tuple[int, int]:
    """(accepted, all) of the rows whose answer is wrong."""
    wrong = [r for r in rows if not r["right"]]
    return sum(map(_is_accepted, wrong)), len(wrong)


def _covered(accepted: Sequence[Row], *, less_doubt: bool) -> Share:
    """How often the largest corner error is within the stated 95 % radius.

    With `less_doubt` the truth's own 95 % radius is added to ours, as variances: what
    is compared is the difference of two estimates.
    """
    hits = 0
    for row in accepted:
        doubt = row["truth_p95_lm_px"] if less_doubt else 0.0
        hits += row["error_most_lm_px"] <= math.hypot(row["radius_p95"], doubt)
    return Share(hits, len(accepted))


def negatives(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Wrong answers that our engine showed as right, by kind, then together."""
    ours = [r for r in rows if r["arm"] == OURS]
    made = [r for r in ours if r["tier"] == NEGATIVES]
    names = {(r["size"], r["source"], r["kind"]) for r in made}
    table = [
        _negative(
            size, f"{source}: {kind}", only(made, size=size, source=source, kind=kind)
        )
        for size, source, kind in sorted(names, key=_negatives_order)
    ]
    hard = [r for r in made if r["kind"] in HARD]
    lost = [r for r in ours if r["tier"] != NEGATIVES]
    totals = [
        ("all negatives", made),
        ("of these hard", hard),
        ("positives, wrong places", lost),
        ("all wrong answers", [*made, *lost]),
    ]
    return table + [_negative("all", name, group) for name, group in totals if group]


def _negatives_order(name: tuple[str, str, str]) -> tuple[int, bool, int]:
    size, source, kind = name
    return SIZES.index(size), source != SIMULATED, SIMULATED_KINDS.index(kind)


def _negative(size: str, name: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "size": size,
        "kind": name,
        "trials": len(rows),
        "right": sum(r["right"] for r in rows),
        "wrong_accepted": Share(*_wrong_accepted(rows)),
        "seconds_median": percentile([r["seconds"] for r in rows], 50),
    }


def alarms(rows: Sequence[Row]) -> Share:
    """False alarms: results of a device that is well, of which a check complained."""
    checked = [r for r in rows if "alarm" in r and r["verdict"] != "rejected"]
    return Share(sum(bool(r["alarm"]) for r in checked), len(checked))


def arms(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every arm on the trials that all arms were given; none where ours ran alone."""
    names = list(dict.fromkeys(r["arm"] for r in rows))
    if names == [OURS]:
        return []
    table = []
    for size in SIZES:
        for source in (SIMULATED, REAL, EBSD):
            here = [
                r
                for r in rows
                if r["size"] == size
                and r["tier"] != NEGATIVES
                and source_of(r) == source
            ]
            common = _common(here, names)
            table += [
                {"size": size, "source": source, "arm": arm} | _arm(common, arm)
                for arm in names
                if common
            ]
    return table


def _common(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    seen: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        seen[row["key"]].add(row["arm"])
    return [r for r in rows if len(seen[r["key"]]) == len(names)]


def _arm(rows: Sequence[Row], arm: str) -> dict[str, Any]:
    mine = [r for r in rows if r["arm"] == arm]
    seconds = percentile([r["seconds"] for r in mine], 50)
    ours = percentile([r["seconds"] for r in rows if r["arm"] == OURS], 50)
    return {
        "right": {
            tier: Share(sum(r["right"] for r in group), len(group))
            for tier in TIERS
            if (group := [r for r in mine if r["tier"] == tier])
        },
        "seconds_median": seconds,
        "seconds_to_ours": seconds / ours if seconds and ours else None,
    }
