"""Query the current delivery counts in the ledger."""

from contextlib import closing
from typing import Final

import pyarrow as pa

from ecom_assets.core.errors import EcomError
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import ledger_is_there, open_store
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.core.tables.queries import Period
from ecom_assets.outputs.delivery.ledger.copy import NOTED, noted_days
from ecom_assets.outputs.delivery.ledger.known import KnownRecords, table_of

KEY: Final = ("reconciled_date", "destination", "account")
COUNTS: Final = tuple(name for name in NOTED if name not in {*KEY, "newest_batch_number"})


class NoLedgerError(EcomError):
    """Nothing was ever delivered from here.

    Zeros instead of this error would look like an outage.
    """


DEAD_LETTERS: Final = """
SELECT d.name AS destination, k.outcome, nullif(k.reason, '') AS reason, count(*) AS record_count,
    min(k.day::DATE) AS first_date, max(k.day::DATE) AS last_date, min(nullif(k.words, ''))
      AS words,
    list_slice(list(k.record_id ORDER BY k.record_id), 1, 5) AS examples
FROM known k JOIN destination d ON d.id = k.destination_id
WHERE k.outcome IN ('rejected', 'refused') AND ($destination IS NULL OR d.name = $destination)
GROUP BY ALL ORDER BY record_count DESC, destination, outcome, reason
"""


def dead_letters(
    settings: Settings, period: Period, destination: str | None = None, *, may_see_people: bool
) -> list[Row]:
    """Return the dead letters of a period by destination and reason, of all destinations or one.

    With `may_see_people`, record ids and the tools' words are shown.

    Raises:
        NoLedgerError: There is no ledger.
        DeliveryError: The ledger cannot be opened.
    """
    with closing(_opened(settings)) as store:
        names = store.rows("SELECT id, name FROM destinations")
        with closing(
            KnownRecords(store, None, period.start_date, period.end_date)
        ) as known_records:
            known_records.con.register(
                "destination", table_of({"id": pa.int64(), "name": pa.string()}, names)
            )
            rows = (
                known_records.con.sql(DEAD_LETTERS, params={"destination": destination})
                .to_arrow_table()
                .to_pylist()
            )
    if not may_see_people:
        rows = [{**row, "words": row["words"] and HIDDEN, "examples": []} for row in rows]
    return [{**row, "can_retry": row["outcome"] == "rejected"} for row in rows]


def deliveries(settings: Settings, period: Period, destination: str | None) -> Answer:
    """Return the outcomes of the records of each day of a period.

    Raises:
        NoLedgerError: There is no ledger.
        DeliveryError: The ledger cannot be opened.
    """
    with closing(_opened(settings)) as store:
        noted = noted_days(store, period.days).to_pylist()
    rows = [row for row in noted if destination in {None, row["destination"]}]
    rows.sort(key=lambda row: tuple(row[name] for name in KEY))
    return {"totals": {name: sum(row[name] for row in rows) for name in COUNTS}, "deliveries": rows}


def _opened(settings: Settings) -> Database:
    if not ledger_is_there(settings):
        raise NoLedgerError(
            "There is no ledger of deliveries here; set a tool's key and run `ecom export --to "
            "TOOL`, or set ECOM_LEDGER_URL to where the ledger lies."
        )
    return open_store(settings)
