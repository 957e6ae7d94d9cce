"""The rows of a kind of record in the files of its setting, read by a mapping, as a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

from ibis.backends.duckdb import Backend

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import KINDS, is_of_uploads
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NO_DAYS, SliceOutput
from ecom_assets.core.warehouse.local import in_memory, temporary
from ecom_assets.core.warehouse.sql_text import day_in_zone, select, text
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.formats import join_paths, split_paths
from ecom_assets.ingestion.sources.files.mapping import RecordMapping, load
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.uploaded_rows import open_uploads, with_uploads


@dataclass(frozen=True)
class MappedRecords:
    """The rows in the files of a setting, and in uploads beside them.

    Whatever the days of a run are, all files are read. A row arrives on the day of its file.
    """

    reader: Backend
    settings: Settings
    are_alone: bool = False
    """Whether uploads do not stand beside them."""

    name: ClassVar[str]
    """The kind of record, and the setting of its paths."""
    raw: ClassVar[Contract]
    """The table that the rows are of."""
    mapping: ClassVar[type[RecordMapping]]
    """The class of its mappings."""
    amounts: ClassVar[tuple[str, ...]] = ()
    """The columns of money, the first of which a row is about; they are converted by the rate of
    `order_date`.
    """

    file_is_load: ClassVar[bool] = False
    """Whether what counts is decided by the file of a row, so that rows of files that arrived on
    the same day and are not named any more stay, as those of other days do.
    """
    derived: ClassVar[tuple[str, ...]] = ()
    """The SQL of columns that follow from those in the shop's currency, with their names."""

    @classmethod
    def of_files(
        cls, reader: Backend, paths: Sequence[str], mapping: str, settings: Settings
    ) -> Self:
        """Return the rows of some files alone, read by a mapping.

        They are the shop's own, whose currency is not that of the simulated shop.
        """
        own = {cls.name: join_paths(paths), f"{cls.name}_mapping": mapping}
        if KINDS[cls.name].is_named_with_mapping:
            own = {cls.name: join_paths(f"{mapping}={path}" for path in paths)}
        own["orders"] = settings.orders or "own"
        return cls(reader, settings.model_copy(update=own), are_alone=True)

    @cached_property
    def files(self) -> RecordFiles:
        """Return the files, checked against their mapping."""
        con, settings = self.reader.con, self.settings
        if self._are_of_uploads:
            return open_uploads(con, settings, self.name, self.mapping)
        files = self.opened()
        return files if self.are_alone else with_uploads(files, settings, self.name, self.mapping)

    def opened(self) -> RecordFiles:
        """Find the configured files, and check them against their mapping.

        Raises:
            MappingError: A file does not match its mapping, or there is none of this name.
            SourceError: A file cannot be read.
        """
        return RecordFiles.open(
            self.reader.con,
            self.paths(),
            load(self.mapping, getattr(self.settings, f"{self.name}_mapping")),
            self.settings.timezone,
            self.settings.first_plausible_day,
        )

    def paths(self) -> list[str]:
        """Return the paths of the files."""
        return split_paths(self.shown)

    @property
    def shown(self) -> str:
        """Return where the rows come from, without secrets."""
        paths: str = getattr(self.settings, self.name)
        return paths

    def received(self, _days: Days) -> SliceOutput:
        """Return the rows of all files, on the days on which these arrived.

        Raises:
            MappingError: A file does not match its mapping.
            SourceError: A file cannot be read, or its amounts are in several currencies and nothing
                says which is the shop's.
        """
        days = Days.from_dates(self.files.arrival_dates())
        if not days.dates:
            return self.nothing(f"{self.shown} has no rows")
        rows = temporary(self.reader, f"received_{self.name}", self.received_sql, "VIEW")
        self.files.log_malformed()
        # What files or a table brought before stays on the days of uploads.
        only_uploads = days if self._are_of_uploads else NO_DAYS
        files = {file.stored_name for file in self.files.files()} if self.file_is_load else set()
        return SliceOutput(
            rows,
            days,
            supersedes=days,
            only_uploads=only_uploads,
            only_files=frozenset(files),
        )

    @classmethod
    def nothing(cls, reason: str) -> SliceOutput:
        """Return no rows for no days, with a reason; the table is not changed."""
        return SliceOutput.nothing(in_memory((), cls.raw), reason)

    @property
    def _are_of_uploads(self) -> bool:
        return is_of_uploads(self.settings.home, getattr(self.settings, self.name))

    @property
    def received_sql(self) -> str:
        """The SELECT of the rows of the raw table."""
        rows = self.dated_sql()
        if self.amounts:
            settings = self.settings
            currencies = Currencies(settings.currency, settings.rates, settings.known_currency)
            _, noun = KINDS[self.name].row_words
            rows = currencies.convert_costs(self.files, f"({rows})", self.amounts, noun)
        kept = f"* EXCLUDE ({', '.join(self.left_out)})"
        return select([kept, *self.derived, f"{text(self.shown)} AS source"], f"({rows})")

    def dated_sql(self) -> str:
        """Return the SELECT of received rows with their days, and with the `order_date` by whose
        rate their amounts are converted.
        """
        days = {name: day_in_zone(at, self.settings.timezone) for name, at in self._times.items()}
        dated = [f"{day} AS {name}" for name, day in days.items()]
        of_rate = f"coalesce({days[self.mapping.kind.time]}, received_date) AS order_date"
        return select(["*", *dated, of_rate], f"({self.files.received_sql()})")

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the columns of these rows that the raw table does not have."""
        return ("order_date", *self._times.values())

    @property
    def _times(self) -> dict[str, str]:
        """Return the fields of days, each with the column of its instant."""
        kind = self.mapping.kind
        return {kind.time: kind.at, **kind.other_times}
