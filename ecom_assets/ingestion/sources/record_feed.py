"""The kinds of record, each declared once: its tables and mappings, how its files are read, what
writes a mapping for them, and how rows of uploads land.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import import_module
from pkgutil import resolve_name
from typing import Any, Final

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import FEEDS
from ecom_assets.core.settings.upload_kind import UploadKind
from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.sql_text import date_literal, day_in_zone, select
from ecom_assets.ingestion.sources.cost_reading import ClassifiedFileReading
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.mapping import RecordMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.mapping_file import shipped_in
from ecom_assets.ingestion.sources.reading import CustomerFileReading, FileReading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading

DRAFTS: Final = "ecom_assets.ingestion.sources.proposal.draft"
Reading = FileReading | CustomerFileReading | ClassifiedFileReading | StockFileReading
"""Files as a mapping reads them."""


@dataclass(frozen=True)
class RowsToLand:
    """The rows of an upload as they land, by their files: a SELECT in which amounts have the code
    of their currency, and the SQL of columns that are not as it has them.
    """

    files: RecordFiles
    sql: str
    columns: Mapping[str, str] = field(default_factory=dict)


def landed_rows(files: RecordFiles, settings: Settings, sent_day: date) -> RowsToLand:
    """Return rows that arrive on a day that they say, else on that on which their file was sent."""
    said = day_in_zone("received_at", files.timezone)
    arrived = f"coalesce({said}, {date_literal(sent_day)}) AS received_date"
    dated = select(f"* REPLACE ({arrived})", f"({files.received_sql()})")
    return RowsToLand(files, Currencies.from_settings(settings).coded_costs(files, dated))


@dataclass(frozen=True)
class RecordFeed:
    """A kind of record, as `FEED` of its package declares it.

    Attributes:
        upload: What settings and pages know of it.
        raw: The table of its rows as received, whose columns say who may see them.
        folder: The folder of its shipped mappings.
        id: The field of a mapping with the id of a record, by which the mapping of a file is known.
        read: Reads files by a mapping, its name or its path.
        draft: The class in `proposal/draft.py` of the draft of a mapping, by the values of columns;
            imported only where one is written.
        key: The SQL of what two versions of a row have in common.
        mapping: The class of its mappings, where records are read by the platform's own layouts.
        amount_column: The column that its rows are about, if that is money; else empty.
        is_recognised: Whether its shipped mappings are tried on files of which nobody says what
            they are; a list of products could be one of costs as well.
        landed: The rows of an upload in the native layout, which every run reads by it.
        listed: The rows of an upload as rows of the raw table, by what was read, their day, their
            source and how many places of the day are taken; in place of the native layout, for
            lists of which a later row counts.
        keeps_mapping: Whether tables need to know the mapping that such a list was read by.
    """

    upload: UploadKind
    raw: type[Table]
    folder: str
    id: str
    read: Callable[[Sequence[str], str, Settings], Reading]
    draft: str
    key: str
    mapping: type[RecordMapping] | None = None
    amount_column: str = ""
    is_recognised: bool = False
    landed: Callable[[RecordFiles, Settings, date], RowsToLand] = landed_rows
    listed: Callable[[Any, date, str, int], Iterator[dict[str, Any]]] | None = None
    keeps_mapping: bool = False

    @property
    def draft_class(self) -> Any:  # noqa: ANN401 (a class that is imported late)
        """Return the class of the draft of a mapping."""
        return resolve_name(f"{DRAFTS}:{self.draft}")

    @property
    def model(self) -> type[RecordMapping]:
        """Return the class of its mappings; not of customers, whose records are documents."""
        assert self.mapping  # noqa: S101 (as above)
        return self.mapping

    @property
    def shipped(self) -> list[str]:
        """Return the names of its shipped mappings."""
        return shipped_in(self.folder)


@cache
def feeds() -> Mapping[str, RecordFeed]:
    """Return every kind of record by its name, in the order of lists."""
    return {name: import_module(f"{FEEDS}.{name}.feed").FEED for name in KINDS}
