"""Clean events straight from files, by the same definitions as the platform's tables, without setting anything up.

Not here: what is asked about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.file_rows import DUPLICATE, FileRows
from ecom_assets.errors import SourceError, UsageError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_mapping import EventMapping, load_mapping
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.sources.sql_text import day_in_zone
from ecom_assets.transforms import clean
from ecom_assets.transforms.clean import CleaningRule
from ecom_assets.transforms.days import ONE_DAY, Days
from ecom_assets.transforms.identity import resolve_visitors
from ecom_assets.warehouse.duckdb import connect, streaming
from ecom_assets.warehouse.schema import fetched

RECEIVED = "received_events"
ROWS = "file_rows"
COPIES = "file_copies"
DUPLICATES = "file_duplicates"

FEW_COLUMNS = (
    "event_id", "event_type", "event_at", "event_date", "user_id", "session_id", "cart_amount", "received_date",
)  # fmt: skip
"""What it takes to say who did what and when."""
ALL_COLUMNS = tuple(dict.fromkeys((*FEW_COLUMNS, *clean.ARRIVAL_ORDER)))
"""What the clean events, and the order of their copies, are made of."""


@dataclass(frozen=True)
class FileEvents:
    """Files with the mapping that they fit, open in an engine of their own."""

    con: Backend
    files: RecordFiles
    mapping: EventMapping
    settings: Settings
    columns: tuple[str, ...] = ALL_COLUMNS

    @classmethod
    def open(cls, paths: Sequence[str], settings: Settings) -> "FileEvents":
        """Find the files and check them.

        Raises:
            UsageError: No path was given.
        """
        if not paths:
            raise UsageError("No events were given; name a file, folder or glob with --events PATH.")
        con = connect()
        con.raw_sql(f"SET memory_limit = '{settings.memory_limit}'")
        mapping = load_mapping(settings.events_mapping)
        return cls(con, RecordFiles.open(con.con, paths, mapping, settings.timezone), mapping, settings)

    def with_few_columns(self) -> "FileEvents":
        """The same files for a question about who did what and when, which no surplus copy can change.

        Use these or the others: what is kept of the rows is kept under one name.
        """
        return replace(self, columns=FEW_COLUMNS)

    def clean(self) -> ir.Table:
        """Return the rows of `CleanEvents`; with few columns only these, and surplus copies are still among them."""
        resolved = resolve_visitors(self._copies, self._copies, self.rule.late_days)
        if self.columns == FEW_COLUMNS:
            return resolved.rename(source_session_id="session_id")
        if self.rows.rejected.get(DUPLICATE):
            resolved = clean.unique_copies(resolved, self._duplicates)
        return clean.as_clean_events(resolved)

    @cached_property
    def rows(self) -> FileRows:
        """How many rows the files hold, and how many of them are not in `clean`, by reason."""
        rows = self._classified
        counts = dict(fetched(self.con, rows.group_by("reject_reason").agg(row_count=rows.count())))
        rejected = {reason: count for reason, count in counts.items() if reason}
        ((surplus,),) = fetched(self.con, self._duplicates.agg(count=lambda t: t.surplus_count.sum().fill_null(0)))
        return FileRows(sum(counts.values()), rejected | {DUPLICATE: int(surplus)})

    @cached_property
    def _classified(self) -> ir.Table:
        """Every row, with its reason where it is refused."""
        # Kept, because parsing texts is dear: they are read once for the answer, for its copies and for `rows`.
        rows = clean.classify(self.received(), self.rule, self._days)
        return self._kept(ROWS, rows.select(*self.columns, "reject_reason"))

    @cached_property
    def _copies(self) -> ir.Table:
        """The rows that are clean, surplus copies among them."""
        rows = self._classified
        # A view, because the engine would store what a query names twice, with all its columns.
        copies = rows.filter(rows.reject_reason.isnull()).drop("reject_reason")
        self.con.raw_sql(f"CREATE OR REPLACE TEMP VIEW {COPIES} AS {self.con.compile(copies)}")
        return self.con.table(COPIES, database=("temp", "main"))

    @cached_property
    def _duplicates(self) -> ir.Table:
        """The rows of `DuplicateEvents`."""
        return self._kept(DUPLICATES, clean.surplus_copies(self._copies, self.rule))

    def _kept(self, name: str, rows: ir.Table) -> ir.Table:
        query = streaming(self.con.compiler.to_sqlglot(rows)).sql(dialect=self.con.dialect)
        self.con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
        return self.con.table(name, database=("temp", "main"))

    @property
    def rule(self) -> CleaningRule:
        """What makes a row a clean event, as `ecom run` has it."""
        accepted = self.mapping.accepted_types(self.settings.event_types)
        return CleaningRule(
            accepted,
            self.settings.late_days,
            max_amount=self.settings.max_amount,
            timezone=self.settings.timezone,
        )

    def received(self) -> ir.Table:
        """Return the rows of `RawEvents`."""
        own_day = day_in_zone("event_at", self.settings.timezone)
        sql = f"SELECT *, {own_day} AS event_date, '' AS source FROM ({self.files.received_sql()})"  # noqa: S608 (quoted by sql_text)
        self.con.raw_sql(f"CREATE OR REPLACE TEMP VIEW {RECEIVED} AS {sql}")
        return self.con.table(RECEIVED, database=("temp", "main"))

    @cached_property
    def _days(self) -> Days:
        covered = self.files.received_days()
        if covered is None:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        return Days.between(covered[0], covered[1] + ONE_DAY).widened(before=self.settings.late_days, after=1)
