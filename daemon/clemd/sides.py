"""Both images of a pair: their pixels at hand, and prepared for an engine.

Most engines lay a picture on a picture. Some read spectra and are given every band of
one side or of both; what is shown, and checked, is a picture all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from clemd.model import Frame, Modality, PreparedImage
from clemd.preparing import (
    prepare,
    prepare_cube,
    prepare_series,
    structure_channels,
    working_px,
)
from clemd.series import EnergyLine, energies_ev, shown_band

if TYPE_CHECKING:  # torch loads with it
    from clemd.registration import Bands, CubeEngine, Engine

DEFAULT_ENGINE = "multimodal"
LEAST_BANDS = 3
"""Fewer bands are no spectrum: they are registered as a picture."""

Hold = Callable[[str], None]
"""A breathing point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One frame with its pixels at hand (memory-mapped)."""

    frame: Frame
    planes: tuple[NDArray[Any], ...]
    """One (height, width) array per channel."""

    @classmethod
    def from_cache(cls, frame: Frame, cache: Path, names: Sequence[str]) -> Loaded:
        """Map the planes that the reading child left in `cache`.

        Raises:
            FileNotFoundError: the cache was cleared meanwhile.
        """
        planes = tuple(
            np.load(cache / name, mmap_mode="r", allow_pickle=False) for name in names
        )
        return cls(frame=frame, planes=planes)

    @property
    def pixel_um(self) -> tuple[float, float] | None:
        """(x, y) pixel size as the metadata state it."""
        size = self.frame.pixel_size
        return None if size is None else (size.x_um, size.y_um)

    @property
    def sums_bands(self) -> bool:
        """Are its channels bands, of which none alone shows the specimen?

        Also where the file does not say where on the spectrum they lie.
        """
        if self.frame.is_energy_series:
            return False
        spectral = self.frame.modality is Modality.HYPERSPECTRAL
        return self.frame.is_cube or (spectral and len(self.planes) >= LEAST_BANDS)

    @property
    def shown(self) -> int:
        """The channel that is shown of it.

        Of an energy series the band that holds all electrons, or the nearest to it
        that is no blank page.
        """
        first = shown_band(self.frame)
        if not self.frame.is_energy_series:
            return first
        axis = self.frame.spectral_axis
        if len(axis) != len(self.planes):
            return first
        nearest = sorted(range(len(axis)), key=lambda at: abs(axis[at] - axis[first]))
        return next((at for at in nearest if _shows(self.planes[at])), first)

    @property
    def picture(self) -> NDArray[Any]:
        """What is shown of it: its first channel; of bands their sum.

        Of an energy series the band that holds all electrons.
        """
        if not self.sums_bands:
            return self.planes[self.shown]
        total = np.zeros(self.frame.shape, np.float32)
        for band in self.planes:
            total += np.nan_to_num(band)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both images as one engine registers them."""

    em: PreparedImage
    lm: PreparedImage
    why: str
    """What of the map takes part, in words; empty where the engine says so itself."""
    pictures: tuple[PreparedImage | None, PreparedImage]
    """(EM, map) on which the answer is checked; None: the engine makes the first."""

    def seen_by(self, engine: Engine) -> tuple[PreparedImage, PreparedImage]:
        """The pictures on which that engine's answer is checked.

        Raises:
            RegistrationRefusedError: it makes none of what it was given.
        """
        em, lm = self.pictures
        return (cast("CubeEngine", engine).as_seen(self.em) if em is None else em), lm


def _shows(plane: NDArray[Any]) -> bool:
    """Is there more than one value in it?"""
    values = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
    return bool(values.size and np.min(values) < np.max(values))


def engine_for(name: str, em: Loaded, lm: Loaded) -> str:
    """`auto` gives spectra to the engine made for them; all else to the default one."""
    if name != "auto":
        return name
    if em.frame.is_energy_series and lm.frame.is_energy_series:
        return "spatio-spectral"
    if em.frame.is_energy_series:
        return DEFAULT_ENGINE
    if em.frame.is_cube and len(em.planes) >= LEAST_BANDS:
        return "global-gradient"
    return DEFAULT_ENGINE


def bands_unused(em: Loaded) -> str:
    """Why bands of the EM side can be no spectrum for `auto`; empty where they can."""
    frame, bands = em.frame, len(em.planes)
    if frame.is_cube or not em.sums_bands:
        return ""
    values = len(frame.spectral_axis)
    axis = f"a spectral axis of {values} values" if values else "no spectral axis"
    return (
        f"the {bands} bands were not used as spectra, but their sum as one picture: "
        f"{Path(frame.path).name} states {axis}"
    )


def prepare_sides(
    em: Loaded,
    lm: Loaded,
    bands: Bands,
    *,
    ratio: float | None,
    line: EnergyLine,
    hold: Hold,
) -> Sides:
    """Both images for an engine that is given these bands.

    `ratio` is the EM's px per map px, None if unknown; `line` turns mirror volts into
    eV.

    Raises:
        RegistrationRefusedError: one of them cannot be registered at all.
    """
    from clemd.registration import Bands

    chosen, why = _structure(lm)
    hold("prepare")
    on_map = prepare(
        [lm.planes[i] for i in chosen],
        reduction=1.0,
        info_bar_rows=lm.frame.info_bar_rows,
        label=", ".join(lm.frame.channels[i].name for i in chosen),
        content_key=lm.frame.content_sha256,
    )
    hold("prepare")
    if bands is Bands.EM:
        cube = _cube(em, ratio)
        hold("prepare")
        return Sides(em=cube, lm=on_map, why=why, pictures=(None, on_map))
    picture = _picture(em, ratio)
    hold("prepare")
    if bands is Bands.NEITHER:
        return Sides(em=picture, lm=on_map, why=why, pictures=(picture, on_map))
    return Sides(
        em=_series(em, ratio, line, hold),
        lm=_series(lm, 1.0, line, hold),
        why="",  # the engine says which bands took part, if it came to that
        pictures=(picture, on_map),
    )


def _structure(lm: Loaded) -> tuple[tuple[int, ...], str]:
    """Channels that carry the structure, and why in words."""
    if lm.frame.is_energy_series:
        band = lm.shown
        named = lm.frame.channels[band].name
        return (band,), f"the band at {named} holds all electrons"
    return structure_channels(lm.frame.channels, lm.planes)


def _picture(em: Loaded, ratio: float | None) -> PreparedImage:
    """The EM image as one grey picture."""
    return prepare(
        [em.picture] if em.sums_bands or em.frame.is_cube else em.planes[:3],
        merge=True,
        reduction=ratio,
        info_bar_rows=em.frame.info_bar_rows,
        content_key=em.frame.content_sha256,
    )


def _cube(em: Loaded, ratio: float | None) -> PreparedImage:
    """The EM image as bands, whatever it says of itself: the engine checks it."""
    return prepare_cube(
        em.planes,
        em.frame.spectral_axis,
        reduction=ratio,
        content_key=em.frame.content_sha256,
    )


def _series(
    side: Loaded, ratio: float | None, line: EnergyLine, hold: Hold
) -> PreparedImage:
    """Every band as measured, with the energies that `line` gives it."""
    prepared = prepare_series(
        side.planes,
        energies_ev(side.frame, line),
        reduction=ratio,
        info_bar_rows=side.frame.info_bar_rows,
        content_key=side.frame.content_sha256,
    )
    hold("prepare")
    return prepared


def working_px_of(em: Loaded, lm: Loaded, ratio: float | None) -> int:
    """Px of all layers together once both images are prepared."""
    em_height, em_width = em.frame.shape
    lm_height, lm_width = lm.frame.shape
    em_px = working_px(em_height, em_width, ratio)
    lm_px = working_px(lm_height, lm_width, 1.0)
    if em.frame.is_energy_series and lm.frame.is_energy_series:
        # a band is held once or twice as float32, not with all that an image needs
        bands = len(em.planes) * em_px + len(lm.planes) * lm_px
        return em_px + lm_px + bands // 3
    bands = len(em.planes) if em.frame.is_cube else 1
    return em_px * bands + lm_px * (1 if lm.frame.is_cube else len(lm.planes))
