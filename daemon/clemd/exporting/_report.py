"""One page that a microscopist reads top down: verdict, reasons, pictures, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from clemd.model import Registration, Verdict

from ._atomic import write_text
from ._banner import radius_text
from ._context import PairContext, PixelUm

_HEADLINES = {
    Verdict.ACCEPTED: "Accepted: the overlay may be used.",
    Verdict.REVIEW: "Review: look at the overlay before you use it.",
    Verdict.REJECTED: "Rejected: the images are not registered.",
}
_CAPTIONS = {
    "preview": "EM in grey, light microscope channels in colour.",
    "checkerboard": "EM and light microscope in alternate fields: "
    "edges run on across the borders where the overlay is right.",
}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
header { padding: .8rem 1rem; color: #fff; border-radius: .4rem; }
header.accepted { background: #1e7a3c; }
header.review { background: #9a5c00; }
header.rejected { background: #aa1e24; }
h1 { font-size: 1.4rem; margin: 0; } header p { margin: .2rem 0 0; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top;
  border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
"""


def write_report(
    path: Path,
    registration: Registration,
    context: PairContext,
    *,
    images: Mapping[str, str],
) -> None:
    """Write one HTML page without scripts; it refers to `images` beside it.

    `images` maps a name (`preview`, `checkerboard`, or any other) to a file name
    relative to the report's folder; they are shown in the order given.

    Raises:
        OSError: the file cannot be written.
    """
    title = f"{context.em_name} on {context.lm_name}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        _header(registration, title),
        _sentences("Why", registration.reasons),
        _sentences("Mind", registration.warnings),
        *(_figure(name, file) for name, file in images.items()),
        _table(_numbers(registration, context)),
        "</body></html>",
    ]
    write_text(path, "\n".join(part for part in parts if part) + "\n")


def _header(registration: Registration, title: str) -> str:
    verdict = registration.verdict
    line = escape(title)
    radius = radius_text(registration)
    if radius and verdict is not Verdict.REJECTED:
        sure = verdict is Verdict.ACCEPTED
        opening = "Anywhere" if sure else "If it is right, then anywhere"
        line += (
            f"<br>{opening} in the EM image the overlay is off by at most "
            f"{escape(radius)} (95 % certain)."
        )
    return (
        f'<header class="{verdict.value}"><h1>{_HEADLINES[verdict]}</h1>'
        f"<p>{line}</p></header>"
    )


def _sentences(heading: str, sentences: tuple[str, ...]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{heading}</h2><ul>{items}</ul>"


def _figure(name: str, file: str) -> str:
    caption = _CAPTIONS.get(name, name)
    source, words = escape(file, quote=True), escape(caption)
    return (
        f'<figure><img src="{source}" alt="{words}">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<h2>Numbers</h2><table>{cells}</table>"


def _numbers(registration: Registration, context: PairContext) -> list[tuple[str, str]]:
    rows = [("Confidence", f"{registration.confidence:.2f}")]
    if registration.verdict is not Verdict.REJECTED:
        rows += _pose_rows(registration, context)
    rows += [
        ("EM image", _image(context.em_name, context.em_shape, context.em_pixel_um)),
        ("LM image", _image(context.lm_name, context.lm_shape, context.lm_pixel_um)),
        ("EM SHA-256", registration.input_sha256[0] or "unknown"),
        ("LM SHA-256", registration.input_sha256[1] or "unknown"),
        ("LM channel used", registration.channel or "not stated"),
        ("Engine", _engine(registration)),
        ("Device", registration.device),
        ("Time", f"{registration.seconds.total:.1f} s"),
    ]
    if registration.highest_temperature_c is not None:
        rows.append(
            ("Highest temperature", f"{registration.highest_temperature_c:.0f} °C")
        )
    if registration.throttled_s:
        rows.append(("Device slowed itself", f"{registration.throttled_s:.1f} s"))
    if context.registration_id:
        rows.append(("Registration", context.registration_id))
    return rows


def _engine(registration: Registration) -> str:
    named = f"{registration.engine} {registration.engine_version}".strip()
    return named or "not stated"


def _pose_rows(
    registration: Registration, context: PairContext
) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if registration.error_lm_px is not None:
        p50, p95 = registration.error_lm_px.p50, registration.error_lm_px.p95
        rows.append(("Error in LM px", f"{p50:.2f} (typical), {p95:.2f} (95 %)"))
    if registration.error_um is not None:
        p50, p95 = registration.error_um.p50, registration.error_um.p95
        rows.append(("Error in µm", f"{p50:.3g} (typical), {p95:.3g} (95 %)"))
    if registration.rotation_deg is not None:
        turn = f"{registration.rotation_deg:.2f}° clockwise"
        rows.append(("Rotation EM to LM", turn))
    if registration.mirrored is not None:
        rows.append(("Mirrored", "yes" if registration.mirrored else "no"))
    if registration.pixel_size_ratio is not None:
        rows.append(("Pixel-size ratio", _ratio(registration, context)))
    return [*rows, ("Model", registration.model.value)]


def _ratio(registration: Registration, context: PairContext) -> str:
    measured = f"{registration.pixel_size_ratio:.4f} measured"
    if context.metadata_ratio is None:
        return measured
    return f"{measured}, {context.metadata_ratio:.4f} by the files' metadata"


def _image(name: str, shape: tuple[int, int], pixel_um: PixelUm | None) -> str:
    size = f"{name}, {shape[1]} × {shape[0]} px"
    if pixel_um is None:
        return f"{size}, pixel size unknown"
    return f"{size}, {pixel_um[0]:.5g} µm per px"
