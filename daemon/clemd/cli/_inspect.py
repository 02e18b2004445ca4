"""`clemd inspect`: the `Frame` as read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.reading import to_contract
from clemd.supervising import configure_logging

from ._reading import read_files

MOST_NAMED = 12
"""Channels that are named one by one."""


def inspect_file(
    file: Path,
    *,
    as_json: bool,
    verbose: bool,
    as_ome: bool = False,
    scene: int | None = None,
) -> int:
    """Print what `file` says about itself.

    Raises:
        RefusedFileError: it cannot be read.
        UsageError: two forms at once.
    """
    configure_logging("DEBUG" if verbose else "ERROR", json=False)
    if as_ome and as_json:
        raise UsageError("--ome and --json at once", "", "choose one of them")
    (result,) = read_files([file], None, want_pixels=True, scene=scene)
    if as_ome:
        from clemd.exporting import describe_frame

        sys.stdout.write(describe_frame(result.frame, name=file.name) + "\n")
        return 0
    facts = to_contract(result.frame)
    sys.stdout.write(json.dumps(facts) + "\n" if as_json else _in_words(file, facts))
    return 0


def _in_words(file: Path, facts: dict[str, Any]) -> str:
    height, width = facts["shape"][-2:]
    size, stage = facts["pixel_size_um"], facts["stage"]
    lines = [
        f"{file.name}: {facts['modality']} image, read by {facts['driver']}",
        f"  size        {width} x {height} px, {facts['dtype']}"
        + (
            f", info bar {facts['info_bar_rows']} rows"
            if facts["info_bar_rows"]
            else ""
        ),
        "  pixel size  " + (f"{size[0]:.6g} x {size[1]:.6g} µm" if size else "unknown"),
        "  channels    " + _channels(facts["channels"]),
        f"  acquired    {facts['acquired_at'] or 'unknown'}",
        f"  instrument  {facts['instrument'] or 'unknown'}",
    ]
    if stage:
        shown = ", ".join(f"{k} {v:.6g}" for k, v in stage.items() if v is not None)
        lines.append(f"  stage       {shown}")
    lines += [f"  warning     {w}" for w in facts["warnings"]]
    return "\n".join(lines) + "\n"


def _channels(channels: list[dict[str, Any]]) -> str:
    """All of them, or of a spectrum the first, the last and how many."""
    said = [f"{c['name']} ({c['kind']})" for c in channels]
    if len(said) <= MOST_NAMED:
        return ", ".join(said)
    return f"{len(said)}: {said[0]}, {said[1]} ... {said[-1]}"
