"""The days of a run: the requested days, or else those of the data or of an order report,
within the partitions.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from ecom_assets.cli.progress import RunProgress
from ecom_assets.core.clock import today_in
from ecom_assets.core.errors import UsageError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, DayRange, Days
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.local import adopted
from ecom_assets.core.warehouse.sql_text import date_literal, day_in_zone, select
from ecom_assets.ingestion.sources.ad_spend import FileAdSpend, require_accounts
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets.ingestion.sources.day_spans import (
    GAP_DAYS,
    MAX_DAYS,
    DayOfFile,
    days_of_files,
    parts_of,
    require_span,
)
from ecom_assets.ingestion.sources.events import (
    arrival_days,
    days_to_compute,
    is_table,
    open_all_events,
)
from ecom_assets.ingestion.sources.files.mapping import EVENT
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.first_partition import (
    left_days,
    remember_left_days,
    remembered_sources,
)
from ecom_assets.ingestion.sources.home_notes import remembered_paths
from ecom_assets.ingestion.sources.order_reports.api import fetch_history
from ecom_assets.ingestion.sources.order_reports.report_files import (
    has_clickstream,
    remove_activities,
    with_activities,
)
from ecom_assets.ingestion.sources.order_reports.source import has_events, open_history, open_orders
from ecom_assets.ingestion.sources.plain_assets import plain_feeds
from ecom_assets.ingestion.sources.presence import EVENTS
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES, are_activities, report_path
from ecom_assets.ingestion.sources.sandbox_shop import sandbox_days


@dataclass(frozen=True)
class DaysOfRun:
    """Selects the days of a run from the requested days, the data and the partitions."""

    settings: Settings
    requested_days: DayRange
    say: Callable[[str], None]
    with_history: bool = False
    """Whether the run loads all orders that the order report API has,
    from the stored file of its report.
    """

    def __post_init__(self) -> None:
        """Check that the requested days have partitions.

        Raises:
            UsageError: A requested day is before the first partition, or all are after today.
        """
        earliest = self.requested_days.first or self.requested_days.last
        if earliest and earliest < self.settings.first_day:
            raise self._too_early(earliest)
        if self.requested_days.first and self.requested_days.first > self.today:
            raise UsageError(
                f"{self.requested_days.first} is after today, {self.today}; give days that have "
                "begun."
            )

    @property
    def today(self) -> date:
        """Return today's date in the shop's timezone."""
        return today_in(self.settings.timezone)

    def covered(self) -> Days:
        """Return the days, from the files, or from today's date if events come from a table.

        Raises:
            UsageError: The data have none of the requested days, or none within the partitions.
        """
        first, last = self._span()
        if last > self.today:
            self.say(f"Days after today, {self.today}, have no partition yet and are left out.")
        if first > self.today:
            raise UsageError(
                f"The data begin on {first}, after today, {self.today}; give data of days that "
                "have begun."
            )
        return Days.through(first, min(last, self.today))

    def _newest(self, last: date) -> Days:
        """Return the requested days, by default the last day and the `late_days` days before it.

        The default is not all days, because a table or an API may go back for years.

        Args:
            last: The last day, unless another was requested.
        """
        last = self.requested_days.last or max(last, self.requested_days.first or last)
        first = self.requested_days.first or max(
            last - self.settings.late_days * ONE_DAY, self.settings.first_day
        )
        return Days.through(first, last)

    def _days_of_table(self) -> Days:
        """Return the newest days of the table of events; at its first read say what is older."""
        days = self._newest(self.today)
        if self.requested_days.first or EVENTS in remembered_sources(self.settings):
            return days
        with packages_of("snowflake", "ECOM_EVENTS=snowflake://…"):
            from ecom_assets.ingestion.sources.event_table import EventTable  # noqa: PLC0415 (only event tables need the packages)

        with closing(EventTable(self.settings)) as table:
            row_count, earlier = table.earlier(days.first)
        if row_count:
            first = max(earlier.first, self.settings.first_day)
            self.say(
                f"{row_count:,} rows of {earlier.first} to {earlier.dates[-1]} in {table.name} "
                f"came before {days.first}, and wait: `ecom run --from {first}` takes them in."
            )
        return days

    def _span(self) -> tuple[date, date]:
        with duckdb.connect() as con:
            opened = self._opened(con)
            if self.requested_days.first and self.requested_days.last:
                return self.requested_days.first, self.requested_days.last
            self._require_believed(opened)
            is_own = self.settings.has_own_data
            covered = (
                [
                    # However late an order line arrives, a run over its arrival day recomputes the
                    # day of the order.
                    days_to_compute(files, self.settings.late_days)
                    if files.mapping.kind is EVENT
                    else arrival_days(files)
                    for files in opened
                ]
                if is_own
                else [sandbox_days(self.settings)]
            )
            if is_table(self.settings):
                covered.append(self._days_of_table())
            if self.with_history:  # and the increments since
                covered.append(Days((self.today - ONE_DAY,)))
            if not covered:
                covered.append(
                    self._newest(
                        self.today if self.settings.customer_api_url else self.today - ONE_DAY
                    )
                )
            first, last = self._requested(
                Days.from_dates(day for days in covered for day in days.dates), opened
            )
            if (last - first).days >= MAX_DAYS:
                inside = [
                    file for file in self._file_days(opened) if first <= file.received <= last
                ]
                require_span(first, min(last, self.today), inside)
            return first, last

    def parts(self, days: Days, stored: Callable[[], Iterable[date]] = tuple) -> list[Days]:
        """Split days at gaps of weeks without rows,
        so that one row with a wrong date does not cause a run over years.

        Args:
            days: The days of the run.
            stored: Returns the days that have rows in the warehouse; they are kept even if the
                files have none.
        """
        has_files_only = self.settings.has_own_data and not (
            is_table(self.settings) or self.settings.order_api_url
        )
        if len(days.dates) <= GAP_DAYS or not has_files_only:
            return [days]
        with duckdb.connect() as con:
            result = {day for file in self._file_days(self._opened(con)) for day in file.days}
        return parts_of(days, {*result, *stored()})

    def _file_days(self, opened: Iterable[RecordFiles]) -> list[DayOfFile]:
        return [file for files in opened for file in days_of_files(files, self.settings.late_days)]

    def _opened(self, con: duckdb.DuckDBPyConnection) -> list[RecordFiles]:
        """Return the files of events and of orders; none for a source that is not files,
        as the sandbox's orders.
        """
        # Their days choose none, but a wrong path or layout ends the run before it begins.
        if self.settings.costs:
            assert FileCosts(adopted(con), self.settings).files  # noqa: S101 (opened here)
        for feed in plain_feeds().values():
            if feed.source and feed.is_there(self.settings):
                assert feed.source(adopted(con), self.settings).files  # noqa: S101 (as above)
        if self.settings.ad_spend:
            require_accounts(FileAdSpend(adopted(con), self.settings).files)
        opened = []
        if has_events(self.settings) and not is_table(self.settings):
            opened.append(open_all_events(con, self.settings))
        if self.settings.orders:
            opened.append(open_orders(con, self.settings))
        elif self.with_history:
            opened.append(open_history(con, self.settings))
        return opened

    def _requested(self, covered: Days, opened: list[RecordFiles]) -> tuple[date, date]:
        first, last = (
            self.requested_days.first or covered.first,
            self.requested_days.last or covered.dates[-1],
        )
        if last < first:
            raise UsageError(
                f"The data cover {covered.first} to {covered.dates[-1]}, none of the requested "
                "days; give others."
            )
        if last < self.settings.first_day:
            raise self._too_early(first)
        asked_first = self.requested_days.first
        if asked_first and asked_first.year < covered.first.year:
            self.say(
                f"--from {asked_first} is in another year than the data, which begin on "
                f"{covered.first}: nothing is known of the days before."
            )
        if first < self.settings.first_day:
            first = self._first_from(opened, self.settings.first_day)
        return first, last

    def _require_believed(self, opened: list[RecordFiles]) -> None:
        """Raise if all data are from before the first day;
        an earlier ECOM_FIRST_DAY includes them.
        """
        if not opened or any(files.has_believed_days() for files in opened):
            return
        early_days = []
        for files in opened:
            own = day_in_zone(files.mapping.kind.at, files.timezone)
            rows = select(f"{own} AS own", f"({files.received_sql()})")
            plausible = (
                f"own BETWEEN {date_literal(FIRST_PLAUSIBLE)} AND {date_literal(files.first_day)}"
            )
            ((first,),) = files.con.execute(select("min(own)", rows, plausible)).fetchall()
            early_days += [first] if first else []
        if early_days:
            raise self._too_early(min(early_days))

    def _first_from(self, opened: list[RecordFiles], start: date) -> date:
        """Return the first arrival day of rows from `start` on,
        and report how many earlier rows are left out.
        """
        firsts = [
            select("min(received_date)", f"({files.received_sql(start)})") for files in opened
        ]
        result = [
            files.con.execute(first).fetchone() for files, first in zip(opened, firsts, strict=True)
        ]
        first_days: list[date] = [row[0] for row in result if row and row[0]]
        if not first_days:
            raise self._too_early(start)
        counts = (file.by_day.items() for files in opened for file in files.file_rows())
        rows = sum(number for by_day in counts for day, number in by_day if day < start)
        self.say(
            f"{rows:,} rows of days before ECOM_FIRST_DAY={start} are left out; set an earlier "
            "day to take them in."
        )
        return min(first_days)

    @staticmethod
    def _too_early(day: date) -> UsageError:
        return UsageError(
            f"{day} is before the first partition; set ECOM_FIRST_DAY={day} or an earlier day."
        )


def load_report(settings: Settings, progress: RunProgress) -> Settings:
    """Fetch the report's files; return the settings,
    with its activities as events where the shop has no others.
    """
    progress.say("The order report API makes a report of all its orders; that can take minutes.")
    for fault in fetch_history(settings):
        progress.warn(fault)
    if settings.events or not _has_activities(settings.home):
        return settings
    with closing(new_engine(settings).open()) as engine:
        if engine.notice:
            progress.warn(engine.notice)
        return settings if has_clickstream(engine) else with_activities(settings)


def with_later_activities(settings: Settings) -> Settings:
    """Return the settings with activities as events,
    where they were the events of the last run over any.

    So those of increments are events, too. Days of a run are not those of the activities: take them
    from before.
    """
    if settings.events or not settings.order_api_url or not _has_activities(settings.home):
        return settings
    remembered = remembered_paths(settings)
    if not are_activities(remembered.get("ECOM_EVENTS", "")):
        return settings
    mapping = remembered.get("ECOM_EVENTS_MAPPING")
    return with_activities(
        settings.model_copy(update={"events_mapping": mapping} if mapping else {})
    )


def with_left_days(settings: Settings, covered: Days, progress: RunProgress) -> Days:
    """Remove activities that were events until a clickstream came; return the days with theirs,
    to compute again.
    """
    if not settings.events or are_activities(settings.events) or not _has_activities(settings.home):
        return covered
    with closing(new_engine(settings).open()) as engine:
        if removed := remove_activities(engine):
            remember_left_days(settings, removed)
            progress.say(
                f"The order report's activities of {removed[0]} to {removed[-1]} are no events "
                "any more: from now on events are the clickstream's. These days are computed "
                "again."
            )
    left = left_days(settings)  # also those of a run that failed since
    return Days.through(min([covered.first, *left]), max([covered.dates[-1], *left]))


def _has_activities(home: Path) -> bool:
    return report_path(home, ACTIVITIES).exists()
