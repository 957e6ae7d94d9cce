"""The source of what items cost: files, a table that lands in files, or none."""

from dataclasses import dataclass
from functools import cached_property, partial

import duckdb
from ibis.backends.duckdb import Backend

from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import is_of_uploads
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NO_DAYS, NoSource, SliceOutput
from ecom_assets.core.warehouse.local import in_memory, temporary
from ecom_assets.core.warehouse.sql_text import day_in_zone, select, text
from ecom_assets.ingestion.sources.cost_table import cost_paths, shown_costs
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.mapping import UNIT_COST, CostMapping, load_cost_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.sandbox_shop import has_costs_file
from ecom_assets.ingestion.sources.uploaded_rows import open_uploads, with_uploads

VIEW = "received_costs"


def has_costs(settings: Settings) -> bool:
    """Return whether there are costs to load: configured ones, or the sandbox's if there are no own
    data.
    """
    return bool(settings.costs) or (
        not settings.has_own_data and has_costs_file(settings.sandbox_folder)
    )


def no_costs(reason: str) -> SliceOutput:
    """Return no rows for no days, with a reason; the table is not changed."""
    return SliceOutput.nothing(in_memory((), RawCosts), reason)


NO_COSTS = NoSource(partial(no_costs, "ECOM_COSTS is not set"))


def open_costs(
    con: duckdb.DuckDBPyConnection, settings: Settings, *, are_alone: bool = False
) -> RecordFiles:
    """Find the configured files of costs, read a table into one, and check them against their
    mapping; with the uploads of costs beside them, unless they are to be read alone.
    """
    if is_of_uploads(settings.home, settings.costs):
        return open_uploads(con, settings, "costs", CostMapping)
    files = RecordFiles.open(
        con,
        cost_paths(con, settings),
        load_cost_mapping(settings.costs_mapping),
        settings.timezone,
        settings.first_plausible_day,
    )
    return files if are_alone else with_uploads(files, settings, "costs", CostMapping)


@dataclass(frozen=True)
class FileCosts:
    """The costs in the files, or the table, of `ECOM_COSTS`.

    Whatever the days of a run are, all files are read: costs hold from days that are long past. A
    row arrives on the day of its file.
    """

    reader: Backend
    settings: Settings
    are_alone: bool = False
    """Whether uploads do not stand beside them."""

    @cached_property
    def files(self) -> RecordFiles:
        """Return the files, checked against their mapping."""
        return open_costs(self.reader.con, self.settings, are_alone=self.are_alone)

    def received(self, _days: Days) -> SliceOutput:
        """Return the rows of all files, on the days on which these arrived.

        Raises:
            MappingError: A file does not match its mapping.
            SourceError: A file cannot be read, or its costs are in several currencies.
        """
        days = Days.from_dates(self.files.arrival_dates())
        if not days.dates:
            return no_costs(f"{shown_costs(self.settings)} has no rows")
        rows = temporary(self.reader, VIEW, self.received_sql, "VIEW")
        self.files.log_malformed()
        # What files or a table brought before stays on the days of uploads.
        is_alone = is_of_uploads(self.settings.home, self.settings.costs)
        return SliceOutput(rows, days, supersedes=days, only_uploads=days if is_alone else NO_DAYS)

    @property
    def received_sql(self) -> str:
        """The SELECT of the rows of `RawCosts`."""
        zone = self.settings.timezone
        valid_from, valid_until = (
            day_in_zone(name, zone) for name in ("valid_from_at", "valid_until_at")
        )
        dated = select(
            f"*, {valid_from} AS valid_from_date, {valid_until} AS valid_until_date, "
            f"coalesce({valid_from}, received_date) AS order_date",
            f"({self.files.received_sql()})",
        )
        currencies = Currencies(
            self.settings.currency, self.settings.rates, self.settings.known_currency
        )
        in_one = currencies.of_costs(self.files, f"({dated})")
        # A pack of no pieces, or of a number that cannot be read, says nothing of a piece.
        of_piece = f"TRY_CAST(round(cost_amount / nullif(piece_count, 0), 6) AS {UNIT_COST})"
        cost = f"CASE WHEN received_piece_count IS NULL THEN cost_amount ELSE {of_piece} END"
        unit_cost = f"{cost} AS unit_cost_amount"
        source = f"{text(shown_costs(self.settings))} AS source"
        left_out = "cost_amount, order_date, valid_from_at, valid_until_at"
        return select(f"* EXCLUDE ({left_out}), {unit_cost}, {source}", f"({in_one})")
