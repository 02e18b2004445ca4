"""A device that is not the CPU, on machines that have none.

Its tensors say that they live on `meta`, torch's device without memory, and carry
their numbers on the CPU. Arithmetic is the CPU's, so results are the same to the last
bit; what is checked is what a GPU would refuse: tensors of two devices in one
operation, and numbers read without being fetched first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
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
_faults: list[Fault | None] = []


class MixedDevicesError(AssertionError):
    """A GPU would have refused this operation."""


class _Away(Tensor):
    """A tensor of the pretended device; `numbers` are its values on the CPU."""

    numbers: Tensor

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
        self._fault = fault

    def __enter__(self) -> Self:
        """From now on, on this thread."""
        _faults.append(self._fault)
        self._modes.callback(_faults.pop)
        self._modes.enter_context(_Operations())  # type: ignore[no-untyped-call]
        self._modes.enter_context(_Literals())
        return self

    def __exit__(self, *failure: object) -> None:
        """`meta` is empty again."""
        self._modes.close()


class _Literals(TorchFunctionMode):
    """Numbers written in the code: torch makes them on `meta` without any value."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Made here, then moved."""
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and "device" in kwargs:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is Tensor.new_tensor:
            like, numbers = args
            return torch.tensor(numbers, dtype=like.dtype).to(like.device)
        return func(*args, **kwargs)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Everything that computes."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one operation where its tensors are."""
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tensors = [t for t in _leaves([*args, *kwargs.values()]) if isinstance(t, Tensor)]
    away = any(isinstance(t, _Away) for t in tensors)
    name = func.overloadpacket.__name__
    indexed = name in _INDEXING and isinstance(args[0], _Away)
    if away and not indexed and name not in _MOVING:
        _check_alone(name, tensors)
    if name == "_conj":  # a lazy one would be forgotten with the wrapper
        func = torch.ops.aten.conj_physical.default
    if kwargs.get("device") is not None:
        away = torch.device(kwargs["device"]) == _AWAY
        kwargs = kwargs | {"device": _HERE}
    done = func(
        *_mapped(_Away, _numbers, args),
        **{key: _mapped(_Away, _numbers, value) for key, value in kwargs.items()},
    )
    if name.endswith("_") and not name.endswith("__"):
        return args[0]  # changed in place
    if not away:
        return done
    fault = _faults[-1] if _faults else None
    if fault is not None:
        done = _mapped(Tensor, lambda result: _broken(fault, name, result), done)
    return _mapped(Tensor, _Away, done)


def _broken(fault: Fault, name: str, result: Tensor) -> Tensor:
    """In memory of its own: a constant of the program that it looks at stays whole."""
    said = fault(name, result)
    if said is None or 0 in result.stride():
        return result
    return torch.empty_strided(
        result.size(), result.stride(), dtype=result.dtype
    ).copy_(said)


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _leaves(value)
        else:
            yield value


def _mapped(kind: type, change: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `change` applied to what is of that kind, however deep in lists."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)([_mapped(kind, change, one) for one in value])
    return value


def _numbers(tensor: _Away) -> Tensor:
    return tensor.numbers


def _check_alone(name: str, tensors: list[Tensor]) -> None:
    # one number from the CPU may go along with any tensor
    strangers = [t for t in tensors if not isinstance(t, _Away) and t.dim() > 0]
    if strangers:
        shape = tuple(strangers[0].shape)
        raise MixedDevicesError(
            f"{name}: a tensor {shape} was left on the CPU among tensors of the device"
        )
