"""Signs of makers whose metadata we do not read yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from clemd.driver_api import SourceFile
from clemd.model import Modality
from clemd_drivers.formats._ifd import Directory
from clemd_drivers.formats._values import clean


@dataclass(frozen=True, slots=True)
class Maker:
    """Who wrote the file, and which kind of instrument that maker sells."""

    name: str
    modality: Modality


_BY_TAG = {
    50431: Maker("TESCAN", Modality.SEM),
    34412: Maker("Zeiss LSM", Modality.CLSM),
    37706: Maker("TVIPS", Modality.TEM),
    33560: Maker("Olympus SIS", Modality.UNKNOWN),
    33471: Maker("Olympus SIS", Modality.UNKNOWN),
    65003: Maker("Gatan", Modality.TEM),
}
_BY_TEXT = (
    (b"[SemImageFile]", Maker("Hitachi", Modality.SEM)),
    (b"[TemImageFile]", Maker("Hitachi", Modality.TEM)),
    (b"$SEM_DATA_VERSION", Maker("JEOL", Modality.SEM)),
    (b"$CM_", Maker("JEOL", Modality.SEM)),
    (b"$$SM_", Maker("JEOL", Modality.SEM)),
    (b"[MAIN]", Maker("TESCAN", Modality.SEM)),
)


def maker_of(source: SourceFile, directory: Directory | None) -> Maker | None:
    """The maker by TIFF tags, description or the text file beside the image."""
    if directory is not None:
        for code, maker in _BY_TAG.items():
            if code in directory.tags:
                return maker
        described = directory.text(source, 270)[:4096]
        if b'"beam_type"' in described:
            return Maker("OpenFIBSEM", Modality.SEM)
        make = clean(directory.text(source, 271)[:100].decode("ascii", "replace"))
        if make.upper().startswith(("JEOL", "TESCAN", "HITACHI")):
            return Maker(make, Modality.SEM)
    return _by_sidecar(source)


def _by_sidecar(source: SourceFile) -> Maker | None:
    name = PurePath(source.path.name)
    suffix = name.suffix.lower().lstrip(".")
    for beside in (f"{name.stem}.txt", f"{name.stem}-{suffix}.hdr", f"{name.stem}.hdr"):
        text = (source.sibling(beside) or b"")[:8192].replace(b"\0", b"")
        for mark, maker in _BY_TEXT:
            if mark in text:
                return maker
    return None
