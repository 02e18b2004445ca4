"""`clemd doctor --sample`: would these files find each other?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clemd.config import Profile
from clemd.model import Side
from clemd.name_patterns import parse_pattern
from clemd.pairing import (
    UNKNOWN,
    Arrived,
    State,
    Told,
    decide,
    session_of,
    several_specimens,
)

from ._doctor_finding import OK, WARN, Finding
from ._sample_files import SampleFile, few

SEPARATORS = "_- "


def check_sessions(profile: Profile, read: Sequence[SampleFile]) -> Iterator[Finding]:
    """Which sessions the rule finds, and which files it leaves out."""
    rule = profile.pairing.session_from
    if rule in {"none", "time"}:
        yield Finding(level=OK, what="sample sessions", value=f'by "{rule}"')
        return
    some_in_folders = any(b"/" in one.relative for one in read)
    named: list[str] = []
    unknown: list[str] = []
    for one in read:
        name, told = _session(profile, one)
        if told is Told.NOBODY or (name == UNKNOWN and some_in_folders):
            unknown.append(one.name)
        else:
            named.append(name)
    value = f'by "{rule}": {few(sorted(set(named))) or "none found"}'
    other = {
        "folder": 'put them into a folder too, or set session_from = "name" or "none"',
        "sample": 'type the sample into the microscope\'s dialog, or use "folder"',
        "name": "correct [[pairing.names]]: see `sample names`",
    }[rule]
    yield Finding(
        level=WARN if unknown else OK,
        what="sample sessions",
        value=f"{value}; unknown of {few(unknown)}" if unknown else value,
        mend=other if unknown else "",
    )


def _session(profile: Profile, one: SampleFile) -> tuple[str, Told]:
    if one.frame is None:
        raise ValueError("only files that were read have a session")
    taken = one.frame.acquired_at or one.modified_at
    return session_of(
        one.frame, one.relative, profile.pairing, side=one.side, taken_at=taken
    )


def check_names(profile: Profile, read: Sequence[SampleFile]) -> Iterator[Finding]:
    """Files that no rule fits, and a rule that would."""
    rules = profile.pairing.names
    sides = {s: [one.name for one in read if one.side is s] for s in Side}
    if not rules:
        proposal = _proposal(sides)
        if proposal and profile.pairing.session_from == "none":
            yield Finding(
                level=OK,
                what="sample names",
                value="no rule; the names have a part in common that could be one",
                mend=proposal,
            )
        return
    unlike = [
        name
        for side, names in sides.items()
        for name in names
        if not any(
            parse_pattern(rule.em if side is Side.EM else rule.lm).match(name)
            for rule in rules
        )
    ]
    yield Finding(
        level=WARN if unlike else OK,
        what="sample names",
        value=f"no rule fits {few(unlike)}" if unlike else "a rule fits every name",
        mend=_proposal(sides) or "add a [[pairing.names]] table for them"
        if unlike
        else "",
    )


def _proposal(sides: dict[Side, list[str]]) -> str:
    """A rule by the first part of the names, where both sides share it."""
    for separator in SEPARATORS:
        firsts = [
            {name.rpartition("/")[2].partition(separator)[0].lower() for name in names}
            for names in sides.values()
            if names and all(separator in name.rpartition("/")[2] for name in names)
        ]
        if len(firsts) == len(Side) and firsts[0] & firsts[1]:
            pattern = f"{{sample}}{separator}*"
            return (
                f'[[pairing.names]] with em = "{pattern}" and lm = "{pattern}" '
                f"(first part of both: {few(sorted(firsts[0] & firsts[1]))})"
            )
    return ""


def check_pairs(profile: Profile, read: Sequence[SampleFile]) -> Finding:
    """Would they find each other?"""
    arrived = [_arrived(profile, one) for one in read if one.side is not None]
    maps = [one for one in arrived if one.side is Side.LM]
    images = [one for one in arrived if one.side is Side.EM]
    if not maps or not images:
        missing = "light maps" if images else "EM images"
        return Finding(
            level=WARN,
            what="sample pairs",
            value=f"no {missing} in the folder: pairing is not looked at",
            mend="add a few of them",
        )
    mixed = several_specimens(arrived, profile.pairing)
    found = [decide(em, maps, profile.pairing, mixed=mixed) for em in images]
    waiting = [one for one in found if one.state is State.WAITING]
    doubtful = [one for one in found if one.state is not State.WAITING and one.doubt]
    sure = len(found) - len(waiting) - len(doubtful)
    value = f"{sure} of {len(found)} EM images find their map without doubt"
    if not waiting and not doubtful:
        return Finding(level=OK, what="sample pairs", value=value)
    names = {em.frame_id: em.relative for em in images}
    worst = (waiting or doubtful)[0]
    why = worst.reasons[0] if waiting else worst.doubt
    value += (
        f", {len(doubtful)} with doubt, {len(waiting)} none; "
        f"{names[worst.em_frame_id]}: {why}"
    )
    return Finding(
        level=WARN,
        what="sample pairs",
        value=value,
        mend="give ids, names or folders that tell specimens apart (docs/pairing.md); "
        "in doubt several maps are tried and the pixels decide",
    )


def _arrived(profile: Profile, one: SampleFile) -> Arrived:
    session, told = _session(profile, one)
    if one.frame is None or one.side is None:
        raise ValueError("only files that were read can be paired")
    return Arrived(
        frame_id=f"{one.side.value}/{one.name}",
        side=one.side,
        session=session,
        told=told,
        frame=one.frame,
        arrived_at=one.modified_at,
        relative=one.name,
    )
