"""Hold results against the truth of a simulated session; the service never can."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clemd.geometry import as_matrix, corner_errors, decompose

SUCCESS = 0.02
"""Largest mean corner error of a right answer, as a fraction of the EM width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How many answers were right; None where no truth is known."""

    right: int | None
    """EM images with a right answer."""
    wrong_but_accepted: int | None


def judge_results(truth_file: Path | None, results: list[dict[str, Any]]) -> Judged:
    """Count right answers and accepted wrong ones."""
    if truth_file is None or not truth_file.exists():
        return Judged(right=None, wrong_but_accepted=None)
    truth = json.loads(truth_file.read_text(encoding="utf-8"))["em"]
    right: set[str] = set()
    wrong = 0
    for result in results:
        error = error_fraction(truth, result)
        result["true_error_fraction"] = None if math.isinf(error) else error
        is_right = error < SUCCESS
        if is_right and result["verdict"] != "rejected":
            right.add(result["em_file"])  # a re-exported image counts once
        wrong += result["verdict"] == "accepted" and not is_right
    return Judged(right=len(right), wrong_but_accepted=wrong)


def error_fraction(truth: dict[str, Any], result: dict[str, Any]) -> float:
    """Mean corner error / EM field width; infinite where there is no overlap."""
    entry: dict[str, Any] = truth.get(result["em_file"], {})
    rows = entry.get("em_to_lm", {}).get(result["lm_file"])
    if rows is None or result["em_to_lm"] is None:
        return math.inf
    true, found = as_matrix(rows), as_matrix(result["em_to_lm"])
    shape = (int(entry["shape"][0]), int(entry["shape"][1]))
    width = shape[1] * decompose(true).scale
    return float(np.mean(corner_errors(found, true, shape))) / width
