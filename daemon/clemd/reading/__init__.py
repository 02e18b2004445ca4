"""Read untrusted image files in a sandboxed child; this side never opens one.

The supervisor holds a `ReaderPool`; its child parses, decodes and leaves the planes as
`.npy` files in the cache folder.
"""

from ._contract import to_contract, to_details
from ._magic import foreign_format
from ._pool import ReaderPool
from ._report import sandbox_report
from ._request import ReadRequest, ReadResult
from ._sandbox import SandboxLayer

__all__ = [
    "ReadRequest",
    "ReadResult",
    "ReaderPool",
    "SandboxLayer",
    "foreign_format",
    "sandbox_report",
    "to_contract",
    "to_details",
]
