"""The arms beside ours: what others do with the same pair, in the same run."""

from __future__ import annotations

import importlib.util

from clemd.errors import UsageError

from ._arm import Arm, ArmResult
from ._elastix import ElastixArm
from ._mine import DrmimeArm, TfudlArm
from ._sift import SiftArm
from ._simpleitk import STARTS, SimpleItkArm

ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        SiftArm(),
        SimpleItkArm(name="simpleitk-1", rotations=1, mirrors=(False,)),
        SimpleItkArm(name="simpleitk-48", rotations=STARTS, mirrors=(False, True)),
        ElastixArm(),
        DrmimeArm(),
        TfudlArm(),
    )
}
"""By name, in the order of the table."""


def arm_named(name: str) -> Arm:
    """The arm of that name, ready to run.

    Raises:
        UsageError: there is none, or its package is not installed.
    """
    arm = ARMS.get(name)
    if arm is None:
        raise UsageError("no such arm", name, f"choose from {', '.join(ARMS)}")
    if arm.package is not None and not _is_installed(arm.package):
        raise UsageError(
            f"{arm.package} is not installed", name, "pip install 'clemd[bench]'"
        )
    return arm


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False


__all__ = ["ARMS", "Arm", "ArmResult", "arm_named"]
