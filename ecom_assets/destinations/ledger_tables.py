"""The tables of the ledger, and a view for people with a row per record. Not here: who writes them (`ledger.py`)."""

from ecom_assets.destinations.ledger_store import Store

TABLES = (
    # A token that rises with each new writer, so that one who was paused cannot go on beside its successor.
    """CREATE TABLE IF NOT EXISTS destinations (
        id {serial}, name TEXT NOT NULL, account TEXT NOT NULL, token BIGINT NOT NULL, is_free INTEGER NOT NULL,
        holder TEXT, renewed_at TEXT, UNIQUE (name, account))""",
    """CREATE TABLE IF NOT EXISTS batches (
        number {serial}, destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL,
        token BIGINT NOT NULL, record_count BIGINT NOT NULL, byte_count BIGINT NOT NULL, record_ids TEXT NOT NULL,
        payload_hashes {blob} NOT NULL, intended_at TEXT NOT NULL, attempts BIGINT NOT NULL, outcome TEXT, reason TEXT,
        words TEXT, answered_at TEXT)""",
    "CREATE INDEX IF NOT EXISTS batches_of_day ON batches (destination_id, day)",
    """CREATE TABLE IF NOT EXISTS exceptions (
        batch BIGINT NOT NULL REFERENCES batches (number), place BIGINT NOT NULL, outcome TEXT NOT NULL,
        reason TEXT NOT NULL, words TEXT NOT NULL, attempts BIGINT NOT NULL, PRIMARY KEY (batch, place))""",
    """CREATE TABLE IF NOT EXISTS changes (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL, record_id TEXT NOT NULL,
        payload_hash BIGINT NOT NULL, found_at TEXT NOT NULL,
        PRIMARY KEY (destination_id, day, record_id, payload_hash))""",
    """CREATE TABLE IF NOT EXISTS days (
        destination_id BIGINT NOT NULL REFERENCES destinations (id), day TEXT NOT NULL, pending_count BIGINT,
        due_count BIGINT NOT NULL, changed_count BIGINT NOT NULL, outcomes TEXT NOT NULL,
        PRIMARY KEY (destination_id, day))""",
)
VIEW = """{create_view} sendings AS
    SELECT d.name AS destination, d.account, b.day, {record} AS record_id, b.number AS batch,
        coalesce(x.outcome, b.outcome, 'under_way') AS outcome, coalesce(x.reason, b.reason) AS reason,
        coalesce(x.words, b.words) AS words, coalesce(x.attempts, b.attempts) AS attempts, b.intended_at, b.answered_at
    FROM batches b JOIN destinations d ON d.id = b.destination_id CROSS JOIN {members}
    LEFT JOIN exceptions x ON x.batch = b.number AND x.place = {place}"""
"""Every sending of every record; the newest of a record is the one with the highest batch."""


def create_tables(store: Store) -> None:
    """Create what is missing."""
    with store.transaction():
        for statement in ("{alone}", *TABLES, VIEW):
            store.count(statement.format(**store.spelling))
