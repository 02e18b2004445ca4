"""An energy series as a file: one xT page per band, each with its mirror voltage."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from clemd.geometry import as_rows

from ._series import EnergySeries, em_to_lm
from ._tiff import STRIP_BYTES, STRIP_OFFSETS, Tag, directory

FEI_HELIOS = 34682
SCHEMA = "clemd.truth.series/1"


def encode_series(series: EnergySeries) -> bytes:
    """The whole file: pixels, then the directory, page after page."""
    body = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    pointer = 4  # where the offset of the next directory goes
    for band, volts in zip(series.bands, series.mirror_v, strict=True):
        height, width = band.shape
        pixels_at = len(body)
        body += band.tobytes()
        body += b"\0" * (len(body) % 2)
        tags = [
            Tag.short(256, width),
            Tag.short(257, height),
            Tag.short(258, 8),
            Tag.short(259, 1),
            Tag.short(262, 1),
            Tag.short(277, 1),
            Tag.long(278, height),
            Tag.long(STRIP_OFFSETS, pixels_at),
            Tag.long(STRIP_BYTES, band.nbytes),
            Tag.ascii(FEI_HELIOS, _text(series, float(volts))),
        ]
        at = len(body)
        struct.pack_into("<I", body, pointer, at)
        body += directory(tags, at=at)
        body += b"\0" * (len(body) % 2)
        pointer = at + 2 + 12 * len(tags)
    return bytes(body)


def _text(series: EnergySeries, volts: float) -> bytes:
    height, width = series.bands.shape[1:]
    pixel_m = series.pixel_um * 1e-6
    sections = {
        "User": {"UserText": f"energy series {series.field_um:g} um"},
        "System": {"SystemType": 'Simulated" SEM', "Software": "11.1.1.2079"},
        "Beam": {"HV": "1000", "Beam": "EBeam", "Scan": "EScan", "ScanRotation": "0"},
        "Scan": {"PixelWidth": f"{pixel_m:.6e}", "PixelHeight": f"{pixel_m:.6e}"},
        "Image": {"ResolutionX": f"{width}", "ResolutionY": f"{height}"},
        "Detectors": {"Number": "1", "Name": "TLD", "Mode": "SE"},
        "TLD": {"Signal": "SE", "Mirror": f"{volts:.4f}", "Grid": "0"},
        "PrivateFei": {"DatabarHeight": "0"},
    }
    text = ""
    for name, values in sections.items():
        lines = [f"{key}={value}" for key, value in values.items()]
        text += "\r\n".join([f"[{name}]", *lines, "", ""])
    return text.encode("cp1252") + b"\0"


def write_series(
    folder: Path, taken: tuple[EnergySeries, ...], seed: int
) -> list[Path]:
    """One file per field of view, named by its width."""
    paths = []
    for series in taken:
        path = folder / f"sehi_{seed:04d}_{series.field_um:g}um.tif"
        path.write_bytes(encode_series(series))
        paths.append(path)
    return paths


def write_series_truth(path: Path, taken: tuple[EnergySeries, ...]) -> None:
    """Every pair's matrix between every band of the one and the same of the other."""
    pairs = {
        f"{em.field_um:g} on {lm.field_um:g}": [
            as_rows(em_to_lm(em, lm, band, band)) for band in range(len(em.bands))
        ]
        for lm in taken
        for em in taken
        if em.field_um < lm.field_um
    }
    path.write_text(json.dumps({"schema": SCHEMA, "em_to_lm_by_band": pairs}), "utf-8")
