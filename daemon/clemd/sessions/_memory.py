"""A session as JSON and back, bit for bit."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from ._axes import Axes, StatedAxes
from ._estimate import Estimate, Learned, Noise
from ._facts import Observed, Sighting
from ._session import Epoch, Session

VERSION = 1


def to_text(session: Session) -> str:
    """One line of JSON; floats keep every bit."""
    return json.dumps(
        {
            "version": VERSION,
            "noise": asdict(session.noise),
            "stated": None if session.stated is None else asdict(session.stated),
            "epoch": _epoch_out(session.epoch),
            "former": _epoch_out(session.former),
            "parked": [_epoch_out(e) for e in session.parked],
            "numbered": session.numbered,
        },
        separators=(",", ":"),
        allow_nan=False,
    )


def from_text(text: str) -> Session:
    """The session that `to_text` was given.

    Raises:
        ValueError: another version wrote it; fold the images anew.
    """
    kept = json.loads(text)
    if kept.get("version") != VERSION:
        raise ValueError(f"a session of version {kept.get('version')}")
    parked = (_epoch_in(e) for e in kept["parked"])
    return Session(
        noise=Noise(**kept["noise"]),
        stated=_stated_in(kept.get("stated")),
        epoch=_epoch_in(kept["epoch"]),
        former=_epoch_in(kept["former"]),
        parked=tuple(e for e in parked if e is not None),
        numbered=kept["numbered"],
    )


def sighting_from(kept: dict[str, Any]) -> Sighting:
    """The fact that `dataclasses.asdict` was given."""
    return Sighting(**{k: _tuples(v) for k, v in kept.items()})


def observed_from(kept: dict[str, Any]) -> Observed:
    """The fact that `dataclasses.asdict` was given."""
    return Observed(**{k: _tuples(v) for k, v in kept.items()})


def _stated_in(kept: dict[str, Any] | None) -> StatedAxes | None:
    if kept is None:
        return None
    return StatedAxes(**{k: _tuples(v) for k, v in kept.items()})


def _epoch_out(epoch: Epoch | None) -> dict[str, Any] | None:
    if epoch is None:
        return None
    e = epoch.estimate
    return {
        "number": epoch.number,
        "last": asdict(epoch.last),
        "reason": epoch.reason,
        "worst_lm_px": epoch.worst_lm_px,
        "estimate": {
            "origin_um": e.origin_um,
            "axes": [asdict(a) for a in e.axes],
            "means": e.means.tolist(),
            "covariances": e.covariances.tolist(),
            "weights": e.weights.tolist(),
            "noise": asdict(e.noise),
            "learned": asdict(e.learned),
            "at_s": e.at_s,
            "stage_um": e.stage_um,
            "pixel_um": e.pixel_um,
            "images": e.images,
        },
    }


def _epoch_in(kept: dict[str, Any] | None) -> Epoch | None:
    if kept is None:
        return None
    e = kept["estimate"]
    return Epoch(
        number=kept["number"],
        last=sighting_from(kept["last"]),
        reason=kept["reason"],
        worst_lm_px=kept["worst_lm_px"],
        estimate=Estimate(
            origin_um=_tuples(e["origin_um"]),
            axes=tuple(
                Axes(**{k: _tuples(v) for k, v in a.items()}) for a in e["axes"]
            ),
            means=np.array(e["means"]),
            covariances=np.array(e["covariances"]),
            weights=np.array(e["weights"]),
            noise=Noise(**e["noise"]),
            learned=Learned(**e["learned"]),
            at_s=e["at_s"],
            stage_um=_tuples(e["stage_um"]),
            pixel_um=_tuples(e["pixel_um"]),
            images=e["images"],
        ),
    )


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
