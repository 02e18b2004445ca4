"""A frame as the command line and the bus show it."""

from __future__ import annotations

from typing import Any

from clemd.model import Frame


def to_contract(frame: Frame) -> dict[str, Any]:
    """The `clemd.frame/1` object."""
    size, pose = frame.pixel_size, frame.stage
    return {
        "schema": "clemd.frame/1",
        "driver": frame.driver,
        "modality": frame.modality.value,
        "shape": list(frame.shape),
        "dtype": frame.dtype,
        "channels": [
            {"name": channel.name, "kind": channel.kind.value}
            for channel in frame.channels
        ],
        "spectrum": {
            "axis_name": frame.spectral_name,
            "unit": frame.spectral_unit,
            "bands": len(frame.spectral_axis),
            "first": frame.spectral_axis[0],
            "last": frame.spectral_axis[-1],
        }
        if frame.is_cube
        else None,
        "pixel_size_um": [size.x_um, size.y_um] if size else None,
        "stage": {
            "x_um": pose.x_um,
            "y_um": pose.y_um,
            "z_um": pose.z_um,
            "rotation_deg": pose.rotation_deg,
            "tilt_deg": pose.tilt_deg,
        }
        if pose
        else None,
        "acquired_at": frame.acquired_at.isoformat() if frame.acquired_at else None,
        "instrument": frame.instrument,
        "info_bar_rows": frame.info_bar_rows,
        "warnings": list(frame.warnings),
    }


def to_details(frame: Frame) -> dict[str, Any]:
    """The `clemd.frame/1` object with everything a person may want to check by.

    Messages go without: a spectral map has a thousand channels.
    """
    size, pose = frame.pixel_size, frame.stage
    facts = to_contract(frame)
    return {
        **facts,
        "driver_version": frame.driver_version,
        "channels": [
            {
                "name": channel.name,
                "kind": channel.kind.value,
                "kind_reason": channel.kind_reason,
                "excitation_nm": channel.excitation_nm,
                "emission_nm": channel.emission_nm,
            }
            for channel in frame.channels
        ],
        "pixel_size": {"source": size.source, "relative_sigma": size.relative_sigma}
        if size
        else None,
        "stage": {**facts["stage"], "scan_rotation_deg": pose.scan_rotation_deg}
        if pose
        else None,
        "sample": frame.sample,
        "session": frame.session,
        "ids": frame.ids,
        "beside": sorted(frame.beside),
        "extra": frame.extra,
    }
