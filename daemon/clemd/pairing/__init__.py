"""Which EM image belongs to which LM map, with a reason for every decision."""

from ._proposing import (
    Arrived,
    metadata_ratio,
    propose,
    session_of,
    waiting_reason,
)

__all__ = ["Arrived", "metadata_ratio", "propose", "session_of", "waiting_reason"]
