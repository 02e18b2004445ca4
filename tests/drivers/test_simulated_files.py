"""Simulated exporters write what the vendors' software writes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from ome_types import from_xml, validate_xml

from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._plans import PLANS
from clemd_drivers.simulated._playing import take
from clemd_drivers.simulated._session import Session, plan_session
from clemd_drivers.simulated._shots import ElectronShot, LightShot
from clemd_drivers.simulated._specimen import Specimen
from clemd_drivers.simulated._truth import truth_of, write_truth

SEED = 5


@pytest.fixture(scope="module")
def session() -> Session:
    """One map and two images."""
    return plan_session(PLANS["quick"], seed=SEED)


@pytest.fixture(scope="module")
def files(session: Session) -> dict[str, bytes]:
    """Every file of the session as bytes, by name."""
    specimen = Specimen(SEED)
    return {shot.name: take(specimen, shot)("") for shot in session.shots()}


def _electron(session: Session, vendor: str) -> ElectronShot:
    return next(shot for shot in session.electrons if shot.vendor == vendor)


def _open(files: dict[str, bytes], shot: ElectronShot | LightShot) -> Any:
    return tifffile.TiffFile(BytesIO(files[shot.name]))


def test_zeiss_file_reads_as_smartsem(
    session: Session, files: dict[str, bytes]
) -> None:
    """Directory at byte 8, palette, one strip, the text block in tag 34118."""
    shot = _electron(session, "zeiss")
    with _open(files, shot) as tif:
        page, text = tif.pages[0], tif.sem_metadata
        width = page.shape[1]

        assert page.offset == 8
        assert page.tags[262].value == 3
        assert page.tags[34118].dtype == 2
        assert page.shape == shot.stored_shape == shot.field.shape
        assert len(text[""]) == 35
        stated = text["ap_image_pixel_size"][1] / 1000
        assert stated == pytest.approx(shot.metadata_pixel_um, rel=1e-3)
        precise_um = text[""][3] * 1e6 * 1024 / width
        assert precise_um == pytest.approx(shot.metadata_pixel_um, rel=1e-6)
        assert text["ap_stage_at_x"][1:] == (
            pytest.approx(shot.stage.x_um / 1000, abs=1e-4),
            "mm",
        )
        assert text["dp_scan_rot"][1] is False


def test_zeiss_bar_is_burnt_in_and_can_be_found(
    session: Session, files: dict[str, bytes]
) -> None:
    """No key tells its height: a border line of one value, two tones below it."""
    shot = _electron(session, "zeiss")
    with _open(files, shot) as tif:
        image = tif.asarray()
    top = image.shape[0] - shot.bar_rows
    below, above = image[top:], image[top - shot.bar_rows : top]

    def two_tones(block: np.ndarray) -> float:
        return float(np.sort(np.bincount(block.ravel()))[-2:].sum() / block.size)

    assert np.mean(image[top] == 255) >= 0.98
    assert two_tones(below) >= 0.80
    assert two_tones(above) <= 0.30


def test_thermo_file_reads_as_xt(session: Session, files: dict[str, bytes]) -> None:
    """Rows as strips, directory behind the pixels, bar below the scanned frame."""
    shot = _electron(session, "thermo")
    with _open(files, shot) as tif:
        page, text = tif.pages[0], tif.fei_metadata
        height, width = shot.field.shape

        assert page.offset >= height * width
        assert page.rowsperstrip == 1
        assert page.shape == (height + shot.bar_rows, width)
        assert page.dtype == (np.uint16 if shot.sixteen_bit else np.uint8)
        assert text["PrivateFei"]["DatabarHeight"] == shot.bar_rows
        assert (text["Image"]["ResolutionX"], text["Image"]["ResolutionY"]) == (
            width,
            height,
        )
        stated_um = text["Scan"]["PixelWidth"] * 1e6
        assert stated_um == pytest.approx(shot.metadata_pixel_um, rel=1e-5)
        assert text["Stage"]["StageY"] * 1e6 == pytest.approx(shot.stage.y_um, rel=1e-5)
        assert text["Stage"]["StageR"] == pytest.approx(np.radians(12.5), rel=1e-5)
        assert len(np.unique(tif.asarray()[height:])) < 8


def test_light_map_is_valid_ome(session: Session, files: dict[str, bytes]) -> None:
    """Three planes, named channels, pixel size, position, date and dataset."""
    with _open(files, session.light) as tif:
        xml = tif.ome_metadata
        assert tif.series[0].shape == (3, *session.light.field.shape)
        assert tif.series[0].dtype == np.uint16
    validate_xml(xml)
    model = from_xml(xml)
    pixels = model.images[0].pixels
    stated = pixels.physical_size_x

    assert stated == pytest.approx(session.light.metadata_pixel_um, rel=1e-4)
    assert [channel.name for channel in pixels.channels] == [
        "Reflection",
        "DAPI",
        "TOM20-AF568",
    ]
    assert pixels.channels[1].emission_wavelength == 461
    assert pixels.planes[0].position_x == pytest.approx(
        session.light.stage.x_um, abs=0.01
    )
    assert model.datasets[0].name == session.light.sample
    assert model.images[0].acquisition_date is not None


def test_a_remark_changes_the_metadata_and_nothing_else(session: Session) -> None:
    """A second export is another file with the same pixels."""
    for vendor in ("zeiss", "thermo"):
        encode = take(Specimen(SEED), _electron(session, vendor))
        first, second = encode(""), encode("checked")

        assert first != second
        assert np.array_equal(
            tifffile.imread(BytesIO(first)), tifffile.imread(BytesIO(second))
        )


def test_truth_is_in_no_file(session: Session, files: dict[str, bytes]) -> None:
    """The daemon must not be able to read the answer it is judged by."""
    words = [b"truth", b"em_to_lm", b"mirror", b"coverage", b"elsewhere"]
    for shot in session.electrons:
        matrix = session.em_to_lm(shot)
        assert matrix is not None
        numbers = [*matrix[:2].ravel(), session.rotation_deg]
        if shot.field.pixel_um != pytest.approx(shot.metadata_pixel_um, rel=1e-3):
            numbers.append(shot.field.pixel_um)
        words += [f"{abs(n):.4g}".encode() for n in numbers if abs(n) > 1e-3]
    for name, data in files.items():
        head = _metadata_bytes(data)
        found = [word for word in words if word in head]

        assert not found, f"{name} gives away {found}"


def _metadata_bytes(data: bytes) -> bytes:
    tif: Any
    with tifffile.TiffFile(BytesIO(data)) as tif:
        tags = tif.pages[0].tags
        texts = [tags[code].value for code in (270, 34118, 34682) if code in tags]
        raw = b"".join(str(text).encode() for text in texts)
    # also what lies outside every strip, in case a tag is not known by name
    return raw + data[:4096] + data[-4096:]


def test_stage_follows_the_sign_conventions() -> None:
    """X to the right of the image, Y upwards, to within the stage's own error."""
    session = plan_session(PLANS["demo"], seed=3)
    shots = [shot for shot in session.electrons if not shot.elsewhere]
    first = shots[0]
    for shot in shots[1:]:
        middle = _middle_um(shot.field)
        # the middle of this image, in px of the first one
        x_px, y_px = (first.field.px_from_um @ middle)[:2]
        height, width = first.field.shape
        pixel_um = first.field.pixel_um
        x_um = first.stage.x_um + (x_px - (width - 1) / 2) * pixel_um
        y_um = first.stage.y_um - (y_px - (height - 1) / 2) * pixel_um

        assert shot.stage.x_um == pytest.approx(x_um, abs=5.0)
        assert shot.stage.y_um == pytest.approx(y_um, abs=5.0)


def _middle_um(field: Field) -> np.ndarray:
    height, width = field.shape
    return np.asarray(field.um_from_px @ [(width - 1) / 2, (height - 1) / 2, 1.0])


def test_demo_session_is_what_the_demo_needs() -> None:
    """Twelve images on the map, one off it, both vendors, every habit, some early."""
    session = plan_session(PLANS["demo"], seed=0)
    truth = truth_of(session)
    matrices = [entry["em_to_lm"] for entry in truth["em"].values()]
    placed = [m for entry in matrices for m in entry.values() if m is not None]
    order = [type(shot).__name__ for shot in session.shots()]

    assert len(placed) == 12
    assert len(matrices) == 13
    assert order.index("LightShot") == 2
    assert {shot.vendor for shot in session.electrons} == {"zeiss", "thermo"}
    assert len({shot.habit for shot in session.electrons}) == 5
    ratios = [entry["pixel_size_ratio"] for entry in truth["em"].values()]
    assert 1.7 < min(ratios) < max(ratios) < 6


def test_images_on_the_map_lie_wholly_on_it() -> None:
    """A partner that hangs over the edge would blur what "on the map" means."""
    for seed in range(6):
        session = plan_session(PLANS["demo"], seed=seed)
        for shot in session.electrons:
            height, width = session.light.field.shape
            matrix = session.light.field.px_from_um @ shot.field.um_from_px
            right, bottom = shot.field.shape[1] - 1, shot.field.shape[0] - 1
            ends = np.array([[0, 0, 1], [right, 0, 1], [right, bottom, 1]])
            x, y = (ends @ matrix.T)[:, :2].T
            on_map = ((x > 0) & (x < width) & (y > 0) & (y < height)).all()

            assert on_map != shot.elsewhere


def test_truth_file_is_written_whole(session: Session, tmp_path: Path) -> None:
    """A judge that looks early finds no file rather than half of one."""
    path = tmp_path / "truth.json"
    write_truth(session, path)

    assert [entry.name for entry in tmp_path.iterdir()] == ["truth.json"]
    assert path.read_text(encoding="utf-8").rstrip().endswith("}")
