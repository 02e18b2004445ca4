"""Play a session: render ahead in a thread, export file by file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ._electron import ElectronSettings, render_electron, to_uint8
from ._habits import HABITS, Encode
from ._light import LightSettings
from ._ome import encode_ome
from ._pair import render_lm
from ._session import Session
from ._shots import ElectronShot, LightShot
from ._specimen import Specimen
from ._thermo import encode_thermo
from ._zeiss import encode_zeiss

Shot = LightShot | ElectronShot
_AHEAD = 2
"""Images rendered before they are needed."""


def take(specimen: Specimen, shot: Shot, *, artefacts: float = 1.0) -> Encode:
    """Take one image; the answer encodes it with a remark in its metadata."""
    if isinstance(shot, LightShot):
        light = render_lm(
            specimen, shot.field, shot.seed, LightSettings(artefacts=artefacts)
        )
        return lambda remark: encode_ome(shot, light, remark=remark)
    rng = np.random.default_rng([shot.seed, 21])
    layers = specimen.layers(shot.field, fine=True)
    image = render_electron(layers, rng, ElectronSettings(invert=shot.invert))
    if shot.vendor == "zeiss":
        grey = to_uint8(image)
        return lambda remark: encode_zeiss(shot, grey, remark=remark)
    if shot.sixteen_bit:
        deep = np.rint(np.clip(image, 0, 1) * 65535).astype(np.uint16)
        return lambda remark: encode_thermo(shot, deep, remark=remark)
    grey = to_uint8(image)
    return lambda remark: encode_thermo(shot, grey, remark=remark)


def play(
    session: Session,
    *,
    em_folder: Path,
    lm_folder: Path,
    pace_s: float,
    sleep: Callable[[float], object],
    say: Callable[[str], object],
) -> None:
    """Export every shot in its order and by its habit; `sleep` is asked to wait."""
    shots = session.shots()
    with _rendering(session, shots) as rendered:
        for number, (shot, encode) in enumerate(zip(shots, rendered, strict=True), 1):
            folder = lm_folder if isinstance(shot, LightShot) else em_folder
            say(f"{number}/{len(shots)} {folder.name}/{shot.name} ({shot.habit})")
            for pause in HABITS[shot.habit](folder / shot.name, encode):
                sleep(pause * pace_s)
            if number < len(shots):
                sleep(pace_s)


@contextmanager
def _rendering(session: Session, shots: list[Shot]) -> Iterator[Iterator[Encode]]:
    """Encoders in the order of the shots, a few rendered ahead."""
    specimen = Specimen(session.seed)
    artefacts = session.plan.artefacts
    with ThreadPoolExecutor(1, thread_name_prefix="render") as pool:

        def ahead() -> Iterator[Encode]:
            waiting: list[Future[Encode]] = []
            for index in range(len(shots)):
                for shot in shots[index + len(waiting) : index + _AHEAD + 1]:
                    job = pool.submit(take, specimen, shot, artefacts=artefacts)
                    waiting.append(job)
                yield waiting.pop(0).result()

        try:
            yield ahead()
        finally:
            pool.shutdown(cancel_futures=True)
