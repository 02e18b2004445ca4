"""`clemd pair` and `clemd session`: tell a running daemon what belongs together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clemd.client import Client, RejectedError
from clemd.errors import UsageError
from clemd.supervising import configure_logging

from ._status import find_daemon


def pair_frames(
    em: str, lm: str, state: Path, *, never: bool, undo: bool, as_json: bool
) -> int:
    """Put an EM image on a map, keep it off it, or leave it to the rules again.

    Raises:
        UsageError: no daemon runs there, or it refuses; the text says why.
    """
    if undo:
        if lm or never:
            raise UsageError("--undo needs the EM image only", "", "leave the rest out")
        found = _ask(state, "unpair", em_frame_id=em)
        words = f"left to the rules again: {found['state']}"
    else:
        if not lm:
            raise UsageError("the map is missing", "", "clemd pair EM LM")
        found = _ask(state, "pair", em_frame_id=em, lm_frame_id=lm, belongs=not never)
        done = "kept apart" if never else "put together"
        words = f"{done}: clemd show {found['pair_id']}"
    return _say(found, words, as_json=as_json)


def name_session(name: str, state: Path, *, end: bool, as_json: bool) -> int:
    """Begin a session by hand, or end it.

    Raises:
        UsageError: no daemon runs there, or it refuses; the text says why.
    """
    if bool(name) == end:
        raise UsageError("a name or --end, one of both", name, "clemd session NAME")
    found = _ask(state, "session", name=None if end else name)
    words = (
        f"session {found['before'] or '(none)'} ended: the profile's rule holds again"
        if end
        else f"every new file now belongs to session {found['session']}"
    )
    return _say(found, words, as_json=as_json)


def _ask(state: Path, verb: str, **arguments: Any) -> dict[str, Any]:
    configure_logging("ERROR", json=False)
    if find_daemon(state) is None:
        raise UsageError(
            "no daemon runs here", str(state), "start it, or name it with --state"
        )
    with Client(state=state) as client:
        try:
            return client.command(verb, **arguments)
        except RejectedError as refused:
            raise UsageError(str(refused), "", "clemd status lists ids") from refused


def _say(found: dict[str, Any], words: str, *, as_json: bool) -> int:
    sys.stdout.write((json.dumps(found) if as_json else words) + "\n")
    return 0
