"""What every route is asked with, and what every answer carries. Not here: the numbers (`answers/`)."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.answers.period import Period, TimeRange
from ecom_assets.api.interruption import IN_SCOPE
from ecom_assets.api.problems import NotModifiedError
from ecom_assets.api.store import Store, StoreReading
from ecom_assets.errors import DefinitionError
from ecom_assets.settings import Settings
from ecom_assets.transforms.session_rule import SessionRule

VERSION: Final = version("ecom-assets")
MOST_ROWS: Final = 1_000


Of = Literal["events", "orders", "both"]


class Asked(BaseModel):
    """The parameters that all routes take; unknown ones are refused, as they may be misspelt."""

    model_config = ConfigDict(extra="forbid")

    explain: bool = Field(
        default=False, description="Whether to add the SQL, and the tables with their runs and data versions"
    )


class AskedOfDays(Asked):
    """The parameters of routes over days."""

    time_range: TimeRange | None = Field(
        None,
        description="Days to the newest one in the data: today is 1, week 7, month 30, quarter 90, year 365; custom "
        "is start_date to end_date. Default month, or custom where days are given",
    )
    start_date: date | None = Field(None, description="First day of a custom range, YYYY-MM-DD")
    end_date: date | None = Field(None, description="Last day of a custom range, YYYY-MM-DD, included")


class Paged(Asked):
    """Which of many rows."""

    limit: int = Field(100, ge=1, le=MOST_ROWS, description="Most rows to return")
    offset: int = Field(0, ge=0, le=10_000_000, description="Rows to leave out at the start")


class Asking:
    """One request: what it reads, and the envelope of its answer."""

    def __init__(self, request: Request, reading: StoreReading) -> None:
        """Take the request, and what is published as it is answered."""
        self.request = request
        self.reading = reading

    @property
    def settings(self) -> Settings:
        """Return the settings of the API."""
        found: Settings = self.request.app.state.settings
        return found

    @property
    def session_rule(self) -> SessionRule:
        """Return when a session ends."""
        return SessionRule.preset(self.settings.session_rule)

    def period(self, asked: AskedOfDays, of: Of = "orders") -> Period:
        """Return the days that are asked for.

        Args:
            asked: Which days.
            of: What is counted in them: it is known from its first day on, and both from where both are.
        """
        reading = self.reading
        events, orders = reading.first_event_date, reading.first_order_date
        firsts = {"events": [events], "orders": [orders or events], "both": [events, orders]}[of]
        period = Period.of(reading.newest_date, asked.time_range, asked.start_date, asked.end_date)
        return replace(period, known_from=max((day for day in firsts if day), default=None))

    def answer(
        self,
        asked: Asked,
        definition: Mapping[str, Any],
        numbers: Mapping[str, Any],
        period: Period | None = None,
    ) -> dict[str, Any]:
        """Return the numbers with what every answer carries."""
        reading = self.reading
        covered = period or Period("custom", reading.newest_date, reading.newest_date)
        return {
            "range": range_of(covered, reading.timezone, is_as_of=period is None),
            "data_as_of": reading.newest_date,
            "data_version": reading.published.data_version,
            "currency": reading.currency,
            "definition": dict(definition),
            **numbers,
            "explain": self._explained() if asked.explain else None,
        }

    def _explained(self) -> dict[str, Any]:
        reading, address = self.reading, self.settings.dagster_url
        return {
            "sql": reading.questions,
            "tables": [
                {
                    "table": name,
                    "dagster_url": f"{address}/assets/{name.replace('.', '/')}",
                    **reading.published.tables.get(name, {}),
                }
                for name in reading.used
            ],
        }


def range_of(period: Period, timezone: str, *, is_as_of: bool = False) -> dict[str, Any]:
    """Return the days that an answer covers; a state as of a day covers that day, and is compared with none."""
    previous = period.previous
    return {
        "time_range": None if is_as_of else period.time_range,
        "start_date": period.start_date,
        "end_date": period.end_date,
        "day_count": period.day_count,
        "timezone": timezone,
        "previous_start_date": None if is_as_of else previous.start_date,
        "previous_end_date": None if is_as_of else previous.end_date,
        "previous_data": None if is_as_of else period.previous_data,
        "known_from": None if is_as_of else period.known_from,
    }


def asking(request: Request, response: Response) -> Iterator[Asking]:
    """Open what is published, and end early where the caller has the answer already."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if twice := [name for name, count in given.items() if count > 1]:
        raise DefinitionError(f"{twice[0]} is given {given[twice[0]]} times; give it once.")
    store: Store = request.app.state.store
    with store.reading(request.scope.get(IN_SCOPE)) as reading:
        if request.method == "GET":
            headers = {"ETag": _etag(request, reading), "Cache-Control": "no-cache"}
            if headers["ETag"] in _known(request):
                raise NotModifiedError(headers)
            response.headers.update(headers)
        yield Asking(request, reading)


Ask = Annotated[Asking, Depends(asking)]
OfDays = Annotated[AskedOfDays, Query()]
JustAsked = Annotated[Asked, Query()]


def _etag(request: Request, reading: StoreReading) -> str:
    """Return a mark of the answer: the data, what was asked, and the code that answers.

    It is weak, as a compressed answer has other bytes. What `explain` tells of runs changes with each publication.
    """
    asked = sorted(request.query_params.multi_items())
    published = reading.published
    state = [VERSION, published.data_version, reading.newest_date, reading.currency, reading.timezone]
    if "explain" in request.query_params:
        state.append(published.published_at)
    told = repr([request.url.path.removeprefix("/v1"), asked, state])
    return f'W/"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


def _known(request: Request) -> set[str]:
    """Return the marks that the caller has; a strong one is compared as a weak one."""
    marks = (one.strip() for one in request.headers.get("if-none-match", "").split(","))
    return {mark if mark.startswith("W/") else f"W/{mark}" for mark in marks}
