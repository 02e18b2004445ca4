"""Name a format by its first bytes, so that a refusal can say what to do."""

from __future__ import annotations

_EXPORT = "no driver is installed for it; export OME-TIFF"
_KNOWN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ZISRAWFILE", "a Zeiss CZI file"),
    (0, b"\x70\0\0\0", "a Leica LIF file"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file (Zeiss ZVI)"),
    (0, b"OLYMPUSRAWFORMAT", "an Olympus OIR file"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file of neither Velox nor Odemis"),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file"),
    (0, b"\0\0\0\x03", "a Gatan DM3 file"),
    (0, b"\0\0\0\x04", "a Gatan DM4 file"),
    (0, b"II\x97\x01", "a TIA SER file"),
    (208, b"MAP ", "an MRC file"),
    (0, b"WDF1", "a Renishaw WDF file"),
    (0, b"AAMVHFSS", "a Bruker BCF file"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"GIF8", "a GIF image"),
    (0, b"\0\0\0\x0cjP", "a JPEG 2000 image"),
    (8, b"WEBP", "a WebP image"),
)


def foreign_format(head: bytes) -> str:
    """One line: what a file with these first bytes is and what to do."""
    if not head:
        return "an empty file: export it again"
    for offset, magic, name in _KNOWN:
        if head.startswith(magic, offset):
            return f"{name}: {_EXPORT}"
    if not head.strip(b"\0"):
        return "the file starts with zeros, not with an image: export it again"
    if _is_text(head):
        return "a text file, not an image: keep it out of the folder"
    return f"not an image that is known: {_EXPORT}"


def _is_text(head: bytes) -> bool:
    plain = head.replace(b"\0", b"")
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in plain)
    return bool(plain) and printable >= 0.95 * len(plain)
