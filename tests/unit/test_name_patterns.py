"""Name patterns: what people can write without being programmers."""

from __future__ import annotations

import time

import pytest

from clemd.name_patterns import NamePattern, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "fields"),
    [
        (
            "{sample}_{area}_em{n:#}.tif",
            "S62_B7_em003.tif",
            {"sample": "s62", "area": "b7", "n": "3"},
        ),
        ("{sample}_*.tif", "S62_x_y.TIF", {"sample": "s62"}),
        ("{sample}/**/{n:#}.tif", "S62/a/b/007.tif", {"sample": "s62", "n": "7"}),
        ("{grid:a}{n:#}*", "B7 overview.czi", {"grid": "b", "n": "7"}),
        ("slot?_{x}.png", "slot4_left.png", {"x": "left"}),
        ("{{{x}}}.tif", "{a}.tif", {"x": "a"}),
        ("{a}-{a}.tif", "s1-s1.tif", {"a": "s1"}),
    ],
)
def test_pattern_takes_the_fields_out(
    pattern: str, name: str, fields: dict[str, str]
) -> None:
    """Fields are as short as fits; numbers lose their zeros; case does not count."""
    assert parse_pattern(pattern).match(name) == fields


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{sample}_em{n:#}.tif", "S62_emX.tif"),
        ("{sample}_em{n:#}.tif", "_em1.tif"),
        ("{sample}/{n:#}.tif", "a/b/1.tif"),
        ("{a}-{a}.tif", "s1-s2.tif"),
        ("a?.tif", "a.tif"),
        ("a.tif", "a.tiff"),
    ],
)
def test_pattern_is_held_against_the_whole_name(pattern: str, name: str) -> None:
    """A part that fits is not enough: another file may hold it by chance."""
    assert parse_pattern(pattern).match(name) is None


def test_pattern_without_a_slash_looks_at_the_file_name_only() -> None:
    """Where the file lies is then nobody's business."""
    assert parse_pattern("{s}_em.tif").match("deep/er/S1_em.tif") == {"s": "s1"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "empty"),
        ("{sample", "a field is {name}"),
        ("sample}", "a field is {name}"),
        ("{sam ple}", "a field is {name}"),
        ("{n:d}", "a field is {name}"),
        ("{a}{b}", "nothing tells where the first ends"),
        ("?*" * 30, "more than 40 parts"),
    ],
)
def test_wrong_pattern_is_refused_in_words(pattern: str, said: str) -> None:
    """Before the daemon starts, not when the first file comes."""
    with pytest.raises(ValueError, match=said):
        parse_pattern(pattern)


def test_hostile_name_takes_no_longer_than_a_kind_one() -> None:
    """Names come from outside: one that makes a matcher go back must not stall us."""
    pattern: NamePattern = parse_pattern("*a" * 19 + "*b")
    began = time.process_time()

    assert pattern.match("a" * 1023) is None
    assert pattern.match("a" * 100_000) is None
    assert time.process_time() - began < 0.5
