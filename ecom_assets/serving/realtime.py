"""Real time, the half that reads: the numbers of the last minutes.

What the numbers mean is in `events/realtime.py`; which events they are about, in `live_events.py`.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.events import realtime
from ecom_assets.events.realtime import RealTimeRule
from ecom_assets.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.funnels.levels import funnel_levels
from ecom_assets.journeys.journeys import page_of
from ecom_assets.serving.live_events import LIVE, MOST_BYTES, LiveEvents, Reading
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.order_reports.source import has_events
from ecom_assets.tables.columns import meeting
from ecom_assets.tables.queries import EVENTS, NEEDED, NoSourceError
from ecom_assets.warehouse.raw_slices import ErasedPeopleFilter
from ecom_assets.warehouse.sql_text import select

CLOCK: Final = "clock"
"""The table with the end of every window."""
Statement = tuple[Sequence[str], str]
"""The columns of a result, and its SQL."""
DEFINITION: Final = {
    "event_count": "Clean events later than so many minutes ago, of files that changed lately or of the table's newest "
    "rows, each event once",
    "visitor_count": "Visitors with an event",
    "open_cart_count": "Visitors who put something into a cart after their last purchase, within the window",
    "purchase_count": "Purchase events",
    "revenue_amount": "Sum of their cart_value",
    "top_products": "By visitors who viewed, added or bought",
    "top_pages": "By visitors with an event on the page; a page is its path, without host and query",
    "minutes": "Events by minute of the clock in UTC; the last minute is not over",
    "funnel": "Visitors of the last hour who took the steps of the first daily funnel in its order within that hour",
    "lag_s": "Seconds from the newest event to now; null where nothing came lately",
}


class RealTime:
    """The numbers of the last minutes, again and again, from events that are read once; one thread at a time."""

    def __init__(self, settings: Settings, rule: RealTimeRule, funnel: Funnel) -> None:
        """Take the settings, the rule, and the funnel whose steps the visitors of the last hour are counted at."""
        self._settings = settings
        self._rule = rule
        self._funnel = funnel
        self._events = LiveEvents(settings, timedelta(minutes=rule.longest_minutes))
        self._statements: dict[str, Statement] = {}

    def close(self) -> None:
        """Forget the events."""
        self._events.close()

    def numbers(self, now: datetime, erased_people: ErasedPeopleFilter | None = None) -> dict[str, Any]:
        """Return what happened in the last minutes before `now`, which has a zone; rows of erased people do not count.

        Raises:
            NoSourceError: There are no events, only other data of the shop's own.
            NotFilesError: Events come from neither files nor a table.
            SourceError: The place of the files does not exist.
        """
        if not has_events(self._settings):
            raise NoSourceError(NEEDED[EVENTS])
        con, events, reading = self._events.refresh(now, erased_people)
        end = now.astimezone(UTC).replace(tzinfo=None)
        con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {CLOCK} AS SELECT TIMESTAMP '{end}' AS now_at")
        last, rule = _Now(con, events, end, reading, self._statements), self._rule
        newest_at = last.newest_at()
        return {
            "now_at": now,
            "newest_event_at": newest_at.replace(tzinfo=UTC) if newest_at else None,
            "lag_s": (end - newest_at).total_seconds() if newest_at else None,
            "windows": [last.window(minutes, rule) for minutes in rule.windows_minutes],
            "minutes": last.minutes(max(rule.windows_minutes)),
            "funnel": last.funnel(rule.funnel_minutes, self._funnel),
            "newest_file_at": reading.changed_at,
            "files_read": reading.read_count,
            "files_left_out": reading.left_out_count,
            "files_unreadable": reading.unreadable_count,
            "definition": DEFINITION | {"rule": asdict(rule), "most_bytes": MOST_BYTES},
            "questions": reading.questions,
        }


def real_time(
    settings: Settings,
    now: datetime,
    rule: RealTimeRule | None = None,
    erased_people: ErasedPeopleFilter | None = None,
) -> dict[str, Any]:
    """Return what `RealTime.numbers` does, once, with the default funnel."""
    steps = [{"event_type": event_type} for event_type in FIVE_STEPS]
    with closing(RealTime(settings, rule or RealTimeRule(), Funnel.from_mapping({"steps": steps}))) as reader:
        return reader.numbers(now, erased_people)


@dataclass(frozen=True)
class _Now:
    """The events, and the end of every window of an answer, which the engine has in a table.

    The statements are the same for every answer: making one takes longer than running it.
    """

    con: Backend
    events: ir.Table
    now: datetime
    reading: Reading
    statements: dict[str, Statement]

    def rows(self, name: str, question: Callable[[], ir.Table]) -> list[dict[str, Any]]:
        """Return the rows of a small result; `name` names its statement."""
        if name not in self.statements:
            table = question()
            self.statements[name] = (table.columns, str(self.con.compile(table)))
        columns, sql = self.statements[name]
        self.reading.questions.append(sql)
        return [dict(zip(columns, row, strict=True)) for row in self.con.con.execute(sql).fetchall()]

    @cached_property
    def _end(self) -> ir.TimestampValue:
        end: ir.TimestampValue = self.con.table(CLOCK, database=("temp", "main")).now_at.as_scalar()
        return end

    def newest_at(self) -> datetime | None:
        """Return the time of the newest event that has happened."""
        past = select("max(event_at)", LIVE, f"event_at <= TIMESTAMP '{self.now}'")
        ((newest,),) = self.con.con.execute(past).fetchall()
        return newest  # type: ignore[no-any-return]  # the type of the column

    def window(self, minutes: int, rule: RealTimeRule) -> dict[str, Any]:
        """Return the numbers of the last minutes."""

        def inside() -> ir.Table:
            return realtime.window_of(self.events, self._end, minutes)

        def pages() -> ir.Table:
            return realtime.top_pages(inside().mutate(page=lambda t: page_of(t.page_url)), rule.top_product_count)

        (numbers,) = self.rows(f"totals {minutes}", lambda: realtime.totals(inside()))
        types = self.rows(f"types {minutes}", lambda: realtime.by_type(inside()))
        return {
            "minutes": minutes,
            "start_at": (self.now - timedelta(minutes=minutes)).replace(tzinfo=UTC),
            "end_at": self.now.replace(tzinfo=UTC),
            **numbers,
            "events_by_type": {row["event_type"]: row["event_count"] for row in types},
            "top_products": self.rows(
                f"products {minutes}", lambda: realtime.top_products(inside(), rule.top_product_count)
            ),
            "top_pages": self.rows(f"pages {minutes}", pages),
        }

    def minutes(self, number: int) -> list[dict[str, Any]]:
        """Return the events of the last minutes of the clock by type; that of now is the last, and not over."""
        last = self.now.replace(second=0, microsecond=0)
        result: dict[datetime, dict[str, int]] = {last - timedelta(minutes=ago): {} for ago in reversed(range(number))}
        for row in self.rows("minutes", lambda: realtime.by_minute(self.events, self._end, number)):
            result[row["start_at"]][row["event_type"]] = row["event_count"]
        return [
            {"start_at": start.replace(tzinfo=UTC), "event_count": sum(types.values()), "events_by_type": types}
            for start, types in result.items()
        ]

    def funnel(self, minutes: int, funnel: Funnel) -> dict[str, Any]:
        """Return how many visitors of the last minutes reached each step."""
        required = funnel.required().steps

        def reached() -> ir.Table:
            inside = meeting(realtime.window_of(self.events, self._end, minutes), funnel.where)
            levels = funnel_levels(inside, funnel, "visitor_id")
            return levels.agg(
                **{f"step_{n}": (levels.level >= n).ifelse(1, 0).sum() for n in range(1, len(required) + 1)}
            )

        (row,) = self.rows("funnel", reached)
        counts = [int(number or 0) for number in row.values()]
        return {
            "minutes": minutes,
            "steps": [
                {
                    "step": number,
                    "event_type": step.event_type,
                    "visitor_count": visitors,
                    "from_start_rate": visitors / counts[0] if counts[0] else None,
                }
                for number, (step, visitors) in enumerate(zip(required, counts, strict=True), start=1)
            ],
        }
