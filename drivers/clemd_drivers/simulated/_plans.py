"""The sessions that can be played, as facts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One session: one light map and the electron images that follow."""

    name: str
    purpose: str
    lm_shape: tuple[int, int]
    lm_pixel_um: float
    em_shape: tuple[int, int]
    """(height, width) of the scanned frame in px."""
    em_count: int
    coverage: tuple[float, float]
    """EM field width as a fraction of the LM field width, least and most."""
    em_before_lm: int = 0
    """Electron images that are there before the light map."""
    elsewhere: tuple[int, ...] = ()
    """Which electron images lie off the map, counted from 0."""
    vendors: tuple[str, ...] = ("zeiss", "thermo")
    habits: tuple[str, ...] = ("plain",)
    lm_habit: str = "rename"
    pace_s: float = 0.0
    """Seconds between files unless told otherwise."""
    artefacts: float = 1.0


_ALL_HABITS = ("append", "rename", "presize", "sidecar", "reexport")

PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(
            name="quick",
            purpose="one small map, two small electron images",
            lm_shape=(512, 512),
            lm_pixel_um=0.13,
            em_shape=(480, 640),
            em_count=2,
            coverage=(0.45, 0.60),
            pace_s=0.3,
        ),
        Plan(
            name="demo",
            purpose="a working session: 12 electron images on a map, one off it",
            lm_shape=(2048, 2048),
            lm_pixel_um=0.11,
            em_shape=(1536, 2048),
            em_count=13,
            coverage=(0.30, 0.58),
            em_before_lm=2,
            elsewhere=(8,),
            habits=_ALL_HABITS,
            pace_s=1.6,
        ),
        Plan(
            name="series",
            purpose="seven images by one microscope whose stage can be believed",
            lm_shape=(512, 512),
            lm_pixel_um=0.13,
            em_shape=(480, 640),
            em_count=7,
            coverage=(0.40, 0.55),
            vendors=("zeiss",),
            pace_s=4.0,
        ),
        Plan(
            name="pipeline",
            purpose="one large electron image on a usual map, for timing",
            lm_shape=(1024, 1024),
            lm_pixel_um=0.13,
            em_shape=(3840, 5120),
            em_count=1,
            coverage=(0.50, 0.62),
        ),
        Plan(
            name="large",
            purpose="twelve large images by one microscope, for timing a session",
            lm_shape=(1024, 1024),
            lm_pixel_um=0.13,
            em_shape=(3840, 5120),
            em_count=12,
            coverage=(0.40, 0.55),
            vendors=("zeiss",),
            pace_s=4.0,
        ),
        Plan(
            name="sixty",
            purpose="sixty small electron images as fast as they come",
            lm_shape=(512, 512),
            lm_pixel_um=0.13,
            em_shape=(240, 320),
            em_count=60,
            coverage=(0.30, 0.42),
            habits=("plain", "rename"),
        ),
    )
}
