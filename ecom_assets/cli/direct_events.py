"""Clean events read straight from Parquet files by each query of a question, instead of from a stored copy.

One check of all rows says which rules of cleaning any row breaks; only these are in the query. The few events without a
user, or with an id that may repeat, are cleaned by the full definitions and stored.
"""

from dataclasses import dataclass

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.kept_events import ordinary_events
from ecom_assets.events import clean
from ecom_assets.events.clean import CleaningRule
from ecom_assets.events.identity import resolve_visitors
from ecom_assets.sources.files.coded_events import CheckedRows
from ecom_assets.sources.files.direct_view import DIRECT, repeated, view_direct
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.sql_text import select

SPECIAL, SIGHTINGS = "special_events", "special_sightings"


@dataclass(frozen=True)
class DirectEvents:
    """Checked Parquet files.

    Attributes:
        con: The engine.
        files: The files.
        rule: What makes a row a clean event, the default.
        checked: What the check of all rows says.
    """

    con: Backend
    files: RecordFiles
    rule: CleaningRule
    checked: CheckedRows

    def ordinary(self, *, is_dated: bool) -> ir.Table:
        """Return the clean events that have a user and a unique id; with `received_date` only if it is needed."""
        is_dated = view_direct(self.con.con, self.files, self.rule.late_days, self.checked, is_dated=is_dated)
        return ordinary_events(self._table(DIRECT), has_escaped=self.checked.has_escaped, is_dated=is_dated)

    @property
    def has_special(self) -> bool:
        """Return whether there are events without a user, or with an id that may repeat."""
        return self.checked.has_special

    def special(self, received: str, days: Days) -> ir.Table:
        """Return the clean events without a user, or with an id that may repeat.

        Args:
            received: The view of all received rows.
            days: The range of their arrival days.
        """
        conditions = ["user_id IS NULL"] if self.checked.has_anonymous else []
        conditions += [f"hash(event_id) IN {repeated()}"] if self.checked.has_repeated else []
        copies = self._clean_rows(SPECIAL, select("*", received, " OR ".join(conditions)), days)
        anonymous = select("session_id", SPECIAL, "user_id IS NULL")
        seen = self._clean_rows(SIGHTINGS, select("*", received, f"session_id IN ({anonymous})"), days)
        resolved = resolve_visitors(copies, seen, self.rule.late_days)
        return clean.as_clean_events(clean.unique_copies(resolved, clean.surplus_copies(copies, self.rule)))

    def _clean_rows(self, name: str, rows: str, days: Days) -> ir.Table:
        self._view(f"{name}_received", rows)
        classified = clean.classify(self._table(f"{name}_received"), self.rule, days)
        kept = classified.filter(classified.reject_reason.isnull()).drop("reject_reason", "accounted_date")
        self.con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {self.con.compile(kept)}")
        return self._table(name)

    def _view(self, name: str, rows: str) -> None:
        self.con.raw_sql(f"CREATE OR REPLACE TEMP VIEW {name} AS {rows}")

    def _table(self, name: str) -> ir.Table:
        return self.con.table(name, database=("temp", "main"))
