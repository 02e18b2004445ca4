"""The report's numbers, as rows of a name and a value."""

from __future__ import annotations

from clemd.geometry import decompose
from clemd.model import Agreement, Registration, TransformModel, Verdict

from ._context import PairContext, PixelUm, usable_matrix

Rows = list[tuple[str, str]]
_MODELS = {
    TransformModel.SIMILARITY: "similarity (turn, scale, shift)",
    TransformModel.AFFINE: "affine (also stretch and shear)",
    TransformModel.HOMOGRAPHY: "homography (also perspective)",
}


def pose_rows(registration: Registration, context: PairContext) -> Rows:
    """Where the EM lies and how exactly; nothing for a rejected pair."""
    if registration.verdict is Verdict.REJECTED:
        return []
    rows = _error_rows(registration, context)
    if registration.rotation_deg is not None:
        mirrored = {True: ", mirrored", False: ", not mirrored", None: ""}
        turn = f"{registration.rotation_deg:.2f}° clockwise"
        rows.append(("EM to LM", turn + mirrored[registration.mirrored]))
    if registration.pixel_size_ratio is not None:
        rows.append(("Pixel-size ratio", _ratio(registration, context)))
    return [*rows, ("Model", _MODELS[registration.model])]


def making_rows(registration: Registration, context: PairContext) -> Rows:
    """What made this result, so that it can be made again."""
    named = f"{registration.engine} {registration.engine_version}".strip()
    rows = [
        ("Confidence", f"{registration.confidence:.2f}"),
        ("LM channel used", registration.channel or "not stated"),
        ("Engine", named or "not stated"),
        *_second_row(context),
        ("Device, seed", f"{registration.device}, {registration.seed}"),
        ("Time", _times(registration)),
    ]
    if registration.highest_temperature_c is not None:
        rows.append(
            ("Highest temperature", f"{registration.highest_temperature_c:.0f} °C")
        )
    if registration.throttled_s:
        rows.append(("Device slowed itself", f"{registration.throttled_s:.1f} s"))
    if context.registration_id:
        rows.append(("Registration", context.registration_id))
    if context.session:
        rows.append(("Session", context.session))
    return rows


def _second_row(context: PairContext) -> Rows:
    second = context.second
    if second is None:
        return []
    named = f"{second.answer.engine} {second.answer.engine_version}".strip()
    words = {
        Agreement.AGREES: "agrees",
        Agreement.DISAGREES: "disagrees",
        Agreement.SILENT: "has no answer",
    }[second.agreement]
    return [("Second engine", f"{named}: {words}")]


def image_lines(context: PairContext) -> tuple[str, str]:
    """(EM, LM): name, size and pixel size."""
    return (
        _image(context.em_name, context.em_shape, context.em_pixel_um),
        _image(context.lm_name, context.lm_shape, context.lm_pixel_um),
    )


def _error_rows(registration: Registration, context: PairContext) -> Rows:
    in_px, in_um = registration.error_lm_px, registration.error_um
    if in_px is None:
        return []
    share = _share_of_field(registration, context, in_px.p95)
    rows = []
    for name, px, um, more in (
        ("Error radius, 95 %", in_px.p95, in_um and in_um.p95, share),
        ("typical", in_px.p50, in_um and in_um.p50, ""),
    ):
        value = f"{px:.2f} LM px"
        if um is not None:
            value += f" = {um:.3g} µm"
        rows.append((name, value + more))
    return rows


def _share_of_field(
    registration: Registration, context: PairContext, radius_lm_px: float
) -> str:
    if registration.em_to_lm is None:
        return ""
    height, width = context.em_shape
    scale = decompose(usable_matrix(registration), (width / 2, height / 2)).scale
    return f" = {100 * radius_lm_px / (width * scale):.2g} % of the EM's width"


def _ratio(registration: Registration, context: PairContext) -> str:
    measured, promised = registration.pixel_size_ratio, context.metadata_ratio
    if measured is None or not promised:
        return f"{measured:.4f} measured; no pixel sizes to compare with"
    return (
        f"{measured:.4f} measured, {promised:.4f} by the files' metadata "
        f"({100 * (measured / promised - 1):+.1f} %)"
    )


def _times(registration: Registration) -> str:
    spent = registration.seconds
    parts = (
        ("read", spent.read),
        ("search", spent.search),
        ("refine", spent.refine),
        ("verdict", spent.verdict),
    )
    named = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts if seconds)
    return f"{spent.total:.1f} s" + (f" ({named})" if named else "")


def _image(name: str, shape: tuple[int, int], pixel_um: PixelUm | None) -> str:
    size = f"{name}, {shape[1]} × {shape[0]} px"
    if pixel_um is None:
        return f"{size}, pixel size unknown"
    return f"{size}, {pixel_um[0]:.5g} µm per px"
