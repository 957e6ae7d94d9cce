"""The kinds of record, each declared once: its tables and mappings, how its files are read, what
writes a mapping for them, and how rows of uploads land.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import import_module
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import FEEDS
from ecom_assets.core.settings.upload_kind import UploadKind
from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.plain_records import PlainRecords
from ecom_assets.core.warehouse.sql_text import date_literal, day_in_zone, select
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.mapping import RecordMapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.mapped_records import MappedRecords
from ecom_assets.ingestion.sources.mapping_file import shipped_in

if TYPE_CHECKING:
    from ecom_assets.ingestion.sources.readings import Reading

SOURCES: Final = "ecom_assets.ingestion.sources"
DRAFTS: Final = f"{SOURCES}.proposal.drafts"


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
        reading: What reads files by a mapping, its name or its path, as `module:name` in
            `ingestion/sources`, imported only where that is done; empty where its tables follow
            from its contracts.
        draft: The class of the draft of a mapping, by the values of columns, as `module:name` in
            `proposal/drafts`; imported only where one is written.
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
        names: What files usually call its columns, by the fields; of kinds that `column_names.yaml`
            does not name.
        is_set: Whether there are rows to load; by default whether its setting names paths.
        source: What a run loads it from, and `tables` what is computed of that, where these follow
            from its contracts; other kinds have assets of their own.
        tables: As above.
    """

    upload: UploadKind
    raw: Contract
    folder: str
    id: str
    draft: str
    key: str
    reading: str = ""
    mapping: type[RecordMapping] | None = None
    amount_column: str = ""
    is_recognised: bool = False
    landed: Callable[[RecordFiles, Settings, date], RowsToLand] = landed_rows
    listed: Callable[[Any, date, str, int], Iterator[dict[str, Any]]] | None = None
    keeps_mapping: bool = False
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_set: Callable[[Settings], bool] | None = None
    source: type[MappedRecords] | None = None
    tables: PlainRecords | None = None

    def read(self, paths: Sequence[str], mapping: str, settings: Settings) -> "Reading":
        """Return files as a mapping reads them.

        Raises:
            EcomError: They cannot be read by it.
        """
        if self.tables and self.source:
            from ecom_assets.ingestion.sources.plain_reading import plain_reading  # noqa: PLC0415 (a fifth of a second, for what few commands do)

            return plain_reading(self.source, self.tables).open(paths, mapping, settings)
        reading: Reading = resolve_name(f"{SOURCES}.{self.reading}")(paths, mapping, settings)
        return reading

    @property
    def draft_class(self) -> Any:  # noqa: ANN401 (a class that is imported late)
        """Return the class of the draft of a mapping."""
        return resolve_name(f"{DRAFTS}.{self.draft}")

    @property
    def model(self) -> type[RecordMapping]:
        """Return the class of its mappings; not of customers, whose records are documents."""
        assert self.mapping  # noqa: S101 (as above)
        return self.mapping

    @property
    def plain_tables(self) -> PlainRecords:
        """Return its tables; of kinds whose tables follow from their contracts."""
        assert self.tables  # noqa: S101 (as above)
        return self.tables

    def is_there(self, settings: Settings) -> bool:
        """Return whether there are rows to load."""
        return self.is_set(settings) if self.is_set else bool(getattr(settings, self.upload.name))

    @property
    def shipped(self) -> list[str]:
        """Return the names of its shipped mappings."""
        return shipped_in(self.folder)


@cache
def feeds() -> Mapping[str, RecordFeed]:
    """Return every kind of record by its name, in the order of lists."""
    return {name: import_module(f"{FEEDS}.{name}.feed").FEED for name in KINDS}
