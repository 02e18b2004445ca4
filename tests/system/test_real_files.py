"""Real files from real microscopes, through the whole service."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest

from clemd.geometry import as_matrix, corner_errors

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

TRUTH_GOOD_TO_PX = 6.0
DEMO = ("demo", "--once", "--headless")
SEM_FILES = (
    "odemis/jeol_example_sem.tif",
    "odemis/jeol_example_sem.txt",
    "odemis/tescan_example_sem1.tif",
    "odemis/tfs_example.tif",
    "odemis/zeiss_example_sem.tif",
    "broken/quad1image_001_no_beam_scan_or_system_meta.tif",
    "Al2O3_SE_020_sp.czi",
)
LM_FILES = (
    "ome_tiff/FOV7_HV110_P0500510000.ome.tiff",
    "ome_tiff/ome.tiff",
    "czi/DAPI_GFP.czi",
    "lif/LeicaLASX_wavelength-sweep_example.lif",
    "ome_xml/small.ome.xml",
)


def test_deep_clem_pair_is_accepted_at_the_right_place(
    clemd: Any, real_data: Path
) -> None:
    """Inverse contrast, a sparse light image, no metadata at all."""
    folder = real_data / "pairs" / "deep_clem"
    done = clemd.json(*DEMO, "--data", folder)

    assert (done["files"], done["frames"], done["pairs"]) == (2, 2, 1)
    (found,) = done["registrations"]
    facts = json.loads((folder / "pair.json").read_text())
    assert (found["em_file"], found["lm_file"]) == (facts["em"], facts["lm"])
    image = cv2.imread(str(folder / facts["em"]))
    assert image is not None
    true = as_matrix(facts["matrix_em_to_lm"])
    errors = corner_errors(as_matrix(found["em_to_lm"]), true, image.shape[:2])
    assert errors.max() <= TRUTH_GOOD_TO_PX
    assert found["verdict"] == "accepted", found["reasons"]


def test_map_of_another_object_is_rejected(
    clemd: Any, real_data: Path, tmp_path: Path
) -> None:
    """The same electron image with the picture of a retina."""
    pairs = real_data / "pairs"
    for side, file in (
        ("em", pairs / "deep_clem" / "EM.png"),
        ("lm", pairs / "multimodal" / "retina_24" / "moving.png"),
    ):
        (tmp_path / side).mkdir()
        shutil.copy(file, tmp_path / side)
    done = clemd.json(*DEMO, "--data", tmp_path)

    (found,) = done["registrations"]
    assert found["verdict"] == "rejected", found["reasons"]
    assert done["accepted"] == done["review"] == 0


def digests(folder: Path) -> dict[str, str]:
    """Every file below `folder`, by content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.timeout(600)
def test_vendor_files_are_read_or_refused_in_one_line(
    clemd: Any, real_data: Path, tmp_path: Path
) -> None:
    """Each file gets an answer, the broken one too; the inputs stay as they are."""
    for side, source, names in (
        ("em", real_data / "vendor_sem", SEM_FILES),
        ("lm", real_data / "vendor_lm", LM_FILES),
    ):
        (tmp_path / side).mkdir()
        for name in names:
            shutil.copy(source / name, tmp_path / side)
    before = digests(tmp_path)
    done = clemd.json(*DEMO, "--data", tmp_path, limit_s=500)

    images = len(before) - 1  # a sidecar is not an image
    assert done["files"] == images
    assert len(done["refused"]) == 2, done["refused"]
    assert done["frames"] >= images - 2  # each scene of a file is a frame
    for refused in done["refused"]:
        assert refused["reason"]
        assert "\n" not in refused["reason"]
    said = {refused["file"] for refused in done["refused"]}
    assert any("no_beam_scan" in name for name in said), said
    assert not any(name.endswith("_sem.tif") for name in said), done["refused"]
    assert done["accepted"] == 0
    assert digests(tmp_path) == before


def test_real_headers_are_understood(clemd: Any, real_data: Path) -> None:
    """Pixel size and maker of the files that the vendors' own software wrote."""
    for name, driver in (
        ("tfs_example.tif", "thermo"),
        ("zeiss_example_sem.tif", "zeiss"),
    ):
        facts = clemd.json("inspect", real_data / "vendor_sem" / "odemis" / name)
        assert facts["driver"] == driver
        assert 0 < facts["pixel_size_um"][0] < 10
        assert facts["info_bar_rows"] >= 0
