"""Who ordered when, from files of order lines or of events. Not here: what is asked about it."""

from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.file_orders import FileOrders
from ecom_assets.cli.file_rows import FileRows
from ecom_assets.errors import UsageError
from ecom_assets.settings import load_settings
from ecom_assets.transforms.purchases import Purchases
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import whole_sessions


@dataclass(frozen=True)
class Customers:
    """Whose customers are asked about: paths of orders or of events, and the last day to look at, None for the newest.

    A purchase event counts on the day on which its session started, which is why a rule cuts sessions here.
    """

    orders: list[str]
    events: list[str]
    mapping: str | None = None
    until: date | None = None
    session_rule: str = "ga4"

    def definition(self) -> dict[str, str]:
        """Return what an answer says of its source."""
        if self.orders:
            return {"source": "orders"}
        return {"source": "purchase_events", "session_rule": self.session_rule}


@dataclass(frozen=True)
class FilePurchases:
    """Purchases, the engine that holds them, and the rows that they were found in."""

    con: Backend
    purchases: Purchases
    rows: FileRows

    @classmethod
    def open(cls, asked: Customers) -> "FilePurchases":
        """Read order lines, or purchase events.

        Raises:
            UsageError: Both were given, or neither.
        """
        if bool(asked.orders) == bool(asked.events):
            raise UsageError("Customers are known by orders or by events; give either --orders PATH or --events PATH.")
        if asked.events:
            rule = SessionRule.preset(asked.session_rule)
            files = FileEvents.open(asked.events, load_settings(events_mapping=asked.mapping))
            sessions = whole_sessions(files.clean(), rule)
            return cls._stored(files.con, Purchases.of_sessions(sessions, asked.until), files.rows)
        lines = FileOrders.open(asked.orders, load_settings(orders_mapping=asked.mapping))
        return cls._stored(lines.con, Purchases.of_sales(lines.sales(), asked.until), lines.rows)

    @classmethod
    def _stored(cls, con: Backend, purchases: Purchases, rows: FileRows) -> "FilePurchases":
        """Compute them once, since an answer asks several times."""
        orders, as_of = (
            _stored(con, name, rows) for name, rows in (("orders", purchases.orders), ("as_of", purchases.as_of))
        )
        return cls(con, Purchases(orders, as_of), rows)

    def newest_day(self) -> str | None:
        """Return the day at whose end customers are looked at; None without any data."""
        found: date | None = self.purchases.as_of.to_pyarrow()["as_of_date"][0].as_py()
        return found.isoformat() if found else None


def _stored(con: Backend, name: str, rows: ir.Table) -> ir.Table:
    con.raw_sql(f"CREATE OR REPLACE TEMP TABLE purchase_{name} AS {con.compile(rows)}")
    return con.table(f"purchase_{name}", database=("temp", "main"))
