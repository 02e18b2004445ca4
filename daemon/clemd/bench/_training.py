"""Collect evidence for the verdict and fit it: `clemd bench train-verdict`."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from clemd.errors import UsageError

from ._campaign import Campaign
from ._fitting import train
from ._options import Options
from ._plan import plan
from ._real_pairs import pairs_in
from ._rows import Row, read_rows
from ._solving import OURS
from ._trial import FIRST_REPORTING_SEED

FIRST_TUNING_SEED = 10


def run_training(options: Options) -> int:
    """Collect evidence on tuning seeds, fit, and write `verdict_model.json`.

    Raises:
        UsageError: a reporting seed was asked for, or is among the saved rows.
    """
    rows = _collect(options)
    labelled = [seen for row in rows if (seen := as_evidence(row)) is not None]
    if not labelled:
        raise UsageError("no row has evidence", "--rows", "collect more trials")
    seeds = [row["seed"] for row in labelled]
    model = train(
        labelled, source=f"seeds {min(seeds)}..{max(seeds)}, {len(labelled)} trials"
    )
    target = Path(str(files("clemd.registration"))) / "verdict_model.json"
    target.write_text(json.dumps(asdict(model), indent=1) + "\n", encoding="utf-8")
    words = json.dumps(asdict(model)) if options.as_json else str(model)
    sys.stdout.write(words + "\n")
    return 0


def _collect(options: Options) -> list[Row]:
    if options.from_rows is not None:
        rows = read_rows(options.from_rows).rows
    else:
        rows = _campaign(options).run().rows
    if any(row.get("seed", 0) >= FIRST_REPORTING_SEED for row in rows):
        raise UsageError(
            "reporting seeds are not for tuning",
            str(options.from_rows or options.rows),
            "use rows with seeds below 1000",
        )
    return rows


def _campaign(options: Options) -> Campaign:
    first = options.seed
    if first == FIRST_REPORTING_SEED:  # the default of the command line
        first = FIRST_TUNING_SEED
    last = first + max(options.trials, options.real_seeds) - 1
    if last >= FIRST_REPORTING_SEED:
        raise UsageError(
            "these are reporting seeds", f"--seed {first}", "stay below seed 1000"
        )
    specs = plan(
        tiers=options.tiers,
        kinds=options.kinds,
        seeds=range(first, first + options.trials),
        real_seeds=range(first, first + options.real_seeds),
        pairs=pairs_in(options.data),
        size=options.size,
    )
    return Campaign(
        tasks=[(spec, OURS) for spec in specs],
        data=options.data,
        rows=options.rows,
        jobs=options.jobs,
        threads=options.threads,
        with_model=False,
    )


def as_evidence(row: Row) -> dict[str, Any] | None:
    """A saved row as the fit sees it; None where nothing was found to judge."""
    if not row.get("evidence"):
        return None
    lost = {"error": math.inf, "error_lm_px": math.inf}
    return row | {name: lost[name] for name in lost if row[name] is None}
