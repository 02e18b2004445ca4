"""One small file of every format that can be written, each as its instrument does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from ._czi import encode_czi
from ._dm import encode_dm
from ._emd import EmdImage, encode_emd
from ._field import Field
from ._hitachi import encode_hitachi, hitachi_text
from ._jeol import encode_jeol, jeol_text
from ._lsm import encode_lsm
from ._mrc import encode_mrc, mdoc_text
from ._oif import encode_oib
from ._ome import encode_ome
from ._openfibsem import encode_openfibsem
from ._phenom import encode_phenom, encode_phenom_jpeg
from ._ser import emi_bytes, encode_ser
from ._shots import ElectronShot, LightShot, Stage
from ._tescan import encode_tescan, tescan_hdr
from ._thermo import encode_thermo
from ._zeiss import encode_zeiss

EVERY = "every"
_SHAPE, _PIXEL_UM = (96, 128), 0.0123
_TAKEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def write_every(*, em_folder: Path, lm_folder: Path, truth: Path, seed: int) -> None:
    """Write them all; the truth names pixel sizes and what lies beside each."""
    told = {}
    for folder, files in (
        (em_folder, _electron_files(seed)),
        (lm_folder, _light_files(seed)),
    ):
        for parts in files:
            for name, data in parts.items():
                (folder / name).write_bytes(data)
            image, *beside = parts
            told[f"{folder.name}/{image}"] = {"beside": beside, "pixel_um": _PIXEL_UM}
    truth.write_text(json.dumps({"schema": "clemd.every/1", "files": told}))


def _electron_files(seed: int) -> Iterator[dict[str, bytes]]:
    """The image first, then what lies beside it."""
    rng = np.random.default_rng([seed, 7])
    grey = rng.integers(1, 250, _SHAPE, dtype=np.uint8)
    deep = rng.integers(1, 60_000, _SHAPE, dtype=np.uint16)
    below = _shot("below", bar_rows=16)
    plain = _shot("plain", bar_rows=0)
    yield {"zeiss.tif": encode_zeiss(below, grey)}
    thermo = replace(below, vendor="thermo")
    yield {"thermo.tif": encode_thermo(thermo, grey)}
    yield {"thermo16.tif": encode_thermo(replace(thermo, sixteen_bit=True), deep)}
    yield {"tescan.tif": encode_tescan(below, grey)}
    text = tescan_hdr(below)
    bare = encode_tescan(below, grey, with_tag=False)
    yield {"tescan-hdr.tif": bare, "tescan-hdr.hdr": text}
    yield {"jeol.tif": encode_jeol(below, grey), "jeol.txt": _text(jeol_text(below))}
    yield {
        "hitachi.tif": encode_hitachi(below, grey),
        "hitachi.txt": hitachi_text(below).encode("utf-16"),
    }
    yield {"phenom.tif": encode_phenom(below, grey)}
    yield {"phenom.jpg": encode_phenom_jpeg(below, grey)}
    yield {"openfibsem.tif": encode_openfibsem(plain, grey)}
    yield {"gatan.dm3": encode_dm(plain, deep)}
    yield {"gatan.dm4": encode_dm(plain, deep, 4)}
    yield {
        "serialem.mrc": encode_mrc(deep.astype(np.int16), _PIXEL_UM),
        "serialem.mrc.mdoc": _text(mdoc_text(plain)),
    }
    yield {"tia_1.ser": encode_ser(plain, deep), "tia.emi": emi_bytes(plain)}
    try:
        yield {"velox.emd": encode_emd(plain, [EmdImage(pixels=deep)])}
    except ImportError:  # without the extra nobody could read it either
        pass
    yield {"plain.png": cv2.imencode(".png", grey)[1].tobytes()}
    yield {"plain.jpg": cv2.imencode(".jpg", grey)[1].tobytes()}
    yield {"plain.bmp": cv2.imencode(".bmp", grey)[1].tobytes()}


def _light_files(seed: int) -> Iterator[dict[str, bytes]]:
    rng = np.random.default_rng([seed, 8])
    planes = rng.integers(1, 4000, (3, *_SHAPE), dtype=np.uint16)
    shot = LightShot(
        name="map",
        field=Field.at(shape=_SHAPE, pixel_um=_PIXEL_UM),
        metadata_pixel_um=_PIXEL_UM,
        stage=Stage(x_um=120.5, y_um=-34.25),
        acquired_at=_TAKEN,
        sample="simulated",
        habit="plain",
        seed=seed,
    )
    yield {"map.ome.tiff": encode_ome(shot, planes)}
    yield {"map.czi": encode_czi(shot, planes)}
    yield {"map.lsm": encode_lsm(shot, planes)}
    yield {"map.oib": encode_oib(shot, planes)}


def _shot(name: str, *, bar_rows: int) -> ElectronShot:
    return ElectronShot(
        name=name,
        vendor="zeiss",
        field=Field.at(shape=_SHAPE, pixel_um=_PIXEL_UM),
        bar_rows=bar_rows,
        metadata_pixel_um=_PIXEL_UM,
        stage=Stage(x_um=1234.5, y_um=-678.25, z_um=5.0),
        acquired_at=_TAKEN,
        sample="simulated",
        habit="plain",
        invert=False,
        sixteen_bit=False,
        elsewhere=False,
        seed=1,
    )


def _text(words: str) -> bytes:
    return words.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8")
