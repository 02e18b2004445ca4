"""The xT XML of tag 34683, put under the section names of the older INI text."""

from __future__ import annotations

from clemd_drivers.formats._xml import BrokenXmlError, parse, text_at

from ._header import ThermoHeader

_STAGE = ("StageSettings", "StagePosition")
_DETECTOR = ("Detectors", "ScanningDetector")
# (section, key) of the INI dialect <- path below <Metadata>
_SAME_FACT = {
    ("Stage", "StageX"): (*_STAGE, "X"),
    ("Stage", "StageY"): (*_STAGE, "Y"),
    ("Stage", "StageZ"): (*_STAGE, "Z"),
    ("Stage", "StageR"): (*_STAGE, "Rotation"),
    ("Stage", "StageT"): (*_STAGE, "Tilt", "Alpha"),
    ("Scan", "PixelWidth"): ("BinaryResult", "PixelSize", "X"),
    ("Scan", "PixelHeight"): ("BinaryResult", "PixelSize", "Y"),
    ("Image", "ResolutionX"): ("ScanSettings", "ScanSize", "Width"),
    ("Image", "ResolutionY"): ("ScanSettings", "ScanSize", "Height"),
    ("Beam", "ScanRotation"): ("ScanSettings", "ScanRotation"),
    ("Beam", "HV"): ("Optics", "AccelerationVoltage"),
    ("Detectors", "Name"): (*_DETECTOR, "DetectorName"),
    ("Detectors", "Mode"): (*_DETECTOR, "Signal"),
    ("System", "SystemType"): ("Instrument", "InstrumentClass"),
    ("System", "Dnumber"): ("Instrument", "InstrumentID"),
    ("User", "User"): ("Core", "UserID"),
    ("Acquisition", "AcquisitionDatetime"): ("Acquisition", "AcquisitionDatetime"),
}


def add_xml(header: ThermoHeader, data: bytes) -> list[str]:
    """Add what the INI text did not say; returns warnings.

    Raises:
        RefusedFileError: XML that no microscope writes.
    """
    if not data.lstrip().startswith(b"<"):
        return []
    try:
        root = parse(data)
    except BrokenXmlError:
        return ["the Thermo XML metadata cannot be parsed"]
    if root.tag != "Metadata":
        return [f"metadata of kind <{root.tag}> not read"]
    for (section, key), path in _SAME_FACT.items():
        header.set(section, key, text_at(root, *path))
    return []
