"""The outbox: every message is a row first, in the transaction that made it true."""

from __future__ import annotations

from clemd.messages import Message

from ._queries import Changes, Queries
from ._rows import OutboxRow, row_as

_PRUNE_STEP = 10_000
"""Rows deleted at once, so that the event loop never waits long."""


class OutboxQueries(Queries):
    """Look at messages."""

    def outbox_after(
        self, seq: int, limit: int = 500, *, topic: str | None = None
    ) -> list[OutboxRow]:
        """Messages later than `seq`, oldest first."""
        rows = self._all(
            "SELECT * FROM outbox WHERE seq > ?1 AND (?2 IS NULL OR topic = ?2) "
            "ORDER BY seq LIMIT ?3",
            seq,
            topic,
            limit,
        )
        return [row_as(OutboxRow, row) for row in rows]

    def unpublished(self, limit: int = 500) -> list[OutboxRow]:
        """Messages that are still owed to the bus, oldest first."""
        rows = self._all(
            "SELECT * FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT ?",
            limit,
        )
        return [row_as(OutboxRow, row) for row in rows]

    def last_seq(self) -> int:
        """The newest message's number, pruned or not; 0 before the first."""
        return self._number(
            "SELECT COALESCE((SELECT seq FROM sqlite_sequence "
            "WHERE name = 'outbox'), 0)"
        )

    def first_seq(self) -> int:
        """The oldest message still kept; one past the newest where none is.

        A client that asks for messages from before it needs a snapshot.
        """
        oldest = self._number("SELECT COALESCE(MIN(seq), 0) FROM outbox")
        return oldest or self.last_seq() + 1

    def topic_seqs(self) -> dict[str, int]:
        """Topic -> the number of its newest message."""
        rows = self._all("SELECT topic, last_seq FROM topics ORDER BY topic")
        return {row["topic"]: row["last_seq"] for row in rows}


class OutboxChanges(OutboxQueries, Changes):
    """Keep messages."""

    def announce(self, message: Message, *, session: str = "") -> int:
        """Say something to everyone, together with what the open transaction does.

        Returns:
            The database sequence of the message.
        """
        topic = str(type(message).model_fields["topic"].default)
        body = message.model_dump_json()
        with self.transaction():
            self._do(
                "INSERT INTO topics (topic, last_seq) VALUES (?, 1) "
                "ON CONFLICT (topic) DO UPDATE SET last_seq = last_seq + 1",
                topic,
            )
            cursor = self.connection.execute(
                "INSERT INTO outbox (topic, topic_seq, session, body, created_at) "
                "SELECT topic, last_seq, ?, ?, ? FROM topics WHERE topic = ?",
                (session, body, self._stamp(), topic),
            )
        return int(cursor.lastrowid or 0)

    def mark_published(self, upto_seq: int) -> int:
        """Note that everything up to `upto_seq` has gone out; how many were new."""
        return self._do(
            "UPDATE outbox SET published_at = ? "
            "WHERE seq <= ? AND published_at IS NULL",
            self._stamp(),
            upto_seq,
        )

    def prune_outbox(self, keep: int) -> int:
        """Delete published messages but the newest `keep`; a step at a time."""
        return self._do(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE seq <= ? "
            "AND published_at IS NOT NULL ORDER BY seq LIMIT ?)",
            self.last_seq() - keep,
            _PRUNE_STEP,
        )
