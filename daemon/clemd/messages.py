"""What goes out: one pydantic model per message, the same for bus, page and store.

Every message is a row of the outbox first; its row number is the database sequence
that the page uses as event id. JSON Schemas of these models are in `docs/schemas`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clemd.model import Verdict


class Message(BaseModel):
    """Common to all: a topic and a schema name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileMessage(Message):
    """A file was noticed, settled, read, refused or vanished."""

    topic: Literal["file"] = "file"
    file_id: int
    root: str
    name: str
    """Shown to people; relative to the root."""
    side: str | None = None
    state: Literal[
        "noticed",
        "waiting",
        "reading",
        "read",
        "refused",
        "vanished",
        "superseded",
        "beside",
    ]
    reason: str = ""
    revision: int = 1


class FrameMessage(Message):
    """A file became a frame."""

    topic: Literal["frame"] = "frame"
    frame_id: str
    file_id: int
    side: str
    session: str
    position: int | None = None
    """Which image of its file, from zero; None: the file holds one."""
    frame: dict[str, Any]
    """`clemd.frame/1`."""


class PairMessage(Message):
    """Two frames were put beside each other, or one waits for a partner."""

    topic: Literal["pair"] = "pair"
    pair_id: str | None = None
    em_frame_id: str | None = None
    lm_frame_id: str | None = None
    state: Literal["waiting", "proposed", "registering", "done", "overruled"]
    reasons: tuple[str, ...] = ()
    doubt: str = ""
    """Why the files leave open whether the two belong together; empty if sure."""


class RegistrationMessage(Message):
    """A result: what the acquisition software waits for."""

    topic: Literal["registration"] = "registration"
    registration_id: str
    pair_id: str
    session: str
    em_frame_id: str
    lm_frame_id: str
    em_file: str
    lm_file: str
    verdict: Verdict
    best: bool = True
    """False when another LM map fits this EM image better."""
    registration: dict[str, Any] = Field(
        description=(
            "clemd.registration/1. `votes` (null if the engine asks no tiles): rows, "
            "columns, tile_width_em_px, tile_height_em_px, reach_lm_px, chance, tiles: "
            "[{x_em_px, y_em_px (centre), state: agrees|elsewhere|unasked, dx_lm_px, "
            "dy_lm_px (shift the tile asks for)}]; also there if rejected"
        )
    )
    metadata_ratio: float | None = None
    """Pixel-size ratio the metadata promised, beside the measured one."""
    second: dict[str, Any] | None = Field(
        default=None,
        description=(
            "what another engine says of a result in review, null until it has spoken: "
            "engine, engine_version, agreement (agrees|disagrees|silent), apart_lm_px "
            "(largest distance of the EM corners), allowed_lm_px, verdict, confidence, "
            "device, seconds, sentence; the sentence is in `registration.reasons` too"
        ),
    )
    outputs: dict[str, str] = Field(default_factory=dict)
    """Name -> path relative to the state folder."""


class PredictionMessage(Message):
    """Where the session expects an image, before its pixels are looked at."""

    topic: Literal["prediction"] = "prediction"
    session: str
    em_frame_id: str
    lm_frame_id: str
    em_file: str
    lm_file: str
    em_to_lm: list[list[float]] = Field(
        description="3x3, EM px -> LM px, pixel centres; never shown as verified"
    )
    error_lm_px: dict[str, float] = Field(
        description="p50, p95: how far it may be off anywhere in the EM image"
    )
    error_um: dict[str, float] | None = None
    epoch: int
    """Counts up whenever something at the microscope was changed."""
    pairs: int
    """Registered images it is drawn from."""
    reasons: tuple[str, ...] = ()


class SessionMessage(Message):
    """What happened to a session's transform, or what its map contradicts."""

    topic: Literal["session"] = "session"
    session: str
    lm_frame_id: str
    epoch: int
    standing: Literal["empty", "trusted", "doubted"]
    event: Literal[
        "begun", "retired", "confirmed", "resumed", "corrected", "contradicted"
    ]
    reason: str = ""
    """What contradicts what, with both values; empty where nothing does."""
    images: int
    """Registered images of this epoch."""
    registration_id: str | None = None
    """The result that led to it."""


class JobMessage(Message):
    """A job changed state."""

    topic: Literal["job"] = "job"
    job_id: int
    kind: str
    state: Literal["queued", "leased", "done", "failed", "deferred", "poisoned"]
    subject: str = ""
    reason: str = ""
    """Why it waits, where it runs, or what went wrong."""
    wait_s: float | None = None
    """Of a deferred job: estimated seconds until it may go on; None = unknown."""


class ThermalMessage(Message):
    """The thermal state or the operator's word about it changed."""

    topic: Literal["thermal"] = "thermal"
    state: str
    sensor: str | None = None
    temperature_c: float | None = None
    limit_c: float | None = None
    reason: str = ""
    duty: float | None = None
    """Share of the time that a job may work now, 0..1."""
    wish: Literal["allow", "pause"] | None = None
    """The operator's word, while it holds."""
    set_aside: str = ""
    """Why the device does not work at all; empty while it may."""
    set_aside_cause: Literal["", "wrong", "unusable"] = ""
    """It has computed something wrong, or could not be used."""
    power_limit_w: float | None = None
    """That the device enforces; None = it does not tell."""
    levers: str = ""
    """What clemd has lowered on the device, or why it cannot; empty = nothing."""
    wish_until: str | None = None
    """When it ends by itself (UTC)."""


class StatusMessage(Message):
    """The daemon started, is ready, or stops."""

    topic: Literal["status"] = "status"
    state: Literal["starting", "ready", "draining", "stopped"]
    run_epoch: str
    reason: str = ""


MESSAGES: tuple[type[Message], ...] = (
    FileMessage,
    FrameMessage,
    PairMessage,
    RegistrationMessage,
    PredictionMessage,
    SessionMessage,
    JobMessage,
    ThermalMessage,
    StatusMessage,
)
TOPICS: tuple[str, ...] = tuple(
    str(kind.model_fields["topic"].default) for kind in MESSAGES
)
