"""One EM and LM image of the same specimen with the truth between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, corners
from clemd.model import Matrix

from ._electron import ElectronSettings, render_electron, to_uint8
from ._field import Field
from ._light import LightSettings, render_light
from ._placing import beside, off_centre, over_the_edge
from ._section import NextSection
from ._specimen import Specimen

ELSEWHERE_UM = 5000.0
"""How far from the map an EM image lies that has no partner."""


@dataclass(frozen=True, kw_only=True)
class SimulatedPair:
    """Pixels of both sides and how they truly lie on each other."""

    em: NDArray[np.uint8]
    """(height, width)."""
    lm: NDArray[np.uint16]
    """(3, height, width): reflected, nuclei, mitochondria."""
    em_to_lm: Matrix | None
    """EM px -> LM px, pixel centres; None = the EM field is not on the map, or of
    another section."""
    em_pixel_um: float
    """True edge of an EM pixel."""
    lm_pixel_um: float
    """True edge of an LM pixel."""
    em_metadata_pixel_um: float
    """What the EM file would say; wrong by 3-7 % or right."""
    lm_metadata_pixel_um: float
    info_bar_rows: int
    """Rows at the bottom of `em` that are not specimen."""
    rotation_deg: float
    mirrored: bool
    seed: int

    @property
    def metadata_ratio(self) -> float:
        """LM / EM pixel size as the files would say."""
        return self.lm_metadata_pixel_um / self.em_metadata_pixel_um


def render_pair(
    seed: int,
    *,
    em_shape: tuple[int, int] = (768, 1024),
    lm_shape: tuple[int, int] = (512, 512),
    ratio: float | None = None,
    coverage: float = 0.45,
    rotation_deg: float | None = None,
    mirrored: bool | None = None,
    noise: float = 1.0,
    invert: bool = False,
    lm_pixel_um: float = 0.13,
    elsewhere: bool = False,
    is_beside: bool = False,
    overlap: float | None = None,
    offset: tuple[float, float] | None = None,
    section: int = 0,
    artefacts: float = 1.0,
    info_bar_rows: int = 0,
    bead_spacing_um: float | None = None,
    pitch_um: float = 11.0,
) -> SimulatedPair:
    """Draw one specimen twice.

    `ratio` is LM / EM pixel size; where it is None, the EM field is `coverage` of
    the LM width. `rotation_deg` and `mirrored` are drawn by lot where they are None.
    The last `info_bar_rows` rows of the EM image are an info bar. The same arguments
    give the same pixels. `noise` scales all that a detector adds, charging included.

    `elsewhere` puts the EM field far off the map, `is_beside` next to it; with
    `overlap` that part of the EM field is on the map, with `offset` (x, y) its middle
    lies so many EM field widths from the middle of the map. With `section` > 0 the EM
    image is of a section cut that much further down, which no matrix relates to the
    map.
    """
    rng = np.random.default_rng([seed, 5])
    ratio = ratio or em_shape[1] / (coverage * lm_shape[1])
    turn = float(rng.uniform(-180, 180)) if rotation_deg is None else rotation_deg
    flip = bool(rng.uniform() < 0.5) if mirrored is None else mirrored
    lm_field = Field.at(shape=lm_shape, pixel_um=lm_pixel_um)
    em_field = place_inside(
        rng, lm_field, em_shape, lm_pixel_um / ratio, rotation_deg=turn, mirrored=flip
    )
    if offset is not None:
        em_field = off_centre(lm_field, em_field, offset)
    if overlap is not None:
        em_field = over_the_edge(rng, lm_field, em_field, overlap)
    if is_beside:
        em_field = beside(rng, lm_field, em_field)
    if elsewhere:
        shift = np.array([[1, 0, ELSEWHERE_UM], [0, 1, ELSEWHERE_UM], [0, 0, 1.0]])
        em_field = Field(em_shape, compose(shift, em_field.um_from_px))
    specimen = Specimen(seed, pitch_um=pitch_um, bead_spacing_um=bead_spacing_um)
    em = render_em(
        NextSection(seed, section, pitch_um=pitch_um) if section else specimen,
        em_field,
        seed,
        ElectronSettings(invert=invert, noise=noise, charging=noise),
    )
    if info_bar_rows:
        em[-info_bar_rows:] = 0
        em[-info_bar_rows] = 255
    errors = metadata_errors(rng)
    return SimulatedPair(
        em=em,
        lm=render_lm(
            specimen, lm_field, seed, LightSettings(noise=noise, artefacts=artefacts)
        ),
        em_to_lm=None
        if elsewhere or is_beside or section
        else compose(lm_field.px_from_um, em_field.um_from_px),
        em_pixel_um=em_field.pixel_um,
        lm_pixel_um=lm_pixel_um,
        em_metadata_pixel_um=em_field.pixel_um * errors[0],
        lm_metadata_pixel_um=lm_pixel_um * errors[1],
        info_bar_rows=info_bar_rows,
        rotation_deg=turn,
        mirrored=flip,
        seed=seed,
    )


def metadata_errors(rng: np.random.Generator) -> tuple[float, float]:
    """Factors by which the EM and the LM file misstate their pixel size."""
    sizes = rng.uniform(0.03, 0.07, 2) * rng.choice([-1.0, 1.0], 2)
    wrong = ((1, 0), (0, 1), (1, 1))[int(rng.integers(3))]
    return float(1 + wrong[0] * sizes[0]), float(1 + wrong[1] * sizes[1])


def place_inside(
    rng: np.random.Generator,
    lm_field: Field,
    em_shape: tuple[int, int],
    em_pixel_um: float,
    *,
    rotation_deg: float,
    mirrored: bool,
) -> Field:
    """Somewhere on the map, wholly inside it where the turned field has room."""
    loose = Field.at(
        shape=em_shape,
        pixel_um=em_pixel_um,
        rotation_deg=rotation_deg,
        mirrored=mirrored,
    )
    x0, y0, x1, y1 = lm_field.bounds_um(-2 * lm_field.pixel_um)
    reach = apply(loose.um_from_px, corners(em_shape)).max(axis=0)
    room = np.maximum(np.array([x1 - x0, y1 - y0]) / 2 - reach, 0)
    centre = np.array([x0 + x1, y0 + y1]) / 2 + rng.uniform(-1, 1, 2) * room
    shift = np.array([[1, 0, centre[0]], [0, 1, centre[1]], [0, 0, 1.0]])
    return Field(em_shape, compose(shift, loose.um_from_px))


def render_em(
    specimen: Specimen, field: Field, seed: int, settings: ElectronSettings
) -> NDArray[np.uint8]:
    """The 8-bit electron image of a field."""
    rng = np.random.default_rng([seed, 21])
    return to_uint8(render_electron(specimen.layers(field, fine=True), rng, settings))


def render_lm(
    specimen: Specimen, field: Field, seed: int, settings: LightSettings
) -> NDArray[np.uint16]:
    """The three channels of the light image of a field."""
    rng = np.random.default_rng([seed, 22])
    return render_light(specimen.layers(field, fine=False), rng, settings)
