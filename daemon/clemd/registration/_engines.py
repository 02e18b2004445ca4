"""The engines there are, by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib

import torch

from clemd.errors import UsageError

from ._engine import Engine
from ._halving import device_full

_ENGINES: dict[str, str] = {
    "multimodal": "clemd.registration.multimodal:MultimodalEngine",
    "mine": "clemd.registration.mine:MineEngine",
    "spatio-spectral": "clemd.registration.spatio_spectral:SpatioSpectralEngine",
    "global-gradient": "clemd.registration.global_gradient:GlobalGradientEngine",
    "regressor": "clemd.registration.regressor:RegressorEngine",
}
"""Name -> "module:class": nobody pays for what another engine imports."""


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
    module, _, kind = _ENGINES[chosen].partition(":")
    made: Engine = getattr(importlib.import_module(module), kind)()
    return made


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
