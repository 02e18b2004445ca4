"""A device that has computed something wrong must prove itself, ever more rarely."""

from __future__ import annotations

from clemd.app._trust import Trust


def test_a_device_proves_itself_first_and_every_so_often() -> None:
    """Nobody believes a stranger, nor an acquaintance for ever."""
    trust = Trust(every_s=1800, is_cpu=False)
    at_first = trust.owes_proof(0.0)
    trust.prove(10.0)

    assert at_first
    assert not trust.owes_proof(1000.0)
    assert trust.owes_proof(1810.0)


def test_heat_and_crashes_raise_doubt() -> None:
    """What was proved before does not hold after."""
    trust = Trust(every_s=1800, is_cpu=False)
    trust.prove(10.0)
    trust.doubt()

    assert trust.owes_proof(11.0)
    assert trust.may_work(11.0)


def test_retries_back_off_until_one_succeeds() -> None:
    """A broken card is asked once an hour, a mended one works at once."""
    trust = Trust(every_s=1800, is_cpu=False)
    now_s, waits = 0.0, []
    for _ in range(9):
        waits.append(trust.ban("it said 5 where 4 is right", now_s))
        assert not trust.may_work(now_s + waits[-1] - 1)
        now_s += waits[-1]
        assert trust.may_work(now_s)
        assert trust.owes_proof(now_s)
    trust.prove(now_s)

    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == 3600
    assert trust.set_aside == ""
    assert trust.ban("again", now_s) == 60


def test_the_cpu_proves_nothing() -> None:
    """There is nobody to ask instead, and its checks cost its own time."""
    assert not Trust(every_s=1800, is_cpu=True).owes_proof(1e9)
