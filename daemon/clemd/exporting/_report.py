"""One page that a microscopist reads top down: verdict, reasons, pictures, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from html import escape
from pathlib import Path

from clemd.model import Registration, Verdict, display_name

from ._atomic import write_text
from ._beside import OUTLINE_FILE, VOTES_FILE
from ._context import PairContext
from ._report_circle import circle_svg, grid_step_lm_px
from ._report_pictures import figure
from ._report_style import STYLE
from ._report_tables import Rows, image_lines, making_rows, pose_rows
from ._report_words import (
    HEADLINES,
    NEXT_STEPS,
    how_sure,
    radius_sentence,
    votes_legend,
)
from ._votes import strip_rows

_BESIDE = {"votes": VOTES_FILE, "outline": OUTLINE_FILE}
_CAPTIONS = {
    "preview": ("Overlay", "EM in grey, light microscope in colour."),
    "checkerboard": (
        "Checkerboard",
        "EM and light in turn: edges run on where it is right.",
    ),
    "votes": (
        "Tile votes",
        "Each part of the EM was asked alone where it fits.",
    ),
    "outline": (
        "Place on the map",
        "White: the EM's edge; filled: its top left corner.",
    ),
}
_REJECTED_CAPTIONS = {
    "votes": (
        "Tile votes",
        "Each part of the EM image was asked alone; too few agree with the best place "
        "found, which is not shown.",
    ),
    "preview": ("The two images", "Each in its own frame, as they were compared."),
}
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(
    path: Path,
    registration: Registration,
    context: PairContext,
    *,
    images: Mapping[str, str],
) -> None:
    """Write one HTML page without scripts; the pictures are inside it.

    `images` maps a name (`preview`, `checkerboard`, or any other) to a file name
    relative to the report's folder; they are shown in the order given, then the
    tile-vote map and the outline that `write_checkerboard` left beside them. Files
    that are not there are left out. A rejected pair shows the two images apart and
    the tile votes, never an overlay.

    Raises:
        OSError: the file cannot be written.
    """
    registration = context.told(registration)
    verdict = registration.verdict
    title = f"{context.em_name} on {context.lm_name}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_safe(title)}</title><style>{STYLE}</style></head><body>",
        _header(registration, title),
        f'<p class="next {verdict.value}"><b>Next</b> '
        f"<span>{escape(NEXT_STEPS[verdict])}</span></p>",
        _why(registration),
        _mind(registration.warnings),
        _figures(path.parent, registration, {**images, **_BESIDE}),
        _numbers(registration, context),
        _files(registration, context),
        "</body></html>",
    ]
    write_text(path, "\n".join(part for part in parts if part) + "\n")


def _header(registration: Registration, title: str) -> str:
    verdict = registration.verdict
    radius = radius_sentence(registration)
    line = f'<p class="radius">{_safe(radius)}</p>' if radius else ""
    return (
        f'<header class="{verdict.value}"><h1>{HEADLINES[verdict]}</h1>{line}'
        f'<p class="names">{_safe(title)}</p></header>'
    )


def _why(registration: Registration) -> str:
    return (
        f"<section><h2>How sure, and why</h2><p>{_safe(how_sure(registration))}</p>"
        f"{_list(registration.reasons)}</section>"
    )


def _mind(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    return f'<section class="mind"><h2>Mind</h2>{_list(warnings)}</section>'


def _list(sentences: tuple[str, ...]) -> str:
    items = "".join(f"<li>{_safe(sentence)}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""


def _figures(
    folder: Path, registration: Registration, images: Mapping[str, str]
) -> str:
    captions, verdict = _CAPTIONS, registration.verdict
    if verdict is Verdict.REJECTED:
        captions = _REJECTED_CAPTIONS
        images = {name: images[name] for name in captions if name in images}
    found = []
    for name, file in images.items():
        title, words = captions.get(name, (display_name(name), ""))
        words = _safe(words)
        if name == "votes" and registration.votes is not None:
            words = f"{words} {votes_legend(registration)}"
            cut = partial(strip_rows, registration)
            found.append(figure(folder / file, title, words, cut=cut))
        else:
            found.append(figure(folder / file, title, words))
    inside = "".join(found)
    return f'<div class="pictures {verdict.value}">{inside}</div>' if inside else ""


def _numbers(registration: Registration, context: PairContext) -> str:
    pose = pose_rows(registration, context)
    making = making_rows(registration, context)
    if not pose:
        half = (len(making) + 1) // 2
        return (
            f'<div class="figures two"><div>{_table("Made by", making[:half])}</div>'
            f"<div>{_table('', making[half:])}</div></div>"
        )
    circle = _circle(registration, context)
    columns = "figures" if circle else "figures two"
    return (
        f'<div class="{columns}"><div>{_table("Pose", pose)}</div>'
        f"<div>{_table('Made by', making)}</div>{circle}</div>"
    )


def _files(registration: Registration, context: PairContext) -> str:
    """Both inputs beside each other, each with the hash that names its content."""
    columns = "".join(
        f"<div><h2>{side} image</h2><p>{_safe(line)}</p>"
        f'<p class="hash">SHA-256 {_safe(sha256 or "unknown")}</p></div>'
        for side, line, sha256 in zip(
            ("EM", "LM"),
            image_lines(context),
            registration.input_sha256,
            strict=True,
        )
    )
    return f'<div class="files">{columns}</div>'


def _table(heading: str, rows: Rows) -> str:
    cells = "".join(
        f'<tr><th scope="row">{_safe(name)}</th><td>{_safe(value)}</td></tr>'
        for name, value in rows
    )
    return f"<h2>{heading or '&nbsp;'}</h2><table>{cells}</table>"


def _circle(registration: Registration, context: PairContext) -> str:
    error = registration.error_lm_px
    if error is None or registration.verdict is Verdict.REJECTED:
        return ""
    cell = f"{grid_step_lm_px(error):g} LM px"
    if context.lm_pixel_um is not None:
        side_um = grid_step_lm_px(error) * context.lm_pixel_um[0]
        cell += f" ({side_um:.3g} µm)"
    return (
        f'<div class="circle"><h2>Error radius</h2>{circle_svg(error)}'
        f"<p>To scale; one cell is {cell}. Solid: holds the true place of any EM "
        "point, 95 % certain. Dashed: typical.</p></div>"
    )


def _safe(text: str) -> str:
    """Metadata on the page: no markup, no control signs, no turned reading order."""
    return escape(display_name(text), quote=True)
