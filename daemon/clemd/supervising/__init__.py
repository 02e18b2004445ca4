"""What keeps a daemon that nobody watches honest: logs, metrics, heartbeats, stops.

Runs in the supervisor, so it imports nothing heavy.
"""

from ._heartbeats import Heartbeats, pulse
from ._logs import configure_logging
from ._metrics import Metrics
from ._notifier import Notifier
from ._stop import StopSignal

__all__ = [
    "Heartbeats",
    "Metrics",
    "Notifier",
    "StopSignal",
    "configure_logging",
    "pulse",
]
