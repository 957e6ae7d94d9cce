"""How far the attempts of each day got, by lists on DuckDB and by the portable form:
each as plain Python has it.
"""

import datetime as dt
from collections.abc import Sequence

import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.daily import (
    DailyFunnel,
    attempt_levels,
    attempts_of_days,
    fast_attempts_of_days,
)
from ecom_assets.behaviour.funnels.definition import EARLIEST, Funnel
from ecom_assets.behaviour.funnels.kernel.lists import can_find_attempts
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import DuckDB, connect
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    EPOCH,
    Event,
    first_longest_chain,
    fits,
    streams_of,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_entries import EIGHT_HOURS, days_of_streams
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

HATS, SHOES = step_of("view", {"category": "hats"}), step_of("view", {"category": "shoes"})
DISJOINT = (HATS, SHOES, step_of("cart"), step_of("purchase"))
VIEW, CART = step_of("view"), step_of("cart")
Attempts = dict[tuple[str, dt.date], tuple[dt.datetime, int]]
"""By visitor and day: when the last attempt began, and the most steps of one."""


def moment_of(at: int) -> dt.datetime:
    return EPOCH + dt.timedelta(microseconds=at)


def rows_of(con: DuckDB, events: Sequence[Event], hours: int = 0) -> ir.Table:
    """The events in DuckDB, with their day in a zone so many hours ahead."""
    days = [(moment_of(event.at) + dt.timedelta(hours=hours)).date() for event in events]
    column = pa.array(days, pa.date32())
    return con.create_table("events", table_of(events).append_column("event_date", column))


def by_lists(rows: ir.Table, days: Days, daily: DailyFunnel) -> Attempts:
    assert can_find_attempts(rows, daily.funnel)
    return attempts_in(fast_attempts_of_days(rows, days, daily))


def by_expression(rows: ir.Table, days: Days, daily: DailyFunnel) -> Attempts:
    attempts = attempts_of_days(rows, days, daily.funnel)
    levels = attempt_levels(rows, attempts, days, daily)
    return attempts_in(attempts.join(levels, ["visitor_id", "cohort_date"]))


def attempts_in(rows: ir.Table) -> Attempts:
    found = rows.to_pyarrow().to_pylist()
    result = {
        (row["visitor_id"], row["cohort_date"]): (row["last_start_at"], row["level"])
        for row in found
    }
    assert len(result) == len(found), "an attempt is listed twice"
    return result


def by_hand(events: Sequence[Event], days: Days, funnel: Funnel, hours: int) -> Attempts:
    """Every chain that begins on a day is tried, in plain Python."""
    result: Attempts = {}

    def day_of(at: int) -> dt.date:
        return (moment_of(at) + dt.timedelta(hours=hours)).date()

    for who, stream in streams_of(events).items():
        starts = [event.at for event in stream if fits(event, funnel.steps[0])]
        for day in {day_of(at) for at in starts} & set(days.dates):
            begun = {at for at in starts if day_of(at) == day}
            chain = first_longest_chain(stream, funnel, begun.__contains__)
            result[who, day] = (moment_of(max(begun)), len(chain))
    return result


@examples(40)
@given(
    steps=st.permutations(DISJOINT),
    count=st.integers(2, 4),
    within=st.integers(1, 6),
    order=st.sampled_from(sorted(EARLIEST)),
    chosen=st.sets(st.integers(0, 3), min_size=1),
    hours=st.sampled_from((-11, 0, 5, 13)),
    seed=st.integers(0, 2**32),
)
def test_the_attempts_of_each_day_are_those_of_plain_python(  # noqa: PLR0913, PLR0917 (what is drawn)
    steps: list[FunnelStep],
    count: int,
    within: int,
    order: str,
    chosen: set[int],
    hours: int,
    seed: int,
) -> None:
    events = days_of_streams(seed)
    funnel = funnel_of(steps[:count], within * EIGHT_HOURS, order)
    days = Days.from_dates(EPOCH.date() + dt.timedelta(days=n) for n in chosen)
    daily, rows = DailyFunnel("drawn", funnel), rows_of(connect(), events, hours)
    expected = by_hand(events, days, funnel, hours)
    assert by_lists(rows, days, daily) == expected
    assert by_expression(rows, days, daily) == expected


def test_a_unit_without_a_first_step_has_no_attempt_and_no_events_are_none() -> None:
    daily = DailyFunnel("short", funnel_of((VIEW, CART), 60))
    day = Days.from_dates([EPOCH.date()])
    only_cart = [Event("anna", 0, "cart")]
    assert by_lists(rows_of(connect(), only_cart), day, daily) == {}
    assert by_lists(rows_of(connect(), []), day, daily) == {}


def test_visitors_of_many_lists_and_days_before_1970_keep_their_own_attempts() -> None:
    # Visitor n views n times, an hour apart, 60 years ago, and every second one fills a cart.
    long_ago = -60 * 365 * 86_400 * 1_000_000
    hour = 3_600 * 1_000_000
    views = [
        Event(f"v{n}", long_ago + place * hour, "view")
        for n in range(5_000)
        for place in range(n % 3 + 1)
    ]
    carts = [Event(f"v{n}", long_ago + 3 * hour, "cart") for n in range(0, 5_000, 2)]
    funnel = funnel_of((VIEW, CART), 86_400)
    day = moment_of(long_ago).date()
    actual = by_lists(
        rows_of(connect(), [*views, *carts]), Days.from_dates([day]), daily_of(funnel)
    )
    assert actual == {
        (f"v{n}", day): (moment_of(long_ago + n % 3 * hour), 1 if n % 2 else 2)
        for n in range(5_000)
    }


def daily_of(funnel: Funnel) -> DailyFunnel:
    return DailyFunnel("named", funnel)


@each(
    "funnel",
    [
        funnel_of((VIEW, HATS)),
        funnel_of((VIEW, CART, VIEW)),
        funnel_of((VIEW, CART), order="any"),
        funnel_of((VIEW, CART), hold=("category",)),
    ],
)
def test_funnels_that_lists_do_not_count_are_left_to_the_expression(funnel: Funnel) -> None:
    assert not can_find_attempts(rows_of(connect(), []), funnel)
