"""`clemd bench registration`: success, honesty and speed on trials with truth."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from clemd.errors import UsageError

from . import _summary
from ._campaign import Campaign
from ._figures import Share
from ._options import Options
from ._plan import plan
from ._real_pairs import pairs_in
from ._rows import Row, Saved, read_rows
from ._solving import OURS
from ._tables import arms_table, negatives_table, positives_table
from ._trial import FIRST_REPORTING_SEED, NEGATIVES


def run_registration(options: Options) -> int:
    """Run a campaign on reporting seeds, or take its saved rows; print the tables.

    Raises:
        UsageError: a tuning seed, or there is nothing to print.
    """
    saved = _saved(options)
    rows = [row for row in saved.rows if not row.get("skipped")]
    if not rows:
        raise UsageError("there are no rows", "--rows", "choose other trials")
    if any(row["seed"] < FIRST_REPORTING_SEED for row in rows):
        raise UsageError(
            "tuning seeds are not reported", "--from-rows", "use seeds from 1000 on"
        )
    facts = {
        "schema": "clemd.bench.registration/2",
        "runs": saved.runs,
        "seeds": [min(r["seed"] for r in rows), max(r["seed"] for r in rows)],
        "alarms": _summary.alarms(rows),
        "defects": Counter(r["defect"] for r in rows if "defect" in r),
        "positives": _summary.positives(rows),
        "negatives": _summary.negatives(rows),
        "arms": _summary.arms(rows),
    }
    words = (
        json.dumps(facts, default=Share.as_json) if options.as_json else report(facts)
    )
    sys.stdout.write(words + "\n")
    return 0


def _saved(options: Options) -> Saved:
    if options.from_rows is not None:
        return read_rows(options.from_rows)
    if options.seed < FIRST_REPORTING_SEED:
        raise UsageError(
            "tuning seeds are not reported",
            f"--seed {options.seed}",
            f"use {FIRST_REPORTING_SEED} or more",
        )
    specs = plan(
        tiers=options.tiers,
        kinds=options.kinds,
        seeds=range(options.seed, options.seed + options.trials),
        real_seeds=range(options.seed, options.seed + options.real_seeds),
        pairs=pairs_in(options.data),
        size=options.size,
    )
    return Campaign(
        # the peers have no verdict: negatives would say nothing about them
        tasks=[
            (spec, arm)
            for spec in specs
            for arm in options.arms
            if arm == OURS or spec.tier != NEGATIVES
        ],
        data=options.data,
        rows=options.rows,
        jobs=options.jobs,
        threads=options.threads,
    ).run()


def report(facts: dict[str, Any]) -> str:
    """All tables as Markdown, with what they were made on."""
    parts = [_conditions(facts), positives_table(facts["positives"])]
    if facts["negatives"]:
        parts.append(negatives_table(facts["negatives"]))
    if facts["arms"]:
        parts.append(arms_table(facts["arms"]))
    return "\n\n".join(part for part in parts if part)


def _conditions(facts: dict[str, Any]) -> str:
    lines = []
    for run in _last_of_each(facts["runs"]):
        machine = run["machine"]
        packages = ", ".join(f"{n} {v}" for n, v in machine["packages"].items())
        lines.append(
            f"`{run['command']}`: {machine['cpu']}, {machine['cores']} cores, "
            f"{run['jobs']} processes of {run['threads']} threads; Python "
            f"{machine['python']}, {packages}; engine {run['engine']}; "
            f"{machine['date']}"
        )
    engines = {run["engine"] for run in facts["runs"]}
    if len(engines) > 1:
        lines.append(f"**The rows were made by {len(engines)} different engines.**")
    if facts["alarms"].of:
        lines.append(
            "False alarms, registrations of which a check of the device complained: "
            f"{facts['alarms']}."
        )
    for defect, count in facts["defects"].items():
        lines.append(f"**{count} trials ended in a defect: {defect}**")
    first, last = facts["seeds"]
    lines.append(f"Seeds {first} to {last}; intervals are Wilson's, 95 %.")
    return "\n\n".join(lines)


def _last_of_each(runs: Sequence[Row]) -> list[Row]:
    """One run for each set of conditions: a resumed campaign names them once."""
    return list({(r["command"], r["engine"]): r for r in runs}.values())
