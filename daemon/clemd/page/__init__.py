"""The operator's page: what is known, how sure it is, and the overlay itself."""

from ._access import AccessPolicy
from ._app import create_app
from ._bell import Bell
from ._server import PageServer
from ._sources import Commands, OutboxLike, PageSources

__all__ = [
    "AccessPolicy",
    "Bell",
    "Commands",
    "OutboxLike",
    "PageServer",
    "PageSources",
    "create_app",
]
