"""What a device was set to before clemd changed it, kept where a crash cannot reach."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clemd.errors import UsageError
from clemd.jobs import atomic_write

FILE = "levers.json"
SCHEMA = "clemd.levers/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A device before the first change."""

    card: str
    power_limit_w: float | None = None
    """None: it was not changed."""
    clocks_locked: bool = False
    """The clocks were locked. What was locked before no card tells: they are freed."""

    def in_words(self) -> str:
        """What is to be put back."""
        said = []
        if self.power_limit_w is not None:
            said.append(f"a power limit of {self.power_limit_w:g} W")
        if self.clocks_locked:
            said.append("free clocks")
        return " and ".join(said) or "nothing"

    def by_hand(self) -> str:
        """The commands that put it back."""
        said = []
        if self.power_limit_w is not None:
            said.append(f"nvidia-smi -i {self.card} -pl {self.power_limit_w:g}")
        if self.clocks_locked:
            said.append(f"nvidia-smi -i {self.card} -rgc")
        return "; ".join(said)


class LeverNote:
    """The file in the state folder; there while something is changed."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE

    def read(self) -> Before | None:
        """What is to be put back; None where nothing is.

        Raises:
            UsageError: the file cannot be understood.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("schema") != SCHEMA:
                raise ValueError("of another version")
            return Before(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise UsageError(
                "what a GPU was set to before cannot be read",
                str(self._path),
                "set its power limit by hand (nvidia-smi -pl), then delete the file",
            ) from wrong

    def write(self, before: Before) -> None:
        """Keep it, on the disk before the device is touched.

        Raises:
            OSError: the state folder cannot be written.
        """
        text = json.dumps({"schema": SCHEMA, **asdict(before)})
        atomic_write(self._path, text.encode())

    def remove(self) -> None:
        """Everything is as it was."""
        self._path.unlink(missing_ok=True)
