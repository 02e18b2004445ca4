"""Which file system a folder lives on; SQLite's log needs a local one.

The write-ahead log shares memory between processes through a mapped file, and that
works on one host only. A network share would corrupt the database silently.
"""

from __future__ import annotations

from pathlib import Path

REMOTE_TYPES = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb3", "smbfs",
    "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.smbnetfs",
    "fuse.sshfs",
})  # fmt: skip
"""Names the kernel gives to file systems of other hosts."""


def filesystem_type(path: Path, mountinfo: str) -> str:
    """The kernel's name of the file system that holds `path`.

    Args:
        path: any absolute path; links are resolved first.
        mountinfo: text of `/proc/self/mountinfo`.

    Returns:
        e.g. `ext4`, `nfs4`; empty where nothing matches.
    """
    resolved = path.resolve()
    kind, depth = "", -1
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(_unescaped(fields[4]))
        # Later lines are mounted over earlier ones, hence `>=`.
        if resolved.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = after.split(" ")[0], len(point.parts)
    return kind


def _unescaped(field: str) -> str:
    """Undo the octal escapes of white space and backslash."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n")):
        field = field.replace(code, char)
    return field.replace("\\134", "\\")
