"""`clemd run`: the service."""

from __future__ import annotations

import asyncio
from pathlib import Path

from clemd.app import App
from clemd.config import load_profile
from clemd.errors import UsageError
from clemd.store import StoreDamagedError
from clemd.supervising import configure_logging


def run_service(profile_file: Path | None, state: Path, *, verbose: bool) -> int:
    """Serve until stopped.

    Raises:
        UsageError: no profile, or something in it cannot be used.
    """
    if profile_file is None:
        raise UsageError(
            "no profile given", "", "use --profile FILE or set CLEMD_PROFILE"
        )
    profile = load_profile(profile_file)
    if not profile.roots:
        raise UsageError(
            "the profile watches no folder", str(profile_file), "add a [[roots]] entry"
        )
    configure_logging("DEBUG" if verbose else "INFO", json=True)
    try:
        asyncio.run(App(profile, state).run())
    except StoreDamagedError as damaged:
        # exit code 70: the service manager starts us again, and the store is verified
        raise damaged from None
    return 0
