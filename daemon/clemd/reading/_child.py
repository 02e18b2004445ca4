"""The child process: `python -m clemd.reading._child`, one JSON line per file.

The first line on stdin is the configuration, answered by the state of the sandbox;
every further line is a request, answered by one line. It ends with its stdin.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from clemd.driver_api import FormatDriver, load_drivers
from clemd.errors import ClemdError

from . import _sandbox
from ._request import DENIED, error_line, parse_request, result_line


def main() -> None:
    """Serve until stdin ends."""
    answers = _private_stdout()
    requests = sys.stdin.buffer
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    config: dict[str, Any] = json.loads(requests.readline())
    cache = Path(config["cache"]) if config["cache"] else None
    layers = _sandbox.enter(
        readable=[Path(folder) for folder in config["allow"]],
        cache=cache,
        parent=config["parent"],
    )
    drivers: list[FormatDriver] = list(load_drivers("clemd.formats"))
    _warm_up()
    _sandbox.limit_memory(config["memory_bytes"])
    _sandbox.limit_file_size(config["file_bytes"])
    _send(answers, json.dumps({"layers": [asdict(layer) for layer in layers]}).encode())
    from . import _work

    for line in requests:
        _sandbox.limit_cpu(config["time_limit_s"])
        try:
            result = _work.read(
                parse_request(line), drivers, max_pixels=config["max_pixels"]
            )
            answer = result_line(result)
        except ClemdError as refused:
            answer = error_line(refused)
        except PermissionError:
            answer = DENIED
        _send(answers, answer.rstrip(b"\n"))


def _private_stdout() -> BinaryIO:
    """Keep the answers' pipe; what a library prints goes to stderr instead."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _warm_up() -> None:
    """Load the codecs before memory is limited and the clock runs."""
    import imagecodecs

    for codec in ("lzw", "zlib", "zstd", "jpeg8", "png", "bmp"):
        getattr(imagecodecs, f"{codec}_decode", None)


def _send(answers: BinaryIO, line: bytes) -> None:
    answers.write(line + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
