"""`clemd export`: a result of a state folder in the dialect another program reads."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from clemd.errors import UsageError
from clemd.exporting import (
    DIALECTS,
    Dialect,
    ExportSource,
    Pictures,
    Stage,
    Target,
)
from clemd.geometry import as_matrix
from clemd.model import Frame, Registration, Verdict
from clemd.sessions import Session, lm_to_stage_um, target
from clemd.store import NoSuchRecordError, Reader, RegistrationRow
from clemd.supervising import configure_logging

from ._sessions import session_on
from ._targets_file import TargetEntry, TargetsFile, read_targets


def export_result(
    registration_id: str,
    dialect_name: str,
    state: Path,
    *,
    out: Path | None,
    targets: Path | None,
    as_json: bool,
) -> int:
    """Write one result; exit code 0.

    The state folder is only read, whether a daemon runs on it or not.

    Raises:
        UsageError: no such result, dialect or folder; rejected; or the dialect cannot
            carry it.
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    dialect = _dialect_named(dialect_name)
    given = TargetsFile() if targets is None else read_targets(targets)
    source = _source(registration_id, state, given)
    path = _place(out, f"{registration_id}.{dialect.file_name}")
    try:
        files = dialect.export(path, source)
    except OSError as failed:
        raise UsageError(
            f"cannot write there: {failed.strerror}", str(path), "choose another --out"
        ) from failed
    _tell(registration_id, dialect, files, source.registration, as_json=as_json)
    return 0


def list_dialects(*, as_json: bool) -> int:
    """Print every dialect with what it is for; exit code 0."""
    if as_json:
        listed = [
            {
                "format": d.name,
                "description": d.description,
                "file": d.file_name,
                "refuses": d.refuses,
                "needs": sorted(d.needs),
            }
            for d in DIALECTS.values()
        ]
        text = json.dumps({"schema": "clemd.dialects/1", "dialects": listed})
    else:
        text = "\n".join(f"{d.name:15}{d.description}" for d in DIALECTS.values())
    sys.stdout.write(text + "\n")
    return 0


def _dialect_named(name: str) -> Dialect:
    if name not in DIALECTS:
        raise UsageError(
            f"no such format: {name!r}" if name else "which format is not said",
            "--format",
            f"use {', '.join(DIALECTS)}",
        )
    return DIALECTS[name]


def _source(registration_id: str, state: Path, given: TargetsFile) -> ExportSource:
    # imported here: --list and a wrong name are answered without it
    from clemd import pipeline
    from clemd.sides import Loaded

    with Reader.open(state) as reader, reader.consistent_view():
        try:
            row = reader.registration(registration_id)
        except NoSuchRecordError as missing:
            raise UsageError(
                "no such result", registration_id, "clemd status lists the newest"
            ) from missing
        em = reader.frame(row.em_frame_id).frame
        lm = reader.frame(row.lm_frame_id).frame
        known = _session(reader, row)
    context = pipeline.pair_context(
        Loaded(frame=em, planes=()),
        Loaded(frame=lm, planes=()),
        registration_id=row.id,
        session=row.session,
    )
    return ExportSource(
        registration=_as_it_holds(row),
        context=context,
        targets=tuple(_target(entry, known) for entry in given.targets),
        stage=_stage(given, known),
        pictures=lambda: _pictures(state, row, em, lm),
    )


def _session(reader: Reader, row: RegistrationRow) -> Session | None:
    """What the session has learned of the stage, where it can be driven by."""
    try:
        known, _ = session_on(reader, row.session, row.lm_frame_id)
        lm_to_stage_um(known)
    except UsageError:
        return None
    return known


def _stage(given: TargetsFile, known: Session | None) -> Stage | None:
    """The way to the stage: as the file of targets says, else as the session knows."""
    if given.lm_px_to_stage_um is not None:
        matrix = as_matrix(given.lm_px_to_stage_um)
    elif known is not None:
        matrix = lm_to_stage_um(known)
    else:
        return None
    return Stage(lm_px_to_um=matrix, z_um=given.stage_z_um)


def _target(entry: TargetEntry, known: Session | None) -> Target:
    found = Target(**entry.model_dump())
    if found.radius_um is not None or known is None:
        return found
    radius = target(known, (found.x_lm_px, found.y_lm_px)).radius_um.p95
    return replace(found, radius_um=radius)


def _as_it_holds(row: RegistrationRow) -> Registration:
    """The engine's result under the verdict that holds now."""
    found = replace(row.told, verdict=row.verdict)
    if not row.is_overruled_to_rejected:
        return found
    reason = row.decided_reason or f"rejected by {row.decided_by}"
    return replace(found, reasons=(reason, *found.reasons))


def _pictures(state: Path, row: RegistrationRow, em: Frame, lm: Frame) -> Pictures:
    """The decoded planes that the daemon keeps in its cache."""
    from clemd import pipeline
    from clemd.sides import Loaded

    try:
        em_image, lm_image = (
            Loaded.from_cache(
                frame,
                state / "cache",
                [f"{frame.content_sha256}-{n}.npy" for n in range(len(frame.channels))],
            )
            for frame in (em, lm)
        )
    except FileNotFoundError as gone:
        written = ", ".join(sorted(row.outputs.values())) or "nothing yet"
        raise UsageError(
            "the decoded pixels are no longer in the cache",
            row.id,
            f"use what was written with the result: {written}",
        ) from gone
    return Pictures(
        em=em_image.picture,
        layers=tuple(pipeline.light_layers(lm_image)),
        info_bar_rows=em.info_bar_rows,
    )


def _place(out: Path | None, name: str) -> Path:
    path = Path(name) if out is None else out
    if path.is_dir():
        path /= name
    if not path.absolute().parent.is_dir():
        raise UsageError(
            "no such folder", str(path.parent), "make it, or choose another --out"
        )
    return path


def _tell(
    registration_id: str,
    dialect: Dialect,
    files: tuple[Path, ...],
    registration: Registration,
    *,
    as_json: bool,
) -> None:
    if as_json:
        answer = {
            "schema": "clemd.export/1",
            "registration_id": registration_id,
            "format": dialect.name,
            "verdict": registration.verdict.value,
            "files": [str(file) for file in files],
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    sys.stdout.write("".join(f"{file}\n" for file in files))
    if registration.verdict is Verdict.REVIEW:
        sys.stderr.write("clemd: the verdict of this result is review: not certain\n")
