"""Files of the user's own, copied into the watched folders as an exporter would."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from clemd.config import RootSettings
from clemd.errors import UsageError

CHUNK_BYTES = 4 << 20
PAUSE_S = 0.02
_SIDES = {"em": ("em", "fixed"), "lm": ("lm", "moving")}


@dataclass(slots=True, kw_only=True)
class GivenFiles:
    """What is to be copied: (source, side) with side `em`, `lm` or `any`."""

    files: list[tuple[Path, str]]
    _thread: threading.Thread | None = field(default=None, repr=False)
    _failed: str = ""

    @property
    def has_any(self) -> bool:
        """Some files must say themselves which microscope they are from."""
        return any(side == "any" for _, side in self.files)

    @property
    def is_done(self) -> bool:
        """All copied."""
        if self._failed:
            raise UsageError(
                "a file could not be copied", self._failed, "free some space"
            )
        return self._thread is not None and not self._thread.is_alive()

    @property
    def visible(self) -> int:
        """How many the daemon must notice: sidecars and hidden files are not images."""
        fields = RootSettings.model_fields
        ignored = (*fields["ignore"].default, *fields["sidecars"].default)
        return sum(
            not any(fnmatch(path.name.lower(), pattern) for pattern in ignored)
            for path, _ in self.files
        )

    def start(self, export: Path) -> None:
        """Begin to copy below `export`, in a thread."""
        self._thread = threading.Thread(
            target=self._copy_all, args=(export,), name="exporter", daemon=True
        )
        self._thread.start()

    def _copy_all(self, export: Path) -> None:
        try:
            for number, (source, side) in enumerate(self.files):
                _copy(source, export / side / source.name, renamed=number % 2 == 1)
        except OSError as failed:
            self._failed = f"{failed.filename}: {failed.strerror}"


def _copy(source: Path, target: Path, *, renamed: bool) -> None:
    """In chunks: half of the exporters write in place, half rename at the end."""
    if target.exists():
        target = target.with_name(f"{source.parent.name}-{source.name}")
    writing = target.with_name(target.name + ".part") if renamed else target
    with source.open("rb") as read, writing.open("wb") as write:
        while chunk := read.read(CHUNK_BYTES):
            write.write(chunk)
            write.flush()
            time.sleep(PAUSE_S)
    if renamed:
        writing.replace(target)


def find_files(folder: Path) -> GivenFiles:
    """The files in `folder`: its em/ and lm/, or those a pair*.json names, or all.

    Of a pair*.json only the file names are read, never the truth it may hold.

    Raises:
        UsageError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise UsageError("no such folder", str(folder), "check --data")
    found: list[tuple[Path, str]] = []
    for side in ("em", "lm"):
        found += [(f, side) for f in _regular(folder / side)]
    if not found:
        for description in sorted(folder.glob("pair*.json")):
            found += [pair for pair in _named(description) if pair not in found]
    if not found:
        found = [(f, "any") for f in _regular(folder)]
    if not found:
        raise UsageError(
            "nothing to register here",
            str(folder),
            "put images into em/ and lm/, or name them in a pair.json",
        )
    return GivenFiles(files=found)


def _regular(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.rglob("*") if f.is_file())


def _named(description: Path) -> list[tuple[Path, str]]:
    try:
        facts = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failed:
        raise UsageError(
            f"cannot be read as JSON: {failed}", str(description), "correct the file"
        ) from failed
    pairs = []
    for side, keys in _SIDES.items():
        name = next((facts[k] for k in keys if isinstance(facts.get(k), str)), None)
        if name is None:
            raise UsageError(
                f"names no {side.upper()} file",
                str(description),
                f'add "{side}": "FILE"',
            )
        path = description.parent / Path(name).name
        if not path.is_file():
            raise UsageError(
                f"names a file that is not there: {name}",
                str(description),
                "correct it",
            )
        pairs.append((path, side))
    return pairs
