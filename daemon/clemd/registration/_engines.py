"""The engines there are, by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import torch

from clemd.errors import UsageError

from ._engine import Engine
from ._halving import device_full
from ._spectral import Bands


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One engine, imported when it is asked for: nobody pays for another's imports."""

    module: str
    """Below this package."""
    name: str
    """Of the class."""
    bands: Bands = Bands.NEITHER
    afresh: dict[str, Any] = field(default_factory=dict)
    """With these arguments it keeps nothing of one pair for the next."""


_ENGINES = {
    "multimodal": _Kind(module="multimodal", name="MultimodalEngine"),
    "mine": _Kind(module="mine", name="MineEngine", afresh={"networks": None}),
    "spatio-spectral": _Kind(
        module="spatio_spectral", name="SpatioSpectralEngine", bands=Bands.BOTH
    ),
    "global-gradient": _Kind(
        module="global_gradient", name="GlobalGradientEngine", bands=Bands.EM
    ),
    "regressor": _Kind(module="regressor", name="RegressorEngine"),
}


def engine_named(name: str, *, afresh: bool = False) -> Engine:
    """The engine of that name; `auto` is the default one.

    `afresh`: it uses nothing that it has learned on other pairs, and keeps nothing for
    later ones, so that its answer can be repeated anywhere.

    Raises:
        UsageError: there is no such engine.
    """
    kind = _kind(name)
    module = importlib.import_module(f"{__package__}.{kind.module}")
    made: Engine = getattr(module, kind.name)(**(kind.afresh if afresh else {}))
    return made


def bands_for(name: str) -> Bands:
    """What the engine of that name is given of each image.

    Raises:
        UsageError: there is no such engine.
    """
    return _kind(name).bands


def _kind(name: str) -> _Kind:
    chosen = "multimodal" if name == "auto" else name
    if chosen not in _ENGINES:
        raise UsageError(
            f"unknown engine {name!r}",
            "",
            f"choose one of: auto, {', '.join(_ENGINES)}",
        )
    return _ENGINES[chosen]


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
