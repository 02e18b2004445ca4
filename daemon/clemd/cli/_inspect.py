"""`clemd inspect`: the `Frame` as read."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.reading import to_details
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
    facts = to_details(result.frame)
    sys.stdout.write(json.dumps(facts) + "\n" if as_json else _in_words(file, facts))
    return 0


def _in_words(file: Path, facts: dict[str, Any]) -> str:
    lines = [
        f"{file.name}: {facts['modality']} image, read by {facts['driver']}",
        *_labelled("size", [_size(facts)]),
        *_labelled("pixel size", [_pixel_size(facts)]),
        *_labelled("channels", _channels(facts["channels"])),
        *_labelled("acquired", [facts["acquired_at"] or "unknown"]),
        *_labelled("instrument", [facts["instrument"] or "unknown"]),
        *_labelled("sample", [facts["sample"]]),
        *_labelled("session", [facts["session"]]),
        *_labelled("ids", [f"{name}: {text}" for name, text in facts["ids"].items()]),
        *_labelled("stage", [_stage(facts["stage"] or {})]),
        *_labelled("beside", [", ".join(facts["beside"])]),
        *(line for text in facts["warnings"] for line in _labelled("warning", [text])),
    ]
    return "\n".join(lines) + "\n"


def _labelled(label: str, said: Sequence[str | None]) -> list[str]:
    """Lines with the label before the first; none where nothing is said."""
    told = [text for text in said if text]
    return [f"  {'' if n else label:11} {text}" for n, text in enumerate(told)]


def _size(facts: dict[str, Any]) -> str:
    height, width = facts["shape"][-2:]
    bar = facts["info_bar_rows"]
    said = f"{width} x {height} px, {facts['dtype']}"
    return f"{said}, info bar {bar} rows" if bar else said


def _pixel_size(facts: dict[str, Any]) -> str:
    """With where it is from and how far it may be off, one standard deviation."""
    if not facts["pixel_size_um"]:
        return "unknown"
    x_um, y_um = facts["pixel_size_um"]
    source, sigma = facts["pixel_size"]["source"], facts["pixel_size"]["relative_sigma"]
    return f"{x_um:.6g} x {y_um:.6g} µm ± {100 * sigma:.2g} %, from {source}"


def _stage(pose: dict[str, float | None]) -> str:
    """What is stated; a scan that is not turned is not worth a word."""
    return ", ".join(
        f"{name} {value:.6g}"
        for name, value in pose.items()
        if value is not None and (value or name != "scan_rotation_deg")
    )


def _channels(channels: list[dict[str, Any]]) -> list[str]:
    """All with their reasons, or of a spectrum the first, the last and how many."""
    named = [f"{c['name']} ({c['kind']})" for c in channels]
    if len(named) > MOST_NAMED:
        return [f"{len(named)}: {named[0]}, {named[1]} ... {named[-1]}"]
    if not any(c["kind_reason"] for c in channels):
        return [", ".join(named)]
    width = max(map(len, named))
    return [
        f"{name:{width}}  {c['kind_reason']}".rstrip()
        for name, c in zip(named, channels, strict=True)
    ]
