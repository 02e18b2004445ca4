"""What goes out comes back the same, and what is not ours is named and refused."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from clemd.publishing import MalformedError
from clemd.publishing._buffers import pack, unpack
from clemd.publishing._frames import read_frames, read_replayed
from clemd.publishing._header import header_of, message_id, wall_time
from clemd.publishing._json import check_depth, dump_object, parse_object

JobRow = Callable[[int], Any]


def frames_of(row: Any, **buffers: Any) -> list[bytes]:
    """`row` as it travels."""
    packed = [pack(name, value) for name, value in buffers.items()]
    header = header_of(
        row, run_epoch="e1", t_mono_s=1.5, buffers=tuple(f for f, _ in packed)
    )
    head = [row.topic.encode(), header.to_json(), row.body.encode()]
    return [*head, *(raw for _, raw in packed)]


def test_message_survives_the_journey(job_row: JobRow) -> None:
    """Facts, body, pixels and encoded files arrive as they left."""
    pixels = np.arange(12, dtype=">u2").reshape(3, 4)

    got = read_frames(frames_of(job_row(7), em=pixels, preview=b"\x89PNG"))

    assert (got.header.seq, got.header.schema_name) == (7, "clemd.job/1")
    assert got.header.t_wall == "2026-01-02T03:04:05+00:00"
    assert got.body["job_id"] == 7
    assert got.buffers["preview"] == b"\x89PNG"
    np.testing.assert_array_equal(np.asarray(got.buffers["em"]), pixels)


def test_name_of_a_message_depends_on_all_of_it(job_row: JobRow) -> None:
    """Another database with the same numbers must not pass for ours."""
    row = job_row(3)
    others = [
        replace(row, body="{}"),
        replace(row, seq=4),
        replace(row, topic_seq=4),
        replace(row, topic="file"),
        replace(row, created_at="2026-01-02T03:04:06+00:00"),
    ]

    assert len({message_id(each) for each in [row, *others]}) == 6
    assert message_id(job_row(3)) == message_id(row)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        1767323045,
        1767323045.0,
        "2026-01-02T03:04:05+00:00",
    ],
)
def test_time_is_written_in_utc_whatever_the_store_keeps(moment: object) -> None:
    """A subscriber in another zone must not have to guess."""
    assert wall_time(moment) == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("array", [np.array([None]), np.array(["x"])])
def test_array_of_objects_is_never_sent(array: Any) -> None:
    """Only a pickle could carry it."""
    with pytest.raises(ValueError, match="must hold numbers"):
        pack("em", array)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"dtype": "|O8"}, "refused"),
        ({"dtype": "<u3"}, "refused"),
        ({"dtype": "<u4"}, "disagree"),
        ({"shape": (2**62, 8)}, "disagree"),
        ({"shape": (1,) * 9}, "disagree"),
        ({"nbytes": 3}, "promised"),
        ({"sha256": "0" * 64}, "hash"),
    ],
)
def test_buffer_that_contradicts_its_facts_is_refused(
    change: dict[str, Any], complaint: str
) -> None:
    """A wrong shape read as right would be a wrong picture."""
    facts, raw = pack("em", np.zeros(1, "<u2"))

    with pytest.raises(MalformedError, match=complaint):
        unpack([facts.model_copy(update=change)], [raw])


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"verb": "ping"}),
        b"\xff\xfe",
        b"",
        b"[]",
        b"null",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_whatever_is_not_a_json_object_is_refused(data: bytes) -> None:
    """One kind of error, one line, and nothing is ever unpickled."""
    with pytest.raises(MalformedError, match=r"^header is[^\n]*$"):
        parse_object(data, what="header")


def test_json_that_cannot_be_read_back_is_not_written() -> None:
    """NaN is no JSON; other languages stop at it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_object({"x": float("nan")})


def test_nesting_has_a_limit() -> None:
    """Sixteen levels pass, seventeen do not."""
    value: Any = 1
    for _ in range(16):
        value = {"a": [value]} if isinstance(value, int) else {"a": value}
    with pytest.raises(MalformedError, match="deeper than 16"):
        check_depth(value)

    check_depth(value["a"])


def test_damaged_messages_raise_one_kind_of_error(job_row: JobRow) -> None:
    """A thousand seeded mutations: each is read or refused, nothing else."""
    random_ = random.Random(5)  # noqa: S311 - a seed is the point
    whole = frames_of(job_row(1), em=np.zeros((2, 2), "<f4"))
    refused = 0
    for _ in range(1000):
        frames = [bytearray(f) for f in whole]
        target = random_.choice(frames)
        target[random_.randrange(len(target))] = random_.randrange(256)
        if random_.random() < 0.3:
            del frames[random_.randrange(len(frames))]
        try:
            read_frames([bytes(f) for f in frames])
        except MalformedError:
            refused += 1

    assert refused > 500


@pytest.mark.parametrize("item", [None, 3, {}, {"body": {}}, {"header": {}, "body": 1}])
def test_replayed_message_without_its_parts_is_refused(item: object) -> None:
    """A replay is checked like a live message."""
    with pytest.raises(MalformedError):
        read_replayed(item)
