"""The inventory knows every name, every revision, and loses neither."""

from __future__ import annotations

from typing import Any

import pytest

from clemd.store import NoSuchRecordError, Store

FACTS = {"size_bytes": 10, "modified_ns": 5, "inode": 3}


def test_new_name_starts_at_its_first_revision(store: Store) -> None:
    """A file that nobody has seen waits to settle."""
    row = store.note_file("em", b"a.tif", **FACTS)

    assert (row.revision, row.state, row.reason) == (1, "noticed", "")


def test_unchanged_file_keeps_revision_and_state(store: Store) -> None:
    """A scan every two seconds must not start the work anew."""
    row = store.note_file("em", b"a.tif", **FACTS)
    store.set_file_state(row.id, "read", content_sha256="cc")

    again = store.note_file("em", b"a.tif", **FACTS)

    assert (again.id, again.revision, again.state) == (row.id, 1, "read")


@pytest.mark.parametrize(
    "changed", [{"size_bytes": 11}, {"modified_ns": 6}, {"inode": 4}]
)
def test_any_changed_fact_is_a_new_revision(
    store: Store, changed: dict[str, int]
) -> None:
    """Size, time and inode each betray a rewrite that the others may hide."""
    row = store.note_file("em", b"a.tif", **FACTS)
    store.set_file_state(row.id, "read", content_sha256="cc")

    again = store.note_file("em", b"a.tif", **(FACTS | changed))

    assert (again.id, again.revision, again.state) == (row.id, 2, "noticed")
    assert (again.content_sha256, again.settled_at) == (None, None)


@pytest.mark.parametrize(
    "name",
    [b"map\n1.tif", b"\xff\xfe.tif", b"a/b c/\x1b[31m.tif", "µm-é.tif".encode(), b"'"],
)
def test_any_name_comes_back_byte_for_byte(store: Store, name: bytes) -> None:
    """Names are what the file system holds, not text."""
    store.note_file("em", name, **FACTS)

    assert list(store.known_files("em")) == [name]
    assert store.known_files("em")[name].relative == name
    assert store.find_file("em", name) == store.known_files("em")[name]
    assert store.find_file("lm", name) is None


def test_roots_do_not_mix(store: Store) -> None:
    """The same name in two export folders is two files."""
    em = store.note_file("em", b"a.tif", **FACTS)
    lm = store.note_file("lm", b"a.tif", **FACTS)

    assert em.id != lm.id
    assert store.file_counts() == {"em": {"noticed": 1}, "lm": {"noticed": 1}}


def test_largest_inode_fits(store: Store) -> None:
    """Network shares number their files with all 64 bits; SQLite has a sign."""
    facts: dict[str, Any] = FACTS | {"inode": 2**64 - 1}

    assert store.note_file("em", b"a.tif", **facts).inode == 2**64 - 1
    assert store.note_file("em", b"a.tif", **facts).revision == 1


@pytest.mark.parametrize(("sha", "expected"), [("cc", "read"), (None, "noticed")])
def test_returned_file_goes_on_where_it_was(
    store: Store, sha: str | None, expected: str
) -> None:
    """A share that was away for an hour is not a folder full of new images."""
    row = store.note_file("em", b"a.tif", **FACTS)
    store.set_file_state(row.id, "read", content_sha256=sha)
    store.set_file_state(row.id, "vanished")

    again = store.note_file("em", b"a.tif", **FACTS)

    assert (again.revision, again.state) == (1, expected)


def test_late_word_about_an_old_revision_changes_nothing(store: Store) -> None:
    """A read that ends after the file was rewritten read bytes that are gone."""
    row = store.note_file("em", b"a.tif", **FACTS)
    store.note_file("em", b"a.tif", **(FACTS | {"size_bytes": 99}))

    assert not store.set_file_state(row.id, "read", revision=1)
    assert store.file(row.id).state == "noticed"
    assert store.set_file_state(row.id, "read", revision=2)


def test_reason_is_one_harmless_line(store: Store) -> None:
    """Reasons quote file names, and file names may hold terminal escapes."""
    row = store.note_file("em", b"a.tif", **FACTS)
    store.set_file_state(row.id, "refused", "bad\nname \x1b[31m\udcff")

    assert store.file(row.id).reason == "bad\\x0aname \\x1b[31m\\xff"


def test_unknown_id_is_named(store: Store) -> None:
    """The command line shows this sentence."""
    with pytest.raises(NoSuchRecordError, match="no file 99 in the store"):
        store.set_file_state(99, "read")
