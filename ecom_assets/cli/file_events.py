"""Clean events straight from files, by the same definitions as the platform's tables, without setting anything up.

Not here: what is asked about them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
from ecom_assets.warehouse.duckdb import connect

VIEW = "file_events"
COPIES = "file_copies"
KEYS = "file_keys"


@dataclass(frozen=True)
class FileEvents:
    """Files with the mapping that they fit, open in an engine of their own."""

    con: Backend
    files: RecordFiles
    mapping: EventMapping
    settings: Settings

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

    def clean(self, *, repeats_matter: bool = True) -> ir.Table:
        """Return the rows of `CleanEvents`.

        Args:
            repeats_matter: Whether surplus copies must be left out; finding them is the dearest part.
        """
        copies = clean.clean_copies(self.received(), self.rule, self._days)
        resolved = resolve_visitors(copies, copies, self.rule.late_days)
        if repeats_matter and self.rows.rejected.get(DUPLICATE):
            resolved = clean.unique_copies(resolved, self._duplicates)
        return clean.as_clean_events(resolved)

    @cached_property
    def rows(self) -> FileRows:
        """How many rows the files hold, and how many of them are not in `clean`, by reason."""
        # The files are read once, and what is asked twice of every row is kept in as little room as it takes.
        keys = self._kept(KEYS, clean.row_keys(self.received(), self.rule, self._days))
        found = self.con.to_pyarrow(keys.group_by("reject_reason").agg(row_count=keys.count())).to_pylist()
        rejected = {row["reject_reason"]: row["row_count"] for row in found if row["reject_reason"]}
        rejected[DUPLICATE] = int(self.con.to_pyarrow(clean.surplus_count(keys, self.rule)).as_py())
        self.con.raw_sql(f"DROP TABLE {KEYS}")
        return FileRows(sum(row["row_count"] for row in found), rejected)

    @cached_property
    def _duplicates(self) -> ir.Table:
        """The rows of `DuplicateEvents`, found once, however often the clean events are asked for."""
        return self._kept(COPIES, clean.duplicate_events(self.received(), self.rule, self._days))

    def _kept(self, name: str, rows: ir.Table) -> ir.Table:
        self.con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {self.con.compile(rows)}")
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
        self.con.raw_sql(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {sql}")
        return self.con.table(VIEW, database=("temp", "main"))

    @cached_property
    def _days(self) -> Days:
        covered = self.files.received_days()
        if covered is None:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        return Days.between(covered[0], covered[1] + ONE_DAY).widened(before=self.settings.late_days, after=1)
