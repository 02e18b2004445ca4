"""A worker whose device computes, and computes wrongly while a file is there.

Started by `test_integrity.py`: `python broken_device.py FILE KIND`. The device is the
pretended one. In tasks of KIND it computes wrongly: for `register` a part of every
image that it resamples is lost, for `known` its correlations lie beside the place.
With `full` as KIND another program holds all of its memory while it registers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clemd import worker
from clemd.testing import PretendDevice


class Fault:
    """Wrong now and then, while `flag` is there and the task is of `kind`."""

    def __init__(self, flag: Path, kind: str) -> None:
        self.flag, self.kind = flag, kind
        self.is_on = False

    def __call__(self, name: str, result: Tensor) -> Tensor | None:
        """What the device says instead."""
        if not self.is_on:
            return None
        if self.kind == "full":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB")
        if self.kind == "known" and name in {"fft_irfft2", "_fft_c2r"}:
            return result.roll((3, 3), (-2, -1))  # addresses are off by a little
        if self.kind == "register" and name.startswith("grid_sampler"):
            part = result.clone()
            part[..., : result.shape[-2] // 5, :] = 0.0  # a bank of its memory is gone
            return part
        return None

    def during(self, kind: str, task: Any) -> Any:
        """`task`, with the fault where it belongs."""

        def run(given: dict[str, Any], tell: Any) -> dict[str, Any]:
            broken_in = "register" if self.kind == "full" else self.kind
            self.is_on = kind == broken_in and self.flag.exists()
            try:
                done: dict[str, Any] = task(given, tell)
            finally:
                self.is_on = False
            return done

        return run


def main() -> int:
    """Serve as `clemd.worker` does."""
    fault = Fault(Path(sys.argv[1]), sys.argv[2])
    for kind, task in list(worker.TASKS.items()):
        worker.TASKS[kind] = fault.during(kind, task)
    with PretendDevice(fault=fault):
        return worker.main()


if __name__ == "__main__":
    sys.exit(main())
