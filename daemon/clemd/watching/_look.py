"""What the file system said about one name, at one moment.

Tuples: a folder of 100,000 files is compared with the inventory at every scan.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple


class Look(NamedTuple):
    """The facts of one `lstat`."""

    size_bytes: int
    modified_ns: int
    """Nanoseconds since the Unix epoch, by the file server's clock."""
    inode: int
    is_regular: bool

    @classmethod
    def of(cls, facts: os.stat_result) -> Look:
        """The part of a stat result that tells one version from the next."""
        return cls(
            facts.st_size,
            facts.st_mtime_ns,
            facts.st_ino,
            stat.S_ISREG(facts.st_mode),
        )

    def is_same_version(self, other: Look, *, trusts_inode: bool) -> bool:
        """Is `other` the same content, as far as a look can tell?

        Without `trusts_inode` only size and time count: some network mounts make
        inode numbers up, anew after each mount.
        """
        if self == other:
            return True
        return (
            self.size_bytes == other.size_bytes
            and self.modified_ns == other.modified_ns
            and self.is_regular == other.is_regular
            and (self.inode == other.inode or not trusts_inode)
        )


class KnownFile(NamedTuple):
    """What the inventory already holds about one file."""

    size_bytes: int
    modified_ns: int
    inode: int
    settled: bool
    """True: this version was already handed to reading."""

    @property
    def look(self) -> Look:
        """The look that the inventory remembers."""
        return Look(self.size_bytes, self.modified_ns, self.inode, is_regular=True)
