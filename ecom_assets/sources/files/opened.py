"""Event files that are open, and the check of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import duckdb

from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.coded_events import MOST_ROWS, CheckedRows, CodedFiles
from ecom_assets.sources.files.compiled import compiled
from ecom_assets.sources.files.kinds import EventMapping, load_mapping
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.local import plain_connection
from ecom_assets.warehouse.sql_text import STATEMENTS

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class OpenedFiles:
    """Files with the mapping that they fit, open in an engine of their own."""

    con: duckdb.DuckDBPyConnection
    files: RecordFiles
    mapping: EventMapping
    settings: Settings
    known: CheckedRows | None = None

    @classmethod
    def open(cls, paths: Sequence[str], settings: Settings) -> "OpenedFiles":
        """Find the files, and check that they fit the mapping.

        Raises:
            UsageError: No path was given.
        """
        if not paths:
            raise UsageError("No events were given; name a file, folder or glob with --events PATH.")
        con = plain_connection(settings.memory_limit)
        mapping = load_mapping(settings.events_mapping)
        if settings.home.is_dir():
            STATEMENTS.keep_in(settings.home / "statements.sqlite")
        return cls(con, RecordFiles.open(con, paths, mapping, settings.timezone), mapping, settings)

    @cached_property
    def checked(self) -> CheckedRows | None:
        """What the check of all rows says; None where clean events cannot be read straight from the files."""
        return self.known or (None if self.coded is None else self.coded.checked())

    @cached_property
    def coded(self) -> CodedFiles | None:
        """The files as numbers; None where their rows need the full definitions of cleaning."""
        if not (self.files.is_parquet and cleans_by_default(self.settings, self.mapping)):
            return None
        if may_hold_erased(self.settings) or not 0 < self.files.row_count() <= MOST_ROWS:
            return None
        return CodedFiles(self.con, self.files, self.settings.late_days)


def cleans_by_default(settings: Settings, mapping: EventMapping) -> bool:
    """Whether settings clean events by the rule that is compiled."""
    default = compiled()
    is_default = settings.late_days == default.late_days and settings.max_amount == Decimal(default.max_amount)
    return is_default and settings.timezone == "UTC" and mapping.accepted_types(settings.event_types) is None


def may_hold_erased(settings: Settings) -> bool:
    """Return whether people were erased, whose rows must be left out of whatever file is asked."""
    named = (settings.ledger_url.get_secret_value(), settings.warehouse_url, settings.postgres_url.get_secret_value())
    if not (settings.home / "ledger.sqlite").exists() and not any(
        "://" in one and "duckdb:" not in one for one in named
    ):
        return False  # without the imports below: there is no ledger, which has the list of erased people
    from ecom_assets.privacy.erased_people import ErasedIds  # noqa: PLC0415 (loads the ledger)

    return not ErasedIds(settings).is_empty


def without_erased(settings: Settings, contract: type[Table], rows: "ir.Table") -> "ir.Table":
    """Return rows of a raw table without those of erased people."""
    if not may_hold_erased(settings):
        return rows
    from ecom_assets.privacy.erased_people import ErasedPeople  # noqa: PLC0415 (loads the ledger)

    return ErasedPeople(settings).left_out(contract, rows)[0]
