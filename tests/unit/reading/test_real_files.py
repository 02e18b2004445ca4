"""Files of real instruments, through the real child."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clemd.config import ReadingSettings
from clemd.errors import ClemdError, RefusedFileError
from clemd.reading import ReaderPool, ReadRequest, ReadResult

_DATA = Path(__file__).parents[4] / "shared/data"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not _DATA.is_dir(), reason=f"no test data at {_DATA.name}"),
]

_SEM, _FIB = "vendor_sem/odemis", "vendor_sem/fibsem-os"
_LM, _PAIR = "vendor_lm/ome_tiff", "pairs/se_bse_versa"
_KNOWN = [
    # file, driver, shape, pixel size in µm, rows of the info bar
    (f"{_SEM}/zeiss_example_sem.tif", "zeiss", (768, 1024), 0.5933, 60),
    (f"{_SEM}/tfs_example.tif", "thermo", (1092, 1536), 0.269792, 68),
    (f"{_SEM}/tescan_example_sem1.tif", "tescan", (888, 1024), 2.5012, 120),
    (f"{_SEM}/jeol_example_sem.tif", "jeol", (960, 1280), 2.0, 0),
    (f"{_FIB}/0313cae9_start_eb.tif", "thermo", (1024, 1536), 0.195312, 0),
    (f"{_FIB}/d7332a85_start_ib.tif", "thermo", (1024, 1536), 0.195312, 0),
    (f"{_FIB}/5a9c8884_test_image.tif", "thermo", (1024, 1536), 0.052083, 0),
    (f"{_FIB}/6902b86e_label_eb.tif", "thermo", (1024, 1536), 0.195312, 0),
    (f"{_FIB}/afeb822f_image_ChanA_000003.tif", "tescan", (887, 1024), 0.146484, 119),
    (f"{_PAIR}/SE.tif", "thermo", (1024, 1536), 1.00911, 0),
    (f"{_PAIR}/BSE.tif", "thermo", (1024, 1536), 1.00911, 0),
    (f"{_LM}/overlay_4_4_test_1.tiff", "ome_tiff", (1392, 1040), 0.213294, 0),
    (f"{_LM}/brightlight-on-slit-ccd.ome.tiff", "ome_tiff", (1080, 1280), 39.3939, 0),
    (f"{_LM}/FOV7_HV110_P0500510000.ome.tiff", "ome_tiff", (512, 512), None, 0),
    (f"{_LM}/andorcam2-fake-clara.tiff", "plain", (1040, 1392), None, 0),
    ("hyperspectral/renishaw_test_map2.wdf", "wdf", (20, 20), 1.0, 0),
    ("hyperspectral/renishaw_test_streamline.wdf", "wdf", (49, 45), 2.6, 0),
    ("hyperspectral/delmic/spectrum_fitting.h5", "delmic", (45, 69), 0.030531, 0),
    ("em/xy_8bit__em_mitochondria_er.tif", "plain", (517, 497), 0.008, 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where planes go."""
    return tmp_path_factory.mktemp("planes")


@pytest.fixture(scope="module")
def pool(planes: Path) -> Iterator[ReaderPool]:
    """One warm child for all of them."""
    with ReaderPool(ReadingSettings(), allow=[_DATA], cache=planes) as pool:
        yield pool


def read(pool: ReaderPool, path: Path, planes: Path) -> ReadResult:
    """Read one, black tails included: several are masks."""
    return pool.read_blocking(
        ReadRequest(
            path=str(path), root=str(_DATA), cache=str(planes), accept_zero_tail=True
        )
    )


@pytest.mark.parametrize(("name", "driver", "shape", "pixel_um", "bar"), _KNOWN)
def test_real_file_gives_its_published_facts(
    name: str,
    driver: str,
    shape: tuple[int, int],
    pixel_um: float | None,
    bar: int,
    pool: ReaderPool,
    planes: Path,
) -> None:
    """Pixel sizes and bars as measured by hand."""
    result = read(pool, _DATA / name, planes)
    frame = result.frame

    assert (frame.driver, frame.shape, frame.info_bar_rows) == (driver, shape, bar)
    assert (frame.pixel_size is None) == (pixel_um is None)
    if frame.pixel_size is not None:
        assert frame.pixel_size.x_um == pytest.approx(pixel_um, rel=1e-4)
    pixels = np.load(planes / result.planes[0], mmap_mode="r")
    assert (pixels.shape, pixels.dtype.name) == (shape, frame.dtype)


def test_pair_of_one_stage_position_agrees(pool: ReaderPool, planes: Path) -> None:
    """Two detectors, one frame: same stage, 32 seconds apart."""
    folder = _DATA / "pairs/se_bse_versa"
    se, bse = (read(pool, folder / f"{n}.tif", planes).frame for n in ("SE", "BSE"))

    assert se.stage == bse.stage
    assert [f.channels[0].kind for f in (se, bse)] == ["se", "bse"]
    assert se.acquired_at is not None
    assert bse.acquired_at is not None
    assert (se.acquired_at - bse.acquired_at).total_seconds() == 32


def test_broken_file_is_refused(pool: ReaderPool, planes: Path) -> None:
    """Its header opens; its only strip lies two gigabytes past the end."""
    for path in sorted((_DATA / "vendor_sem/broken").iterdir()):
        with pytest.raises(RefusedFileError, match="export it again"):
            read(pool, path, planes)


@pytest.mark.parametrize(
    "folder", ["vendor_sem", "vendor_lm", "pairs", "em", "hyperspectral"]
)
def test_every_file_is_read_or_refused_in_one_line(
    folder: str, pool: ReaderPool, planes: Path
) -> None:
    """No hang, no traceback, nothing written beside them."""
    before = sorted((p, p.stat().st_mtime_ns) for p in (_DATA / folder).rglob("*"))
    for path, _ in before:
        if path.is_dir():
            continue
        try:
            result = read(pool, path, planes)
        except ClemdError as refused:
            said = str(refused)
            assert said.isprintable(), path
            assert "lost" not in said, path
        else:
            assert len(result.planes) == len(result.frame.channels)
            for plane in result.planes:
                (planes / plane).unlink(missing_ok=True)
    after = sorted((p, p.stat().st_mtime_ns) for p in (_DATA / folder).rglob("*"))

    assert after == before
