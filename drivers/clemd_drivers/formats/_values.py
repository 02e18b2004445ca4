"""Words and numbers out of vendor text, tolerant of what vendors write."""

from __future__ import annotations

import math
import re
from datetime import datetime

_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?")
_UM_PER = {
    "m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0,
    "microns": 1.0, "micrometer": 1.0, "nm": 1e-3, "pm": 1e-6, "fm": 1e-9,
    "å": 1e-4, "angstrom": 1e-4, "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip


def number(text: str | None) -> float | None:
    """The finite number that `text` starts with, or None; decimal commas are read."""
    found = _NUMBER.match(text.strip()) if text else None
    if found is None:
        return None
    value = float(found.group().replace(",", "."))
    return value if math.isfinite(value) else None


def unit_after(text: str) -> str:
    """What follows the leading number, e.g. `nm` of `593.3 nm`."""
    found = _NUMBER.match(text.strip())
    return text.strip()[found.end() :].strip() if found else ""


def um_per(unit: str) -> float | None:
    """Micrometres in one `unit`, or None where it is not a known length."""
    return _UM_PER.get(unit.strip().replace("\\u00B5", "µ").lower())


def length_um(text: str | None) -> float | None:
    """A number with its unit of length in µm, e.g. `593.3 nm` -> 0.5933."""
    value = number(text)
    factor = um_per(unit_after(text)) if text else None
    return None if value is None or factor is None else value * factor


def positive(value: float | None) -> float | None:
    """`value` where it can be a size: finite and above zero."""
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    return value


def clean(text: str | None, limit: int = 300) -> str:
    """Vendor text made safe to show: one line, printable, at most `limit` long."""
    words = " ".join((text or "").replace("\0", " ").split())
    return "".join(c if c.isprintable() else "?" for c in words)[:limit]


def cleaned(values: dict[str, str | None]) -> dict[str, str]:
    """The entries that say something, made safe to show."""
    return {key: clean(text) for key, text in values.items() if clean(text)}


def instant(text: str, *formats: str) -> datetime | None:
    """`text` by the first format that fits, naive unless it states a zone, or None."""
    for form in formats:
        try:
            return datetime.strptime(text.strip(), form)  # noqa: DTZ007 - zone unknown
        except ValueError:
            continue
    return None
