"""`clemd doctor --sample`: a profile is held against files before the first night."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from clemd.cli._doctor_finding import Finding
from clemd.cli._doctor_sample import sample_findings
from clemd.cli._reading import read_files
from clemd.config import load_profile


def profile(folder: Path, pairing: str, *, zone: str = "UTC", side: str = "em") -> Path:
    """A profile with that [pairing] table."""
    for name in ("em", "lm"):
        (folder / name).mkdir(exist_ok=True)
    path = folder / "profile.toml"
    path.write_text(
        f'timezone = "{zone}"\n'
        f'[[roots]]\nname = "sem"\npath = "{folder}/em"\nside = "{side}"\n'
        f'[[roots]]\nname = "clsm"\npath = "{folder}/lm"\nside = "lm"\n'
        f"[page]\nport = 0\n[pairing]\n{pairing}\n"
    )
    return path


@pytest.fixture
def sample(tmp_path: Path, session_files: Path) -> Path:
    """Simulated exports under names as people give them."""
    folder = tmp_path / "sample"
    for side in ("em", "lm"):
        (folder / side).mkdir(parents=True)
        files = sorted((session_files / side).iterdir())
        for n, file in enumerate(f for f in files if f.is_file()):
            name = f"S62_B7_{side}{n}{''.join(file.suffixes[-2:])}"
            shutil.copy2(file, folder / side / name)
    return folder


def findings(path: Path, sample: Path) -> dict[str, Finding]:
    """What is said of the sample."""
    return {one.what: one for one in sample_findings(load_profile(path), sample)}


def test_profile_that_fits_is_found_well(tmp_path: Path, sample: Path) -> None:
    """Names, sessions and pairs: all as the daemon will see them."""
    rules = (
        'session_from = "name"\n[[pairing.names]]\nem = "{sample}_{area}_em{n:#}.*"\n'
        'lm = "{sample}_{area}_lm{version:#}.*"'
    )
    found = findings(profile(tmp_path, rules), sample)

    assert found["sample files"].level == "ok", found
    assert found["sample names"].level == "ok"
    assert "s62" in found["sample sessions"].value
    assert found["sample pairs"].level == "ok", found["sample pairs"]


def test_command_tells_the_sample_beside_the_machine(
    clemd: Any, tmp_path: Path, sample: Path
) -> None:
    """One list for the person who sets the machine up."""
    path = profile(tmp_path, "")
    where = ("--profile", path, "--state", tmp_path / "state", "--json")
    said = json.loads(clemd("doctor", *where, "--sample", sample).stdout)["findings"]

    assert {"torch", "root sem", "sample pairs"} <= {one["what"] for one in said}


def test_rule_that_fits_no_name_is_mended(tmp_path: Path, sample: Path) -> None:
    """The mend is a rule that would fit, made from what the names have in common."""
    rules = (
        'session_from = "name"\n[[pairing.names]]\nem = "{sample}-em{n:#}.*"\n'
        'lm = "{sample}-lm.*"'
    )
    found = findings(profile(tmp_path, rules), sample)

    assert found["sample names"].level == "warn"
    assert 'em = "{sample}_*"' in found["sample names"].mend
    assert found["sample sessions"].level == "warn"
    assert found["sample pairs"].level == "warn"


def test_file_beside_the_folders_is_told(tmp_path: Path, sample: Path) -> None:
    """The default rule takes it for a session of its own, where no map is."""
    flat = findings(profile(tmp_path, ""), sample)
    for side in ("em", "lm"):
        (sample / side / "S62").mkdir()
        for file in sorted(sample.glob(f"{side}/*.tif"))[: None if side == "lm" else 1]:
            file.rename(file.parent / "S62" / file.name)
    found = findings(profile(tmp_path, ""), sample)

    assert flat["sample sessions"].level == "ok"
    assert found["sample sessions"].level == "warn"
    assert "into a folder too" in found["sample sessions"].mend
    assert "no LM map in session 'default' yet" in found["sample pairs"].value


def test_file_that_is_no_image_and_an_empty_folder_are_told(
    tmp_path: Path, sample: Path
) -> None:
    """Each by name, with what to do."""
    (sample / "em" / "S62_B7_em9.tif").write_bytes(b"not an image at all")
    found = findings(profile(tmp_path, ""), sample)
    (tmp_path / "empty").mkdir()
    nothing = findings(profile(tmp_path, ""), tmp_path / "empty")

    assert found["sample files"].level == "warn"
    assert "S62_B7_em9.tif" in found["sample files"].value
    assert nothing["sample files"].level == "fail"


def test_clock_in_another_zone_is_told(tmp_path: Path, sample: Path) -> None:
    """Times that are hours from when the files were written."""
    files = sorted((sample / "em").iterdir())
    for file in files:
        (read,) = read_files([file], None)
        taken = read.frame.acquired_at
        at = time.time() if taken is None else taken.timestamp() + 2 * 3600
        os.utime(file, (at, at))
    found = findings(profile(tmp_path, ""), sample)

    if len(files) < 2:
        pytest.fail("the simulated session has too few files for this test")
    assert "2.0 h before" in found["sample clock em"].value, found
    assert "timezone" in found["sample clock em"].mend


def test_side_that_the_profile_has_wrong_is_told(tmp_path: Path, sample: Path) -> None:
    """A light map in the folder that the profile calls the SEM's."""
    for file in (sample / "lm").iterdir():
        file.rename(sample / "em" / file.name)
    found = findings(profile(tmp_path, ""), sample)

    assert 'set side = "lm"' in found["sample side sem"].mend
