"""How warm the device is, and what may be done with it.

Runs in the supervisor, so it imports nothing heavy and never touches CUDA.
`ThermalMonitor` reads a sensor and feeds the `Governor`; everything below it is pure.
"""

from ._choice import TracePlayer, choose_sensor
from ._decision import Admission, Priority, ThermalDecision, ThermalJob
from ._fit import Forecast, ThermalFit
from ._governor import Governor
from ._history import ThermalHistory
from ._limits import BlindRule, Limits
from ._model import ThermalModel
from ._monitor import (
    ThermalLook,
    ThermalMonitor,
    ThermalSample,
    why_unbelievable,
)
from ._override import Override, Wish
from ._stair import LeverStep, Stair, steps_of
from ._states import StateMachine, Thresholds

__all__ = [
    "Admission",
    "BlindRule",
    "Forecast",
    "Governor",
    "LeverStep",
    "Limits",
    "Override",
    "Priority",
    "Stair",
    "StateMachine",
    "ThermalDecision",
    "ThermalFit",
    "ThermalHistory",
    "ThermalJob",
    "ThermalLook",
    "ThermalModel",
    "ThermalMonitor",
    "ThermalSample",
    "Thresholds",
    "TracePlayer",
    "Wish",
    "choose_sensor",
    "steps_of",
    "why_unbelievable",
]
