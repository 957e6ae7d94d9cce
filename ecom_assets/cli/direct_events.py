"""Clean events read straight from Parquet files by each query of a question, instead of from a stored copy.

One check of all rows says which rules of cleaning any row breaks; only these are in the query. The few events without a
user, or with an id that may repeat, are cleaned by the full definitions and stored.
"""

from dataclasses import dataclass

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.events import clean
from ecom_assets.events.clean import CleaningRule
from ecom_assets.events.identity import resolve_visitors, visitor_of_user
from ecom_assets.sources.files.coded_events import OF_TIME, REPEATED_HASHES, CheckedRows
from ecom_assets.sources.files.compiled import compiled
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.sql_text import select

DIRECT, SPECIAL, SIGHTINGS = "direct_events", "special_events", "special_sightings"
ARRIVED = "received_date"


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
        broken = [name for name, count in self.checked.rejected.items() if count]
        is_dated = is_dated or not {*OF_TIME}.isdisjoint(broken)
        conditions = ["t0.user_id IS NOT NULL"] if self.checked.has_anonymous else []
        conditions += [f"hash(t0.event_id) NOT IN {_repeated()}"] if self.checked.has_repeated else []
        if broken:
            cases = " ".join(f"WHEN {compiled().rules[name]} THEN false" for name in broken)
            conditions.append(f"CASE {cases} ELSE true END")
        rows = self.files.sure_sql(self.rule.late_days, is_dated=is_dated)
        rows = select("*, event_at::DATE AS event_date", f"({rows})")
        self._view(DIRECT, select("*", f"({rows}) AS t0", " AND ".join(conditions)))
        events = self._table(DIRECT)
        visitor = visitor_of_user(events.user_id) if self.checked.has_escaped else events.user_id
        result = clean.as_clean_events(events.mutate(visitor_id=visitor))
        return result if is_dated else result.drop(ARRIVED)

    @property
    def has_special(self) -> bool:
        """Return whether there are events without a user, or with an id that may repeat."""
        return self.checked.has_anonymous or self.checked.has_repeated

    def special(self, received: str, days: Days) -> ir.Table:
        """Return the clean events without a user, or with an id that may repeat.

        Args:
            received: The view of all received rows.
            days: The range of their arrival days.
        """
        conditions = ["user_id IS NULL"] if self.checked.has_anonymous else []
        conditions += [f"hash(event_id) IN {_repeated()}"] if self.checked.has_repeated else []
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


def _repeated() -> str:
    return f"({select('id_hash', REPEATED_HASHES)})"
