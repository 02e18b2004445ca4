"""A look that fails says why; only a file that cannot be read is left alone a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clemd.app._house import House
from clemd.app._looks import REST_S, Looks
from clemd.config import Profile
from clemd.errors import UsageError
from clemd.jobs import Gate, WorkerLostError, open_gate
from clemd.model import Channel, ChannelKind, Frame, Modality
from clemd.store import FrameRow, Store

SHA256 = "5" * 64
SPOTS = {"spots": [[3.0, 4.0]]}


class Worker:
    """Answers, or says what went wrong with it."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self._answers = list(answers)

    async def run(
        self,
        task: Mapping[str, Any],
        *,
        limit_s: float,
        beat: Callable[[str], None],
        gate: Gate = open_gate,
    ) -> dict[str, Any]:
        """The next answer."""
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def row() -> FrameRow:
    """An image whose file lies in a folder that is no longer watched."""
    frame = Frame(
        path="/srv/gone/map.tif",
        content_sha256=SHA256,
        driver="tiff",
        driver_version="1",
        modality=Modality.CLSM,
        shape=(8, 9),
        dtype="uint8",
        channels=(Channel(name="c", kind=ChannelKind.FLUORESCENCE),),
    )
    return FrameRow(
        id="f1", file_id=1, revision=1, side="lm", session="s", frame=frame,
        created_at="",
    )  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Any:
    """What `Looks` needs of the daemon: the store is a real one."""
    (tmp_path / "cache").mkdir()
    with Store.open(tmp_path / "state") as store:
        store.note_file("gone", b"map.tif", size_bytes=1, modified_ns=1, inode=1)
        yield cast(
            "House",
            SimpleNamespace(
                cache=tmp_path / "cache",
                store=store,
                profile=Profile(),
                plane_names=lambda frame: [f"{frame.content_sha256}-0.npy"],
            ),
        )


async def test_worker_that_was_lost_is_no_reason_to_leave_the_image_alone(
    house: Any, row: FrameRow
) -> None:
    """The next click asks again: nothing is wrong with the file."""
    (house.cache / f"{SHA256}-0.npy").touch()
    looks = Looks(house, Worker(WorkerLostError("it was killed"), SPOTS))

    with pytest.raises(UsageError, match="cannot look into the image: it was killed"):
        await looks.spots(row, channel=0, most=9)

    assert await looks.spots(row, channel=0, most=9) == SPOTS


async def test_file_that_cannot_be_read_is_left_alone_for_a_while(
    house: Any, row: FrameRow
) -> None:
    """A moving cursor would have it read many times a second."""
    now_s = 100.0
    looks = Looks(house, Worker(SPOTS), clock=lambda: now_s)
    with pytest.raises(UsageError, match="'gone' is no longer in the profile"):
        await looks.spots(row, channel=0, most=9)
    (house.cache / f"{SHA256}-0.npy").touch()

    now_s += REST_S - 0.1
    with pytest.raises(UsageError, match="'gone' is no longer in the profile"):
        await looks.spots(row, channel=0, most=9)

    now_s += 0.2
    assert await looks.spots(row, channel=0, most=9) == SPOTS
