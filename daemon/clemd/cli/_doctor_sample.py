"""`clemd doctor --sample`: does a profile fit the files it will meet? If not, the mend.

The folder holds a few exported files of each microscope, in sub-folders named after the
roots (or `em` and `lm`), or as they lie.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from clemd.config import Profile
from clemd.model import Side

from ._doctor_finding import FAIL, OK, WARN, Finding
from ._doctor_pairs import check_names, check_pairs, check_sessions
from ._sample_files import SampleFile, few, read_sample

LEAST_SHIFT_H, MOST_SHIFT_H = 0.75, 14.5
SAME_SHIFT_H = 0.3


def sample_findings(profile: Profile, folder: Path) -> Iterator[Finding]:
    """Look at the folder with the profile's eyes."""
    if not folder.is_dir():
        yield Finding(
            level=FAIL,
            what="sample",
            value=f"{folder} is not a folder",
            mend="name a folder with a few exported files",
        )
        return
    files = read_sample(profile, folder)
    read = [one for one in files if one.frame is not None]
    yield _readable(files, read, folder)
    if not read:
        return
    for look in (_sides, _pixel_sizes, _clocks, check_sessions, check_names):
        yield from look(profile, read)
    yield check_pairs(profile, read)


def _readable(
    files: Sequence[SampleFile], read: Sequence[SampleFile], folder: Path
) -> Finding:
    value = f"{len(read)} of {len(files)} files of {folder} are read"
    refused = [f"{one.name} ({one.refusal})" for one in files if one.frame is None]
    if not files:
        return Finding(
            level=FAIL,
            what="sample files",
            value=f"no image in {folder}",
            mend="copy a few exported files of each microscope there",
        )
    return Finding(
        level=FAIL if not read else WARN if refused else OK,
        what="sample files",
        value=f"{value}; not {few(refused)}" if refused else value,
        mend="see docs/formats.md; what is never an image goes into `ignore`"
        if refused
        else "",
    )


def _sides(profile: Profile, read: Sequence[SampleFile]) -> Iterator[Finding]:
    """A side that neither profile nor file tells; or the two that disagree."""
    silent = [one for one in read if one.side is None]
    for root in dict.fromkeys(one.root.name if one.root else "" for one in silent):
        names = [o.name for o in silent if (o.root.name if o.root else "") == root]
        yield Finding(
            level=FAIL,
            what=f"sample side {root}".strip(),
            value=f"nothing says whether these are EM or LM: {few(names)}",
            mend=f'set side = "em" or "lm" in root {root!r}'
            if root
            else "put them into sub-folders em and lm, or named after the roots",
        )
    for one in read:
        told, seen = one.root and one.root.side, one.frame and one.frame.side
        if told and seen and told is not seen:
            yield Finding(
                level=WARN,
                what=f"sample side {one.root.name if one.root else ''}",
                value=f"{one.name} looks like {seen.value}, the profile says "
                f"{told.value}",
                mend=f'set side = "{seen.value}", or leave side out',
            )
            return


def _pixel_sizes(_: Profile, read: Sequence[SampleFile]) -> Iterator[Finding]:
    without = [one.name for one in read if one.frame and one.frame.pixel_size is None]
    yield Finding(
        level=WARN if without else OK,
        what="sample pixel size",
        value=f"not stated by {few(without)}" if without else "stated by every file",
        mend="export with metadata (and the text file beside the image); without it "
        "the scale is searched, which is slower and more often ends in review"
        if without
        else "",
    )


def _clocks(profile: Profile, read: Sequence[SampleFile]) -> Iterator[Finding]:
    """Times that are whole hours from the files' own: a wrong zone."""
    for side in Side:
        shifts = [
            (one.frame.acquired_at - one.modified_at).total_seconds() / 3600
            for one in read
            if one.frame and one.frame.acquired_at and one.side is side
        ]
        if len(shifts) < 2:
            continue
        shift = statistics.median(shifts)
        spread = max(abs(s - shift) for s in shifts)
        if not LEAST_SHIFT_H <= abs(shift) <= MOST_SHIFT_H or spread > SAME_SHIFT_H:
            continue
        yield Finding(
            level=WARN,
            what=f"sample clock {side.value}",
            value=f"all files say that they were taken {abs(shift):.1f} h "
            f"{'after' if shift > 0 else 'before'} they were written",
            mend=f"set that PC's clock, or timezone (now {profile.timezone!r})",
        )
