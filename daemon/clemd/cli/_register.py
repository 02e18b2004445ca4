"""`clemd register`: one pair, no daemon."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from pathlib import Path

from clemd.errors import UsageError
from clemd.model import Registration, Verdict
from clemd.supervising import configure_logging

from ._reading import read_files

REJECTED = 3


def register_files(
    em: Path,
    lm: Path,
    *,
    engine: str,
    pixel_ratio: float | None,
    device: str,
    out: Path | None,
    tolerance: float,
    as_json: bool,
    verbose: bool,
) -> int:
    """Register `em` on `lm` and print the result; 0 accepted or review, 3 rejected.

    Raises:
        UsageError: a value is out of range, or `out` cannot be used.
        RefusedFileError: a file cannot be read.
    """
    if pixel_ratio is not None and not (
        math.isfinite(pixel_ratio) and 1e-3 <= pixel_ratio <= 1e4
    ):
        raise UsageError(
            f"pixel ratio {pixel_ratio:g} is out of range",
            "--pixel-ratio",
            "use 0.001..10000",
        )
    if not 0 < tolerance <= 0.2:
        raise UsageError(
            f"tolerance {tolerance:g} is out of range",
            "--tolerance",
            "use 0 < t <= 0.2",
        )
    configure_logging("DEBUG" if verbose else "ERROR", json=False)
    with tempfile.TemporaryDirectory(prefix="clemd-") as folder:
        found = _register(
            em, lm, Path(folder), engine, pixel_ratio, device, out, tolerance
        )
    sys.stdout.write(
        json.dumps(found.to_contract()) + "\n" if as_json else _in_words(found)
    )
    return REJECTED if found.verdict is Verdict.REJECTED else 0


def _register(
    em: Path,
    lm: Path,
    cache: Path,
    engine: str,
    pixel_ratio: float | None,
    device: str,
    out: Path | None,
    tolerance: float,
) -> Registration:
    started = time.perf_counter()
    em_read, lm_read = read_files([em, lm], cache)
    read_s = time.perf_counter() - started
    from dataclasses import replace

    from clemd import pipeline

    em_image = pipeline.Loaded.from_cache(em_read.frame, cache, em_read.planes)
    lm_image = pipeline.Loaded.from_cache(lm_read.frame, cache, lm_read.planes)
    found = pipeline.register_pair(
        em_image,
        lm_image,
        pipeline.Request(
            engine=engine, device=device, pixel_ratio=pixel_ratio, tolerance=tolerance
        ),
    )
    spent = found.seconds
    found = replace(
        found,
        seconds=replace(spent, read=spent.read + read_s, total=spent.total + read_s),
    )
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as failed:
            raise UsageError(
                f"cannot write there: {failed.strerror}",
                str(out),
                "choose another folder",
            ) from failed
        context = pipeline.pair_context(em_image, lm_image)
        pipeline.write_first_outputs(out, em_image, lm_image, found, context)
        pipeline.write_more_outputs(out, em_image, lm_image, found, context)
    return found


def _in_words(found: Registration) -> str:
    lines = [f"{found.verdict.value.upper()}  (confidence {found.confidence:.2f})"]
    if found.verdict is not Verdict.REJECTED and found.error_lm_px is not None:
        um = "" if found.error_um is None else f" = {found.error_um.p95:.3g} µm"
        lines.append(f"  95 % error radius  {found.error_lm_px.p95:.2f} LM px{um}")
        mirrored = ", mirrored" if found.mirrored else ""
        lines.append(
            f"  pose               turned {found.rotation_deg:.2f}°{mirrored}, "
            f"pixel-size ratio {found.pixel_size_ratio:.4f}"
        )
    lines += [f"  {reason}" for reason in found.reasons]
    lines += [f"  warning: {warning}" for warning in found.warnings]
    lines.append(
        f"  {found.seconds.total:.1f} s (search {found.seconds.search:.1f}, refine "
        f"{found.seconds.refine:.1f}, verdict {found.seconds.verdict:.1f}) "
        f"on {found.device}"
    )
    return "\n".join(lines) + "\n"
