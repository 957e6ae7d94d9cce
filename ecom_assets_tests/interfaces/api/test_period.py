"""Ranges of days, and the hours of days on which clocks change."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import FIRST_DATE, LAST_DATE, hours_of
from ecom_assets.core.tables.queries import LENGTHS, MOST_DAYS, Period, changes, share
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

NEWEST = date(2026, 3, 1)
ANY_DAY = st.dates(FIRST_DATE, LAST_DATE)


def test_a_month_is_thirty_days_to_the_newest_one_and_has_thirty_before_it() -> None:
    month = Period.from_range(NEWEST)
    assert (month.time_range, month.start_date, month.end_date) == (
        "month",
        date(2026, 1, 31),
        NEWEST,
    )
    assert (month.previous.start_date, month.previous.end_date) == (
        date(2026, 1, 1),
        date(2026, 1, 30),
    )


@given(newest=ANY_DAY, name=st.sampled_from(sorted(LENGTHS)))
@examples(50)
def test_a_range_and_the_one_before_it_are_neighbours_of_one_length(
    newest: date, name: str
) -> None:
    period = Period.from_range(newest, name)  # type: ignore[arg-type]  # the names are those of the type
    assert period.day_count == LENGTHS[name] == period.previous.day_count == len(period.days.dates)
    assert period.previous.end_date + timedelta(days=1) == period.start_date


@given(start=ANY_DAY, end=ANY_DAY)
@examples(50)
def test_days_of_one_s_own_are_taken_or_refused(start: date, end: date) -> None:
    length = (end - start).days + 1
    if 0 < length <= MOST_DAYS:
        assert Period.from_range(NEWEST, None, start, end) == Period("custom", start, end)
    else:
        with pytest.raises(DefinitionError):
            Period.from_range(NEWEST, "custom", start, end)


@each(
    "day, zone, count, last",
    [
        (date(2026, 3, 28), "Europe/Berlin", 24, "2026-03-28T23:00:00+01:00"),
        (date(2026, 3, 29), "Europe/Berlin", 23, "2026-03-29T23:00:00+02:00"),
        (date(2026, 10, 25), "Europe/Berlin", 25, "2026-10-25T23:00:00+01:00"),
        (date(2026, 3, 8), "America/New_York", 23, "2026-03-08T23:00:00-04:00"),
        (date(2026, 3, 29), "Asia/Kolkata", 24, "2026-03-29T23:00:00+05:30"),
    ],
)
def test_a_day_has_the_hours_that_its_zone_gives_it(
    day: date, zone: str, count: int, last: str
) -> None:
    hours = hours_of(day, zone)
    assert len(hours) == count
    assert hours[0].isoformat().startswith(f"{day}T00:00:00")
    assert hours[-1].isoformat() == last


def test_what_is_unknown_is_not_zero() -> None:
    assert share(1, 0) is None
    assert share(1, 8) == 0.125
    answer = changes(
        {"a": 5, "b": 5, "c": None, "d": -1}, {"a": 4, "b": 0, "c": 4, "d": -2}, "abcd"
    )
    assert answer == {"a": 0.25, "b": None, "c": None, "d": 0.5}
