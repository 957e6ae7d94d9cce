"""The other files of an order report: activities (also as events), market research and prices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, Final

import ibis
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.orders.contracts import (
    RawCustomerResearch,
    RawPriceLog,
    RawUserActivityLog,
)
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.received import NO_DAYS, SliceOutput
from ecom_assets.core.tables.values import WIDEST_AMOUNT
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import in_memory, temporary
from ecom_assets.core.warehouse.raw_losses import declared_loss
from ecom_assets.core.warehouse.raw_slices import note_withdrawn
from ecom_assets.core.warehouse.sql_text import amount
from ecom_assets.ingestion.sources.events import SANDBOX, received_rows
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.files.lists import opened_list
from ecom_assets.ingestion.sources.files.mapping import AUTO, RecordKind, RecordMapping, fields_of
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.order_reports.api import OTHER_LINKS, history_path
from ecom_assets.ingestion.sources.order_reports.source import open_history
from ecom_assets.ingestion.sources.report_paths import (
    ACTIVITIES,
    PRICES,
    REPORT,
    RESEARCH,
    are_activities,
    other_files,
    other_path,
    report_path,
)

NAMES: Final = ("item_name", "product_name", "prod_name", "name", "category_name")
"""What the column with an item's name is called; the first that a file has."""
PRICE: Final = "price"
HEADLESS: Final = (NAMES[0], PRICE)
"""The columns of a file of prices without a header."""
EXACT = Decimal("0.0001")


ACTIVITY_KIND = RecordKind(
    fields=("id", "uniq_id", "date_time", "action_id", "customer_id", "quantity"),
    id="uniq_id",
    time="date_time",
    at="activity_at",
    optional=frozenset({"id", "quantity"}),
    required=("uniq_id", "date_time", "action_id", "customer_id"),
    never_empty=frozenset({"uniq_id", "date_time"}),
    numbers=frozenset({"quantity"}),
    renamed={"quantity": "received_quantity"},
    read={"quantity": ("DECIMAL(18, 4)", amount("e.quantity"))},
)


RESEARCH_KIND = RecordKind(
    fields=("research_id", "id", "date_id", "category_id", "geo_id", "sales_qty", "sales_amt"),
    id="research_id",
    time="date_id",
    at="research_at",
    optional=frozenset({"id"}),
    required=("research_id", "date_id", "category_id", "geo_id", "sales_qty", "sales_amt"),
    never_empty=frozenset({"research_id", "date_id"}),
    numbers=frozenset({"sales_qty", "sales_amt"}),
    renamed={"sales_qty": "received_sales_qty", "sales_amt": "received_sales_amt"},
    read={
        "sales_quantity": ("DECIMAL(18, 4)", amount("e.sales_qty")),
        "sales_amount": ("DECIMAL(18, 4)", amount("e.sales_amt")),
    },
)


class ActivityMapping(RecordMapping):
    """The mapping of a file of activities."""

    kind: ClassVar[RecordKind] = ACTIVITY_KIND
    fields: fields_of(ACTIVITY_KIND)  # type: ignore[valid-type]  # made from the kind


class ResearchMapping(RecordMapping):
    """The mapping of a file of market research."""

    kind: ClassVar[RecordKind] = RESEARCH_KIND
    fields: fields_of(RESEARCH_KIND)  # type: ignore[valid-type]  # made from the kind


def has_report(settings: Settings) -> bool:
    """Return whether other files than orders are stored, of a report or of increments."""
    return bool(settings.order_api_url) and any(
        other_files(settings.home, name) for name in OTHER_LINKS
    )


def activity_mapping(path: Path) -> RecordMapping:
    """Return the mapping of a file of activities;
    its id is a hash of the line where it has no `uniq_id`.
    """
    names = _header(path, ACTIVITY_KIND)
    day = "date_time" if "date_time" in names else "date_id"
    line_id: dict[str, Any] = {"column": "uniq_id"}
    if "uniq_id" not in names:
        content = [day, "action_id", "customer_id"]
        if "quantity" in names:
            content.append("quantity")
        line_id = {"hash_of": content, "equal_rows": "keep"}
    same = {name: name for name in ("id", "action_id", "customer_id", "quantity")}
    fields = {**same, "date_time": day, "uniq_id": line_id}
    return ActivityMapping.model_validate(
        {"name": ACTIVITIES, "delimiter": AUTO, "other_columns": "ignore", "fields": fields}
    )


def research_mapping(path: Path) -> RecordMapping:
    """Return the mapping of a file of market research; its day is `date_id` or `date_time`."""
    columns = _header(path, RESEARCH_KIND)
    day = "date_time" if "date_time" in columns and "date_id" not in columns else "date_id"
    numbers = ("category_id", "geo_id", "sales_qty", "sales_amt")
    of_id = {"hash_of": (day, *numbers), "equal_rows": "merge"}
    fields = {"id": "id", "date_id": day, "research_id": of_id} | {name: name for name in numbers}
    return ResearchMapping.model_validate(
        {"name": RESEARCH, "delimiter": AUTO, "other_columns": "ignore", "fields": fields}
    )


@dataclass(frozen=True)
class ReportFiles:
    """The other files of the stored report and of stored increments."""

    reader: Backend
    """The DuckDB connection that reads files."""
    settings: Settings

    def activities(self, days: Days) -> SliceOutput:
        """Return the rows of `RawUserActivityLog` of `days`."""
        return self._records(
            RawUserActivityLog, ACTIVITIES, activity_mapping, days, "activity_date"
        )

    def research(self, days: Days) -> SliceOutput:
        """Return the rows of `RawCustomerResearch` of `days`."""
        return self._records(RawCustomerResearch, RESEARCH, research_mapping, days, "research_date")

    def prices(self, days: Days) -> SliceOutput:
        """Return the rows of `RawPriceLog` of `days`:
        those of the report are of the last day of its orders.
        """
        report = report_path(self.settings.home, PRICES)
        last = self._last_day() if report.exists() else None
        files = {last: report} if last else {}
        files |= {
            day: path
            for day in days.dates
            if (path := other_path(self.settings.home, PRICES, day)).exists()
        }
        files = {day: path for day, path in files.items() if day in days.dates}
        if not files:
            return _nothing(RawPriceLog)
        source = self.settings.order_api_url
        rows = [row for day, path in files.items() for row in price_rows(path, day, source)]
        priced = Days.from_dates(files)
        supersedes = Days((last,)) if last in files else NO_DAYS
        return SliceOutput(
            in_memory(rows, RawPriceLog), priced, {"row_count": len(rows)}, supersedes=supersedes
        )

    def _records(
        self,
        raw: Contract,
        file: str,
        mapping: Callable[[Path], RecordMapping],
        days: Days,
        day_column: str,
    ) -> SliceOutput:
        """Return the rows of a kind of file of `days`, which are the rows' own days.

        A day's rows are in the report, and in the increments of the day and of later days.
        """
        home = self.settings.home
        paths = other_files(home, file, days.first if days.dates else None)
        if not paths:
            return _nothing(raw)
        where = (self.settings.timezone, self.settings.first_plausible_day)
        increments = {
            date.fromisoformat(path.parent.name) for path in paths if path.parent.name != REPORT
        }
        selects = []
        for number, path in enumerate(paths):
            files = RecordFiles.open(self.reader.con, [path], mapping(path), *where)
            of_days = days
            if path.parent.name == REPORT and _has_no_ids(path, file):
                # Equal lines without ids would count twice: of such a day, the increment has all.
                of_days = Days.from_dates(set(days.dates) - increments)
            sql = received_rows(files, of_days, self.settings.order_api_url, day_column)
            view = f"received_{file}_{number}"
            selects.append(temporary(self.reader, view, sql, "VIEW").select(*raw.columns))
        return SliceOutput(union_all(*selects), days)

    def _last_day(self) -> date | None:
        if not history_path(self.settings.home).exists():
            return None
        covered = open_history(self.reader.con, self.settings).received_days()
        return covered[1] if covered else None


def price_rows(path: Path, day: date, source: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of prices: with a header, or of two columns without one.

    Raises:
        SourceError: The file has neither.
    """
    with opened_list(path) as listed:
        begins = list(listed.names)
    is_headless = len(begins) == len(HEADLESS) and any(_amount(name) is not None for name in begins)
    with opened_list(path, HEADLESS if is_headless else ()) as listed:
        if (
            name := next(filter(listed.names.get, NAMES), None)
        ) is None or PRICE not in listed.names:
            raise SourceError(
                f"{path} cannot be read: it begins with {', '.join(begins)[:100]}; a file of "
                f"prices has the columns {NAMES[0]} and {PRICE}, or two columns without a header."
            )
        listed.require([name, PRICE], numbers=[PRICE])
        rows = listed.rows([name, PRICE])
    for number, row in enumerate(rows, start=1):
        item, received = ((cell or "").strip() or None for cell in row.values())
        amount = _amount(received)
        yield {
            "received_date": day,
            "record_number": number,
            "item_name": item,
            "received_price": received,
            "price_amount": amount,
            "reject_reason": "missing_name"
            if item is None
            else "unparseable_price"
            if amount is None
            else None,
            "source": source,
            "source_file": path.name,
        }


def _amount(text: str | None) -> Decimal | None:
    """Return a text as money from 0, or None."""
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    return number.quantize(EXACT) if number.is_finite() and 0 <= number <= WIDEST_AMOUNT else None


def _header(path: Path, kind: RecordKind) -> list[str]:
    """Return the names of the columns of a file.

    Raises:
        MappingError: One that is read stands twice.
        SourceError: The file cannot be read.
    """
    with opened_list(path) as listed:
        listed.require((), optional=kind.fields)
        return list(listed.names.values())


def _nothing(contract: Contract) -> SliceOutput:
    return SliceOutput.nothing(
        in_memory((), contract), "no such file of an order report is stored, or it is of other days"
    )


def _has_no_ids(path: Path, name: str) -> bool:
    """Return whether lines of a file are counted one by one, without an id of their own."""
    return name == ACTIVITIES and "uniq_id" not in _header(path, ACTIVITY_KIND)


TYPES_SHOWN = 20
"""More actions than any known report has."""


def with_activities(settings: Settings) -> Settings:
    """Return the settings with the stored activities as events; they are read as
    ECOM_EVENTS_MAPPING says, if set.
    """
    mapping = (
        settings.events_mapping if "events_mapping" in settings.model_fields_set else ACTIVITIES
    )
    paths = join_paths([str(report_path(settings.home, ACTIVITIES).absolute())])
    return settings.model_copy(update={"events": paths, "events_mapping": mapping})


def has_clickstream(engine: Engine) -> bool:
    """Return whether the warehouse has the shop's own events."""
    return any(origin != SANDBOX and not are_activities(origin) for origin in _origins(engine))


def activity_types(engine: Engine) -> list[str]:
    """Return the types of the stored events that are activities; none where events are others."""
    if not (origins := _activity_origins(engine)):
        return []
    table = engine.table(RawEvents)
    ours = table.filter(table.source.isin(origins), table.event_type.notnull())
    types = ours.select("event_type").distinct().order_by("event_type").limit(TYPES_SHOWN)
    return [row["event_type"] for row in engine.rows_of(types)]


def remove_activities(engine: Engine) -> list[date]:
    """Remove the events that are activities;
    return the first and the last day of arrival that had some.
    """
    if not (origins := _activity_origins(engine)):
        return []
    table, day = engine.table(RawEvents), str(RawEvents.day_column)
    is_ours = table.source.isin(origins)
    counts = table.filter(is_ours).group_by(day=day).agg(n=ibis._.count())
    before = {row["day"]: int(row["n"]) for row in engine.rows_of(counts)}
    days = Days.from_dates(before)
    are_ours = f"{engine.quoted('source')} IN ({', '.join(map(engine.text_of, origins))})"
    with declared_loss(engine, RawEvents, days):
        engine.remove(RawEvents, [are_ours], table.filter(days.contain(table[day]), ~is_ours), days)
    after = engine.day_counts(RawEvents, days)
    note_withdrawn(
        engine,
        RawEvents,
        {day: n for day, n in before.items() if not after.get(day)},
        "clickstream",
    )
    return [days.first, days.dates[-1]]


def _activity_origins(engine: Engine) -> list[str]:
    return [origin for origin in _origins(engine) if are_activities(origin)]


def _origins(engine: Engine) -> list[str]:
    if not engine.has(RawEvents):
        return []
    return [
        row["source"] for row in engine.rows_of(engine.table(RawEvents).select("source").distinct())
    ]
