"""Clean order lines straight from files, by the same definitions as the platform's tables, without setting anything up.

Not here: what is asked about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.errors import SourceError, UsageError
from ecom_assets.settings import Settings
from ecom_assets.sources.order_mapping import load_order_mapping
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.sources.sql_text import day_in_zone, select
from ecom_assets.transforms.days import ONE_DAY, Days
from ecom_assets.transforms.orders import user_order_log
from ecom_assets.warehouse.duckdb import connect

VIEW = "file_orders"


@dataclass(frozen=True)
class FileOrders:
    """Files with the mapping that they fit, open in an engine of their own."""

    con: Backend
    files: RecordFiles
    settings: Settings

    @classmethod
    def open(cls, paths: Sequence[str], settings: Settings) -> "FileOrders":
        """Find the files and check them.

        Raises:
            UsageError: No path was given.
        """
        if not paths:
            raise UsageError("No orders were given; name a file, folder or glob with --orders PATH.")
        con = connect()
        con.raw_sql(f"SET memory_limit = '{settings.memory_limit}'")
        mapping = load_order_mapping(settings.orders_mapping)
        return cls(con, RecordFiles.open(con.con, paths, mapping, settings.timezone), settings)

    def clean(self) -> ir.Table:
        """Return the rows of `UserOrderLog`, of every day that there is.

        Raises:
            SourceError: The files hold no rows.
        """
        if self.files.received_days() is None:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        raw = self.received()
        (span,) = raw.agg(first=raw.order_date.min(), last=raw.order_date.max()).to_pyarrow().to_pylist()
        days = Days.between(span["first"], span["last"] + ONE_DAY) if span["first"] else Days(())
        return user_order_log(raw, days)

    def received(self) -> ir.Table:
        """Return the rows of `RawUserOrderLog`."""
        own_day = f"{day_in_zone(self.files.mapping.kind.at, self.settings.timezone)} AS order_date"
        rows = select(f"*, {own_day}, '' AS source", f"({self.files.received_sql()})")
        self.con.raw_sql(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {rows}")
        return self.con.table(VIEW, database=("temp", "main"))
