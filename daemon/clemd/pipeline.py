"""One pair, from decoded planes to a registration and its files.

The same functions serve a worker of the daemon and `clemd register`; nothing here
knows about queues, sockets or the database.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clemd.errors import RegistrationRefusedError
from clemd.exporting import (
    LightLayer,
    PairContext,
    write_bigwarp,
    write_checkerboard,
    write_itk,
    write_layer,
    write_overlay,
    write_preview,
    write_report,
    write_transform_json,
)
from clemd.model import (
    Asked,
    ChannelKind,
    ErrorRadius,
    Matrix3,
    PosePrior,
    Registration,
    SecondOpinion,
    Timing,
    TransformModel,
    Verdict,
)
from clemd.pairing import metadata_ratio, searched_ratio, stated_place
from clemd.series import (
    ALIGNED,
    DEFAULT_LINE,
    EnergyLine,
    energies_ev,
    write_aligned,
)
from clemd.sides import (
    DEFAULT_ENGINE,
    Loaded,
    bands_unused,
    engine_for,
    prepare_sides,
    working_px_of,
)

if TYPE_CHECKING:  # torch loads with it
    from clemd.registration import Checkpoints, Limits

RATIO_WARNING = 0.01
"""Metadata and measurement may differ by this fraction before we say so."""
LEAST_FIELD_LM_PX = 12
"""Shorter side of the EM field, on the map, below which nothing is searched."""
LEAST_MAP_SHARE = 0.25
"""Least area of the map, as a share of the EM field's: half must lie on the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How a pair is to be registered."""

    engine: str = "auto"
    device: str = "auto"
    pixel_ratio: float | None = None
    """Overrides what the metadata promise."""
    scale_tolerance: float = 0.10
    mirror: bool | None = None
    tolerance: float = 0.02
    expected: Matrix3 | None = None
    """Where the session expects the image: EM px -> LM px; checked before a search."""
    only_expected: bool = False
    """Check that place and search nowhere else."""
    seed: int = 0
    time_limit_s: float = 300.0
    """To the verdict; after it the pair is rejected in words."""
    spent_s: float = 0.0
    """How much of the time limit is used up before the call (reading)."""
    memory_limit_bytes: float | None = None
    """Resident bytes of this process; None = no limit of ours."""
    energy_line: EnergyLine = DEFAULT_LINE
    """Of energy series: (eV per volt of the mirror, eV at zero volt)."""
    afresh: bool = False
    """Nothing that was learned on other pairs is used: the answer can be repeated."""

    @property
    def asked(self) -> Asked:
        """What is kept with the result, so that it can be repeated."""
        return Asked(
            pixel_ratio=self.pixel_ratio,
            scale_tolerance=self.scale_tolerance,
            mirror=self.mirror,
            tolerance=self.tolerance,
            expected=self.expected,
        )


def register_pair(
    em: Loaded,
    lm: Loaded,
    request: Request,
    *,
    breathe: Callable[[str], None] = lambda _stage: None,
    checkpoints: Checkpoints | None = None,
) -> Registration:
    """Lay one EM image on one LM map.

    An engine that takes minutes leaves its state in `checkpoints` and goes on from it.
    A pair that cannot be registered comes back `rejected` with the reason. Under `auto`
    the default engine is asked where the one for spectra refuses what it was given.

    Raises:
        WrongResultError: the device has computed something that is not so.
    """
    started = time.perf_counter()
    began_s = time.monotonic() - request.spent_s
    from clemd.registration import Limits, breathing_within, resolve_device

    limits = Limits(
        time_s=request.time_limit_s,
        memory_bytes=request.memory_limit_bytes,
        started_s=began_s,
    )
    task = _Task(
        em=em,
        lm=lm,
        request=request,
        ratio=request.pixel_ratio or searched_ratio(em.frame, lm.frame),
        device=resolve_device(request.device),
        limits=limits,
        hold=breathing_within(limits, breathe),
        checkpoints=checkpoints,
        started_s=started,
    )
    name = engine_for(request.engine, em, lm)
    try:
        found = _laid(task, name)
    except RegistrationRefusedError as refused:
        if request.engine != "auto" or name == DEFAULT_ENGINE:
            return _refused(task, name, refused.reason)
        found = _instead(task, name, refused.reason)
    unused = bands_unused(em) if request.engine == "auto" else ""
    return replace(found, reasons=(*found.reasons, unused)) if unused else found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One pair and what holds for every engine that is asked about it."""

    em: Loaded
    lm: Loaded
    request: Request
    ratio: float | None
    device: str
    limits: Limits
    hold: Callable[[str], None]
    checkpoints: Checkpoints | None
    started_s: float


def _laid(task: _Task, name: str) -> Registration:
    """What the engine of that name says of the pair.

    Raises:
        RegistrationRefusedError: it cannot work on what it was given.
        WrongResultError: the device has computed something that is not so.
    """
    from clemd.registration import EngineContext, bands_for, engine_named, recheck

    em, lm, request, ratio = task.em, task.lm, task.request, task.ratio
    engine = engine_named(name, afresh=request.afresh)
    _check_ratio(em, lm, ratio)
    task.limits.check_fits(working_px_of(em, lm, ratio))
    sides = prepare_sides(
        em, lm, bands_for(name), ratio=ratio, line=request.energy_line, hold=task.hold
    )
    prepared = time.perf_counter()
    found = engine.register(
        sides.em,
        sides.lm,
        PosePrior(
            pixel_size_ratio=ratio,
            scale_tolerance=request.scale_tolerance,
            mirror=request.mirror,
            expected=request.expected or stated_place(em.frame, lm.frame),
            only_expected=request.only_expected,
        ),
        EngineContext(
            device=task.device,
            seed=request.seed,
            tolerance=request.tolerance,
            time_limit_s=request.time_limit_s,
            breathe=task.hold,
            checkpoints=task.checkpoints,
        ),
    )
    found = recheck(*sides.seen_by(engine), found)
    return replace(
        found,
        reasons=(*found.reasons, *([sides.why] if sides.why else [])),
        warnings=(
            *sides.em.warnings,
            *sides.lm.warnings,
            *found.warnings,
            *_warnings(
                found,
                ratio,
                metadata_ratio(em.frame, lm.frame),
                given=request.pixel_ratio is not None,
            ),
        ),
        error_um=radius_in_um(found.error_lm_px, lm),
        asked=request.asked,
        input_sha256=(em.frame.content_sha256, lm.frame.content_sha256),
        seconds=replace(
            found.seconds,
            read=prepared - task.started_s,
            total=time.perf_counter() - task.started_s,
        ),
    )


def _instead(task: _Task, refusing: str, reason: str) -> Registration:
    """The default engine's word, where the one for spectra has refused the pair.

    It is kept as that engine's own: to repeat it, nobody has to ask the other first.
    """
    said = f"{refusing} was asked first and refused: {reason}"
    try:
        found = _laid(task, DEFAULT_ENGINE)
    except RegistrationRefusedError as refused:
        if refused.reason == reason:  # nothing to do with spectra
            return _refused(task, refusing, reason)
        return _refused(task, DEFAULT_ENGINE, refused.reason, said)
    return replace(found, reasons=(*found.reasons, said))


def _refused(task: _Task, name: str, *reasons: str) -> Registration:
    """A pair that the engine of that name cannot register, in words."""
    from clemd.registration import engine_named

    engine = engine_named(name)
    em, lm = task.em.frame, task.lm.frame
    return Registration(
        verdict=Verdict.REJECTED,
        confidence=0.01,
        em_to_lm=None,
        engine=engine.name,
        engine_version=engine.version,
        device=task.device,
        seed=task.request.seed,
        asked=task.request.asked,
        reasons=reasons,
        input_sha256=(em.content_sha256, lm.content_sha256),
        seconds=Timing(total=time.perf_counter() - task.started_s),
    )


def _check_ratio(em: Loaded, lm: Loaded, ratio: float | None) -> None:
    """Refuse a ratio that leaves no common field to look at.

    Raises:
        RegistrationRefusedError: the EM field is a speck on the map, or dwarfs it.
    """
    if ratio is None:
        return
    height, width = (side / ratio for side in em.frame.shape)
    lm_height, lm_width = lm.frame.shape
    field = (
        f"at a pixel-size ratio of {ratio:g} the EM field is {width:.3g} x "
        f"{height:.3g} px on a map of {lm_width} x {lm_height} px"
    )
    if min(height, width) < LEAST_FIELD_LM_PX:
        raise RegistrationRefusedError(
            f"{field}, too small to recognise: check the ratio or the pairing"
        )
    if lm_height * lm_width < LEAST_MAP_SHARE * height * width:
        raise RegistrationRefusedError(
            f"{field}, which holds too little of it: check the ratio or the pairing"
        )


def radius_in_um(radius: ErrorRadius | None, lm: Loaded) -> ErrorRadius | None:
    """A radius in LM px as micrometres; None where either is not known."""
    if radius is None or lm.pixel_um is None:
        return None
    pixel_um = math.sqrt(lm.pixel_um[0] * lm.pixel_um[1])
    return ErrorRadius(p50=radius.p50 * pixel_um, p95=radius.p95 * pixel_um)


def _warnings(
    found: Registration, ratio: float | None, promised: float | None, *, given: bool
) -> tuple[str, ...]:
    """`ratio` was searched with; `promised` is what the files say."""
    measured = found.pixel_size_ratio
    if found.verdict is Verdict.REJECTED or measured is None:
        return ()
    if ratio is None:
        why = (
            "no pixel size in the files"
            if promised is None
            else f"the files contradict themselves about the ratio {promised:.4f}"
        )
        return (f"{why}: the ratio {measured:.4f} was measured",)
    off = measured / ratio - 1
    if abs(off) <= RATIO_WARNING:
        return ()
    measured_said = f"pixel-size ratio measured {measured:.4f}"
    if given:
        return (
            f"{measured_said}, {ratio:.4f} was given ({100 * off:+.1f} %): "
            "check the value, or the two microscopes' calibration",
        )
    return (
        f"{measured_said}, the metadata say {ratio:.4f} ({100 * off:+.1f} %): "
        "one of the two microscopes is out of calibration",
    )


def light_layers(lm: Loaded) -> list[LightLayer]:
    """The LM channels as exporting wants them."""
    if lm.frame.is_energy_series:
        channel = lm.frame.channels[lm.shown]
        return [LightLayer(plane=lm.picture, name=channel.name, kind=channel.kind)]
    if lm.frame.is_cube:
        return [
            LightLayer(plane=lm.picture, name="all bands", kind=ChannelKind.SPECTRAL)
        ]
    return [
        LightLayer(plane=plane, name=channel.name, kind=channel.kind)
        for plane, channel in zip(lm.planes, lm.frame.channels, strict=True)
    ]


def pair_context(
    em: Loaded,
    lm: Loaded,
    *,
    registration_id: str = "",
    session: str = "",
    second: SecondOpinion | None = None,
) -> PairContext:
    """Names, sizes and pixel sizes for the exported files."""
    return PairContext(
        em_name=Path(em.frame.path).name,
        lm_name=Path(lm.frame.path).name,
        em_shape=em.frame.shape,
        lm_shape=lm.frame.shape,
        em_pixel_um=em.pixel_um,
        lm_pixel_um=lm.pixel_um,
        metadata_ratio=metadata_ratio(em.frame, lm.frame),
        registration_id=registration_id,
        session=session,
        second=second,
    )


def write_first_outputs(
    folder: Path, em: Loaded, lm: Loaded, found: Registration, context: PairContext
) -> dict[str, str]:
    """What goes out with the result: preview and transforms; name -> file name."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = light_layers(lm)
    title = f"{context.em_name} on {context.lm_name}"
    write_preview(
        folder / "preview.png",
        em.picture,
        layers,
        found,
        em_pixel_um=em.pixel_um,
        title=title,
        info_bar_rows=em.frame.info_bar_rows,
    )
    outputs = {"preview": "preview.png"}
    if _is_placed(found):
        write_transform_json(folder / "transform.json", found, context)
        write_bigwarp(folder / "landmarks.csv", found, context)
        outputs |= {"transform": "transform.json", "bigwarp": "landmarks.csv"}
        if found.model is not TransformModel.HOMOGRAPHY:  # ITK has no file for it
            write_itk(folder / "transform.tfm", found, context)
            outputs["itk"] = "transform.tfm"
    return outputs


def write_more_outputs(
    folder: Path,
    em: Loaded,
    lm: Loaded,
    found: Registration,
    context: PairContext,
    line: EnergyLine = DEFAULT_LINE,
) -> dict[str, str]:
    """What may come a little later: overlay, aligned series, checkerboard, report."""
    layers = light_layers(lm)
    outputs: dict[str, str] = {}
    if _is_placed(found):
        write_overlay(folder / "overlay.ome.tif", em.picture, layers, found, context)
        outputs["overlay"] = "overlay.ome.tif"
        if em.frame.is_energy_series:
            _write_aligned(folder / ALIGNED, em, lm, found, line)
            outputs["aligned"] = ALIGNED
    write_checkerboard(
        folder / "checkerboard.png",
        em.picture,
        layers,
        found,
        em_pixel_um=em.pixel_um,
        title=f"{context.em_name} / {context.lm_name}",
        info_bar_rows=em.frame.info_bar_rows,
    )
    outputs["checkerboard"] = "checkerboard.png"
    beside = {name: f"{name}.png" for name in ("votes", "outline")}
    outputs |= {n: file for n, file in beside.items() if (folder / file).exists()}
    return outputs | write_report_page(folder, found, context)


def write_report_page(
    folder: Path, found: Registration, context: PairContext
) -> dict[str, str]:
    """The page with everything on it; the pictures that it shows lie in `folder`.

    With another engine's word also the file that programs take the matrix from, which
    went out before that word was spoken: it must not know less.
    """
    write_report(
        folder / "report.html",
        found,
        context,
        images={"preview": "preview.png", "checkerboard": "checkerboard.png"},
    )
    if context.second is not None and _is_placed(found):
        write_transform_json(folder / "transform.json", found, context)
    return {"report": "report.html"}


def _is_placed(found: Registration) -> bool:
    return found.em_to_lm is not None and found.verdict is not Verdict.REJECTED


def _write_aligned(
    path: Path, em: Loaded, lm: Loaded, found: Registration, line: EnergyLine
) -> None:
    """Every band on the map's pixels, the drift between them taken out."""
    from clemd.registration.spatio_spectral import drift_of

    energies = np.array(energies_ev(em.frame, line))
    order = np.argsort(energies)
    rows = em.frame.shape[0] - em.frame.info_bar_rows
    bands = np.stack([np.asarray(em.planes[i][:rows], np.float32) for i in order])
    stated = found.evidence.get("em_band_ev", float(energies.max()))
    drift = drift_of(bands, int(np.abs(energies[order] - stated).argmin()))
    del bands
    write_aligned(path, (em.frame, em.planes), lm.frame, found, drift, line=line)


def layer_name(sha256: str, channel: int) -> str:
    """File name of a channel's 8-bit picture for the page."""
    return f"{sha256}-{channel}.layer.png"


def write_layers(cache: Path, image: Loaded) -> None:
    """The page's pictures of every channel, where they are not there yet."""
    planes = [image.picture] if image.frame.is_cube else image.planes
    for channel, plane in enumerate(planes):
        path = cache / layer_name(image.frame.content_sha256, channel)
        if path.exists():
            continue
        mask = None
        if image.frame.info_bar_rows:
            mask = np.ones(plane.shape, bool)
            mask[plane.shape[0] - image.frame.info_bar_rows :] = False
        write_layer(path, plane, mask=mask)
