"""Real time, the half that reads: the numbers of the last minutes.

What the numbers mean is in `events/realtime.py`; which events they are about, in `live_events.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events import realtime
from ecom_assets.behaviour.events.realtime import RealTimeRule
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.journeys.journeys import page_of
from ecom_assets.core.rows import Row, named_rows
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.columns import meeting
from ecom_assets.core.tables.days import utc_without_zone
from ecom_assets.core.tables.queries import EVENTS, NEEDED, NoSourceError
from ecom_assets.core.warehouse.raw_slices import ErasedPeopleFilter
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.activities import not_recorded
from ecom_assets.ingestion.sources.order_reports.source import has_events
from ecom_assets.outputs.serving.earlier_links import PublishedLinks
from ecom_assets.outputs.serving.live_events import LIVE, FilesRead, LiveEvents

WINDOW: Final = "asked_window"
"""The table with the ends of the window asked about."""
Statement = tuple[Sequence[str], str]
"""The columns of a result, and its SQL."""


class RealTime:
    """The numbers of the last minutes, again and again, from events that are read once;
    one thread at a time.
    """

    def __init__(self, settings: Settings, rule: RealTimeRule, funnel: Funnel) -> None:
        """Take the settings, the rule,
        and the funnel whose steps the visitors of the last hour are counted at.
        """
        self._settings = settings
        self._rule = rule
        self._funnel = funnel
        self._events = LiveEvents(settings, timedelta(minutes=rule.longest_minutes))
        self._statements: dict[str, Statement] = {}

    def close(self) -> None:
        """Forget the events."""
        self._events.close()

    def numbers(
        self,
        now: datetime,
        erased_people: ErasedPeopleFilter | None = None,
        published: PublishedLinks | None = None,
    ) -> dict[str, Any]:
        """Return what happened in the last minutes before `now`, which has a zone;
        rows of erased people do not count.

        `published` has who signed in before; without it, visitors are known by the events of the
        last minutes only.

        Raises:
            NoSourceError: There are no events, only other data of the shop's own.
            NotFilesError: Events come from neither files nor a table.
            SourceError: The place of the files does not exist.
        """
        if not has_events(self._settings):
            raise NoSourceError(NEEDED[EVENTS])
        con, events, reading = self._events.refresh(now, erased_people, published)
        end = utc_without_zone(now)
        last, rule = _Now(con, events, end, reading, self._statements), self._rule
        newest_at = last.newest_at()
        return {
            "now_at": now,
            "newest_event_at": newest_at.replace(tzinfo=UTC) if newest_at else None,
            "lag_s": (end - newest_at).total_seconds() if newest_at else None,
            "windows": [
                last.window(minutes, rule, not_recorded(self._settings))
                for minutes in rule.windows_minutes
            ],
            "minutes": last.minutes(max(rule.windows_minutes)),
            "funnel": last.funnel(rule.funnel_minutes, self._funnel),
            "newest_file_at": reading.changed_at,
            "files_read": reading.read_count,
            "files_left_out": reading.left_out_count,
            "files_unreadable": reading.unreadable_count,
            "questions": reading.questions,
        }


@dataclass(frozen=True)
class _Now:
    """The events, and the end of every window of an answer.

    The ends of the window asked about are in a table, so that statements are the same for every
    window and answer: making one takes longer than running it.
    """

    con: Backend
    events: ir.Table
    now: datetime
    reading: FilesRead
    statements: dict[str, Statement]

    def newest_at(self) -> datetime | None:
        """Return the time of the newest event that has happened."""
        past = select("max(event_at)", LIVE, f"event_at <= TIMESTAMP '{self.now}'")
        ((newest,),) = self.con.con.execute(past).fetchall()
        return newest  # type: ignore[no-any-return]  # the type of the column

    def window(self, minutes: int, rule: RealTimeRule, lacks: frozenset[str]) -> dict[str, Any]:
        """Return the numbers of the last minutes; None for what events do not record, `lacks`."""
        most = rule.top_product_count
        start = self._ask_about(self.now - timedelta(minutes=minutes))
        (numbers,) = self._rows("totals", realtime.totals)
        types = self._rows("types", realtime.by_type)
        return {
            "minutes": minutes,
            "start_at": start.replace(tzinfo=UTC),
            "end_at": self.now.replace(tzinfo=UTC),
            **realtime.known(numbers, lacks),
            "events_by_type": {row["event_type"]: row["event_count"] for row in types},
            "top_products": [
                realtime.known(row, lacks)
                for row in self._rows(
                    "products", lambda events: realtime.top_products(events, most)
                )
            ],
            "top_pages": self._rows(
                "pages",
                lambda events: realtime.top_pages(
                    events.mutate(page=page_of(events.page_url)), most
                ),
            ),
        }

    def minutes(self, number: int) -> list[Row]:
        """Return the events of the last minutes of the clock by type;
        that of now is the last, and not over.
        """
        last = self.now.replace(second=0, microsecond=0)
        result: dict[datetime, dict[str, int]] = {
            last - timedelta(minutes=ago): {} for ago in reversed(range(number))
        }
        self._ask_about(min(result) - timedelta(microseconds=1))
        for row in self._rows("minutes", realtime.by_minute):
            result[row["start_at"]][row["event_type"]] = row["event_count"]
        return [
            {
                "start_at": start.replace(tzinfo=UTC),
                "event_count": sum(types.values()),
                "events_by_type": types,
            }
            for start, types in result.items()
        ]

    def funnel(self, minutes: int, funnel: Funnel) -> dict[str, Any]:
        """Return how many visitors of the last minutes reached each step."""
        required = funnel.required().steps
        numbers = range(1, len(required) + 1)

        def reached(events: ir.Table) -> ir.Table:
            levels = funnel_levels(meeting(events, funnel.where), funnel, "visitor_id")
            return levels.agg(
                **{f"step_{number}": (levels.level >= number).sum() for number in numbers}
            )

        self._ask_about(self.now - timedelta(minutes=minutes))
        (row,) = self._rows("funnel", reached)
        counts = [int(row[f"step_{number}"] or 0) for number in numbers]
        return {
            "minutes": minutes,
            "steps": [
                {
                    "step": number,
                    "event_type": step.event_type,
                    "visitor_count": visitors,
                    "from_start_rate": visitors / counts[0] if counts[0] else None,
                }
                for number, step, visitors in zip(numbers, required, counts, strict=True)
            ],
        }

    def _ask_about(self, start: datetime) -> datetime:
        """Let the next questions be about the window from `start`,
        which is not in it, and return it.
        """
        ends = f"TIMESTAMP '{start}' AS start_at, TIMESTAMP '{self.now}' AS end_at"
        self.con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {WINDOW} AS SELECT {ends}")
        return start

    def _rows(self, name: str, question: Callable[[ir.Table], ir.Table]) -> list[Row]:
        """Return the rows of a question about the events of the window;
        `name` names its statement.
        """
        if name not in self.statements:
            window = self.con.table(WINDOW, database=("temp", "main"))
            ends = window.start_at.as_scalar(), window.end_at.as_scalar()
            query = question(realtime.window_of(self.events, *ends))
            self.statements[name] = (query.columns, str(self.con.compile(query)))
        columns, sql = self.statements[name]
        self.reading.questions.append(sql)
        return named_rows(columns, self.con.con.execute(sql).fetchall())
