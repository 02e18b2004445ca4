"""Open a DM file: facts from its tags, one plane of its largest image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clemd.driver_api import SourceFile
from clemd.model import Frame
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._raw import Pixels, RawReader, read_plane
from clemd_drivers.formats._values import cleaned

from . import _facts
from ._images import Image, choose_image
from ._tags import Tree, is_dm
from ._walk import read_tree


class DmDriver:
    """Reads DM3 and DM4 files of Gatan DigitalMicrograph; parses them itself."""

    name = "dm"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as DM3 and DM4 files do?"""
        return is_dm(source.head)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[RawReader]:
        """Read the tags; see `FormatDriver.open`."""
        with guarded("reading the DM tags"):
            tree = read_tree(source)
            image, said = choose_image(tree)
            frame = self._frame(tree, image, Notes(said))

        def decode(_: int, key: PlaneKey) -> Pixels:
            at = image.offset + (key.t + key.z + key.spectral) * image.plane_bytes
            return read_plane(source, at, image.shape, image.dtype)

        end = image.offset + image.plane_bytes * image.n_planes
        yield RawReader(source, frame, image.keys(), decode, [(image.offset, end)])

    def _frame(self, tree: Tree, image: Image, notes: Notes) -> Frame:
        tags = image.tags
        modality = _facts.modality(tree, tags)
        size = _facts.pixel_size(image, notes)
        pose = _facts.stage(tags, notes)
        moment = _facts.acquired_at(tree, tags, notes)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality,
            shape=image.shape,
            dtype=image.dtype.name,
            channels=(_facts.channel(tree, image, modality),),
            pixel_size=size,
            stage=pose,
            acquired_at=moment,
            instrument=_facts.instrument(tree, tags),
            sample=_facts.sample(tree, tags),
            extra=cleaned(_facts.remarks(tree, image)),
            warnings=tuple(notes.lines),
        )


DRIVER = DmDriver()
