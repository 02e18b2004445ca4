"""The running daemon: the one place that joins the parts and owns start and stop."""

from ._app import App, trim_cache

__all__ = ["App", "trim_cache"]
