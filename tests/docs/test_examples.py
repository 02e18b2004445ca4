"""What the documentation shows is what happens."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clemd.cli._main import app
from clemd.geometry import as_rows, similarity
from clemd.model import Frame, Modality, PairProposal, Registration, Verdict
from clemd.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/*.md"),
        *REPOSITORY.glob("docs/decisions/*.md"),
        REPOSITORY / "profiles" / "README.md",
        REPOSITORY / "systemd" / "README.md",
    ]
)
_BLOCK = re.compile(
    r"^(?P<indent> *)<!-- (?P<mark>runs[a-z ]*) -->\n"
    r" *```(?P<language>\w+)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
_NAMED = re.compile(
    r"`((?:\./)?(?:daemon|drivers|docs|profiles|scripts|systemd|tests|\.ci)/[^`\s*]*|"
    r"[A-Z]+\.md|pyproject\.toml|constraints\.txt)`"
)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block that promises to run."""

    document: Path
    line: int
    mark: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def examples(document: Path) -> Iterator[Example]:
    """The marked blocks of one document."""
    text = document.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        yield Example(
            document=document,
            line=text.count("\n", 0, block.start()) + 1,
            mark=block["mark"],
            language=block["language"],
            text=textwrap.dedent(block["text"]),
        )


EXAMPLES = [example for document in DOCUMENTS for example in examples(document)]


def marked(mark: str, language: str) -> list[Any]:
    """Examples of one kind, as parameters."""
    found = [e for e in EXAMPLES if (e.mark, e.language) == (mark, language)]
    return [pytest.param(example, id=str(example)) for example in found]


def environment(state: Path) -> dict[str, str]:
    """As in an activated environment, with a state folder of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "CLEMD_STATE": str(state)}


@pytest.mark.slow
@pytest.mark.parametrize("example", marked("runs", "console"))
def test_console_example_runs(example: Example, tmp_path: Path) -> None:
    """Every line after a `$`, one after another, in an empty folder."""
    lines = [line.removeprefix("$ ") for line in example.text.splitlines() if line]
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environment(tmp_path / "state"),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"
        assert done.stdout


def keep_result(state: Path) -> None:
    """One accepted result, as a daemon leaves it."""
    store = Store.open(state)
    ids = {}
    for side, modality in (("em", Modality.SEM), ("lm", Modality.CLSM)):
        row = store.note_file(side, b"a.tif", size_bytes=1, modified_ns=1, inode=1)
        frame = Frame(
            path=f"/exports/{side}/a.tif",
            driver="plain",
            driver_version="1",
            modality=modality,
            shape=(8, 8),
            dtype="uint8",
            channels=(),
            content_sha256=side,
        )
        ids[side] = store.add_frame(
            frame, file_id=row.id, revision=1, side=side, session="S"
        )
    pair = store.add_pair(
        PairProposal(em_frame_id=ids["em"], lm_frame_id=ids["lm"], score=1, reasons=())
    )
    found = Registration(
        verdict=Verdict.ACCEPTED,
        confidence=0.9,
        em_to_lm=as_rows(similarity(scale=0.125, rotation_deg=30)),
    )
    store.add_registration(pair, found, registration_id="r", job_key="j", outputs={})
    store.announce(store.registration_message("r"), session="S")
    store.close()


@pytest.mark.parametrize("example", marked("runs beside a daemon", "python"))
def test_client_example_hears_the_daemon(
    example: Example, daemon: Callable[..., Any], tmp_path: Path
) -> None:
    """As printed: it finds the daemon and shows the matrix of an accepted result."""
    service = daemon()
    keep_result(service.state)
    for folder in (service.em, service.lm):
        # an empty folder whose files are known counts as a share that is away
        (folder / "a.tif").write_bytes(b"no longer an image")
    service.start()
    said = tmp_path / "said.txt"
    with said.open("wb") as out:
        listener = subprocess.Popen(
            [sys.executable, "-c", example.text],
            env=environment(service.state),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + ANSWER_S
        while "EM px -> LM px" not in said.read_text():
            assert listener.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
    finally:
        listener.kill()
        listener.wait()

    assert "/exports/em/a.tif on /exports/lm/a.tif accepted" in said.read_text()


def test_examples_are_found() -> None:
    """The tests above would pass on a README whose marks are misspelt."""
    kinds = {(e.mark, e.language) for e in EXAMPLES}

    assert kinds == {("runs", "console"), ("runs beside a daemon", "python")}
    marks = sum(
        re.sub(r"`[^`]*`", "", d.read_text("utf-8")).count("<!-- runs")
        for d in DOCUMENTS
    )
    assert marks == len(EXAMPLES)


@pytest.mark.parametrize(
    "command",
    [c.name or c.callback.__name__ for c in app.registered_commands if c.callback],
)
def test_command_is_documented(command: str) -> None:
    """In the README's table, where people look first."""
    assert f"| `clemd {command}` |" in (REPOSITORY / "README.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_named_paths_exist(document: Path) -> None:
    """A path in the text is one in the repository, a link leads somewhere."""
    text = document.read_text(encoding="utf-8")
    missing = [n for n in _NAMED.findall(text) if not (REPOSITORY / n).exists()]
    missing += [n for n in _LINK.findall(text) if not (document.parent / n).exists()]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_options_in_the_documents_exist(document: Path) -> None:
    """`clemd COMMAND --option` as written is one the command knows."""
    known = {
        command.name or command.callback.__name__: command.callback
        for command in app.registered_commands
        if command.callback
    }
    text = document.read_text(encoding="utf-8")
    for command, rest in re.findall(r"\bclemd ([a-z]+)((?: [^`|#\n]+)?)", text):
        if command not in known:
            continue
        for option in re.findall(r"--([a-z-]+)", rest):
            names = known[command].__annotations__
            aliases = {"json": "as_json"}
            assert aliases.get(option, option.replace("-", "_")) in names, (
                f"clemd {command} --{option}"
            )


def test_picture_is_small_enough_to_clone() -> None:
    """The README's picture is there and below 400 kB."""
    (picture,) = (REPOSITORY / "docs" / "images").iterdir()

    assert picture.name in (REPOSITORY / "README.md").read_text("utf-8")
    assert 10_000 < picture.stat().st_size < 400_000


def modules_with_examples() -> list[str]:
    """Modules of clemd whose docstrings show a session."""
    root = REPOSITORY / "daemon"
    found = [f for f in root.rglob("*.py") if ">>> " in f.read_text("utf-8")]
    return sorted(".".join(f.relative_to(root).with_suffix("").parts) for f in found)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_hold(name: str) -> None:
    """As Python shows them."""
    done = doctest.testmod(importlib.import_module(name))

    assert done.failed == 0
    assert done.attempted > 0


def test_exit_codes_are_documented() -> None:
    """Every code that the command can end with has a row."""
    codes = SimpleNamespace(**vars(importlib.import_module("clemd.cli")))
    text = (REPOSITORY / "docs" / "troubleshooting.md").read_text("utf-8")

    for code in (
        codes.DONE,
        codes.BAD_INPUT,
        codes.REJECTED,
        codes.NOT_NOW,
        codes.DEFECT,
    ):
        assert f"\n| {code} | " in text
