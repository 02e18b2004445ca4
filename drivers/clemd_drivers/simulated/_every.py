"""One small file of every format that can be written, each as its instrument does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ._czi import encode_czi
from ._dm import encode_dm
from ._emd import EmdImage, encode_emd
from ._energy_tiff import encode_series
from ._envi import encode_envi, envi_text
from ._field import Field
from ._hitachi import encode_hitachi, hitachi_text
from ._jeol import encode_jeol, jeol_text
from ._lif import encode_lif, encode_lof
from ._lsm import encode_lsm
from ._mrc import encode_mrc, mdoc_text
from ._nd2 import encode_nd2
from ._odemis import OdemisImage, encode_odemis
from ._oif import encode_oib, encode_oif
from ._oir import encode_oir
from ._ome import encode_ome
from ._ome_zarr import encode_ome_zarr
from ._openfibsem import encode_openfibsem
from ._phenom import encode_phenom, encode_phenom_jpeg
from ._ser import emi_bytes, encode_ser
from ._series import EnergySeries
from ._shots import ElectronShot, LightShot, Stage
from ._tescan import encode_tescan, tescan_hdr
from ._thermo import encode_thermo
from ._wdf import SpectralShot, WhiteShot, encode_wdf
from ._zeiss import encode_zeiss

EVERY = "every"
_SHAPE, _PIXEL_UM = (96, 128), 0.0123
_BANDS, _SMALL = 8, (20, 24)
_TAKEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def write_every(*, em_folder: Path, lm_folder: Path, truth: Path, seed: int) -> None:
    """Write them all; the truth names pixel sizes and what lies beside each.

    Images that are folders stand there under `folders`, by the file to open: who
    damages or copies files one by one has no use for them.
    """
    told, folders = {}, {}
    for folder, files in (
        (em_folder, _electron_files(seed)),
        (lm_folder, _light_files(seed)),
        (lm_folder, _spectral_files(seed)),
    ):
        for parts in files:
            for name, data in parts.items():
                (folder / name).write_bytes(data)
            image, *beside = parts
            told[f"{folder.name}/{image}"] = {"beside": beside, "pixel_um": _PIXEL_UM}
    for parts in _folder_images(seed):
        for name, data in parts.items():
            (lm_folder / name).parent.mkdir(parents=True, exist_ok=True)
            (lm_folder / name).write_bytes(data)
        anchor, *_ = parts
        folders[f"{lm_folder.name}/{anchor}"] = {"pixel_um": _PIXEL_UM}
    said = {"schema": "clemd.every/1", "files": told, "folders": folders}
    truth.write_text(json.dumps(said))


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
    yield {"series.tif": encode_series(_energies(rng))}
    yield {"plain.png": cv2.imencode(".png", grey)[1].tobytes()}
    yield {"plain.jpg": cv2.imencode(".jpg", grey)[1].tobytes()}
    yield {"plain.bmp": cv2.imencode(".bmp", grey)[1].tobytes()}


def _light_files(seed: int) -> Iterator[dict[str, bytes]]:
    planes, shot = _light_planes(seed), _map()
    yield {"map.ome.tiff": encode_ome(shot, planes)}
    yield {"map.czi": encode_czi(shot, planes)}
    yield {"map.lsm": encode_lsm(shot, planes)}
    yield {"map.oib": encode_oib(shot, planes)}
    yield {"map.lif": encode_lif(shot, planes)}
    yield {"map.lof": encode_lof(shot, planes)}
    yield {"map.nd2": encode_nd2(shot, planes)}
    if find_spec("oirfile"):  # without the extra nobody could read it
        yield {"map.oir": encode_oir(shot, planes)}


def _folder_images(seed: int) -> Iterator[dict[str, bytes]]:
    """Images of many files by their path, the one to open first."""
    planes, shot = _light_planes(seed), _map()
    yield encode_oif(shot, planes)
    for name, store in (
        ("zarr2", encode_ome_zarr(shot, planes, "0.4")),
        ("zarr3", encode_ome_zarr(shot, planes, "0.5")),
    ):
        yield {f"{name}.zarr/{path}": data for path, data in store.items()}


def _spectral_files(seed: int) -> Iterator[dict[str, bytes]]:
    rng = np.random.default_rng([seed, 9])
    cube = rng.random((_BANDS, *_SMALL), dtype=np.float32) + 0.1
    axis = np.linspace(400.0, 1800.0, _BANDS)
    step = (_PIXEL_UM, _PIXEL_UM)
    camera = WhiteShot(
        pixels=rng.integers(1, 250, _SHAPE, dtype=np.uint8),
        corner_um=(0.0, 0.0),
        pixel_um=_PIXEL_UM,
    )
    spectra = SpectralShot(
        cube=cube, axis=axis.tolist(), first_um=(0.4, 0.3), step_um=step
    )
    yield {"raman.wdf": encode_wdf(spectra, camera)}
    text = envi_text(cube, axis.tolist(), pixel_um=_PIXEL_UM)
    yield {"infrared.raw": encode_envi(cube), "infrared.hdr": _text(text)}
    emitted = OdemisImage(
        pixels=rng.integers(1, 4000, (_BANDS, *_SMALL), dtype=np.uint16),
        title="Spectrum",
        pixel_um=_PIXEL_UM,
        wavelengths_nm=axis.tolist(),
    )
    try:
        yield {"odemis.h5": encode_odemis([emitted])}
    except ImportError:  # without the extra nobody could read it either
        pass


def _energies(rng: np.random.Generator) -> EnergySeries:
    bands = rng.integers(1, 250, (_BANDS, *_SHAPE), dtype=np.uint8)
    return EnergySeries(
        field_um=_PIXEL_UM * _SHAPE[1],
        bands=bands,
        mirror_v=np.linspace(15.0, -5.0, _BANDS).round(4),
        to_specimen=(np.eye(3),) * _BANDS,
    )


def _light_planes(seed: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng([seed, 8])
    return rng.integers(1, 4000, (3, *_SHAPE), dtype=np.uint16)


def _map() -> LightShot:
    return LightShot(
        name="map",
        field=Field.at(shape=_SHAPE, pixel_um=_PIXEL_UM),
        metadata_pixel_um=_PIXEL_UM,
        stage=Stage(x_um=120.5, y_um=-34.25),
        acquired_at=_TAKEN,
        sample="simulated",
        habit="plain",
        seed=1,
    )


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
