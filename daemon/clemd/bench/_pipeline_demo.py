"""The demo command as a newcomer runs it, judged against the simulator's truth."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from clemd.errors import TransientError
from clemd.model import Verdict

from ._pipeline_daemon import CLEMD
from ._table import Row, against_goal, table

FIRST_OVERLAY_GOAL_S = 60.0
RIGHT_GOAL = 12
RIGHT = 0.02
LIMIT_S = 900.0


def run_demo(folder: Path, *, seed: int) -> dict[str, Any]:
    """Run `clemd demo --once --headless --json`; its one JSON object.

    Raises:
        TransientError: it ended with an error, or not within LIMIT_S.
    """
    command = [
        *CLEMD,
        "demo",
        "--once",
        "--headless",
        "--json",
        *("--seed", str(seed)),
        *("--state", str(folder / "demo")),
    ]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise TransientError(f"the demo took longer than {LIMIT_S:.0f} s") from None
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise TransientError(f"the demo ended with {ended.returncode}: {last}")
    summary: dict[str, Any] = json.loads(ended.stdout)
    return summary


def demo_rows(summary: dict[str, Any]) -> list[Row]:
    """The demo's figures against their goals."""
    first, right = summary["seconds_to_first_overlay"], len(right_images(summary))
    wrong = summary["wrong_but_accepted"]
    total = summary["seconds_total"]
    what = "first accepted overlay"
    counts = (
        f"{summary['files']} files, {summary['pairs']} pairs: "
        f"{summary['accepted']} accepted, {summary['review']} to review, "
        f"{summary['rejected']} rejected, {len(summary['refused'])} refused"
    )
    return [
        Row(part="demo", what=what, value="none", goal="one", met=False)
        if first is None
        else against_goal("demo", what, first, unit="s", at_most=FIRST_OVERLAY_GOAL_S),
        Row(part="demo", what="whole session", value=f"{total:.2f} s", figure=total),
        Row(part="demo", what="session", value=counts),
        Row(
            part="demo",
            what="EM images right, within 2 % of the EM field width",
            value=f"{right}",
            goal=f"{RIGHT_GOAL}",
            met=right >= RIGHT_GOAL,
            figure=float(right),
        ),
        Row(
            part="demo",
            what="wrong but accepted",
            value=f"{wrong}",
            goal="0",
            met=wrong == 0,
            figure=None if wrong is None else float(wrong),
        ),
    ]


def right_images(summary: dict[str, Any]) -> set[str]:
    """EM images with a right answer; one that was exported twice counts once."""
    return {
        result["em_file"]
        for result in summary["registrations"]
        if result["verdict"] != Verdict.REJECTED
        and result.get("true_error_fraction") is not None
        and result["true_error_fraction"] < RIGHT
    }


def frames_table(summary: dict[str, Any]) -> str:
    """Every result of the demo with its true error."""
    return table(
        ("EM image", "verdict", "confidence", "true error", "claimed 95 %", "seconds"),
        [_line(result) for result in summary["registrations"]],
    )


def _line(result: dict[str, Any]) -> tuple[str, ...]:
    error = result.get("true_error_fraction")
    radius = result["error_um"]
    return (
        result["em_file"],
        result["verdict"],
        f"{result['confidence']:.3f}",
        "not on the map" if error is None else f"{100 * error:.2f} %",
        "" if radius is None else f"{radius['p95']:.3f} µm",
        f"{result['seconds']['total']:.2f}",
    )
