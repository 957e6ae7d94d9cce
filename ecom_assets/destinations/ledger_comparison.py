"""Whether the ledger knows all that the warehouse's copy of it does: a lost one would have everything sent again.

Not here: the copy (`ledger_copy.py`), how a ledger is rebuilt from it (`ledger_restoring.py`).
"""

from dataclasses import dataclass

from ecom_assets.contracts.deliveries import Deliveries
from ecom_assets.destinations.ledger_store import Store
from ecom_assets.errors import DeliveryError
from ecom_assets.warehouse.engine import Engine


@dataclass(frozen=True)
class Gap:
    """What the copy has and the ledger lacks."""

    missing_count: int
    copied_count: int

    def __bool__(self) -> bool:
        """Tell whether anything is missing."""
        return self.missing_count > 0


def gap_of(store: Store | None, engine: Engine) -> Gap:
    """Compare the ledger with the copy, by destination and day.

    Accounts are left out, as what they are called may change between releases. A record that was sent twice counts
    twice in the ledger and once in the copy, so that a whole ledger never has fewer.
    """
    rows = engine.table(Deliveries).group_by("destination", "record_date").agg(n=lambda table: table.count())
    copied = {(row["destination"], row["record_date"].isoformat()): row["n"] for row in rows.to_pyarrow().to_pylist()}
    known = _known(store)
    missing = sum(max(number - known.get(key, 0), 0) for key, number in copied.items())
    return Gap(int(missing), int(sum(copied.values())))


def refuse_emptier(store: Store | None, engine: Engine, place: object) -> None:
    """Stop before anything is sent where the ledger knows less than the warehouse's copy of it.

    Raises:
        DeliveryError: It does.
    """
    if gap := gap_of(store, engine):
        raise DeliveryError(
            f"The ledger of deliveries {store.address if store else place} lacks {gap.missing_count:,} of the "
            f"{gap.copied_count:,} deliveries that export.deliveries has, so these would be sent again; nothing was "
            "sent: put your backup of the ledger back, or rebuild it with `ecom ledger restore`."
        )


def _known(store: Store | None) -> dict[tuple[str, str], int]:
    if store is None:
        return {}
    found = store.rows(
        "SELECT d.name, b.day, sum(b.record_count) FROM batches b JOIN destinations d ON d.id = b.destination_id "
        "GROUP BY d.name, b.day"
    )
    return {(name, day): int(number) for name, day, number in found}
