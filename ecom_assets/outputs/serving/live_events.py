"""The events of the last minutes, kept in memory from answer to answer:
each landing file is read once.

What the numbers over them mean is in `events/realtime.py`.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.behaviour.questions.source import identity_rule
from ecom_assets.core.errors import EcomError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days, utc_without_zone
from ecom_assets.core.tables.portable import arrow_of
from ecom_assets.core.tables.queries import NoSourceError
from ecom_assets.core.tables.values import batches_of
from ecom_assets.core.warehouse.local import connect, keep_within
from ecom_assets.core.warehouse.raw_slices import ErasedPeopleFilter
from ecom_assets.core.warehouse.sql_text import day_in_zone, select
from ecom_assets.ingestion.sources.events import event_paths, is_table, mapping_name
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.formats import FreshFile, NewestFiles, newest_files
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.landing import has_landed
from ecom_assets.outputs.serving.earlier_links import EarlierLinks, PublishedLinks

MOST_BYTES: Final = 256_000_000
"""The total size of the files that one answer reads; the next one goes on."""
AT_ONCE: Final = 50
"""Files that are read, and forgotten, together."""
MEMORY: Final = "512MB"
WRITING_S: Final = 300
"""Seconds that a file's clock may be behind the events in it."""
RAW, LIVE, NEWEST_ROWS = "raw_events_now", "live_events", "newest_rows"


class NotFilesError(NoSourceError):
    """Events come neither from files nor from a table, so that there are no newest ones."""


@dataclass
class FilesRead:
    """What an answer read: counts of files, the queries, and when the newest file changed."""

    read_count: int = 0
    left_out_count: int = 0
    unreadable_count: int = 0
    changed_at: datetime | None = None
    questions: list[str] = field(default_factory=list)


class LiveEvents:
    """Raw rows of the landing files that changed lately, in an engine in memory.

    A file that is gone, or was written again, takes its rows with it. One thread at a time.
    """

    def __init__(self, settings: Settings, kept: timedelta) -> None:
        """Take the settings and how long events are kept;
        nothing is opened before the first `refresh`.
        """
        self._settings = settings
        self._kept = kept + timedelta(seconds=WRITING_S)
        self._con: Backend | None = None
        self._batches: dict[int, frozenset[FreshFile]] = {}
        self._home = ("", False)
        self._homes: dict[int, str] = {}
        self._numbers = count(1)
        self._statement: tuple[tuple[date, bool] | None, str] = (None, "")
        self._earlier: EarlierLinks | None = None

    def close(self) -> None:
        """Forget all events."""
        if self._con is not None:
            with suppress(duckdb.Error):
                self._con.disconnect()
        self._con = None
        self._batches, self._homes = {}, {}

    def refresh(
        self,
        now: datetime,
        erased_people: ErasedPeopleFilter | None = None,
        published: PublishedLinks | None = None,
    ) -> tuple[Backend, ir.Table, FilesRead]:
        """Read what has arrived since the last call.

        Args:
            now: The instant, with a zone.
            erased_people: Whose rows to leave out.
            published: Where it stands who signed in before the kept minutes; None if that is not
                known.

        Returns:
            The engine, clean events of the kept minutes in a table of it, each once, and what was
                read.

        Raises:
            NotFilesError: Events come from neither files nor a table.
            SourceError: The place of the files does not exist.
        """
        since = now - self._kept
        try:
            files = self._newest(since)
            con = self._engine()
            reading = self._read(con, files, since)
            if self._forget_other_homes(con):
                reading = self._read(con, files, since)
            if is_table(self._settings):
                self._read_table(con, since, now, reading)
            if published is not None and self._earlier is not None:
                named = select("DISTINCT coalesce(anonymous_id, session_id)", RAW)
                devices = [device for (device,) in con.con.execute(named).fetchall() if device]
                self._earlier.refresh(published, devices, utc_without_zone(since))
            return (
                con,
                self._clean(con, now, erased_people, reading, is_linked=published is not None),
                reading,
            )
        except Exception:
            self.close()  # the next call reads all files again
            raise

    def _newest(self, since: datetime) -> NewestFiles:
        if is_table(self._settings) or not has_landed(self._settings):
            return NewestFiles()
        paths = event_paths(self._settings)
        for path in paths:
            if "://" in path:
                kind = path.partition("://")[0]
                raise NotFilesError(
                    "Real time reads landing files or a table of Snowflake, but ECOM_EVENTS "
                    f"names {kind}://…; use /analytics/sales for what is published, or land the "
                    "events as files."
                )
        first_day = since.astimezone(ZoneInfo(self._settings.timezone)).date() - ONE_DAY
        return newest_files(paths, since, first_day)

    def _engine(self) -> Backend:
        if self._con is None:
            self._con = connect()
            keep_within(self._con, MEMORY, self._settings.home / "realtime.tmp")
            none = RecordFiles(self._con.con, (), load_mapping(mapping_name(self._settings)), "UTC")
            self._con.raw_sql(
                f"CREATE TEMP TABLE {RAW} AS {select('*, 0 AS batch', self._rows(none))}"
            )
            self._statement = (None, "")
            rule = identity_rule(self._settings)
            self._earlier = EarlierLinks(self._con, rule) if rule.has_links else None
        return self._con

    def _read(self, con: Backend, newest: NewestFiles, since: datetime) -> FilesRead:
        """Insert the rows of new files,
        and delete those of files that are no longer there or too old.
        """
        naive_since = utc_without_zone(since)
        gone = ", ".join(map(str, self._forget(set(newest.files), since))) or "NULL"
        old = f"event_at < TIMESTAMP '{naive_since}'"
        con.raw_sql(f"DELETE FROM {RAW} WHERE batch IN ({gone}) OR {old}")  # noqa: S608 (numbers and an instant)
        reading = FilesRead(changed_at=newest.changed_at)
        held = frozenset[FreshFile]().union(*self._batches.values())
        missing = [file for file in newest.files if file not in held]
        due = _within(missing, MOST_BYTES)
        reading.left_out_count = len(missing) - len(due)
        for files in batches_of(due, AT_ONCE):
            self._insert(con, files, naive_since, reading)
        reading.read_count = sum(map(len, self._batches.values()))
        return reading

    def _forget(self, present: set[FreshFile], since: datetime) -> list[int]:
        """Forget files that became too old, and batches with a file that is gone or changed,
        which are read again.
        """
        gone = []
        for number, files in list(self._batches.items()):
            kept = frozenset(file for file in files if file.modified_ns / 1e9 >= since.timestamp())
            if kept and kept <= present:
                self._batches[number] = kept
            else:
                del self._batches[number], self._homes[number]
                gone.append(number)
        return gone

    def _insert(
        self, con: Backend, files: Sequence[FreshFile], since: datetime, reading: FilesRead
    ) -> None:
        """Read files at once; one by one if one of them cannot be read,
        as it may still be being written.
        """
        number = next(self._numbers)
        mapping = load_mapping(mapping_name(self._settings))
        try:
            opened = RecordFiles.open(
                con.con, [file.path for file in files], mapping, self._settings.timezone
            )
            currencies = Currencies.from_settings(self._settings)
            home = currencies.home_currency_of_events(opened)
            # What a public key sent says the shop's currency only as long as nothing else does.
            if home[0] and (not self._home[0] or (home[1] and not self._home[1])):
                self._home = home
            opened = replace(currencies, home=self._home[0]).convert_events(opened)
            rows = select(
                f"*, {number} AS batch", self._rows(opened), f"event_at >= TIMESTAMP '{since}'"
            )
            con.con.execute(f"INSERT INTO {RAW} {rows}")
        except (EcomError, duckdb.Error):
            if len(files) == 1:
                reading.unreadable_count += 1
            else:
                for file in files:
                    self._insert(con, [file], since, reading)
        else:
            self._batches[number] = frozenset(files)
            self._homes[number] = self._home[0]

    def _forget_other_homes(self, con: Backend) -> bool:
        """Forget what was read while another currency was taken for the shop's;
        return whether there is any.
        """
        other = [number for number, home in self._homes.items() if home not in {"", self._home[0]}]
        for number in other:
            del self._batches[number], self._homes[number]
        if other:
            con.raw_sql(f"DELETE FROM {RAW} WHERE batch IN ({', '.join(map(str, other))})")  # noqa: S608 (numbers)
        return bool(other)

    def _read_table(self, con: Backend, since: datetime, now: datetime, reading: FilesRead) -> None:
        """Load the rows of the table of events that arrived since yesterday and
        happened in the kept minutes.
        """
        with packages_of("snowflake", "ECOM_EVENTS=snowflake://…"):
            from ecom_assets.ingestion.sources.event_table import EventTable  # noqa: PLC0415 (only tables need them)

        naive_since = utc_without_zone(since)
        today = now.astimezone(ZoneInfo(self._settings.timezone)).date()
        with closing(EventTable(self._settings, now=lambda: now)) as table:
            arrived = table.rows(Days.through(today - ONE_DAY, today))
            newest = arrived.filter(arrived.event_at >= ibis.literal(naive_since, "timestamp(6)"))
            reading.questions.append(str(ibis.to_sql(newest, dialect="snowflake")))
            result = arrow_of(newest)
        con.con.register(NEWEST_ROWS, result)
        columns = con.table(RAW, database=("temp", "main")).columns
        names = ", ".join(name for name in columns if name in result.column_names)
        con.raw_sql(f"TRUNCATE {RAW}")
        con.con.execute(f"INSERT INTO {RAW} BY NAME {select(names, NEWEST_ROWS)}")

    def _clean(
        self,
        con: Backend,
        now: datetime,
        erased_people: ErasedPeopleFilter | None,
        reading: FilesRead,
        *,
        is_linked: bool,
    ) -> ir.Table:
        """Store the clean events, each once, with their visitors."""
        raw = everything = con.table(RAW, database=("temp", "main"))
        if erased_people is not None:
            raw, _ = erased_people.left_out(RawEvents, raw)
        today = now.astimezone(UTC).date()
        if raw is not everything:
            sql = self._cleaning(con, raw, today, is_linked=is_linked)
        elif self._statement[0] != (today, is_linked):
            sql = self._cleaning(con, raw, today, is_linked=is_linked)
            self._statement = ((today, is_linked), sql)
        else:
            sql = self._statement[1]
        reading.questions.append(sql)
        con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {LIVE} AS {sql}")
        return con.table(LIVE, database=("temp", "main"))

    def _cleaning(self, con: Backend, raw: ir.Table, today: date, *, is_linked: bool) -> str:
        """Return the statement of the clean events; making it takes as long as running it."""
        settings = self._settings
        days = Days.between(today - 2 * ONE_DAY, today + 3 * ONE_DAY)
        accepted = load_mapping(mapping_name(settings)).accepted_types(settings.event_types)
        rule = CleaningRule(
            accepted,
            settings.late_days,
            max_amount=settings.largest_amount,
            timezone=settings.timezone,
        )
        copies = clean.clean_copies(raw, rule, days)
        copies = clean.unique_copies(copies, clean.repeated_ids(copies, rule))
        clean_events = clean.as_clean_events(copies)
        if is_linked and self._earlier is not None:
            events = self._earlier.with_visitors(clean_events)
        else:
            identity = replace(
                identity_rule(settings), joins_aliases=False
            )  # aliases are known after a run
            events = with_visitors_of_all(clean_events, clean_events, identity, names_step=False)
        return str(con.compile(events.select(*CleanEvents.columns)))

    def _rows(self, files: RecordFiles) -> str:
        own_day = day_in_zone("event_at", self._settings.timezone)
        return select(f"*, {own_day} AS event_date, '' AS source", files.received_sql())


def _within(files: Sequence[FreshFile], most_bytes: int) -> list[FreshFile]:
    """Return the first files up to a total size, and one at least."""
    result: list[FreshFile] = []
    for file in files:
        most_bytes -= file.size
        if most_bytes < 0 and result:
            break
        result.append(file)
    return result
