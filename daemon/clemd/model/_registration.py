"""What a registration found and how far it may be believed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

Matrix3 = tuple[
    tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]
]
"""A 3x3 matrix as plain numbers, rows first; acts on column vectors (x, y, 1)."""


class Verdict(StrEnum):
    """May the overlay be shown as right?"""

    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"


class TransformModel(StrEnum):
    """The family a matrix was fitted in."""

    SIMILARITY = "similarity"
    AFFINE = "affine"
    HOMOGRAPHY = "homography"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRadius:
    """How far the overlay may be off anywhere in the EM field."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PosePrior:
    """What is known about the pose before the pixels are looked at."""

    pixel_size_ratio: float | None = None
    """LM pixel size / EM pixel size; None = unknown: EM fields of 0.15 to 1.2 times
    the map's are searched."""
    scale_tolerance: float = 0.10
    """The ratio may be wrong by this fraction either way."""
    mirror: bool | None = None
    """True = mirrored, False = not, None = both are allowed."""
    rotation_deg: tuple[float, float] = (-180.0, 180.0)
    """Range allowed, degrees, clockwise as displayed."""
    expected: Matrix3 | None = None
    """EM px -> LM px, where something else says that the image lies. It is looked at
    first; if the pixels do not confirm it, everything is searched."""
    only_expected: bool = False
    """Nothing else is searched then: what is not there is not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """With which settings a pair was registered: what `clemd replay` repeats."""

    pixel_ratio: float | None = None
    scale_tolerance: float = 0.10
    mirror: bool | None = None
    tolerance: float = 0.02
    expected: Matrix3 | None = None
    """Where a session had expected the image, EM px -> LM px; it was checked first."""
    points: tuple[tuple[float, float, float, float], ...] = ()
    """Over which it was placed by hand: EM x, EM y, LM x, LM y, px each."""
    parent: str = ""
    """The result whose matrix was moved: the image was cut out of that one's, or found
    in it. Empty where the pair was registered by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds spent, by stage."""

    read: float = 0.0
    search: float = 0.0
    refine: float = 0.0
    verdict: float = 0.0
    total: float = 0.0


class TileState(StrEnum):
    """What one tile of the EM image says about the place that was judged."""

    AGREES = "agrees"
    """Left to itself it finds the same place."""
    ELSEWHERE = "elsewhere"
    """It fits better somewhere else nearby."""
    UNASKED = "unasked"
    """Too little structure to ask, or off the LM map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileVote:
    """One tile's vote."""

    x_em_px: float
    """Centre of the tile; EM px, pixel centres."""
    y_em_px: float
    state: TileState
    dx_lm_px: float = 0.0
    """Shift that would suit this tile better; 0 where it was not asked."""
    dy_lm_px: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TileVotes:
    """The tiles the EM image was cut into, row by row, and how they voted."""

    rows: int
    columns: int
    tile_width_em_px: float
    """All tiles are of one size; those on the last row and column may stick out."""
    tile_height_em_px: float
    reach_lm_px: float
    """How far around its place each tile was looked for."""
    chance: float
    """Share of asked tiles that would agree if they knew nothing."""
    tiles: tuple[TileVote, ...]

    def count(self, state: TileState) -> int:
        """How many tiles are of `state`."""
        return sum(tile.state is state for tile in self.tiles)

    @property
    def asked(self) -> int:
        """How many tiles had enough structure to be asked."""
        return len(self.tiles) - self.count(TileState.UNASKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One EM image laid on one LM image: matrix, error, verdict and provenance."""

    verdict: Verdict
    confidence: float
    """Probability of being right, 0..1, capped at 0.99."""
    em_to_lm: Matrix3 | None
    """EM px -> LM px, pixel centres, full images as stored. None if rejected."""
    best_guess: Matrix3 | None = None
    """The matrix that was judged, whatever the verdict: for replay and benchmarks,
    never shown, exported or published."""
    model: TransformModel = TransformModel.SIMILARITY
    pixel_size_ratio: float | None = None
    """Measured LM pixel size / EM pixel size."""
    rotation_deg: float | None = None
    mirrored: bool | None = None
    error_lm_px: ErrorRadius | None = None
    error_um: ErrorRadius | None = None
    corner_covariance_lm_px2: tuple[tuple[float, ...], ...] | None = None
    """8x8 covariance of the four EM corners (x0 y0 x1 y1 ...) in LM px²."""
    engine: str = ""
    engine_version: str = ""
    device: str = "cpu"
    seed: int = 0
    seconds: Timing = field(default_factory=Timing)
    reasons: tuple[str, ...] = ()
    """Sentences a microscopist understands, most important first."""
    warnings: tuple[str, ...] = ()
    asked: Asked | None = None
    """None in results of versions that did not keep it."""
    evidence: dict[str, float] = field(default_factory=dict)
    """The witnesses' numbers behind the verdict."""
    votes: TileVotes | None = None
    """Where the EM image agrees with the place that was judged, tile by tile; also
    there if rejected, where it shows why. None: the engine asks no tiles."""
    channel: str = ""
    """LM channel(s) that carried the structure."""
    input_sha256: tuple[str, str] = ("", "")
    """(EM file, LM file)."""
    highest_temperature_c: float | None = None
    throttled_s: float = 0.0

    def to_contract(self) -> dict[str, Any]:
        """The `clemd.registration/1` object of the command line and the bus."""
        return {
            "schema": "clemd.registration/1",
            "verdict": self.verdict.value,
            "confidence": self.confidence,
            "em_to_lm": None
            if self.em_to_lm is None
            else [list(row) for row in self.em_to_lm],
            "model": self.model.value,
            "pixel_size_ratio": self.pixel_size_ratio,
            "rotation_deg": self.rotation_deg,
            "mirrored": self.mirrored,
            "error_lm_px": _radius(self.error_lm_px),
            "error_um": _radius(self.error_um),
            "engine": self.engine,
            "engine_version": self.engine_version,
            "device": self.device,
            "channel": self.channel,
            "seconds": {
                "read": self.seconds.read,
                "search": self.seconds.search,
                "refine": self.seconds.refine,
                "verdict": self.seconds.verdict,
                "total": self.seconds.total,
            },
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "evidence": dict(self.evidence),
            "votes": None if self.votes is None else _votes(self.votes),
            "input_sha256": list(self.input_sha256),
            "highest_temperature_c": self.highest_temperature_c,
            "throttled_s": self.throttled_s,
        }


def _votes(votes: TileVotes) -> dict[str, Any]:
    return asdict(votes) | {
        "tiles": [asdict(t) | {"state": t.state.value} for t in votes.tiles]
    }


def _radius(error: ErrorRadius | None) -> dict[str, float] | None:
    return None if error is None else {"p50": error.p50, "p95": error.p95}
