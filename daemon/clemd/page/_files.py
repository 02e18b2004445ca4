"""Files given to the browser: found by the database, never by the text of a URL."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response

from ._access import refuse

_PICTURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
}
_DOWNLOADS = {
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".json": "application/json",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".zip": "application/zip",
}


def send_picture(path: Path | None, headers: Headers) -> Response:
    """A layer preview, or 304 where the browser has it, or 404 where it is not yet."""
    if path is None:
        return refuse(404, "no such layer yet", "ask again in a moment")
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
        facts = path.stat()
    except OSError:
        return refuse(404, "the layer is gone", "ask again in a moment")
    kind = next((k for magic, k in _PICTURES.items() if head.startswith(magic)), None)
    if kind is None:
        return refuse(404, "the layer is no picture", "register the pair again")
    tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
    keep = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in headers.get("if-none-match", ""):
        return Response(status_code=304, headers=keep)
    return FileResponse(path, media_type=kind, headers=keep, stat_result=facts)


def send_download(path: Path | None) -> Response:
    """An output, always as a download: nothing of it is ever run or rendered."""
    if path is None or not path.is_file():
        return refuse(404, "no such output", "choose one from the list")
    kind = _DOWNLOADS.get(path.suffix.lower(), "application/octet-stream")
    return FileResponse(path, media_type=kind, filename=path.name)
