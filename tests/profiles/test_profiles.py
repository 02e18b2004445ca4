"""Every shipped profile loads, every key is explained, every mistake is named."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from clemd.config import Profile, RootSettings, load_profile
from clemd.errors import ProfileError

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
    for name, field in Profile.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(
            field.annotation, BaseModel
        ):
            yield f"`[{name}]`", field.annotation


def explained(heading: str) -> dict[str, tuple[str, str]]:
    """Key -> (default, meaning) of the table under that heading."""
    parts = README.split(f"\n## {heading}\n")
    assert len(parts) == 2, f"README needs one section {heading}"
    rows = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (.+) \|$", parts[1].split("\n## ")[0], re.M
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
