"""A device that is not the CPU, on machines that have none.

Its tensors say that they live on `meta`, torch's device without memory, and carry
their numbers on the CPU. Arithmetic is the CPU's, so results are the same to the last
bit; what is checked is what a GPU would refuse: tensors of two devices in one
operation, and numbers read without being fetched first.

Every operation goes through Python, which takes longer than most of them. A device
that need not be watched any longer can be `released`: what it computes from then on
are tensors of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import (  # noqa: PLC2701 - it has no other name
    TorchDispatchMode,
)

NAME = "meta"
_AWAY = torch.device(NAME)
_HERE = torch.device("cpu")
_MOVING = frozenset({"_to_copy", "copy_"})
"""The way there and back."""
_INDEXING = frozenset({"index", "index_put_"})
"""A GPU's tensor takes positions from the CPU, not the other way round."""


Fault = Callable[[str, Tensor], Tensor | None]


class MixedDevicesError(AssertionError):
    """A GPU would have refused this operation."""


class _Away(Tensor):
    """A tensor of the pretended device; `numbers` are its values on the CPU."""

    numbers: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # noqa: SLF001 - torch's own way

    @staticmethod
    def __new__(cls, numbers: Tensor) -> _Away:
        away: _Away = Tensor._make_wrapper_subclass(  # noqa: SLF001 - torch's own way
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=_AWAY,
        )
        away.numbers = numbers
        return away

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _run(func, args, kwargs or {})

    def tolist(self) -> Any:
        """Fetches by itself, as on a GPU."""
        return self.numbers.tolist()


class PretendDevice(AbstractContextManager["PretendDevice"]):
    """While entered, `torch.device(PretendDevice.NAME)` computes.

    `fault` makes it a broken one: it is given the name of each operation on the
    device and its result, and returns what the device says instead; None = the same.

    Raises:
        MixedDevicesError: an operation was given tensors of both devices.
    """

    NAME = NAME

    def __init__(self, fault: Fault | None = None) -> None:
        self._modes = ExitStack()
        self.fault = fault
        self.is_released = False

    def __enter__(self) -> Self:
        """From now on, on this thread."""
        _entered.append(self)
        self._modes.callback(_entered.pop)
        for owner, name, made in _LITERALS:
            self._modes.enter_context(_replaced(owner, name, made))
        self._modes.enter_context(_Operations())  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *failure: object) -> None:
        """`meta` is empty again."""
        self._modes.close()

    def release(self) -> None:
        """No fault and no check any more; the same numbers, as tensors of the CPU."""
        self.is_released = True


_entered: list[PretendDevice] = []


def _made_here(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of numbers written in the code torch makes tensors on `meta` without any value.

    So they are made here, then moved.
    """

    def made(*args: Any, **kwargs: Any) -> Tensor:
        device = kwargs.get("device")
        if device is None or torch.device(device) != _AWAY:
            return make(*args, **kwargs)
        return make(*args, **(kwargs | {"device": _HERE})).to(device)

    return made


def _new_tensor(like: Tensor, numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype).to(like.device)


_LITERALS: tuple[tuple[Any, str, Callable[..., Tensor]], ...] = (
    (torch, "tensor", _made_here(torch.tensor)),
    (torch, "as_tensor", _made_here(torch.as_tensor)),
    (_Away, "new_tensor", _new_tensor),
)


@contextmanager
def _replaced(owner: Any, name: str, other: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, before)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Everything that computes."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and asking costs as much as the rest

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one operation where its tensors are."""
        if not types and not (kwargs and kwargs.get("device") is not None):
            return func(*args, **(kwargs or {}))
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    device = _entered[-1] if _entered else None
    seen = _Seen()
    numbers = [seen.numbers_of(value) for value in args]
    others = {key: seen.numbers_of(value) for key, value in kwargs.items()}
    away = seen.away
    name = func.overloadpacket.__name__
    if device is not None and device.is_released:
        if others.get("device") is not None:
            others["device"] = _HERE
        done = func(*numbers, **others)
        return args[0] if _is_in_place(name) else done
    indexed = name in _INDEXING and isinstance(args[0], _Away)
    if away and seen.strangers and not indexed and name not in _MOVING:
        raise MixedDevicesError(
            f"{name}: a tensor {tuple(seen.strangers[0].shape)} was left on the CPU "
            "among tensors of the device"
        )
    if name == "_conj":  # a lazy one would be forgotten with the wrapper
        func = torch.ops.aten.conj_physical.default
    if others.get("device") is not None:
        away = torch.device(others["device"]) == _AWAY
        others["device"] = _HERE
    done = func(*numbers, **others)
    if _is_in_place(name):
        return args[0]
    if not away:
        return done
    return _sent_away(done, name, None if device is None else device.fault)


class _Seen:
    """Where the tensors of an operation live."""

    __slots__ = ("away", "strangers")

    def __init__(self) -> None:
        self.away = False
        self.strangers: list[Tensor] = []

    def numbers_of(self, value: Any) -> Any:
        """`value` with CPU tensors for the device's, however deep in lists."""
        if isinstance(value, Tensor):
            if isinstance(value, _Away):
                self.away = True
                return value.numbers
            if value.dim() > 0:  # one number from the CPU may go along with any tensor
                self.strangers.append(value)
        elif isinstance(value, (list, tuple)):
            return type(value)([self.numbers_of(one) for one in value])
        return value


def _is_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _sent_away(done: Any, name: str, fault: Fault | None) -> Any:
    """A result as the device gives it, with its faults."""
    if isinstance(done, Tensor):
        return _Away(done if fault is None else _broken(fault, name, done))
    if isinstance(done, (list, tuple)):
        return type(done)([_sent_away(one, name, fault) for one in done])
    return done


def _broken(fault: Fault, name: str, result: Tensor) -> Tensor:
    """In memory of its own: a constant of the program that it looks at stays whole."""
    said = fault(name, result)
    if said is None or 0 in result.stride():
        return result
    return torch.empty_strided(
        result.size(), result.stride(), dtype=result.dtype
    ).copy_(said)
