"""What protects this machine from a hostile image, for `clemd doctor`."""

from __future__ import annotations

from clemd.config import ReadingSettings

from ._process import ChildLostError, ChildProcess
from ._sandbox import SandboxLayer


def sandbox_report() -> tuple[SandboxLayer, ...]:
    """Start a child and list its layers, active or not."""
    try:
        child = ChildProcess(ReadingSettings(), (), None)
    except ChildLostError as failed:
        return (SandboxLayer(name="child", active=False, detail=str(failed)),)
    layers = child.greet()
    child.kill()
    return layers
