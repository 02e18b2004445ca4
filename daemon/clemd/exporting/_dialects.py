"""Every dialect, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ._adapting import of_pair, write_ome_tiff, write_png
from ._bigwarp import write_bigwarp, write_bigwarp_json
from ._dialect import Dialect, Need
from ._ecclem import write_ecclem, write_ecclem_csv
from ._elastix import write_elastix
from ._geojson import write_geojson
from ._itk import write_itk
from ._napari import write_napari
from ._ngff import DRAFT, STABLE, write_ngff, write_ngff_draft
from ._ome_zarr import write_ome_zarr
from ._serialem import write_serialem
from ._tables import write_csv, write_targets
from ._transform_json import write_transform_json
from ._transformj import write_transformj
from ._useq import write_useq

_NO_HOMOGRAPHY = "a homography"
_PICTURES = frozenset({Need.PICTURES})
_STAGE = frozenset({Need.STAGE})
_ALL = (
    Dialect(
        name="itk",
        description="SimpleITK, 3D Slicer, ANTs: affine, EM (fixed) to LM, micrometres",
        file_name="transform.tfm",
        refuses=_NO_HOMOGRAPHY,
        write=of_pair(write_itk),
    ),
    Dialect(
        name="elastix",
        description="elastix, transformix: TransformParameters, EM (fixed) to LM",
        file_name="TransformParameters.0.txt",
        refuses=_NO_HOMOGRAPHY,
        write=write_elastix,
    ),
    Dialect(
        name="bigwarp",
        description="BigWarp in Fiji: nine landmark pairs as CSV",
        file_name="landmarks.csv",
        refuses="",
        write=of_pair(write_bigwarp),
    ),
    Dialect(
        name="bigwarp-json",
        description="BigWarp in Fiji: the same landmarks as JSON",
        file_name="landmarks.json",
        refuses="",
        write=of_pair(write_bigwarp_json),
    ),
    Dialect(
        name="ngff",
        description=f"OME-NGFF {STABLE}: EM image in the LM's frame, scale and shift",
        file_name="zarr.json",
        refuses="rotation, mirror, shear, a homography",
        write=write_ngff,
    ),
    Dialect(
        name=f"ngff-{DRAFT}",
        description=f"OME-NGFF {DRAFT} (a draft): scene with the affine from LM to EM",
        file_name="zarr.json",
        refuses=_NO_HOMOGRAPHY,
        write=write_ngff_draft,
    ),
    Dialect(
        name="napari",
        description="napari: scale and affine of both layers, (row, column) order",
        file_name="napari.json",
        refuses=_NO_HOMOGRAPHY,
        write=write_napari,
    ),
    Dialect(
        name="ecclem",
        description="eC-CLEM 2 in Icy: transformation schema, LM (source) to EM",
        file_name="ecclem.xml",
        refuses="a homography, px without a size in micrometres",
        write=write_ecclem,
    ),
    Dialect(
        name="ecclem-csv",
        description="eC-CLEM 2 in Icy: the same fiducials as two point lists",
        file_name="fiducials.csv",
        refuses="a homography, px without a size in micrometres",
        write=write_ecclem_csv,
    ),
    Dialect(
        name="serialem",
        description="SerialEM Navigator: both images as maps, targets to acquire",
        file_name="targets.nav",
        refuses="a homography; needs the EM stage",
        write=write_serialem,
        needs=_STAGE,
    ),
    Dialect(
        name="transformj",
        description="TransformJ in Fiji: 4x4 matrix that moves the LM onto the EM",
        file_name="transformj.txt",
        refuses=_NO_HOMOGRAPHY,
        write=write_transformj,
    ),
    Dialect(
        name="useq",
        description="useq, pymmcore-plus: targets as stage positions, YAML or JSON",
        file_name="positions.yaml",
        refuses="the transform itself; needs the EM stage and targets",
        write=write_useq,
        needs=frozenset({Need.STAGE, Need.TARGETS}),
    ),
    Dialect(
        name="geojson",
        description="QuPath, shapely: EM outline and targets in LM px",
        file_name="outline.geojson",
        refuses="",
        write=write_geojson,
    ),
    Dialect(
        name="csv",
        description="spreadsheets: all matrices, three rows each",
        file_name="transform.csv",
        refuses="",
        write=write_csv,
    ),
    Dialect(
        name="json",
        description="programs: all matrices, convention, images, error, provenance",
        file_name="transform.json",
        refuses="",
        write=of_pair(write_transform_json),
    ),
    Dialect(
        name="targets",
        description="spreadsheets: targets in LM px, EM px and stage micrometres",
        file_name="targets.csv",
        refuses="the transform itself; needs targets",
        write=write_targets,
        needs=frozenset({Need.TARGETS}),
    ),
    Dialect(
        name="ome-tiff",
        description="Fiji, QuPath, napari: overlay on the EM's px, pyramidal",
        file_name="overlay.ome.tif",
        refuses="",
        write=write_ome_tiff,
        needs=_PICTURES,
    ),
    Dialect(
        name="ome-zarr",
        description=f"napari, vizarr: the same overlay as OME-Zarr {STABLE}",
        file_name="overlay.ome.zarr",
        refuses="",
        write=write_ome_zarr,
        needs=_PICTURES,
    ),
    Dialect(
        name="png",
        description="people: overlay with scale bar, error circle and verdict",
        file_name="overlay.png",
        refuses="",
        write=write_png,
        needs=_PICTURES,
    ),
)
DIALECTS: Mapping[str, Dialect] = MappingProxyType({d.name: d for d in _ALL})
"""In the order in which they are listed."""
