"""What a script may rely on: exit codes, one JSON object, one line when refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tifffile

COMMANDS = ("demo", "run", "register", "inspect", "status", "doctor")


def refusal(clemd: Any, *arguments: object) -> str:
    """The one line on stderr of a call that ends with code 2."""
    done = clemd(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("clemd: ")
    return str(line)


def test_help_names_every_command(clemd: Any) -> None:
    """The first thing a newcomer types."""
    done = clemd("--help")

    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.slow
def test_registered_pair_is_one_json_object(
    clemd: Any, session_files: Path, tmp_path: Path
) -> None:
    """With the keys that are promised, and the files where they were asked for."""
    em = sorted((session_files / "em").glob("*.tif"))[0]
    (lm,) = (session_files / "lm").glob("*.tif")
    found = clemd.json("register", em, lm, "--out", tmp_path / "out")

    assert found["schema"] == "clemd.registration/1"
    assert found["verdict"] in {"accepted", "review"}
    assert 0 <= found["confidence"] <= 1
    assert [len(row) for row in found["em_to_lm"]] == [3, 3, 3]
    assert found["pixel_size_ratio"] > 1
    assert isinstance(found["mirrored"], bool)
    assert isinstance(found["rotation_deg"], float)
    for radius in ("error_lm_px", "error_um"):
        assert 0 < found[radius]["p50"] <= found[radius]["p95"]
    assert set(found["seconds"]) >= {"read", "search", "refine", "verdict", "total"}
    assert found["engine"] == "multimodal"
    assert found["device"]
    assert found["reasons"]
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"preview.png", "overlay.ome.tif", "transform.json"} <= made
    assert {"transform.tfm", "landmarks.csv"} <= made


@pytest.mark.slow
def test_image_without_content_is_rejected_with_code_3(
    clemd: Any, session_files: Path, tmp_path: Path
) -> None:
    """A script must be able to tell "no" from "done" without reading."""
    import numpy as np

    noise = tmp_path / "noise.tif"
    rng = np.random.default_rng(4)
    tifffile.imwrite(noise, rng.integers(0, 256, (300, 400), np.uint8))
    (lm,) = (session_files / "lm").glob("*.tif")
    found = clemd.json("register", noise, lm, "--pixel-ratio", 2, code=3)

    assert found["verdict"] == "rejected"
    assert found["reasons"]


def test_frame_is_one_json_object(clemd: Any, session_files: Path) -> None:
    """What the file says of itself, in the promised keys."""
    for em in (session_files / "em").glob("*.tif"):
        facts = clemd.json("inspect", em)
        assert facts["schema"] == "clemd.frame/1"
        assert facts["driver"] in {"zeiss", "thermo"}
        assert facts["modality"] == "sem"
        assert facts["channels"][0].keys() >= {"name", "kind"}
        assert facts["pixel_size_um"][0] > 0
        assert facts["stage"].keys() >= {"x_um", "y_um", "rotation_deg", "tilt_deg"}
        assert facts["info_bar_rows"] > 0
        keys = {"shape", "dtype", "acquired_at", "instrument", "warnings"}
        assert facts.keys() >= keys | {"sample", "session", "ids"}
        assert facts["channels"][0]["kind_reason"]
        assert facts["pixel_size"]["source"]
        assert 0 < facts["pixel_size"]["relative_sigma"] < 1
        assert facts["stage"]["scan_rotation_deg"] == 0


def test_frame_in_words_says_where_its_facts_are_from(
    clemd: Any, session_files: Path
) -> None:
    """A wrong pixel size is found by its source, a wrong channel by its reason."""
    (lm,) = (session_files / "lm").glob("*.tif")
    lines = clemd("inspect", lm).stdout.splitlines()
    said = {line[2:13].strip(): line[14:] for line in lines[1:] if line[2] != " "}

    assert "%, from OME PhysicalSizeX" in said["pixel size"]
    assert said["channels"].startswith("Reflection (reflected)")
    assert "named 'Reflection'" in said["channels"]
    assert {"ids", "session", "stage"} <= said.keys()


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_file_that_is_not_there_is_named(
    clemd: Any, tmp_path: Path, command: str
) -> None:
    """What, where, what to do; no traceback."""
    missing = tmp_path / "missing.tif"
    files = [missing] if command == "inspect" else [missing, missing]

    assert str(missing) in refusal(clemd, command, *files, "--json")


def test_file_that_is_no_image_is_named(clemd: Any, tmp_path: Path) -> None:
    """With the reason."""
    text = tmp_path / "notes.tif"
    text.write_text("nothing to see\n" * 50)

    assert "text file" in refusal(clemd, "inspect", text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("register", "a.tif", "b.tif", "--pixel-ratio", "-1"),
        ("register", "a.tif", "b.tif", "--pixel-ratio", "nan"),
        ("register", "a.tif", "b.tif", "--tolerance", "0.9"),
        ("register", "a.tif"),
        ("frobnicate",),
        ("inspect", "--frobnicate"),
        ("demo", "--headless", "--once", "--data", "/nowhere/at/all"),
        ("demo", "--headless", "--once", "--port", "99999"),
    ],
    ids=lambda a: " ".join(a),
)
def test_wrong_usage_is_one_line(clemd: Any, arguments: tuple[str, ...]) -> None:
    """And code 2, before anything is read."""
    assert refusal(clemd, *arguments)


def test_microscopes_that_fail_fail_the_demo(clemd: Any) -> None:
    """Nothing arrived is not the same as everything went well."""
    done = clemd("demo", "--headless", "--once", "--plan", "no-such-session", "--json")

    assert done.returncode == 2
    assert done.stdout == ""
    assert "no-such-session" in done.stderr.splitlines()[-1]
