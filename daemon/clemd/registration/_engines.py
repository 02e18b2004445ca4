"""The engines there are, by name."""

from __future__ import annotations

import torch

from clemd.errors import UsageError

from ._engine import Engine
from ._halving import device_full
from .multimodal import MultimodalEngine

_ENGINES: dict[str, type[Engine]] = {"multimodal": MultimodalEngine}


def engine_named(name: str) -> Engine:
    """The engine of that name; `auto` is the default one.

    Raises:
        UsageError: there is no such engine.
    """
    chosen = "multimodal" if name == "auto" else name
    if chosen not in _ENGINES:
        raise UsageError(
            f"unknown engine {name!r}",
            "",
            f"choose one of: auto, {', '.join(_ENGINES)}",
        )
    return _ENGINES[chosen]()


def resolve_device(name: str) -> str:
    """`auto` -> the first GPU, else the CPU.

    Raises:
        UsageError: the named device does not exist on this machine.
        DeviceFullError: it has no memory left at all.
    """
    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except torch.OutOfMemoryError as full:
        raise device_full(full) from full
    except (RuntimeError, AssertionError) as failed:
        reason = str(failed).splitlines()[0]
        raise UsageError(
            f"device {name!r} is not usable: {reason}", "--device", "use cpu or auto"
        ) from failed
    return str(torch.device(name))
