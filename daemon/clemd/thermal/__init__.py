"""How warm the device is, and whether it may take the next job.

Runs in the supervisor, so it imports nothing heavy and never touches CUDA.
"""

from ._choice import TracePlayer, choose_sensor
from ._history import ThermalHistory
from ._monitor import ThermalMonitor, ThermalSample
from ._states import StateMachine, Thresholds

__all__ = [
    "StateMachine",
    "ThermalHistory",
    "ThermalMonitor",
    "ThermalSample",
    "Thresholds",
    "TracePlayer",
    "choose_sensor",
]
