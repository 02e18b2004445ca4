"""What a profile says of the stage reaches the sessions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clemd.app._learning import Learning
from clemd.config import Profile, check_profile
from clemd.sessions import StatedAxes
from clemd.store import Store

KEYS = {"stage_to_image": [[0, 1], [-1, 0]], "stage_to_image_confidence": 0.8}
AXES = StatedAxes(stage_to_image=(0.0, 1.0, -1.0, 0.0), confidence=0.8)


@pytest.mark.parametrize(("keys", "stated"), [({}, None), (KEYS, AXES)])
def test_stated_axes_reach_a_new_session(
    tmp_path: Path, keys: dict[str, Any], stated: StatedAxes | None
) -> None:
    """Row by row as they stand in the file; nothing where nothing is said."""
    profile: Profile = check_profile({"sessions": keys}, where="here")
    with Store.open(tmp_path) as store:
        house = cast("Any", SimpleNamespace(profile=profile, store=store))
        session = Learning(house).session("S", "map")

    assert session.stated == stated
