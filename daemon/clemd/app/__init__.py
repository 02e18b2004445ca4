"""The running daemon: the one place that joins the parts and owns start and stop."""

from ._app import App, trim_cache
from ._lever_note import LeverNote
from ._sidecars import BESIDE

__all__ = ["BESIDE", "App", "LeverNote", "trim_cache"]
