"""Query the current delivery counts in the ledger."""

from contextlib import closing
from pathlib import Path
from typing import Any, Final

from ecom_assets.delivery.contracts import ReconciliationDaily
from ecom_assets.delivery.ledger.copy import NOTED, noted_days
from ecom_assets.delivery.ledger.opening import ledger_place, open_store
from ecom_assets.errors import EcomError
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.queries import Period

KEY: Final = ("reconciled_date", "destination", "account")
COUNTS: Final = tuple(name for name in NOTED if name not in {*KEY, "newest_batch_number"})
DEFINITION: Final = {name: ReconciliationDaily.columns[name].description for name in NOTED} | {
    "totals": "Sums over the days of the range and over destinations",
    "deliveries": "A row per day, destination and account, in this order",
}


class NoLedgerError(EcomError):
    """Nothing was ever delivered from here. Zeros instead of this error would look like an outage."""


def deliveries(settings: Settings, period: Period, destination: str | None) -> dict[str, Any]:
    """Return the outcomes of the records of each day of a period.

    Raises:
        NoLedgerError: There is no ledger.
        DeliveryError: The ledger cannot be opened.
    """
    place = ledger_place(settings)
    if isinstance(place, Path) and not place.exists():
        raise NoLedgerError(
            "There is no ledger of deliveries here; set a tool's key and run `ecom export --to TOOL`, or set "
            "ECOM_LEDGER_URL to where the ledger lies."
        )
    with closing(open_store(settings)) as store:
        noted = noted_days(store, period.days).to_pylist()
    rows = [row for row in noted if destination in {None, row["destination"]}]
    rows.sort(key=lambda row: tuple(row[name] for name in KEY))
    return {"totals": {name: sum(row[name] for row in rows) for name in COUNTS}, "deliveries": rows}
