"""Which EM frame was put beside which LM frame, and why."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from uuid import uuid5

from clemd.model import PairProposal

from ._frames import NAMESPACE, FrameQueries
from ._queries import Changes, where
from ._rows import PairRow, one_line, row_as, strings


def _pair_row(row: sqlite3.Row) -> PairRow:
    return row_as(PairRow, row, reasons=strings(row["reasons"]))


def _reasons_text(reasons: Sequence[str]) -> str:
    return json.dumps([one_line(reason) for reason in reasons], ensure_ascii=False)


class PairQueries(FrameQueries):
    """Look at pairs."""

    def pair(self, pair_id: str) -> PairRow:
        """One pair.

        Raises:
            NoSuchRecordError: no such id.
        """
        return _pair_row(self._one("pair", pair_id, "SELECT * FROM pairs WHERE id = ?"))

    def pairs(
        self,
        *,
        state: str | None = None,
        em_frame_id: str | None = None,
        lm_frame_id: str | None = None,
        limit: int = 500,
    ) -> list[PairRow]:
        """Pairs, the newest first."""
        clause, values = where(
            {
                "state": state,
                "em_frame_id": em_frame_id,
                "lm_frame_id": lm_frame_id,
            }
        )
        rows = self._all(
            f"SELECT * FROM pairs{clause} "  # noqa: S608 - own names
            "ORDER BY created_at DESC, rowid DESC LIMIT ?",
            *values,
            limit,
        )
        return [_pair_row(row) for row in rows]


class PairChanges(PairQueries, Changes):
    """Keep pairs."""

    def add_pair(self, proposal: PairProposal, *, state: str = "proposed") -> str:
        """Keep a proposal; the same two frames a second time change nothing.

        Returns:
            The pair's id, made from the two frames' ids.

        Raises:
            NoSuchRecordError: one of the frames is unknown.
        """
        em, lm = proposal.em_frame_id, proposal.lm_frame_id
        pair_id = str(uuid5(NAMESPACE, f"{em}\n{lm}"))
        with self.transaction():
            for frame_id in (em, lm):
                self._one("frame", frame_id, "SELECT id FROM frames WHERE id = ?")
            self._do(
                "INSERT INTO pairs (id, em_frame_id, lm_frame_id, state, reasons, "
                "score, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (em_frame_id, lm_frame_id) DO NOTHING",
                pair_id,
                em,
                lm,
                state,
                _reasons_text(proposal.reasons),
                proposal.score,
                self._stamp(),
            )
        return pair_id

    def set_pair_state(
        self, pair_id: str, state: str, reasons: Sequence[str] | None = None
    ) -> None:
        """Say how far a pair has come; reasons are kept if not given.

        Raises:
            NoSuchRecordError: no such id.
        """
        text = None if reasons is None else _reasons_text(reasons)
        with self.transaction():
            self.pair(pair_id)
            self._do(
                "UPDATE pairs SET state = ?, reasons = COALESCE(?, reasons) "
                "WHERE id = ?",
                state,
                text,
                pair_id,
            )
