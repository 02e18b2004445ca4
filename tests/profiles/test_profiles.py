"""Every shipped profile loads, every key is explained, every mistake is named."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from clemd.config import NameRule, Profile, RootSettings, load_profile
from clemd.errors import ProfileError
from clemd.model import Frame, Modality, Side
from clemd.pairing import Arrived, State, decide, session_of

PROFILES = Path(__file__).parents[2] / "profiles"
BAD = sorted((Path(__file__).parent / "bad").glob("*.toml"))
README = (PROFILES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.toml")), ids=lambda p: p.stem)
def test_a_shipped_profile_loads(path: Path) -> None:
    """An operator copies one of these; it must not begin with an error."""
    profile = load_profile(path)

    assert profile.roots, "an example without folders shows nothing"
    assert {root.side for root in profile.roots} == {"em", "lm"}
    assert f"`{path.name}`" in README


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_a_mistake_is_named_in_one_line(path: Path) -> None:
    """The operator reads one line: the key, the value, the file, what to do."""
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = lines[1].removeprefix("# says: ")
    assert lines[0].startswith("# mistake: ")

    with pytest.raises(ProfileError) as caught:
        load_profile(path)

    said = str(caught.value)
    assert expected in said
    assert str(path) in said
    assert "\n" not in said
    assert caught.value.mend


def test_the_folder_of_mistakes_is_not_empty() -> None:
    """A moved folder would silently test nothing."""
    assert len(BAD) >= 10


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """(heading in the README, settings) for the profile and each of its tables."""
    yield "Top level", Profile
    yield "`[[roots]]`", RootSettings
    yield "`[[pairing.names]]`", NameRule
    for name, field in Profile.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(
            field.annotation, BaseModel
        ):
            yield f"`[{name}]`", field.annotation


def explained(heading: str) -> dict[str, tuple[str, str]]:
    """Key -> (default, meaning) of the table under that heading."""
    parts = re.split(rf"\n###? {re.escape(heading)}\n", README)
    assert len(parts) == 2, f"README needs one section {heading}"
    rows = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.split(r"\n###? ", parts[1])[0], re.M
    )
    return {key: (default, meaning) for key, default, meaning in rows}


@pytest.mark.parametrize(
    ("heading", "settings"),
    [*sections()],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_the_readme_explains_every_key_and_no_other(
    heading: str, settings: type[BaseModel]
) -> None:
    """A key that nobody explains is a key that nobody uses, or uses wrongly."""
    assert set(explained(heading)) == set(settings.model_fields)


@pytest.mark.parametrize(
    ("heading", "settings"),
    [*sections()],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_the_readme_states_the_true_defaults(
    heading: str, settings: type[BaseModel]
) -> None:
    """Operators trust the table instead of reading code."""
    for key, (said, meaning) in explained(heading).items():
        field = settings.model_fields[key]
        assert said == shown_default(field), key
        assert len(meaning) > 5


def shown_default(field: Any) -> str | tuple[str, ...]:
    """How the README writes a field's default, or the words that it may use."""
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, BaseModel):
        return "table"
    return f"`{as_toml(field.default)}`"


def as_toml(value: object) -> str:
    """A plain value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(as_toml(part) for part in value)}]"
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value)


def test_the_examples_name_only_what_the_readme_names() -> None:
    """Reading an example beside the table must answer every question."""
    for path in PROFILES.glob("*.toml"):
        for heading, keys in used_keys(tomllib.loads(path.read_text())):
            assert keys <= set(explained(heading)), path.name


def used_keys(values: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """(heading, keys) of every table of one profile."""
    yield "Top level", set(values)
    for name, value in values.items():
        if isinstance(value, dict):
            yield f"`[{name}]`", set(value)
            for key, tables in value.items():
                if isinstance(tables, list) and tables and isinstance(tables[0], dict):
                    for table in tables:
                        yield f"`[[{name}.{key}]]`", set(table)
        elif isinstance(value, list):
            for table in value:
                yield f"`[[{name}]]`", set(table)


def test_the_readme_names_every_choice_of_the_code() -> None:
    """A choice that is kept secret may as well not exist."""
    for heading, settings in sections():
        for key, (_, meaning) in explained(heading).items():
            for choice in choices_of(settings.model_fields[key].annotation):
                assert f'"{choice}"' in meaning, f"{heading} {key}"


def choices_of(annotation: Any) -> list[str]:
    """The words that a field accepts, where they are a closed list."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return [member.value for member in annotation]
    parts = get_args(annotation)
    words = [part for part in parts if isinstance(part, str)]
    return words + [word for part in parts for word in choices_of(part)]


def said_of_pairs() -> Iterator[Any]:
    """(profile, whether they pair, EM file, LM file) of every example in a profile."""
    for path in sorted(PROFILES.glob("*.toml")):
        lines = re.findall(
            r"^# (pairs|apart): em/(.+?) (?:with|and) lm/(.+)$", path.read_text(), re.M
        )
        for word, em, lm in lines:
            yield pytest.param(path, word == "pairs", em, lm, id=f"{path.stem}: {em}")


@pytest.mark.parametrize(("path", "together", "em", "lm"), [*said_of_pairs()])
def test_what_a_profile_says_of_pairs_is_so(
    path: Path, together: bool, em: str, lm: str
) -> None:
    """The names in its head are what an operator will go by."""
    settings = load_profile(path).pairing
    frames = {}
    for side, relative in ((Side.EM, em), (Side.LM, lm)):
        frame = Frame(
            path=relative,
            driver="plain",
            driver_version="1",
            modality=Modality.UNKNOWN,
            shape=(8, 8),
            dtype="uint8",
            channels=(),
        )
        session, told = session_of(frame, relative.encode(), settings, side=side)
        frames[side] = Arrived(
            frame_id=relative,
            side=side,
            session=session,
            told=told,
            frame=frame,
            arrived_at=datetime(2026, 3, 12, tzinfo=UTC),
            relative=relative,
        )

    found = decide(frames[Side.EM], [frames[Side.LM]], settings)

    assert (found.state is State.TRYING) is together
    assert found.doubt == "" or not together


def test_every_pair_of_instruments_has_a_profile_with_examples() -> None:
    """A profile whose pairing nobody has tried is a guess."""
    named = {param.values[0].stem for param in said_of_pairs()}

    assert named >= {
        "zeiss-sem+zeiss-lsm",
        "thermo-sem+leica-clsm",
        "jeol-sem+nikon",
        "tescan+evident",
        "raman-ir",
        "demo",
    }
