"""`clemd register`: one pair, no daemon."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from clemd.clicked import Points, points_of
from clemd.config import RegistrationSettings
from clemd.errors import UsageError
from clemd.model import Registration, SecondOpinion, Verdict
from clemd.reading import ReadResult
from clemd.seconding import compared, guess_for, second_engine
from clemd.supervising import configure_logging

from ._reading import read_files

if TYPE_CHECKING:
    from clemd.pipeline import Request
    from clemd.sides import Loaded

REJECTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options of `clemd register`."""

    engine: str = "auto"
    pixel_ratio: float | None = None
    device: str = "auto"
    tolerance: float = 0.02
    time_limit_s: float = 300.0
    memory_limit_gb: float | None = None
    points: tuple[str, ...] = ()
    """As typed: `EX,EY,LX,LY`; none = the pose is searched."""
    em_scene: int | None = None
    """Which image of its file, from one; None = what stands for the file."""
    lm_scene: int | None = None
    second_engine: str = "none"
    """Asked as well where the first one says review; `auto` = what suits the data."""

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UsageError: an option's value is.
        """
        _check("pixel ratio", "--pixel-ratio", self.pixel_ratio, 1e-3, 1e4)
        _check("tolerance", "--tolerance", self.tolerance, 1e-6, 0.2)
        _check("time limit", "--time-limit", self.time_limit_s, 0.1, 86_400)
        _check("memory limit", "--memory-limit", self.memory_limit_gb, 0.1, 4096)
        for name, scene in (
            ("--em-scene", self.em_scene),
            ("--lm-scene", self.lm_scene),
        ):
            _check("scene", name, scene, 1, 1e6)
        known = get_args(RegistrationSettings.model_fields["second_engine"].annotation)
        if self.second_engine not in known:
            raise UsageError(
                f"unknown engine {self.second_engine!r}",
                "--second-engine",
                f"choose one of: {', '.join(known)}",
            )
        self.clicked()

    def clicked(self) -> Points:
        """The points as numbers, px of the images as stored; empty if there are none.

        Raises:
            UsageError: one of them is not four numbers, or they are too few.
        """
        rows = [_four(text) for text in self.points]
        return points_of(rows) if rows else ()


def _four(text: str) -> list[float]:
    try:
        row = [float(part) for part in text.split(",")]
    except ValueError:
        row = []
    if len(row) != 4 or not all(map(math.isfinite, row)):
        raise UsageError(
            f"{text!r} is not a pair of points",
            "--point",
            "give EM x, EM y, LM x, LM y in px: --point 410,220,133,96.5",
        )
    return row


def _check(
    name: str, option: str, value: float | None, least: float, most: float
) -> None:
    if value is not None and not (math.isfinite(value) and least <= value <= most):
        raise UsageError(
            f"{name} {value:g} is out of range", option, f"use {least:g}..{most:g}"
        )


def register_files(
    em: Path,
    lm: Path,
    wishes: Wishes,
    *,
    out: Path | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Register `em` on `lm` and print the result; 0 accepted or review, 3 rejected.

    Raises:
        UsageError: a value is out of range, or `out` cannot be used.
        RefusedFileError: a file cannot be read.
    """
    wishes.check()
    configure_logging("DEBUG" if verbose else "ERROR", json=False)
    with tempfile.TemporaryDirectory(prefix="clemd-") as folder:
        found, second, stated = _register(em, lm, Path(folder), wishes, out)
    if second is not None:
        found = second.beside(found)
    facts = {
        "metadata_ratio": stated,
        "second": None if second is None else second.to_contract(),
    }
    sys.stdout.write(
        json.dumps(found.to_contract() | facts) + "\n"
        if as_json
        else _in_words(found, stated, wishes)
    )
    return REJECTED if found.verdict is Verdict.REJECTED else 0


def _register(
    em: Path, lm: Path, cache: Path, wishes: Wishes, out: Path | None
) -> tuple[Registration, SecondOpinion | None, float | None]:
    """The registration, a second engine's word, and the ratio that the files state."""
    started = time.perf_counter()
    em_read, lm_read = _both(em, lm, cache, wishes)
    read_s = time.perf_counter() - started
    from clemd import pipeline
    from clemd.sides import Loaded

    em_image = Loaded.from_cache(em_read.frame, cache, em_read.planes)
    lm_image = Loaded.from_cache(lm_read.frame, cache, lm_read.planes)
    limit_gb = wishes.memory_limit_gb
    request = pipeline.Request(
        engine=wishes.engine,
        device=wishes.device,
        pixel_ratio=wishes.pixel_ratio,
        tolerance=wishes.tolerance,
        time_limit_s=wishes.time_limit_s,
        spent_s=time.perf_counter() - started,
        memory_limit_bytes=None if limit_gb is None else limit_gb * 1e9,
    )
    if wishes.points:
        from clemd.placing import register_by_hand

        found = register_by_hand(em_image, lm_image, wishes.clicked(), request)
    else:
        found = pipeline.register_pair(em_image, lm_image, request)
    spent = found.seconds
    found = replace(
        found,
        warnings=(*found.warnings, *_said_by(em_image, lm_image)),
        seconds=replace(spent, read=spent.read + read_s, total=spent.total + read_s),
    )
    second = _second(em_image, lm_image, found, wishes, request)
    context = pipeline.pair_context(em_image, lm_image, second=second)
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as failed:
            raise UsageError(
                f"cannot write there: {failed.strerror}",
                str(out),
                "choose another folder",
            ) from failed
        pipeline.write_first_outputs(out, em_image, lm_image, found, context)
        pipeline.write_more_outputs(out, em_image, lm_image, found, context)
    return found, second, context.metadata_ratio


def _said_by(*images: Loaded) -> tuple[str, ...]:
    """What the readers of the files warned of, each file once."""
    told = (
        f"{Path(image.frame.path).name}: {warning}"
        for image in images
        for warning in image.frame.warnings
    )
    return tuple(dict.fromkeys(told))


def _second(
    em: Loaded, lm: Loaded, first: Registration, wishes: Wishes, request: Request
) -> SecondOpinion | None:
    """Another engine's word, where there is doubt and somebody wants it."""
    from clemd.pipeline import register_pair

    engine = second_engine(first, wishes.second_engine, wishes.engine)
    if engine is None:
        return None
    asked = replace(
        request,
        engine=engine,
        expected=guess_for(engine, first),
        time_limit_s=RegistrationSettings().second_limit_s,
        spent_s=0.0,
        afresh=True,
    )
    return compared(first, register_pair(em, lm, asked), em.frame.shape)


def _both(em: Path, lm: Path, cache: Path, wishes: Wishes) -> list[ReadResult]:
    """Both images; two of one file where scenes say so."""
    if wishes.em_scene is None and wishes.lm_scene is None:
        return read_files([em, lm], cache)
    scenes = (em, wishes.em_scene), (lm, wishes.lm_scene)
    return [read_files([file], cache, scene=scene)[0] for file, scene in scenes]


def _chosen(engine: str) -> str:
    return "chosen by auto" if engine == "auto" else "named by --engine"


def _in_words(found: Registration, stated: float | None, wishes: Wishes) -> str:
    lines = [
        f"{found.verdict.value.upper()}  (confidence {found.confidence:.2f})",
        f"  engine             {found.engine} ({_chosen(wishes.engine)})",
    ]
    if found.verdict is not Verdict.REJECTED and found.error_lm_px is not None:
        um = "" if found.error_um is None else f" = {found.error_um.p95:.3g} µm"
        lines.append(f"  95 % error radius  {found.error_lm_px.p95:.2f} LM px{um}")
        mirrored = ", mirrored" if found.mirrored else ""
        lines.append(f"  pose               turned {found.rotation_deg:.2f}°{mirrored}")
        said = "not in the files" if stated is None else f"{stated:.4f} in the files"
        lines.append(
            f"  pixel-size ratio   {found.pixel_size_ratio:.4f} measured, {said}"
        )
    lines += [f"  {reason}" for reason in found.reasons]
    lines += [f"  warning: {warning}" for warning in found.warnings]
    lines.append(
        f"  {found.seconds.total:.1f} s (search {found.seconds.search:.1f}, refine "
        f"{found.seconds.refine:.1f}, verdict {found.seconds.verdict:.1f}) "
        f"on {found.device}"
    )
    return "\n".join(lines) + "\n"
