"""Files leave by id and name from the database, never by the text of a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

HOME = "http://127.0.0.1:8470"


def connect(app: Any) -> httpx.AsyncClient:
    """A client that holds the token."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url=HOME,
        headers={"authorization": "Bearer the token"},
    )


@pytest.mark.parametrize(
    "path",
    [
        "/static/../_app.py",
        "/static/%2e%2e/_app.py",
        "/static/..%2f_app.py",
        "/static//etc/passwd",
        "/api/output/r1/..%2f..%2fclemd.sqlite",
        "/api/output/..%2f/passwd",
        "/api/layer/..%2f..%2fetc/0",
        "/api/layer/f1/%2e%2e",
        "/api/layer/f1/-1",
        "/api/layer/f1/0?level=99999999999999999999999",
    ],
)
async def test_no_path_leads_out(app: Any, path: str) -> None:
    """Dots, slashes and numbers in a URL are text, not directions."""
    async with connect(app) as client:
        answer = await client.send(
            httpx.Request("GET", HOME + path, headers=client.headers)
        )

    assert answer.status_code in {400, 404}


async def test_output_is_a_download_and_never_a_page(
    app: Any, sources: Any, tmp_path: Path
) -> None:
    """An HTML report opened from our own origin could read everything."""
    report = tmp_path / "report.html"
    report.write_text("<script>alert(1)</script>")
    sources.outputs["r1", "report"] = report
    async with connect(app) as client:
        answer = await client.get("/api/output/r1/report")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_output_that_was_deleted_is_a_404(
    app: Any, sources: Any, tmp_path: Path
) -> None:
    """The database may know a file that somebody removed."""
    sources.outputs["r1", "gone"] = tmp_path / "gone.png"
    async with connect(app) as client:
        assert (await client.get("/api/output/r1/gone")).status_code == 404


async def test_layer_is_sent_once_and_then_confirmed(app: Any) -> None:
    """The picture of an unchanged layer does not travel twice."""
    async with connect(app) as client:
        first = await client.get("/api/layer/f1/0")
        tag = {"if-none-match": first.headers["etag"]}
        again = await client.get("/api/layer/f1/0", headers=tag)

    assert (first.status_code, first.headers["content-type"]) == (200, "image/png")
    assert (again.status_code, again.content) == (304, b"")


async def test_layer_that_is_no_picture_is_not_sent(app: Any, tmp_path: Path) -> None:
    """What a worker left half done is not shown."""
    (tmp_path / "layer.png").write_bytes(b"<svg onload=alert(1)>")
    async with connect(app) as client:
        assert (await client.get("/api/layer/f1/0")).status_code == 404


async def test_layer_that_is_not_there_yet_is_a_404(app: Any) -> None:
    """The page asks again."""
    async with connect(app) as client:
        assert (await client.get("/api/layer/f1/1")).status_code == 404
