"""The smallest source: it returns the rows of raw order lines that arrived on some days."""

from dataclasses import dataclass
from datetime import date, datetime, time

import pyarrow as pa

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.tables.received import FileRows, SliceOutput
from ecom_assets.core.warehouse.local import connect


@dataclass(frozen=True)
class OneOrderADay:
    """A shop that sells one hat for 20.00 at noon of each day."""

    first: date

    def received(self, days: Days) -> SliceOutput:
        """Return the lines of the days from the first on."""
        wanted = Days.from_dates(day for day in days.dates if day >= self.first)
        rows = pa.Table.from_pylist(
            [self._line(day) for day in wanted.dates],
            schema=schema_of(RawUserOrderLog).to_pyarrow(),
        )
        return SliceOutput(connect().create_table("lines", rows), wanted)

    def file_rows(self, _days: Days | None) -> list[FileRows] | None:
        """Return nothing: these rows come from no file."""
        return None

    def arrival_days(self, days: Days) -> Days:
        """Return those of `days` on which a hat was sold."""
        return Days.from_dates(day for day in days.dates if day >= self.first)

    @staticmethod
    def _line(day: date) -> dict[str, object]:
        line: dict[str, object] = dict.fromkeys(RawUserOrderLog.columns)
        noon = datetime.combine(day, time(12))
        return line | {
            "uniq_id": f"hat-{day}",
            "customer_id": "anna",
            "ordered_at": noon,
            "order_date": day,
            "date_time": noon.isoformat(),
            "item_id": "7",
            "item_name": "Hat",
            "quantity": 1,
            "payment_amount": 20,
            "received_date": day,
            "source": "one-order-a-day",
            "source_file": "",
        }
