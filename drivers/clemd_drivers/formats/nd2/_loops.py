"""The loops of an acquisition, outermost first, and where each frame stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from clemd.errors import RefusedFileError
from clemd_drivers.formats._choosing import PlaneKey

from ._variant import Node

_TIME, _PLACE, _DEPTH, _SPECTRUM, _CUSTOM, _TIMES = 1, 2, 4, 6, 7, 8
_MAX_FRAMES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One position of the stage, in µm."""

    name: str
    x_um: float
    y_um: float
    z_um: float | None


@dataclass(frozen=True, slots=True)
class Loops:
    """What was repeated, outermost first."""

    counts: tuple[tuple[str, int], ...]
    """(`t`, `p`, `z` or `other`, how often)."""
    places: tuple[Place, ...]

    @property
    def n_places(self) -> int:
        """Positions that were visited; 1 where the stage did not move."""
        return max(1, len(self.places))

    def frames(self, place: int, n_frames: int) -> dict[PlaneKey, int]:
        """The planes of one position -> number of the frame.

        Args:
            place: counted from zero.
            n_frames: how many the file says it holds.
        """
        found: dict[PlaneKey, int] = {}
        for frame in range(min(n_frames, prod(count for _, count in self.counts))):
            at = {"t": 0, "p": 0, "z": 0, "other": 0}
            rest = frame
            for axis, count in reversed(self.counts):
                rest, at[axis] = divmod(rest, count)
            if at["p"] == place and at["other"] == 0:
                found[PlaneKey(t=at["t"], z=at["z"])] = frame
        return found


def read_loops(experiment: Node, n_frames: int) -> Loops:
    """The loops of an experiment; none where it is empty.

    Raises:
        RefusedFileError: more frames than any real file has, or an unknown loop.
    """
    counts: list[tuple[str, int]] = []
    places: list[Place] = []
    level = experiment
    while level.entries and len(counts) < 8:
        axis, count, found = _loop(level)
        if axis and count > 1:
            counts.append((axis, count))
        places = found or places
        # Of several loops inside one, the first describes what was recorded.
        level = next(level.node("ppNextLevelEx").nodes(), Node())
    if prod(count for _, count in counts) > _MAX_FRAMES or n_frames > _MAX_FRAMES:
        raise RefusedFileError("an ND2 file of millions of frames: export fewer")
    names = [axis for axis, _ in counts]
    if len(set(names)) != len(names):
        raise RefusedFileError(
            f"ND2 loops {', '.join(names)} inside each other are not read: export "
            "OME-TIFF"
        )
    return Loops(tuple(counts), tuple(places))


def _loop(level: Node) -> tuple[str, int, list[Place]]:
    kind = int(level.number("eType") or 0)
    settings = level.node("uLoopPars")
    count = min(_MAX_FRAMES, int(settings.number("uiCount") or 0))
    if kind == _TIME:
        return "t", count, []
    if kind == _TIMES:
        return "t", _phases(settings), []
    if kind == _DEPTH:
        return "z", count, []
    if kind == _PLACE:
        places = _places(level, settings)
        return "p", len(places), places
    if kind == _CUSTOM:
        return "other", count, []
    if kind in {0, _SPECTRUM}:
        return "", 0, []  # channels lie inside one frame
    raise RefusedFileError(f"an ND2 loop of kind {kind} is not read: export OME-TIFF")


def _phases(settings: Node) -> int:
    valid = settings.get("pPeriodValid")
    flags = valid if isinstance(valid, bytes) else b""
    counts = [int(p.number("uiCount") or 0) for p in settings.node("pPeriod").nodes()]
    kept = [
        count
        for index, count in enumerate(counts)
        if index >= len(flags) or flags[index]
    ]
    return min(_MAX_FRAMES, sum(kept))


def _places(level: Node, settings: Node) -> list[Place]:
    relative = bool(settings.number("bRelativeXY"))
    x0 = (settings.number("dReferenceX") or 0.0) if relative else 0.0
    y0 = (settings.number("dReferenceY") or 0.0) if relative else 0.0
    uses_z = bool(settings.number("bUseZ"))
    valid = level.get("pItemValid")
    flags = valid if isinstance(valid, bytes) else b""
    return [
        Place(
            name=point.text("dPosName") or point.text("pPosName"),
            x_um=x0 + (point.number("dPosX") or 0.0),
            y_um=y0 + (point.number("dPosY") or 0.0),
            z_um=point.number("dPosZ") if uses_z else None,
        )
        for index, point in enumerate(settings.node("Points").nodes())
        if index >= len(flags) or flags[index]
    ]
