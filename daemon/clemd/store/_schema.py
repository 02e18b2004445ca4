"""The tables, one migration a version; a released migration is never edited."""

from __future__ import annotations

from collections.abc import Callable

from sqlite_utils import Database, Migrations

from clemd.errors import StateFolderError

from ._connection import GuardedConnection

MIGRATIONS = Migrations("clemd")

_FIRST = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)""",
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        root TEXT NOT NULL,
        relative BLOB NOT NULL,       -- bytes: names need not be text
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,       -- two's complement of the unsigned number
        revision INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        content_sha256 TEXT,
        noticed_at TEXT NOT NULL,
        settled_at TEXT,
        UNIQUE (root, relative))""",
    """CREATE INDEX files_by_state ON files (root, state)""",
    """CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        started_at TEXT NOT NULL,
        state TEXT NOT NULL)""",
    """CREATE TABLE frames (
        id TEXT PRIMARY KEY,
        file_id INTEGER NOT NULL REFERENCES files (id),
        revision INTEGER NOT NULL,
        side TEXT NOT NULL,
        session TEXT NOT NULL,
        json TEXT NOT NULL,
        acquired_at TEXT,
        created_at TEXT NOT NULL)""",
    """CREATE INDEX frames_by_file ON frames (file_id, revision)""",
    """CREATE INDEX frames_by_session ON frames (session, side)""",
    """CREATE TABLE pairs (
        id TEXT PRIMARY KEY,
        em_frame_id TEXT NOT NULL REFERENCES frames (id),
        lm_frame_id TEXT NOT NULL REFERENCES frames (id),
        state TEXT NOT NULL,
        reasons TEXT NOT NULL,
        score REAL NOT NULL,
        created_at TEXT NOT NULL,
        UNIQUE (em_frame_id, lm_frame_id))""",
    """CREATE INDEX pairs_by_lm ON pairs (lm_frame_id)""",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'queued',
        attempts INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        boot TEXT,                    -- the boot that the next two count from
        deadline_s REAL,
        not_before_s REAL,
        reason TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL)""",
    """CREATE INDEX jobs_by_turn ON jobs (state, priority DESC, id)""",
    """CREATE TABLE registrations (
        id TEXT PRIMARY KEY,
        pair_id TEXT NOT NULL REFERENCES pairs (id),
        job_key TEXT NOT NULL,
        session TEXT NOT NULL,
        em_frame_id TEXT NOT NULL REFERENCES frames (id),
        lm_frame_id TEXT NOT NULL REFERENCES frames (id),
        verdict TEXT NOT NULL,
        confidence REAL NOT NULL,
        error_p95 REAL,
        is_best INTEGER NOT NULL DEFAULT 0,
        json TEXT NOT NULL,
        outputs TEXT NOT NULL,
        created_at TEXT NOT NULL,
        UNIQUE (pair_id, job_key))""",
    """CREATE INDEX registrations_by_em ON registrations (em_frame_id)""",
    """CREATE INDEX registrations_by_session ON registrations (session)""",
    """CREATE TABLE thermal (
        at TEXT NOT NULL,
        state TEXT NOT NULL,
        temperature_c REAL,
        sensor TEXT,
        power_w REAL)""",
    """CREATE INDEX thermal_by_time ON thermal (at)""",
    """CREATE TABLE topics (topic TEXT PRIMARY KEY, last_seq INTEGER NOT NULL)""",
    # AUTOINCREMENT: a sequence number is never used twice, even after pruning.
    """CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        topic_seq INTEGER NOT NULL,
        session TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at TEXT NOT NULL,
        published_at TEXT,
        UNIQUE (topic, topic_seq))""",
    """CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL""",
)

_OPERATOR_VERDICTS = (
    "ALTER TABLE registrations ADD COLUMN decided_by TEXT NOT NULL DEFAULT 'engine'",
    "ALTER TABLE registrations ADD COLUMN decided_reason TEXT NOT NULL DEFAULT ''",
)

_SESSION_TRANSFORMS = (
    """CREATE TABLE session_links (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        registration_id TEXT NOT NULL UNIQUE REFERENCES registrations (id),
        session TEXT NOT NULL,
        lm_frame_id TEXT NOT NULL REFERENCES frames (id),
        sighting TEXT NOT NULL,       -- what the metadata said of the image
        observed TEXT NOT NULL,       -- where the pixels put it
        active INTEGER NOT NULL,      -- 0 = taken back by the operator
        created_at TEXT NOT NULL)""",
    """CREATE INDEX session_links_by_map
        ON session_links (session, lm_frame_id, seq)""",
    """CREATE TABLE session_transforms (
        session TEXT NOT NULL,
        lm_frame_id TEXT NOT NULL REFERENCES frames (id),
        epoch INTEGER NOT NULL,
        standing TEXT NOT NULL,
        images INTEGER NOT NULL,
        text TEXT NOT NULL,           -- the sum of the active links
        updated_at TEXT NOT NULL,
        PRIMARY KEY (session, lm_frame_id))""",
    """CREATE TABLE session_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session TEXT NOT NULL,
        lm_frame_id TEXT NOT NULL REFERENCES frames (id),
        epoch INTEGER NOT NULL,
        event TEXT NOT NULL,
        reason TEXT NOT NULL,
        registration_id TEXT,
        created_at TEXT NOT NULL)""",
    """CREATE INDEX session_events_by_map ON session_events (session, lm_frame_id)""",
    """CREATE TABLE predictions (
        em_frame_id TEXT NOT NULL REFERENCES frames (id),
        lm_frame_id TEXT NOT NULL REFERENCES frames (id),
        text TEXT NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (em_frame_id, lm_frame_id))""",
)

_PAIRING_DECISIONS = (
    """CREATE TABLE decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        frame_id TEXT NOT NULL REFERENCES frames (id),
        state TEXT NOT NULL,
        partner_id TEXT,              -- the map it belongs to, as far as is known
        doubt TEXT NOT NULL,
        reasons TEXT NOT NULL,
        left_out TEXT NOT NULL,
        created_at TEXT NOT NULL)""",
    """CREATE INDEX decisions_by_frame ON decisions (frame_id, id)""",
)


_HEAT_HISTORY = (
    "ALTER TABLE thermal ADD COLUMN duty REAL",
    "ALTER TABLE thermal ADD COLUMN throttle TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE thermal ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE job_spans (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        device TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT NOT NULL,
        busy_s REAL NOT NULL,
        paused_s REAL NOT NULL,
        highest_c REAL,
        outcome TEXT NOT NULL)""",
    """CREATE INDEX job_spans_by_time ON job_spans (ended_at)""",
)

_SECOND_OPINIONS = ("ALTER TABLE registrations ADD COLUMN second TEXT",)


def _statements(*statements: str) -> Callable[[Database], None]:
    def apply(database: Database) -> None:
        for statement in statements:
            database.execute(statement)

    return apply


_STEPS = {
    "0001_first": _FIRST,
    "0002_operator_verdicts": _OPERATOR_VERDICTS,
    "0003_session_transforms": _SESSION_TRANSFORMS,
    "0004_pairing_decisions": _PAIRING_DECISIONS,
    "0005_heat_history": _HEAT_HISTORY,
    "0006_second_opinions": _SECOND_OPINIONS,
}
VERSIONS = tuple(_STEPS)
"""Names of all migrations, oldest first."""

for _name, _ddl in _STEPS.items():
    MIGRATIONS(name=_name)(_statements(*_ddl))


def migrate(
    connection: GuardedConnection, where: str, *, stop_before: str | None = None
) -> None:
    """Bring the tables to this version, one transaction a step.

    Raises:
        StateFolderError: a newer clemd has written the file.
    """
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    newer = {m.name for m in MIGRATIONS.applied(database)} - set(VERSIONS)
    if newer:
        raise StateFolderError(
            f"database was written by a newer clemd (it has {min(newer)})",
            where,
            "install that version again or start with an empty state folder",
        )
    MIGRATIONS.apply(database, stop_before=stop_before)
