"""Texts beside images: which image one belongs to, and whether it has been read."""

from __future__ import annotations

import fnmatch
import os
from pathlib import PurePosixPath

from clemd.config import RootSettings
from clemd.model import Frame, display_name
from clemd.store import FileRow, Store

BESIDE = "beside"
"""State of a text in the inventory."""
COMPANION = b".companion.ome"
"""So end the texts that images name, and not the other way round."""
NAMED = "metadata_file"
"""In `Frame.extra`: the text that an image names and that was not there."""
_OME_TIFF = (b".ome.tif", b".ome.tiff", b".ome.tf2", b".ome.tf8", b".ome.btf")


def is_sidecar(root: RootSettings, relative: bytes) -> bool:
    """Is this a text that belongs to an image?"""
    name = os.fsdecode(relative.rpartition(b"/")[2]).lower()
    return any(fnmatch.fnmatchcase(name, p.lower()) for p in root.sidecars)


def images_of(store: Store, root: RootSettings, sidecar: bytes) -> list[FileRow]:
    """The images on record that a text is named after, or that name it.

    `a.txt` and `a-tif.hdr` belong to `a.tif`, `a.mrc.mdoc` to `a.mrc`, `a.emi` to
    `a_1.ser`; `a.companion.ome` to the OME-TIFF files that say so.
    """
    folder, slash, name = sidecar.rpartition(b"/")
    if name.lower().endswith(COMPANION):
        return _naming(store, root, folder + slash, name)
    stem, ending = os.path.splitext(name)  # noqa: PTH122 - bytes
    found = []
    for row in store.files_named_like(root.name, folder + slash + _shortest(stem)):
        image = row.relative.rpartition(b"/")[2]
        own, suffix = os.path.splitext(image)  # noqa: PTH122 - bytes
        named = {own, image, own + b"-" + suffix.lstrip(b".")}
        is_series = ending.lower() == b".emi" and image.lower().endswith(b".ser")
        if is_sidecar(root, row.relative) or b"/" in row.relative[len(folder) + 1 :]:
            continue
        if stem in named or (is_series and own.rpartition(b"_")[0] == stem):
            found.append(row)
    return found


def _naming(
    store: Store, root: RootSettings, folder: bytes, name: bytes
) -> list[FileRow]:
    """Images in `folder` (with its slash) that name a text, or may.

    What was refused or waits has left no word of what it names: it is tried.
    """
    unread = (
        row
        for state in ("waiting", "refused")
        for row in store.files_in_state(state, root=root.name)
        if row.relative.rpartition(b"/")[0] == folder.rstrip(b"/")
        and row.relative.lower().endswith(_OME_TIFF)
    )
    read = store.files_naming(root.name, folder, display_name(name), key=NAMED)
    return [*read, *unread]


def _shortest(stem: bytes) -> bytes:
    """What the image's name begins with: `a-tif` is said of `a.tif`."""
    own, dash, suffix = stem.rpartition(b"-")
    return own if dash and 2 <= len(suffix) <= 4 else stem


def was_read_with(frame: Frame, sidecar: FileRow) -> bool:
    """Did the image's frame come from exactly this version of the text?"""
    name = display_name(PurePosixPath(os.fsdecode(sidecar.relative)).name)
    look = f"{sidecar.size_bytes}@{sidecar.modified_ns}"
    return frame.beside.get(name) == look


def still_arriving(
    store: Store, root: RootSettings, image: FileRow, frame: Frame
) -> bool:
    """Was a text read that is not known to be complete, or not this version of it?"""
    folder, slash, _ = image.relative.rpartition(b"/")
    for name in frame.beside:
        relative = folder + slash + os.fsencode(name)
        if not is_sidecar(root, relative):
            continue
        row = store.find_file(root.name, relative)
        if row is None or row.state != BESIDE or not was_read_with(frame, row):
            return True
    return False


class Texts:
    """Remembers in which folders images have texts, and says how long to wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folders: set[tuple[str, bytes]] = set()

    def wait_s(
        self, row: FileRow, root: RootSettings, frame: Frame, waited_s: float
    ) -> float:
        """Seconds that an image may still wait for its text; 0 = take it now."""
        folder = row.root, row.relative.rpartition(b"/")[0]
        if frame.beside:
            self._folders.add(folder)
            waits = still_arriving(self._store, root, row, frame)
        elif NAMED in frame.extra:
            waits = is_sidecar(root, os.fsencode(frame.extra[NAMED]))
        else:
            asked = "sidecar_wait_s" in root.model_fields_set
            wanted = asked or folder in self._folders
            waits = wanted and frame.pixel_size is None
        return max(0.0, root.sidecar_wait_s - waited_s) if waits else 0.0
