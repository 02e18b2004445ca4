"""Say what happens, one line an event, for somebody who watches a terminal."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from clemd.model import display_name

if TYPE_CHECKING:
    from ._demo import Session

SIGNS = {"accepted": "✓", "review": "?", "rejected": "✗"}


async def tell_progress(session: Session) -> None:
    """Follow the outbox until cancelled."""
    house = session.app.house
    seq = 0
    told: set[str] = set()
    while True:
        rung = house.bell()
        for row in house.store.outbox_after(seq, 500):
            seq = row.seq
            _note(session, row.topic, json.loads(row.body), told)
        await rung.wait()


def _note(session: Session, topic: str, body: dict[str, Any], told: set[str]) -> None:
    seconds = time.monotonic() - session.started_s
    if topic == "file" and body["state"] == "refused":
        _say(seconds, f"  refused   {body['name']}: {body['reason']}")
    elif topic == "file" and body["state"] == "waiting":
        _say(seconds, f"  waiting   {body['name']}: {body['reason']}")
    elif topic == "frame":
        name = house_name(session, body["file_id"])
        _say(seconds, f"  read      {body['side'].upper()} {name}")
    elif topic == "registration" and body["registration_id"] not in told:
        told.add(body["registration_id"])
        if body["verdict"] == "accepted" and session.first_overlay_s is None:
            session.first_overlay_s = round(seconds, 2)
        _say(seconds, _result(body))


def house_name(session: Session, file_id: int) -> str:
    """The file's name as shown to people."""
    return display_name(session.app.house.store.file(file_id).relative)


def _result(body: dict[str, Any]) -> str:
    found = body["registration"]
    em, lm = (str(body[k]).rpartition("/")[2] for k in ("em_file", "lm_file"))
    line = f"{SIGNS[body['verdict']]} {body['verdict']:9} {em} on {lm}"
    radius = found["error_um"] or found["error_lm_px"]
    if radius is not None:
        unit = "µm" if found["error_um"] else "px"
        line += f"  ±{radius['p95']:.3g} {unit}, turned {found['rotation_deg']:.1f}°"
        line += ", mirrored" if found["mirrored"] else ""
    return f"{line}  ({found['seconds']['total']:.1f} s)"


def _say(seconds: float, text: str) -> None:
    sys.stderr.write(f"{seconds:6.1f} s {text}\n")
    sys.stderr.flush()
