"""What `clemd doctor` looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clemd.config import Profile

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: str
    """`ok`, `warn` (works, but know it) or `fail` (will not work)."""
    what: str
    value: str
    mend: str = ""
    """What to do about it; empty where all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is looked at."""

    profile: Profile
    """The given one, or the defaults."""
    state: Path
    is_running: bool
    """A daemon holds the state folder."""
