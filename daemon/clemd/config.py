"""Profiles: one TOML file per instrument pair, every key checked, none ignored.

A profile that breaks a rule is refused with the key, its value and the mend; the
daemon never starts half-configured. `Profile()` alone is a valid, loopback-only
set of defaults. `profiles/README.md` explains every key for operators.
"""

from __future__ import annotations

import math
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from clemd.errors import ProfileError
from clemd.model import CALIBRATIONS, DEFAULT_CALIBRATION, Side
from clemd.name_patterns import parse_pattern

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RootKind(StrEnum):
    """How a watched folder is reached."""

    LOCAL = "local"
    """A local disk: the kernel tells us about changes."""
    SHARE = "share"
    """A network share: only our own scan sees changes made by other hosts."""


class Ready(StrEnum):
    """What the exporter promises about a finished file."""

    SETTLE = "settle"
    """Nothing: size and time must hold still."""
    CLOSE = "close"
    """The file is complete when its writer closes it (local disks only)."""
    RENAME = "rename"
    """It is written under another name and renamed when complete."""


class RootSettings(_Settings):
    """One export folder."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    path: Path
    side: Side | None = None
    """Which microscope exports here; None = the files say."""
    kind: RootKind = RootKind.LOCAL
    ready: Ready = Ready.SETTLE
    settle_s: Seconds = 3.0
    """Quiet time before a file counts as complete."""
    poll_s: Seconds = 2.0
    """Time between full scans."""
    ignore: tuple[str, ...] = (
        "*.tmp",
        "*.part",
        "*.partial",
        ".*",
        "~*",
    )
    """File-name patterns that are never looked at (temporary names)."""
    sidecars: tuple[str, ...] = (
        "*.txt",
        "*.hdr",
        "*.mdoc",
        "*.emi",
        "*.companion.ome",
    )
    """Texts that some microscopes write beside an image: one unit with it."""
    incomplete_s: Seconds = 180.0
    """A file whose structure is incomplete is refused after this time unchanged, and
    one with a tail of zeros or holes is taken for black: longer than writers pause."""
    sidecar_wait_s: float = Field(default=30.0, ge=0, le=86_400)
    """How long an image without pixel size waits for the text beside it."""

    @model_validator(mode="after")
    def _absolute(self) -> RootSettings:
        if not self.path.is_absolute():
            raise ValueError(f"path must be absolute, got {str(self.path)!r}")
        return self

    @model_validator(mode="after")
    def _promises_what_can_be_heard(self) -> RootSettings:
        if self.kind is RootKind.SHARE and self.ready is Ready.CLOSE:
            raise ValueError(
                'ready = "close" holds on local disks only, and kind = "share": nobody '
                'hears another host close a file; say "settle", or "rename" if it does'
            )
        return self


class NameRule(_Settings):
    """Two patterns whose common fields are equal where two files belong together."""

    em: str
    lm: str

    @model_validator(mode="after")
    def _comparable(self) -> NameRule:
        patterns = {}
        for side, text in (("em", self.em), ("lm", self.lm)):
            try:
                patterns[side] = parse_pattern(text)
            except ValueError as wrong:
                raise ValueError(f"{side} = {text!r}: {wrong}") from None
        if not patterns["em"].fields & patterns["lm"].fields - {"version"}:
            raise ValueError("the two patterns have no field in common to compare")
        return self


class PairingSettings(_Settings):
    """Which EM image belongs to which LM map."""

    ids: tuple[str, ...] = ("sample", "dataset", "stage_label")
    """What files state about themselves and what must then agree."""
    names: tuple[NameRule, ...] = ()
    """What file names say; the first rule that both names match is used."""
    window_h: float = Field(default=72.0, gt=0)
    """Two images further apart in time are not proposed."""
    max_candidates: int = Field(default=2, ge=1, le=8)
    """LM maps tried at a time per EM image; the verdict chooses."""
    max_tries: int = Field(default=6, ge=1, le=64)
    """LM maps tried per EM image altogether, before it waits for better ones."""
    session_from: Literal["folder", "sample", "name", "time", "none"] = "folder"
    """What ties images together."""
    session_gap_h: float = Field(default=6.0, gt=0, le=8760)
    """For `time`: a pause this long begins a new session."""


class RegistrationSettings(_Settings):
    """How images are laid on each other."""

    engine: Literal[
        "auto", "multimodal", "mine", "spatio-spectral", "global-gradient", "regressor"
    ] = "auto"
    second_engine: Literal[
        "auto",
        "none",
        "multimodal",
        "mine",
        "spatio-spectral",
        "global-gradient",
        "regressor",
    ] = "auto"
    """Asked as well, when nothing else is to be done, where a result is in review.
    `auto`: what suits the data, where `engine` is `auto` too."""
    second_limit_s: Seconds = 180.0
    """Working seconds that it may take, pauses and other jobs' turns not counted."""
    device: str = "auto"
    scale_tolerance: float = Field(default=0.10, ge=0.01, le=0.5)
    mirror: Literal["search", "yes", "no"] = "search"
    tolerance: float = Field(default=0.02, gt=0, le=0.2)
    """Largest error radius that may be accepted, as a fraction of the EM width."""
    energy_from_mirror: str | tuple[float, float] = DEFAULT_CALIBRATION
    """Of energy series: a published calibration, or (eV per volt, eV at zero volt)."""
    time_limit_s: Seconds = 300.0
    memory_limit_mb: int = Field(default=4096, ge=512)
    workers: int = Field(default=1, ge=1, le=16)
    threads: int | None = Field(default=None, ge=1, le=256)

    @field_validator("energy_from_mirror")
    @classmethod
    def _usable(cls, value: str | tuple[float, float]) -> str | tuple[float, float]:
        if isinstance(value, str):
            if value not in CALIBRATIONS:
                known = ", ".join(CALIBRATIONS)
                raise ValueError(f"no such calibration: {known}, or two numbers")
        elif not all(map(math.isfinite, value)) or value[0] == 0:
            raise ValueError("eV per volt and eV at zero volt, the first not zero")
        return value

    @property
    def energy_line(self) -> tuple[float, float]:
        """(eV per volt, eV at zero volt)."""
        if isinstance(self.energy_from_mirror, str):
            known = CALIBRATIONS[self.energy_from_mirror]
            return known.ev_per_v, known.ev_at_zero_v
        return self.energy_from_mirror


class SessionSettings(_Settings):
    """What registered images may say about the next one."""

    predict: bool = True
    """Foretell where an image lies from its stage position, and check that first."""
    stage_sigma_um: float = Field(default=0.7, gt=0, le=1000)
    """The stage comes back to within this; a start, then learned."""
    drift_um_per_root_h: float = Field(default=0.3, ge=0, le=1000)
    """How far the stage's origin walks in an hour."""
    stage_to_image: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Image µm (x right, y down) that the EM's view moves by, per stage µm in x and in
    y, row by row; None: nothing is said, the images tell."""
    stage_to_image_confidence: float = Field(default=0.9, ge=0.5, le=0.98)
    """How likely that is right; images overrule it."""

    @field_validator("stage_to_image")
    @classmethod
    def _turns_or_mirrors(
        cls, rows: tuple[tuple[float, float], tuple[float, float]] | None
    ) -> tuple[tuple[float, float], tuple[float, float]] | None:
        if rows is not None:
            (xx, xy), (yx, yy) = rows
            if not 0.25 <= abs(xx * yy - xy * yx) <= 4:
                raise ValueError("signs of two axes, e.g. [[1, 0], [0, -1]]")
        return rows

    @model_validator(mode="after")
    def _confident_of_something(self) -> SessionSettings:
        is_sure = "stage_to_image_confidence" in self.model_fields_set
        if is_sure and self.stage_to_image is None:
            raise ValueError("stage_to_image_confidence needs stage_to_image")
        return self


class PowerLimitSettings(_Settings):
    """How far the device's power limit may be lowered while it is warm; watts."""

    min: float = Field(gt=0, le=5000)
    """Never below this."""
    step: float = Field(default=25.0, gt=0, le=5000)


class ClockLockSettings(_Settings):
    """Where the device's graphics clock is kept while it is warm; MHz."""

    min: int = Field(default=210, gt=0, le=10_000)
    max: int = Field(gt=0, le=10_000)

    @model_validator(mode="after")
    def _ordered(self) -> ClockLockSettings:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be above max ({self.max})")
        return self


class ThermalSettings(_Settings):
    """How warm the device may become."""

    sensor: str = "auto"
    warm_c: float = Field(default=75.0, gt=0, lt=120)
    hot_c: float = Field(default=85.0, gt=0, lt=120)
    period_s: Seconds = 1.0
    known_answer_min: float = Field(default=30.0, gt=0, le=1440)
    """Minutes after which a device other than the CPU must prove itself again."""
    power_limit_w: PowerLimitSettings | None = None
    """None: the power limit is left alone."""
    lock_clocks_mhz: ClockLockSettings | None = None
    """None: the clocks are left alone."""
    trace: Path | None = None
    """A recorded temperature trace, played instead of a sensor."""

    @model_validator(mode="after")
    def _ordered(self) -> ThermalSettings:
        if self.warm_c >= self.hot_c:
            raise ValueError(
                f"warm_c ({self.warm_c}) must be below hot_c ({self.hot_c})"
            )
        return self


class PageSettings(_Settings):
    """The operator's page."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)
    """0 = any free port."""
    stale_after_s: Seconds = 10.0


class BusSettings(_Settings):
    """The ZeroMQ bus; None = ipc sockets in the state folder."""

    enabled: bool = True
    publish: str | None = None
    command: str | None = None
    curve_secret_file: Path | None = None
    """Server key pair (Z85, 0600); required with authorised_keys for remote tcp."""
    authorised_keys: Path | None = None
    """Folder of client public keys, one `*.key` file each."""


class ReadingSettings(_Settings):
    """Limits of the sandboxed child that parses files."""

    memory_limit_mb: int = Field(default=4096, ge=256)
    time_limit_s: Seconds = 60.0
    max_pixels: int = Field(default=2_500_000_000, ge=1)
    scenes: Literal["all", "largest"] = "all"
    """Which images of a file that holds several become frames."""
    stack: Literal["auto", "focus", "maximum"] = "auto"
    """What a series in depth becomes."""


class Profile(_Settings):
    """Everything the daemon needs to know about one pair of instruments."""

    instrument: str = "unnamed"
    timezone: str = "UTC"
    """IANA zone of the instrument PCs' clocks (most SEM files state none)."""
    roots: tuple[RootSettings, ...] = ()
    reading: ReadingSettings = ReadingSettings()
    pairing: PairingSettings = PairingSettings()
    registration: RegistrationSettings = RegistrationSettings()
    sessions: SessionSettings = SessionSettings()
    thermal: ThermalSettings = ThermalSettings()
    page: PageSettings = PageSettings()
    bus: BusSettings = BusSettings()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise ValueError("no such IANA time zone") from None
        return name

    @model_validator(mode="after")
    def _roots_differ(self) -> Profile:
        names = [r.name for r in self.roots]
        if len(set(names)) != len(names):
            raise ValueError(f"root names must differ, got {names}")
        paths = [r.path.resolve() for r in self.roots]
        for a in paths:
            if any(a != b and a.is_relative_to(b) for b in paths) or paths.count(a) > 1:
                raise ValueError(f"roots must not contain each other, got {str(a)!r}")
        return self


def load_profile(path: Path) -> Profile:
    """Read and check one profile.

    Raises:
        ProfileError: no such file, not TOML, or a rule is broken.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as failed:
        raise ProfileError(
            f"profile cannot be read: {failed.strerror}", str(path), "check the path"
        ) from failed
    except UnicodeDecodeError as failed:
        raise ProfileError(
            "profile is not UTF-8 text", str(path), "save it as UTF-8"
        ) from failed
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failed:
        raise ProfileError(
            f"profile is not valid TOML: {failed}", str(path), "mend that line"
        ) from failed
    return check_profile(values, where=str(path))


def check_profile(values: dict[str, Any], *, where: str) -> Profile:
    """Validate parsed values; the first broken rule becomes one line.

    Raises:
        ProfileError: the rule, the key with its value, the mend.
    """
    try:
        return Profile.model_validate(values)
    except ValidationError as failed:
        first = failed.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "profile"
        if first["type"] == "extra_forbidden":
            rule, mend = f"unknown key {key!r}", "remove it or correct its spelling"
        else:
            value = first.get("input")
            shown = "" if isinstance(value, dict) else f", got {value!r}"
            rule, mend = f"{key}: {first['msg']}{shown}", "correct the value"
        raise ProfileError(rule, where, mend) from failed
