"""`clemd spots` and `clemd advise`: what to drive to, and what to image next."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.model import ChannelKind, Frame
from clemd.sessions import Session, next_image, target
from clemd.store import FrameRow, NoSuchRecordError, Reader
from clemd.supervising import configure_logging

from ._map import point_of
from ._planes import load_planes
from ._sessions import session_on


def show_spots(
    map_id: str, state: Path, *, channel: int | None, most: int, as_json: bool
) -> int:
    """Print the spots of a light map as targets, the strongest first; exit code 0.

    Where the session knows the stage, each has its stage position and 95 % radius.

    Raises:
        UsageError: no such map or channel, or its pixels are gone.
        StateFolderError: no state folder there, or of another version.
    """
    from clemd.preparing import find_spots

    configure_logging("ERROR", json=False)
    with Reader.open(state) as reader, reader.consistent_view():
        row = _map(reader, map_id)
        session, why = _session(reader, row)
    chosen = channel_of(row.frame, channel)
    with tempfile.TemporaryDirectory(prefix="clemd-spots-") as folder:
        image = load_planes(row.frame, state / "cache", Path(folder))
        spots = find_spots(image.planes[chosen], most=most)
    answer: dict[str, Any] = {
        "schema": "clemd.spots/1",
        "lm_frame_id": row.id,
        "session": row.session,
        "channel": row.frame.channels[chosen].name,
        "targets": [
            {
                "name": f"spot {n}",
                "lm_px": [spot.x_lm_px, spot.y_lm_px],
                "diameter_px": spot.diameter_px,
                "contrast": spot.contrast,
            }
            | stage_facts(session, (spot.x_lm_px, spot.y_lm_px))
            for n, spot in enumerate(spots, 1)
        ],
        "no_stage_because": why,
    }
    _print(answer, _spots_in_words(answer), as_json=as_json)
    return 0


def advise(
    name: str, map_id: str, points: list[str], state: Path, *, as_json: bool
) -> int:
    """Print where one more EM image helps the open targets most; exit code 0.

    Raises:
        UsageError: no points, no such session, or it cannot know.
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    targets = [point_of(text, "--lm") for text in points]
    with Reader.open(state) as reader, reader.consistent_view():
        session, lm = session_on(reader, name, map_id)
    place, drive = next_image(session, targets, lm.frame.shape)
    answer = {
        "schema": "clemd.advice/1",
        "session": name,
        "lm_frame_id": lm.id,
        "lm_px": list(place),
        "stage_um": list(drive.stage_um),
        "radius_um": {"p50": drive.radius_um.p50, "p95": drive.radius_um.p95},
    }
    x, y = drive.stage_um
    words = (
        f"take the next image at stage x = {x:.2f} µm, y = {y:.2f} µm (map "
        f"{place[0]:.0f}, {place[1]:.0f} px): there it shrinks the error at "
        f"{len(targets)} target{'s' * (len(targets) > 1)} most"
    )
    _print(answer, words, as_json=as_json)
    return 0


def channel_of(frame: Frame, wanted: int | None) -> int:
    """The channel to look at: as asked, else the first fluorescence, else the first.

    Raises:
        UsageError: there is no such channel.
    """
    if wanted is None:
        kinds = [channel.kind for channel in frame.channels]
        labels = ChannelKind.FLUORESCENCE
        return kinds.index(labels) if labels in kinds else 0
    if not 0 <= wanted < len(frame.channels):
        names = ", ".join(f"{n} {c.name}" for n, c in enumerate(frame.channels))
        raise UsageError("no such channel", f"--channel {wanted}", f"there are {names}")
    return wanted


def stage_facts(session: Session | None, lm_px: tuple[float, float]) -> dict[str, Any]:
    """Where the stage has to go for that point; nothing where nobody knows."""
    if session is None:
        return {"stage_um": None, "radius_um": None, "field_um": None}
    found = target(session, lm_px)
    return {
        "stage_um": list(found.stage_um),
        "radius_um": {"p50": found.radius_um.p50, "p95": found.radius_um.p95},
        "field_um": found.field_um,
    }


def _map(reader: Reader, map_id: str) -> FrameRow:
    try:
        row = reader.frame(map_id)
    except NoSuchRecordError as missing:
        raise UsageError(
            "no such frame", map_id, "clemd status lists the newest"
        ) from missing
    if row.side != "lm":
        raise UsageError("not a light map", map_id, "give the ID of an LM frame")
    return row


def _session(reader: Reader, row: FrameRow) -> tuple[Session | None, str]:
    try:
        session, _ = session_on(reader, row.session, row.id)
        target(session, (0.0, 0.0))
    except UsageError as unknown:
        return None, str(unknown)
    return session, ""


def _spots_in_words(answer: dict[str, Any]) -> str:
    lines = [f"{len(answer['targets'])} spots in channel {answer['channel']}"]
    for one in answer["targets"]:
        x, y = one["lm_px"]
        said = f"{one['name']}: {x:.1f}, {y:.1f} px"
        if one["stage_um"]:
            u, v = one["stage_um"]
            said += f"; stage {u:.2f}, {v:.2f} µm (± {one['radius_um']['p95']:.2f} µm)"
        lines.append(said)
    if answer["no_stage_because"]:
        lines.append(f"no stage positions: {answer['no_stage_because']}")
    return "\n".join(lines)


def _print(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(answer) if as_json else words) + "\n")
