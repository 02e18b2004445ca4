"""Images without a stage position: are they found inside an earlier one, and where?

Both fields are drawn of one specimen, each at its own pixel size, with noise, contrast
and pixel-size errors of its own; the truth between them is exact.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clemd.cutting import Parent
from clemd.geometry import as_matrix, as_rows, corner_errors, decompose, similarity
from clemd.model import (
    Channel,
    ErrorRadius,
    Frame,
    Modality,
    PixelSize,
    Registration,
    Verdict,
)
from clemd.nesting import register_nested
from clemd.pipeline import Request
from clemd.sides import Loaded

from ._figures import Share, in_words, percentile
from ._specimens import simulator
from ._table import table

RATIOS = (1.2, 2.0, 4.0, 8.0, 14.0, 20.0)
"""Fields of the parent against the child's."""
PARENT, CHILD = (1536, 2048), (768, 1024)
LM = {"lm_shape": (256, 256), "lm_pixel_um": 0.52}
COVERAGE = 0.5
MOUNTED_DEG = 30.0
PARENT_RADIUS = ErrorRadius(p50=0.1, p95=0.2)


@dataclass(slots=True)
class _Counted:
    found: int = 0
    wrong: int = 0
    of: int = 0
    errors: list[float] = field(default_factory=list)
    held: int = 0
    cpu_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """A parent on its map, and a child that truly lies in it."""

    parent: Parent
    child: Loaded
    true: Any
    """Child px -> LM px."""


def drawn(seed: int, ratio: float, *, says_size: bool, is_turned: bool) -> Nest:
    """A pair of fields whose widths are as `ratio` to one."""
    rng = np.random.default_rng([seed, round(10 * ratio), 8])
    large = simulator().render_pair(
        seed,
        em_shape=PARENT,
        coverage=COVERAGE,
        rotation_deg=MOUNTED_DEG,
        mirrored=False,
        offset=(0.0, 0.0),
        **LM,
    )
    turn = rng.uniform(-180, 180) if is_turned else rng.normal(0, 0.5)
    room = 0.45 * (1 - 1 / ratio)
    at = rng.uniform(-room, room, 2) * [1.0, PARENT[0] / PARENT[1]]
    mounted = similarity(scale=1.0, rotation_deg=MOUNTED_DEG)[:2, :2]
    small = simulator().render_pair(
        seed,
        em_shape=CHILD,
        coverage=COVERAGE / ratio,
        rotation_deg=MOUNTED_DEG + float(turn),
        mirrored=False,
        offset=tuple(ratio * (mounted @ at)),
        noise=float(rng.uniform(0.7, 2.0)),
        invert=bool(rng.random() < 0.5),
        **LM,
    )
    said = small.em_pixel_um * float(rng.normal(1, 0.01)) if says_size else None
    return Nest(
        parent=Parent(
            image=_loaded(f"parent{seed}", large.em, large.em_pixel_um),
            registration=Registration(
                verdict=Verdict.ACCEPTED,
                confidence=0.99,
                em_to_lm=as_rows(large.em_to_lm),
                error_lm_px=PARENT_RADIUS,
            ),
            registration_id=str(seed),
        ),
        child=_loaded(f"child{seed}", small.em, said),
        true=small.em_to_lm,
    )


def _loaded(name: str, image: Any, pixel_um: float | None) -> Loaded:
    size = None
    if pixel_um is not None:
        size = PixelSize(x_um=pixel_um, y_um=pixel_um, source="simulated")
    return Loaded(
        frame=Frame(
            path=name,
            driver="simulated",
            driver_version="1",
            modality=Modality.SEM,
            shape=image.shape,
            dtype=str(image.dtype),
            channels=(Channel(name="SE"),),
            pixel_size=size,
            content_sha256=name,
        ),
        planes=(image,),
    )


def measure_nesting(seeds: range) -> dict[str, Any]:
    """Success and errors by ratio, and what is found where nothing is to be found."""
    rows: defaultdict[tuple[str, float], _Counted] = defaultdict(_Counted)
    parents: list[Parent] = []
    for seed in seeds:
        for ratio in RATIOS:
            for kind, says_size, is_turned in (
                ("as it was", True, False),
                ("scan turned", True, True),
                ("pixel size unknown", False, False),
            ):
                nest = drawn(seed, ratio, says_size=says_size, is_turned=is_turned)
                _count(rows[kind, ratio], nest, [nest.parent])
        parents.append(nest.parent)
    strangers = _Counted()
    for seed in seeds:
        for ratio in RATIOS[1:4]:
            nest = drawn(seed + 5000, ratio, says_size=True, is_turned=False)
            _count(strangers, nest, parents[-3:])
    return {
        "found": [
            {
                "kind": kind,
                "ratio": ratio,
                "found": Share(c.found, c.of),
                "wrong": c.wrong,
                "error_lm_px": percentile(c.errors, 50),
                "worst_lm_px": max(c.errors, default=None),
                "held": Share(c.held, c.found),
                "cpu_s": percentile(c.cpu_s, 50),
            }
            for (kind, ratio), c in sorted(rows.items())
        ],
        "strangers": Share(strangers.found, strangers.of),
        "strangers_cpu_s": percentile(strangers.cpu_s, 50),
    }


def _count(counted: _Counted, nest: Nest, parents: list[Parent]) -> None:
    began = time.process_time()
    found = register_nested(nest.child, parents, Request(device="cpu"))
    counted.cpu_s.append(time.process_time() - began)
    counted.of += 1
    if found is None or found.em_to_lm is None or found.error_lm_px is None:
        return
    counted.found += 1
    matrix = as_matrix(found.em_to_lm)
    error = float(corner_errors(matrix, nest.true, CHILD).max())
    counted.errors.append(error)
    counted.held += error <= found.error_lm_px.p95
    width = CHILD[1] * decompose(nest.true).scale
    counted.wrong += not math.isfinite(error) or error > max(0.05, 0.02 * width)


def nesting_report(facts: dict[str, Any]) -> str:
    """The tables in words."""
    rows = table(
        (
            "child",
            "parent's field / child's",
            "found",
            "wrong",
            "added error, median",
            "worst",
            "within its radius",
            "processor, median",
        ),
        [
            (
                row["kind"],
                row["ratio"],
                row["found"],
                row["wrong"],
                in_words(row["error_lm_px"], 3, " LM px"),
                in_words(row["worst_lm_px"], 3, " LM px"),
                row["held"],
                in_words(row["cpu_s"], 2, " s"),
            )
            for row in facts["found"]
        ],
    )
    return (
        f"{rows}\n\nImages of other specimens found inside these: "
        f"{facts['strangers']}; {in_words(facts['strangers_cpu_s'], 2, ' s')} of "
        "processor each."
    )
