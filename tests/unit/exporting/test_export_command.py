"""`clemd export` on a state folder, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.cli import main
from clemd.exporting import DIALECTS, LightLayer, PairContext, Plane
from clemd.model import (
    Channel,
    Frame,
    Matrix,
    Modality,
    PairProposal,
    PixelSize,
    Registration,
    Verdict,
)
from clemd.store import Store

Register = Callable[..., Registration]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Clemd = Callable[..., Answer]


@pytest.fixture
def clemd(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Clemd:
    """Run `clemd export` with these words, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*words: object) -> Answer:
        code = main(["export", *(str(word) for word in words)])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@dataclass(frozen=True, slots=True)
class Kept:
    """A state folder with results `ok`, `maybe`, `no` and `taken-back`."""

    folder: Path
    store: Store


@pytest.fixture
def kept(
    tmp_path: Path,
    context: PairContext,
    register: Register,
    em: Plane,
    layers: tuple[LightLayer, ...],
) -> Any:
    """The store stays open for writing, as while a daemon runs."""
    store = Store.open(tmp_path / "state")
    (tmp_path / "state" / "cache").mkdir(exist_ok=True)
    lm_id = add_frame(store, "lm", context, layers)
    for name, verdict in (
        ("ok", Verdict.ACCEPTED),
        ("maybe", Verdict.REVIEW),
        ("no", Verdict.REJECTED),
        ("taken-back", Verdict.ACCEPTED),
    ):
        pair = replace(context, em_name=f"{name}.tif")
        em_id = add_frame(store, "em", pair, (LightLayer(plane=em, name="SE"),))
        pair_id = store.add_pair(
            PairProposal(em_frame_id=em_id, lm_frame_id=lm_id, score=1, reasons=("x",))
        )
        gone = {"em_to_lm": None} if verdict is Verdict.REJECTED else {}
        store.add_registration(
            pair_id,
            register(verdict, reasons=("as the tiles say",), **gone),
            registration_id=name,
            job_key=name,
            outputs={"preview": f"outputs/S/{name}/preview.png"},
        )
    store.overrule("taken-back", Verdict.REJECTED, by="ada", reason="wrong cell")
    yield Kept(tmp_path / "state", store)
    store.close()


def add_frame(
    store: Store, side: str, context: PairContext, layers: tuple[LightLayer, ...]
) -> str:
    """A file that was read, with its planes in the cache."""
    is_em = side == "em"
    name = context.em_name if is_em else context.lm_name
    x_um, y_um = context.spacings[0 if is_em else 1]
    row = store.note_file(side, name.encode(), size_bytes=9, modified_ns=1, inode=7)
    sha256 = name.encode().hex()
    store.set_file_state(row.id, "read", content_sha256=sha256)
    frame = Frame(
        path=f"/exports/{name}",
        driver="plain",
        driver_version="1",
        modality=Modality.SEM if is_em else Modality.CLSM,
        shape=layers[0].plane.shape,
        dtype=layers[0].plane.dtype.name,
        channels=tuple(Channel(name=la.name, kind=la.kind) for la in layers),
        pixel_size=PixelSize(x_um=x_um, y_um=y_um, source="test"),
        content_sha256=sha256,
    )
    cache = Path(store.connection.execute("PRAGMA database_list").fetchone()[2]).parent
    for number, layer in enumerate(layers):
        np.save(cache / "cache" / f"{sha256}-{number}.npy", layer.plane)
    return store.add_frame(frame, file_id=row.id, revision=1, side=side, session="S")


def test_a_result_is_written_while_the_database_is_open_for_writing(
    clemd: Clemd, kept: Kept, true: Matrix
) -> None:
    """Operators export while the microscope works."""
    with kept.store.transaction():
        said = clemd("ok", "--format", "json", "--state", kept.folder)

    assert (said.code, said.err) == (0, "")
    assert said.out == "ok.transform.json\n"
    written = json.loads(Path("ok.transform.json").read_text("utf-8"))
    assert written["em_to_lm_px"] == pytest.approx(true, abs=0)
    assert written["em"]["pixel_size_um"] == [0.05, 0.05]


@pytest.mark.parametrize("name", sorted(set(DIALECTS) - {"ngff"}))
def test_every_dialect_leaves_the_state_folder_as_it_was(
    clemd: Clemd, kept: Kept, tmp_path: Path, name: str, to_stage: Matrix
) -> None:
    """What they need is in it and in the file of targets; ngff refuses a turned one."""
    targets = tmp_path / "targets.json"
    targets.write_text(
        json.dumps(
            {
                "targets": [{"name": "a", "x_lm_px": 3, "y_lm_px": 4.5}],
                "lm_px_to_stage_um": to_stage.tolist(),
            }
        )
    )
    before = sorted(kept.folder.rglob("*"))
    words = ("--format", name, "--targets", targets, "--state", kept.folder)
    said = clemd("ok", *words, "--json")

    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["schema"] == "clemd.export/1"
    assert (answer["format"], answer["verdict"]) == (name, "accepted")
    assert all(Path(file).exists() for file in answer["files"])
    assert sorted(kept.folder.rglob("*")) == before


def test_a_review_is_written_and_said_to_be_one(clemd: Clemd, kept: Kept) -> None:
    """It may be used, with open eyes."""
    said = clemd("maybe", "--format", "itk", "--state", kept.folder)

    assert said.code == 0
    assert "review" in said.err
    assert Path("maybe.transform.tfm").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["no", "--format", "itk"], "as the tiles say"),
        (["taken-back", "--format", "csv"], "wrong cell"),
        (["gone", "--format", "itk"], "no such result (gone): clemd status lists"),
        (["ok", "--format", "ITK"], "no such format: 'ITK' (--format): use itk,"),
        (["ok"], "which format is not said"),
        (["ok", "--format", "useq"], "EM stage is not known (useq): give lm_px"),
        (["ok", "--format", "ngff"], "scale and translation only"),
        (["ok", "--format", "itk", "--out", "a/b.tfm"], "no such folder (a)"),
        (["ok", "--format", "targets", "--targets", "t.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    clemd: Clemd, kept: Kept, words: list[str], expected: str
) -> None:
    """What, where, what to do; and nothing is written."""
    said = clemd(*words, "--state", kept.folder)

    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "Invalid JSON"),
        ('{"targets": [{"name": "a", "x_lm_px": 1}]}', "targets.0.y_lm_px"),
        ('{"lm_px_to_stage_um": [[1, 0, 0], [0, 1, 0]]}', "lm_px_to_stage_um"),
        ('{"target": []}', "target: Extra inputs"),
        ('{"lm_px_to_stage_um": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}', "undone"),
        ('{"targets": [{"name": "a", "x_lm_px": 1e999, "y_lm_px": 1}]}', "finite"),
    ],
)
def test_a_wrong_file_of_targets_is_answered_with_the_place(
    clemd: Clemd, kept: Kept, tmp_path: Path, content: str, expected: str
) -> None:
    """A long list is not searched by eye."""
    wrong = tmp_path / "targets.json"
    wrong.write_text(content)
    words = ("--format", "targets", "--targets", wrong, "--state", kept.folder)
    said = clemd("ok", *words)

    assert said.code == 2
    assert said.err.count("\n") == 1
    assert expected in said.err
    assert "docs/dialects.md" in said.err


def test_pixels_that_left_the_cache_are_missed_in_words(
    clemd: Clemd, kept: Kept
) -> None:
    """The overlay that was written at the time is named instead."""
    for plane in (kept.folder / "cache").glob("*.npy"):
        plane.unlink()
    said = clemd("ok", "--format", "ome-zarr", "--state", kept.folder)

    assert said.code == 2
    assert "outputs/S/ok/preview.png" in said.err
    assert list(Path().iterdir()) == []


def test_a_folder_takes_the_usual_name(
    clemd: Clemd, kept: Kept, tmp_path: Path, true: Matrix
) -> None:
    """`--out .` is what people type."""
    there = tmp_path / "there"
    there.mkdir()
    said = clemd("ok", "--format", "csv", "--out", there, "--state", kept.folder)

    assert said.out == f"{there / 'ok.transform.csv'}\n"
    row = (there / "ok.transform.csv").read_text().splitlines()[1].split(",")
    assert [float(v) for v in row[2:]] == true[0].tolist()


def test_the_list_names_every_dialect(clemd: Clemd) -> None:
    """Nobody knows all of them by heart; no state folder is needed."""
    shown, told = clemd("--list"), clemd("--list", "--json")

    assert shown.code == told.code == 0
    assert [line.split()[0] for line in shown.out.splitlines()] == list(DIALECTS)
    listed = json.loads(told.out)["dialects"]
    assert {entry["format"] for entry in listed} == set(DIALECTS)
    assert all({"description", "file", "refuses", "needs"} <= set(e) for e in listed)
