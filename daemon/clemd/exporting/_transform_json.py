"""The transform with its whole convention written out, for programs and people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clemd.geometry import as_matrix, as_rows, in_um, invert
from clemd.model import Registration

from ._atomic import write_text
from ._context import PairContext, PixelUm

SCHEMA = "clemd.transform/1"
_CONVENTION = {
    "points": "column vectors (x, y, 1), x right, y down",
    "origin": "centre of the first pixel of the full image as stored, "
    "info bar included",
    "direction": "em_to_lm maps EM points to LM points; lm_to_em is its inverse",
    "divide": "divide the first two results by the third (it is 1 unless homography)",
    "physical": "*_um matrices act on micrometres: pixel (x, y) lies at "
    "(x * pixel_size_um[0], y * pixel_size_um[1]) of its own image",
}


def write_transform_json(
    path: Path, registration: Registration, context: PairContext
) -> None:
    """Write matrices, convention, both images' sizes and hashes, and the verdict.

    A rejected registration is written too, with its verdict and without matrices:
    a file that is there and says no is better than none.

    Raises:
        OSError: the file cannot be written.
    """
    document = describe_transform(registration, context)
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def describe_transform(
    registration: Registration, context: PairContext
) -> dict[str, Any]:
    """The `clemd.transform/1` object."""
    registration = context.told(registration)
    contract = registration.to_contract()
    em_sha256, lm_sha256 = registration.input_sha256
    return {
        "schema": SCHEMA,
        "registration_id": context.registration_id,
        "session": context.session,
        "verdict": registration.verdict.value,
        "confidence": registration.confidence,
        "model": registration.model.value,
        "convention": _CONVENTION,
        "em": _image(context.em_name, em_sha256, context.em_shape, context.em_pixel_um),
        "lm": _image(context.lm_name, lm_sha256, context.lm_shape, context.lm_pixel_um),
        **_matrices(registration, context),
        "pixel_size_ratio": {
            "measured": registration.pixel_size_ratio,
            "metadata": context.metadata_ratio,
        },
        "rotation_deg": registration.rotation_deg,
        "mirrored": registration.mirrored,
        "error_lm_px": contract["error_lm_px"],
        "error_um": contract["error_um"],
        "reasons": contract["reasons"],
        "warnings": contract["warnings"],
        "provenance": {
            key: contract[key]
            for key in (
                "engine",
                "engine_version",
                "device",
                "channel",
                "highest_temperature_c",
                "throttled_s",
            )
        }
        | {"seed": registration.seed},
    }


def _image(
    name: str, sha256: str, shape: tuple[int, int], pixel_um: PixelUm | None
) -> dict[str, Any]:
    return {
        "name": name,
        "sha256": sha256,
        "width_px": shape[1],
        "height_px": shape[0],
        "pixel_size_um": None if pixel_um is None else list(pixel_um),
    }


def _matrices(registration: Registration, context: PairContext) -> dict[str, Any]:
    names = ("em_to_lm_px", "lm_to_em_px", "em_to_lm_um", "lm_to_em_um")
    if registration.em_to_lm is None or registration.verdict.value == "rejected":
        return dict.fromkeys(names)
    matrix = as_matrix(registration.em_to_lm)
    found = [matrix, invert(matrix)]
    if context.is_calibrated:
        physical = in_um(matrix, *context.spacings)
        found += [physical, invert(physical)]
    rows = [[list(row) for row in as_rows(m)] for m in found]
    return dict.fromkeys(names) | dict(zip(names, rows, strict=False))
