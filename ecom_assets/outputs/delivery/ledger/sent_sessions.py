"""The starts of source sessions as a destination was sent them first.

A tool that knows a session by its start would see two where a later event moves it back, so the
ledger keeps the first one. A session is kept as the 64-bit hash of its id. See docs/adr/0016.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.core.state.database import Database
from ecom_assets.core.tables.values import batches_of
from ecom_assets.outputs.delivery.payloads import hashes_of

SESSION, START = "source_session_id", "session_started_at"
AT_ONCE = 1_000
"""Sessions in one statement."""


@dataclass(frozen=True)
class SentSessions:
    """The sessions that a destination was sent.

    Attributes:
        store: The ledger; None: nothing was ever sent.
        destination_id: The destination's number in the ledger; None: it was sent nothing.
    """

    store: Database | None
    destination_id: int | None

    def as_sent(self, rows: pa.Table) -> pa.Table:
        """Return due events with the starts that the destination was sent of their sessions."""
        sessions = rows[SESSION].combine_chunks().dictionary_encode()
        hashes = _hashes_of(sessions.dictionary)
        sent = self._starts_of(hashes)
        if not sent:
            return rows
        first = pa.array([sent.get(each) for each in hashes], pa.timestamp("ms"))
        starts = pc.coalesce(first.cast(rows[START].type).take(sessions.indices), rows[START])
        return rows.set_column(rows.column_names.index(START), START, starts)

    def note(self, rows: pa.Table) -> None:
        """Within a transaction, keep the starts of the sessions of events that are about to be
        sent; those that are kept already stay.
        """
        if self.store is None:
            return
        starts = rows.select([SESSION, START]).drop_null()
        starts = starts.group_by(SESSION).aggregate([(START, "min")])
        instants = starts[f"{START}_min"].cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
        self.store.many(
            "INSERT INTO sent_sessions (destination_id, session_hash, started_ms) VALUES "
            "(?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (self.destination_id, session, start)
                for session, start in zip(
                    _hashes_of(starts[SESSION]), instants.to_pylist(), strict=True
                )
            ],
        )

    def _starts_of(self, hashes: list[int]) -> dict[int, int]:
        """Return the starts in milliseconds since 1970 of the sessions that were sent."""
        if self.store is None or self.destination_id is None:
            return {}
        result: dict[int, int] = {}
        for some in batches_of(hashes, AT_ONCE):
            query = (
                "SELECT session_hash, started_ms FROM sent_sessions WHERE destination_id = ? "  # noqa: S608 (marks only)
                f"AND session_hash IN ({', '.join('?' for _ in some)})"
            )
            result |= dict(self.store.rows(query, (self.destination_id, *some)))
        return result


def count_sessions(store: Database, sessions: Collection[str]) -> int:
    """Return how many of some sessions the ledger has, for each destination."""
    session_count = 0
    for some in batches_of(_hashes_of(pa.array(sorted(sessions), pa.string())), AT_ONCE):
        marks = ", ".join("?" for _ in some)
        query = f"SELECT count(*) FROM sent_sessions WHERE session_hash IN ({marks})"  # noqa: S608 (marks only)
        ((count,),) = store.rows(query, some)
        session_count += int(count)
    return session_count


def forget_sessions(store: Database, sessions: Collection[str]) -> None:
    """Within a transaction, remove sessions of a person."""
    hashes = _hashes_of(pa.array(sorted(sessions), pa.string()))
    store.many("DELETE FROM sent_sessions WHERE session_hash = ?", [(each,) for each in hashes])


def _hashes_of(sessions: pa.Array | pa.ChunkedArray) -> list[int]:
    """Return the hashes of ids as signed numbers, since databases have no others."""
    hashes = hashes_of(sessions).to_numpy(zero_copy_only=False)
    signed: list[int] = hashes.view(np.int64).tolist()
    return signed
