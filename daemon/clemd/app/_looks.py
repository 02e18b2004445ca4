"""Quick looks at decoded pixels, for who asks while registrations run.

They have a worker of their own, without torch, started when somebody asks: nobody who
moves a cursor waits for a registration, and no registration for a cursor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from clemd.errors import ClemdError, UsageError
from clemd.jobs import Executor
from clemd.model import to_dict
from clemd.store import FrameRow

from ._house import House
from ._planes import ensure_planes

LIMIT_S = 60.0
REST_S = 20.0
"""A file that could not be read is left alone for so long."""


class Looks:
    """What decoded planes show at a place, or as a whole."""

    def __init__(
        self,
        house: House,
        worker: Executor,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._house = house
        self._worker = worker
        self._clock = clock
        self._failed: dict[str, tuple[float, str]] = {}
        """Frame -> until when (by the clock) it is not read again, and why."""

    async def spots(
        self, row: FrameRow, *, channel: int | None, most: int
    ) -> dict[str, Any]:
        """Bright spots of one channel, strongest first.

        Raises:
            UsageError: the planes cannot be had.
        """
        return await self._ask(row, {"kind": "spots", "channel": channel, "most": most})

    async def spectrum(
        self, row: FrameRow, *, px: tuple[float, float], radius_px: int
    ) -> dict[str, Any]:
        """The spectrum of a cube around a px.

        Raises:
            UsageError: the place is off the image, or the planes cannot be had.
        """
        line = self._house.profile.registration.energy_line
        return await self._ask(
            row,
            {
                "kind": "spectrum",
                "px": list(px),
                "radius_px": radius_px,
                "energy_line": line,
            },
        )

    async def _ask(self, row: FrameRow, task: dict[str, Any]) -> dict[str, Any]:
        await self._have_planes(row)
        image = {
            "frame": to_dict(row.frame),
            "planes": self._house.plane_names(row.frame),
        }
        try:
            return await self._worker.run(
                task | {"cache": str(self._house.cache), "image": image},
                limit_s=LIMIT_S,
                beat=lambda _stage: None,
            )
        except ClemdError as failed:
            raise _refusal(row, str(failed)) from failed

    async def _have_planes(self, row: FrameRow) -> None:
        until_s, why = self._failed.pop(row.id, (-math.inf, ""))
        if self._clock() < until_s:
            # a moving cursor asks many times a second, each time costs a reading
            self._failed[row.id] = until_s, why
            raise _refusal(row, why)
        try:
            await ensure_planes(self._house, row)
        except ClemdError as failed:
            self._failed[row.id] = self._clock() + REST_S, str(failed)
            raise _refusal(row, str(failed)) from failed


def _refusal(row: FrameRow, why: str) -> UsageError:
    return UsageError(
        f"cannot look into the image: {why}", row.frame.path, "ask again later"
    )
