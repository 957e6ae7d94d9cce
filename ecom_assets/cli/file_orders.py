"""Order lines straight from files, by the definitions of the platform's tables, without setting anything up.

Not here: what is asked about them; events (`file_events.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.file_rows import DUPLICATE, FileRows
from ecom_assets.errors import SourceError, UsageError
from ecom_assets.settings import Settings
from ecom_assets.sources.order_mapping import load_order_mapping
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.sources.sql_text import day, day_in_zone, select
from ecom_assets.transforms import sales as selling
from ecom_assets.transforms.days import NO, ONE_DAY, Days
from ecom_assets.transforms.orders import OrderRule, classify, user_order_log
from ecom_assets.warehouse.duckdb import connect

LINES = "file_orders"


@dataclass(frozen=True)
class FileOrders:
    """Files with the mapping that they fit, open in an engine of their own."""

    con: Backend
    files: RecordFiles
    rule: OrderRule

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
        files = RecordFiles.open(con.con, paths, mapping, settings.timezone)
        return cls(con, files, OrderRule(settings.max_amount, settings.max_quantity))

    def clean(self) -> ir.Table:
        """Return the rows of `UserOrderLog`, of every day that there is.

        Raises:
            SourceError: The files hold no rows.
        """
        if self.files.received_days() is None:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        received = self._received
        return user_order_log(received, None, self.rule, self._days())

    def sales(self) -> ir.Table:
        """Return the rows of `Sales`; none where the files hold no clean line."""
        received, days = self._received, self._days()
        lines = user_order_log(received, None, self.rule, days)
        # Order files alone do not tell what led to an order.
        without_channel = lines.select(*selling.ORDER, channel=ibis.null("string")).filter(NO)
        return selling.sales(lines, without_channel, days)

    @cached_property
    def rows(self) -> FileRows:
        """How many lines the files hold, and how many of them are not in `clean`, by reason."""
        classified = classify(self._received, self.rule)
        ids = classified.uniq_id.nunique(where=classified.reject_reason.isnull())
        counted = classified.group_by("reject_reason").agg(row_count=classified.count(), id_count=ids)
        found = self.con.to_pyarrow(counted).to_pylist()
        rejected = {row["reject_reason"]: row["row_count"] for row in found if row["reject_reason"]}
        rejected[DUPLICATE] = sum(row["row_count"] - row["id_count"] for row in found if not row["reject_reason"])
        return FileRows(sum(row["row_count"] for row in found), rejected)

    @cached_property
    def _received(self) -> ir.Table:
        own_day = day_in_zone(self.files.mapping.kind.at, self.files.timezone)
        rows = select(f"*, {own_day} AS order_date, '' AS source", self.files.received_sql())
        # Copies are looked for in several passes, and a file is dear to read.
        self.con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {LINES} AS {rows}")
        return self.con.table(LINES, database=("temp", "main"))

    def _days(self) -> Days:
        """Return every day on which a clean line can have been ordered."""
        covered = self.files.received_days()
        if covered is None:
            return Days(())
        last = covered[1] + ONE_DAY
        query = select("min(order_date)", LINES, f"order_date <= {day(last)}")
        # All of it, because what is left unread would keep the connection busy.
        ((first,),) = self.con.con.execute(query).fetchall()
        return Days.between(first, last + ONE_DAY) if first else Days(())
