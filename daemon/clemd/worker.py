"""`python -m clemd.worker`: carries out jobs, one at a time, told by JSON lines.

The supervisor starts it, sends tasks on stdin and reads answers from stdout. It reads
only planes that the sandboxed reader has decoded, never an exported file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from clemd.errors import (
    ClemdError,
    DeviceFullError,
    StoppedError,
    WrongResultError,
)
from clemd.geometry import as_matrix, as_rows
from clemd.model import Frame, Registration, SecondOpinion, from_json, to_dict
from clemd.supervising import configure_logging

Tell = Callable[[dict[str, Any]], None]
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve until stdin ends."""
    _die_with_parent()
    # stdout carries answers; whatever a library prints must not get between them
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logging(os.environ.get("CLEMD_LOG", "INFO"), json=True)
    _set_threads(os.environ.get("CLEMD_THREADS"))
    _allow_many_files()
    for line in iter(sys.stdin.readline, ""):
        _serve(json.loads(line), answers)
    return 0


def _serve(task: dict[str, Any], answers: TextIO) -> None:
    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        done = TASKS[task["kind"]](task, tell)
    except FileNotFoundError as gone:
        tell({"failed": f"missing: {Path(str(gone.filename)).name}"})
    except (WrongResultError, DeviceFullError) as wrong:
        tell({"wrong": str(wrong), "recycle": True})
    except StoppedError as stopped:
        tell({"stopped": str(stopped)})
    except OSError as failed:
        if failed.errno not in (errno.ENOSPC, errno.EDQUOT):
            _tell_defect(task, failed, tell)
        else:
            said = f"no room for the results: {failed.strerror}; free some"
            tell({"failed": said, "full": True})
    except ClemdError as failed:
        tell({"failed": str(failed), "recycle": True})
    except Exception as failed:  # noqa: BLE001 - the supervisor must hear of it
        _tell_defect(task, failed, tell)
    else:
        tell({"done": done})


def _tell_defect(task: dict[str, Any], failed: Exception, tell: Tell) -> None:
    import structlog

    structlog.get_logger().exception("worker_failed", kind=task.get("kind"))
    tell({"failed": f"{type(failed).__name__}: {failed}", "recycle": True})


class Breathing:
    """Stands still at a breathing point until the supervisor says go.

    Points that follow each other more closely than `EVERY_S` are passed: asking takes
    a turn of the supervisor's loop.
    """

    EVERY_S = 0.2

    def __init__(self, tell: Tell, *, device: str = "cpu") -> None:
        self._tell = tell
        self._may_queue = device != "cpu"
        self._went_s = time.monotonic()

    def __call__(self, stage: str) -> None:
        """Ask, and wait for the answer.

        Raises:
            StoppedError: the job is to stop here.
        """
        if time.monotonic() - self._went_s < self.EVERY_S:
            return
        if self._may_queue:
            _finish_queued_work()
        self._tell({"breath": stage})
        line = sys.stdin.readline()
        if not line:
            raise SystemExit(1)  # the supervisor has gone
        if not json.loads(line)["go"]:
            raise StoppedError(stage)
        self._went_s = time.monotonic()


def _finish_queued_work() -> None:
    """A GPU that still works off its queue does not rest."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _register(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from clemd import pipeline

    em, lm = _loaded(task, "em"), _loaded(task, "lm")
    cache = Path(task["cache"])
    request = _request(task)
    breathe = Breathing(tell, device=request.device)
    # the page's pictures need no result, and the search leaves a core idle at times
    with ThreadPoolExecutor(1) as beside:
        layers = beside.submit(_write_layers, cache, lm, em)
        found = _placed(task, em, lm, request, breathe)
        tell({"beat": "output"})
        layers.result()
    folder = Path(task["folder"])
    context = pipeline.pair_context(
        em, lm, registration_id=task["registration_id"], session=task["session"]
    )
    outputs = pipeline.write_first_outputs(folder, em, lm, found, context)
    return {"registration": to_dict(found), "outputs": outputs, "rss_mb": _peak_mb()}


def _second(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Another engine's own search; no files: the first result's stand."""
    from clemd import pipeline

    em, lm = _loaded(task, "em"), _loaded(task, "lm")
    request = _request(task)
    breathe = Breathing(tell, device=request.device)
    found = pipeline.register_pair(
        em, lm, request, breathe=breathe, checkpoints=_checkpoints(task)
    )
    return {"registration": to_dict(found), "rss_mb": _peak_mb()}


def _request(task: dict[str, Any]) -> Any:
    from clemd import pipeline

    request = pipeline.Request(**task["request"])
    if request.expected is None:
        return request
    return replace(request, expected=as_rows(as_matrix(request.expected)))


def _checkpoints(task: dict[str, Any]) -> Any:
    from clemd.checkpoints import FolderCheckpoints

    return FolderCheckpoints(Path(task["cache"]) / "checkpoints")


def _write_layers(cache: Path, *images: Any) -> None:
    from clemd import pipeline

    for image in images:
        pipeline.write_layers(cache, image)


def _placed(
    task: dict[str, Any],
    em: Any,
    lm: Any,
    request: Any,
    breathe: Callable[[str], None],
) -> Registration:
    """By hand, out of or within an earlier image, or by a search of its own."""
    from clemd import pipeline
    from clemd.cutting import register_cut_out
    from clemd.nesting import register_nested

    if "points" in task:
        from clemd.clicked import points_of
        from clemd.placing import register_by_hand

        points = points_of(task["points"])
        return register_by_hand(em, lm, points, request, breathe=breathe)
    return (
        register_cut_out(em, _parents(task, "parents"))
        or register_nested(em, _parents(task, "hosts"), request, breathe=breathe)
        or pipeline.register_pair(
            em, lm, request, breathe=breathe, checkpoints=_checkpoints(task)
        )
    )


def _export(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from clemd import pipeline

    em, lm = _loaded(task, "em"), _loaded(task, "lm")
    found = from_json(Registration, json.dumps(task["registration"]))
    given = task["second"]
    second = given and from_json(SecondOpinion, json.dumps(given))
    context = pipeline.pair_context(
        em,
        lm,
        registration_id=task["registration_id"],
        session=task["session"],
        second=second,
    )
    tell({"beat": "export"})
    folder = Path(task["folder"])
    if task["report_only"]:
        return {"outputs": pipeline.write_report_page(folder, found, context)}
    return {
        "outputs": pipeline.write_more_outputs(
            folder, em, lm, found, context, tuple(task["energy_line"])
        )
    }


def _layers(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from clemd import pipeline

    tell({"beat": "layers"})
    pipeline.write_layers(Path(task["cache"]), _loaded(task, "image"))
    return {}


def _spectrum(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from clemd.spectra import spectrum_at

    tell({"beat": "spectrum"})
    image = _held(json.dumps(task["image"]), task["cache"])
    return spectrum_at(
        image.frame,
        image.planes,
        tuple(task["px"]),
        radius_px=task["radius_px"],
        line=tuple(task["energy_line"]),
    ).as_json()


@lru_cache(maxsize=1)
def _held(image: str, cache: str) -> Any:
    """A cube whose thousand planes are not opened anew for every place asked of it."""
    return _image(json.loads(image), Path(cache))


def _spots(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    from clemd.model import ChannelKind
    from clemd.preparing import find_spots

    tell({"beat": "spots"})
    image, chosen = _loaded(task, "image"), task["channel"]
    if chosen is None:
        kinds = [channel.kind for channel in image.frame.channels]
        labels = ChannelKind.FLUORESCENCE
        chosen = kinds.index(labels) if labels in kinds else 0
    spots = find_spots(image.planes[chosen], most=task["most"])
    return {
        "channel": image.frame.channels[chosen].name,
        "targets": [
            {
                "lm_px": [spot.x_lm_px, spot.y_lm_px],
                "diameter_px": spot.diameter_px,
                "contrast": spot.contrast,
            }
            for spot in spots
        ],
    }


def _warm(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Load everything heavy before the first job waits for it."""
    from clemd.registration import resolve_device

    tell({"beat": "warming"})
    return {"device": resolve_device(task["device"])}


def _known(task: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """A registration whose answer is known."""
    from clemd.registration import EngineContext, check_known_answer

    device = task["device"]
    context = EngineContext(device=device, breathe=Breathing(tell, device=device))
    return {"seconds": check_known_answer(context).seconds.total}


TASKS: dict[str, Callable[[dict[str, Any], Tell], dict[str, Any]]] = {
    "register": _register,
    "second": _second,
    "export": _export,
    "layers": _layers,
    "known": _known,
    "spots": _spots,
    "spectrum": _spectrum,
    "warm": _warm,
}


def _parents(task: dict[str, Any], role: str) -> Iterator[Any]:
    """Earlier images of the session, as far as their pixels are still in the cache."""
    from clemd.cutting import Parent

    for given in task.get(role, []):
        with contextlib.suppress(FileNotFoundError):
            yield Parent(
                image=_image(given, Path(task["cache"])),
                registration=from_json(Registration, json.dumps(given["registration"])),
                registration_id=given["registration_id"],
            )


def _loaded(task: dict[str, Any], side: str) -> Any:
    return _image(task[side], Path(task["cache"]))


def _image(given: dict[str, Any], cache: Path) -> Any:
    from clemd.sides import Loaded

    frame = from_json(Frame, json.dumps(given["frame"]))
    return Loaded.from_cache(frame, cache, given["planes"])


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _set_threads(count: str | None) -> None:
    if not count:
        return
    import cv2

    from clemd.registration import use_threads

    use_threads(int(count))
    cv2.setNumThreads(int(count))


def _allow_many_files() -> None:
    """A cube is a mapped file for each of its bands, a thousand of them at times."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _die_with_parent() -> None:
    """A worker must not outlive a supervisor that was killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # One that was killed before we asked sends no signal, but its end of stdin is gone.
    stdin = select.poll()
    stdin.register(0, 0)
    if any(event & select.POLLHUP for _, event in stdin.poll(0)):
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
