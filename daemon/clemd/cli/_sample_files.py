"""A folder of sample files, read as the daemon reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clemd.config import Profile, RootSettings
from clemd.errors import ChangedFileError, IncompleteFileError, RefusedFileError
from clemd.model import Frame, Side, display_name
from clemd.reading import ReaderPool, ReadRequest
from clemd.watching import Ignore

MOST_FILES = 60
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFile:
    """One file of the folder, read or not."""

    relative: bytes
    """Below its root."""
    root: RootSettings | None
    frame: Frame | None
    refusal: str = ""
    modified_at: datetime

    @property
    def name(self) -> str:
        """As people see it."""
        return display_name(self.relative)

    @property
    def side(self) -> Side | None:
        """EM or LM, as the daemon will say."""
        told = None if self.root is None else self.root.side
        return told or (self.frame.side if self.frame else None)


def read_sample(profile: Profile, folder: Path) -> list[SampleFile]:
    """Every file of the folder, read or refused, at most `MOST_FILES`."""
    found = []
    with ReaderPool(profile.reading, allow=[folder], cache=None) as pool:
        for path, root, relative in _listed(profile, folder):
            frame, refusal = None, ""
            try:
                frame = pool.read_blocking(
                    ReadRequest(
                        path=os.fsdecode(path),
                        root=str(folder.resolve()),
                        accept_zero_tail=True,
                        timezone=profile.timezone,
                    )
                ).frame
            except (RefusedFileError, IncompleteFileError, ChangedFileError) as no:
                refusal = str(no)
            modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            found.append(
                SampleFile(
                    relative=relative,
                    root=root,
                    frame=frame,
                    refusal=refusal,
                    modified_at=modified,
                )
            )
    return found


def _listed(
    profile: Profile, folder: Path
) -> Iterator[tuple[Path, RootSettings | None, bytes]]:
    """Files with the root they stand for, at most `MOST_FILES`, evenly of each part."""
    folder = folder.resolve()
    parts: dict[Path, RootSettings | None] = {}
    for root in profile.roots:
        for name in (root.name, root.side.value if root.side else ""):
            if name and (folder / name).is_dir():
                parts.setdefault(folder / name, root)
    parts = parts or {folder: None}
    for part, of in parts.items():
        rules = of or RootSettings(name="x", path=part)
        ignore = Ignore((*rules.ignore, *rules.sidecars))
        paths = sorted(
            path
            for path in part.rglob("*")
            if path.is_file() and not ignore.hides_path(_below(path, part))
        )
        step = max(1, len(paths) * len(parts) // MOST_FILES)
        for path in paths[::step]:
            yield path, of, _below(path, part)


def _below(path: Path, folder: Path) -> bytes:
    return os.fsencode(path.relative_to(folder))


def few(names: Sequence[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
