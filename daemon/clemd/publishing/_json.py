"""Turn bytes from a stranger into a JSON object, or say in one line why not.

Whatever arrives on a socket is text to be checked, never code to be run: pickles,
half UTF-8, endless nesting, NaN and numbers of a million digits all end here.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from clemd.errors import ClemdError


class MalformedError(ClemdError):
    """Raised when frames are not what the bus speaks; nothing was done with them."""


def parse_object(data: bytes, *, what: str) -> dict[str, Any]:
    """The JSON object in `data`; `what` names the frame in the message.

    Raises:
        MalformedError: not UTF-8, not JSON, not an object, or too deep.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), parse_constant=_refuse, parse_float=_finite
        )
    except UnicodeDecodeError as failed:
        raise MalformedError(f"{what} is not UTF-8 text: send JSON") from failed
    except RecursionError as failed:
        raise MalformedError(f"{what} is nested too deeply: flatten it") from failed
    except ValueError as failed:
        raise MalformedError(f"{what} is not JSON: {failed}") from failed
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not a JSON object: send {{...}}")
    return value


def dump_object(value: object) -> bytes:
    """`value` as one line of ASCII JSON.

    Raises:
        TypeError: it holds something JSON has no word for.
        ValueError: it holds NaN, infinity or itself.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def check_depth(value: object, *, deepest: int = 16) -> None:
    """Refuse nesting that would be trouble for whoever handles it next.

    Raises:
        MalformedError: it is deeper than `deepest`.
    """
    level = [value]
    for _ in range(deepest + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise MalformedError(f"nested deeper than {deepest} levels: flatten it")


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(text)
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} has no place in JSON")
