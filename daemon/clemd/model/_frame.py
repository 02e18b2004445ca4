"""What one exported image says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Modality(StrEnum):
    """Which kind of instrument made the image."""

    SEM = "sem"
    TEM = "tem"
    CLSM = "clsm"
    WIDEFIELD = "widefield"
    HYPERSPECTRAL = "hyperspectral"
    XRAY = "xray"
    UNKNOWN = "unknown"

    @property
    def side(self) -> Side | None:
        """EM or LM, where the modality decides it."""
        if self in {Modality.SEM, Modality.TEM}:
            return Side.EM
        if self in {Modality.CLSM, Modality.WIDEFIELD}:
            return Side.LM
        return None


class Side(StrEnum):
    """The two sides of a pair."""

    EM = "em"
    LM = "lm"


class ChannelKind(StrEnum):
    """What a channel shows; `reflected` carries structure, fluorescence labels."""

    REFLECTED = "reflected"
    FLUORESCENCE = "fluorescence"
    TRANSMITTED = "transmitted"
    SE = "se"
    BSE = "bse"
    SPECTRAL = "spectral"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of a frame."""

    name: str
    kind: ChannelKind = ChannelKind.UNKNOWN
    kind_reason: str = ""
    """Why it was given that kind, in words."""
    excitation_nm: float | None = None
    emission_nm: float | None = None


_AXES = {
    "1/cm": "wavenumber",
    "nm": "wavelength",
    "µm": "wavelength",
    "eV": "energy",
    "V": "mirror voltage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSize:
    """Edge lengths of one pixel and how far to trust them."""

    x_um: float
    y_um: float
    source: str
    """The metadata field it was read from."""
    relative_sigma: float = 0.03
    """One standard deviation as a fraction; vendor metadata is off by 3-7 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePose:
    """Where the stage was, on the vendor's own axes; signs are the profile's."""

    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    rotation_deg: float | None = None
    tilt_deg: float | None = None
    scan_rotation_deg: float = 0.0
    """Zero unless the scan-rotation switch is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One image as a driver read it: facts only, no pixels."""

    path: str
    """Shown to people: control and undecodable characters are escaped."""
    driver: str
    driver_version: str
    modality: Modality
    shape: tuple[int, int]
    """(height, width) of one plane in px, info bar included."""
    dtype: str
    """numpy name of the stored sample type, e.g. `uint8`."""
    channels: tuple[Channel, ...]
    pixel_size: PixelSize | None = None
    stage: StagePose | None = None
    acquired_at: datetime | None = None
    """Aware; UTC where the file states a zone, else by the profile's zone."""
    instrument: str | None = None
    sample: str | None = None
    session: str | None = None
    ids: dict[str, str] = field(default_factory=dict)
    """What the file says it belongs to: `project`, `dataset`, `stage_label`, and the
    keys of its annotations in lower case, letters and digits only."""
    beside: dict[str, str] = field(default_factory=dict)
    """Texts beside the image that were read with it: name -> size and time."""
    position: int | None = None
    """Which image of its file this is, from zero; None: the file stands for one."""
    spectral_axis: tuple[float, ...] = ()
    """Of a spectral image: where on the spectrum each channel lies, in order; empty
    where the channels are no bands."""
    spectral_unit: str = ""
    """Of `spectral_axis`: `1/cm`, `nm`, `eV`, `V`..., as the file states it."""
    info_bar_rows: int = 0
    """Rows at the bottom that are not specimen; masked, never cropped."""
    content_sha256: str = ""
    """Hash of the file's bytes as they were read, and of `position` if it has one."""
    size_bytes: int = 0
    extra: dict[str, str] = field(default_factory=dict)
    """Vendor values worth keeping, as text."""
    warnings: tuple[str, ...] = ()

    @property
    def side(self) -> Side | None:
        """EM or LM, where the modality decides it."""
        return self.modality.side

    @property
    def is_cube(self) -> bool:
        """Is there a spectrum in each point: one channel for each value of its axis?"""
        return len(self.spectral_axis) == len(self.channels) > 1

    @property
    def spectral_name(self) -> str:
        """What `spectral_axis` is called."""
        return _AXES.get(self.spectral_unit, "band")

    @property
    def is_energy_series(self) -> bool:
        """Several bands of one field, each taken at a voltage or energy of its own."""
        return (
            self.modality is Modality.HYPERSPECTRAL
            and len(self.channels) > 1
            and self.spectral_unit in {"V", "eV"}
        )
