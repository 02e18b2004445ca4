"""Play a generator of steps against whatever performs them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from clemd.errors import ClemdError, UsageError

from ._command import Reply, Request
from ._steps import Step, ask


class Talk:
    """A generator of steps and the answer, or the failure, that it gets next."""

    def __init__(self, steps: Generator[Step, Any, Any]) -> None:
        self._steps = steps
        self._failure: ClemdError | None = None
        self._value: Any = None
        self.answer: Any = None

    def next_step(self) -> Step | None:
        """The next step; None at the end."""
        answer, failure = self.answer, self._failure
        self.answer = self._failure = None
        try:
            if failure is not None:
                return self._steps.throw(failure)
            return self._steps.send(answer)
        except StopIteration as ended:
            self._value = ended.value
            return None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """What goes wrong inside goes to the generator, which knows whether to wait."""
        try:
            yield
        except ClemdError as failed:
            self._failure = failed

    def result(self) -> dict[str, Any]:
        """What the reply held."""
        reply: Reply = self._value
        return reply.result or {}


def asking(
    verb: str,
    arguments: dict[str, Any],
    request_id: str | None,
    timeout_s: float,
    clock: Callable[[], float],
) -> Talk:
    try:
        request = Request(
            id=request_id or uuid.uuid4().hex, verb=verb, arguments=arguments
        )
    except ValidationError as failed:
        first = failed.errors()[0]
        raise UsageError(
            f"not a command: {first['msg']}", f"{first['loc'][0]}", "correct it"
        ) from failed
    return Talk(ask(request, timeout_s=timeout_s, clock=clock))
