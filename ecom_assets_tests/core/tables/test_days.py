"""Clocks of time zones: when a day starts, and which hour they show, also where they change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import ANY_DAYS, Days, clock_hour, day_start
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.each import each


def utc(text: str) -> datetime:
    """Return an instant as tables have it: in UTC, without a zone."""
    return datetime.fromisoformat(text)


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
MARCH = Days.between(date(2026, 3, 27), date(2026, 4, 1))
"""Berlin's clocks go from 02:00 to 03:00 on 29 March."""


def hours(moments: list[datetime], days: Days, timezone: str) -> list[int]:
    """Return the hour of each moment, in their order, as DuckDB computes it."""
    rows = ibis.memtable({"at": moments}, schema={"at": "timestamp(6)"})
    shown = rows.select("at", hour=clock_hour(rows.at, days, timezone))
    by_moment = {row["at"]: row["hour"] for row in connect().to_pyarrow(shown).to_pylist()}
    return [by_moment[at] for at in moments]


def test_the_hour_is_the_one_on_the_clock_of_the_shop() -> None:
    moments = [utc("2026-03-28 23:30"), utc("2026-03-29 00:59"), utc("2026-03-29 01:00")]
    assert hours(moments, MARCH, "Europe/Berlin") == [0, 1, 3]


@each("timezone", ZONES)
def test_it_is_the_hour_of_pythons_zones_around_every_change_of_a_year(timezone: str) -> None:
    moments = [utc("2026-01-01") + timedelta(minutes=37 * n) for n in range(365 * 24 * 60 // 37)]
    expected = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).hour for at in moments]
    assert hours(moments, ANY_DAYS, timezone) == expected


@pytest.mark.parametrize("timezone", ["Europe/Berlin", "UTC"])
def test_without_days_no_clock_is_guessed(timezone: str) -> None:
    rows, none = ibis.table({"at": "timestamp(6)", "day": "date"}, name="rows"), Days(())
    with pytest.raises(
        DefinitionError, match="depends on which days there are, and none were given"
    ):
        day_start(rows.day, none, timezone)
    with pytest.raises(
        DefinitionError, match="depends on which days there are, and none were given"
    ):
        clock_hour(rows.at, none, timezone)


def test_a_day_in_berlin_starts_at_22_or_23_in_utc() -> None:
    rows = ibis.memtable({"day": [date(2026, 3, 29), date(2026, 3, 30)]}, schema={"day": "date"})
    shown = connect().to_pyarrow(
        rows.select(at=day_start(rows.day, ANY_DAYS, "Europe/Berlin")).order_by("at")
    )
    assert shown["at"].to_pylist() == [utc("2026-03-28 23:00"), utc("2026-03-29 22:00")]
