"""The running daemon: the one place that joins the parts and owns start and stop."""

from ._app import App, trim_cache
from ._sidecars import BESIDE

__all__ = ["BESIDE", "App", "trim_cache"]
