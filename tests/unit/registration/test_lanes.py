"""Pieces of work side by side: order, ends, and no other result than in a row."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from clemd.registration._lanes import Lanes


def test_results_keep_the_order_of_the_pieces() -> None:
    """A candidate list that depends on who was quicker would not be repeatable."""

    def piece(number: int) -> int:
        time.sleep(0.02 * (4 - number))
        return number

    assert Lanes(3).run([lambda n=n: piece(n) for n in range(4)]) == [0, 1, 2, 3]


def test_two_lanes_work_at_the_same_time() -> None:
    """Each piece waits for the other: one after the other they would never end."""
    both = threading.Barrier(2, timeout=20)
    assert sorted(Lanes(2).run([both.wait, both.wait])) == [0, 1]


def test_all_pieces_have_ended_when_one_fails() -> None:
    """A piece left behind would go on writing while the next attempt begins."""
    ended = threading.Event()

    def slow() -> None:
        time.sleep(0.1)
        ended.set()

    def fails() -> None:
        raise ValueError("no gradient")

    with pytest.raises(ValueError, match="no gradient"):
        Lanes(2).run([fails, slow])
    assert ended.is_set()


def test_pieces_of_a_piece_cannot_wait_for_their_own_lane() -> None:
    """Two pieces that both hand out more would otherwise stand still for ever."""
    lanes = Lanes(2)

    def outer() -> list[int]:
        return lanes.run([lambda: 1, lambda: 2])

    assert lanes.run([outer, outer]) == [[1, 2], [1, 2]]


def test_lanes_record_nothing_for_gradients() -> None:
    """Inference mode belongs to a thread; without it memory would grow."""
    modes = Lanes(2).run([torch.is_inference_mode_enabled] * 2)
    assert modes == [True, True]
