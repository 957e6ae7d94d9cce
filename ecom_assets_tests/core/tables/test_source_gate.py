"""What the gate in front of every source lets through: shares, small shops, first runs,
Sundays and late runs.
"""

from datetime import date, timedelta

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.received import SourceGate, latest_count, usual_count
from ecom_assets_tests.each import each

GATE = SourceGate(refused_share=0.5, fall_share=0.8, least_count=100)
MONDAY = date(2026, 3, 2)


def on(*counts: int, first: date = MONDAY, step: int = 1) -> dict[date, int]:
    """Return rows of days a step apart."""
    return {first + timedelta(days=step * number): count for number, count in enumerate(counts)}


@each(
    "before, now, falls",
    [
        (100, 20, False),
        (100, 19, True),
        (99, 0, False),
        (1000, 200, False),
        (1000, 199, True),
        (1000, 5000, False),
    ],
)
def test_less_than_a_fifth_of_a_hundred_rows_or_more_is_a_fall(
    before: int,
    now: int,
    falls: bool,  # noqa: FBT001
) -> None:
    assert GATE.is_fall(before, now) is falls


@each(
    "received, refused, stops",
    [
        (100, 50, False),
        (100, 51, True),
        (99, 98, False),
        (99, 99, True),
        (12, 12, True),
        (1, 0, False),
        (0, 0, False),
    ],
)
def test_more_than_half_of_many_rows_or_all_of_a_few_may_not_be_refused(
    received: int,
    refused: int,
    stops: bool,  # noqa: FBT001
) -> None:
    assert GATE.is_refused(received, refused) is stops


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(DefinitionError, match="refused_share"):
        SourceGate(refused_share=0)
    with pytest.raises(DefinitionError, match="fall_share"):
        SourceGate(fall_share=1.1)


def test_a_day_is_compared_with_the_same_weekday_so_that_a_quiet_sunday_is_usual() -> None:
    week = (500, 500, 500, 500, 500, 500, 3)
    counts = on(*week * 4)
    sunday, monday = MONDAY + timedelta(days=27), MONDAY + timedelta(days=28)
    assert usual_count(counts, sunday, sunday) == 3
    assert usual_count(counts, monday, monday) == 500


def test_one_day_of_a_sale_does_not_make_the_weeks_after_it_a_fall() -> None:
    friday = MONDAY + timedelta(days=28)
    assert usual_count(on(100, 110, 9000, 120, step=7), friday, friday) == 115


def test_a_first_run_is_compared_with_nothing_however_long_it_is() -> None:
    counts = on(*(1000, 0) * 200)
    assert [usual_count(counts, day, MONDAY) for day in counts] == [None] * 400


def test_one_week_is_too_little_to_be_usual_and_two_are_enough() -> None:
    second, third = MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)
    assert usual_count(on(500, step=7), second, second) is None
    assert usual_count(on(500, 700, step=7), third, third) == 600


def test_the_days_of_a_window_are_compared_with_the_weeks_before_the_window() -> None:
    # The night's run over eight days: its last day is compared with weeks that the run does not
    # replace.
    first = MONDAY + timedelta(days=28)
    counts = {**on(100, 200, 300, 400, step=7), first: 0}
    assert usual_count(counts, first + timedelta(days=7), first) == 250


def test_a_late_run_is_compared_with_what_was_before_its_days_and_not_with_what_came_since() -> (
    None
):
    counts = on(100, 100, 100, 100, 5000, 5000, step=7)
    fourth = MONDAY + timedelta(days=21)
    assert usual_count(counts, fourth, fourth) == 100


def test_customers_and_stock_are_compared_with_the_last_times_that_they_were_asked_for() -> None:
    assert latest_count(on(10, 0, 20, 30, 40, 50), MONDAY + timedelta(days=6)) == 35
    assert latest_count(on(10), MONDAY) is None


def lost(
    stored: dict[date, int], actual: dict[date, int], whole: tuple[date, ...] = ()
) -> list[date]:
    return list(GATE.lost_days(stored, actual, whole).dates)


def test_a_day_with_none_of_its_rows_left_is_lost_however_small_and_neighbours_are_not() -> None:
    first, second, third = on(5, 1, 5)
    assert lost({first: 5, second: 1, third: 5}, {first: 5, third: 4}) == [second]


def test_a_large_day_is_lost_when_most_of_its_rows_are_and_a_small_one_is_not() -> None:
    first, second = on(1, 1)
    assert lost({first: 1000, second: 50}, {first: 199, second: 1}) == [first]


def test_a_source_that_says_a_day_is_whole_is_believed_while_the_fall_of_all_days_is_small() -> (
    None
):
    first, second = on(1, 1)
    assert lost({first: 1000, second: 10}, {first: 1000}, whole=(second,)) == []
    assert lost({first: 1000, second: 10}, {second: 10}, whole=(first,)) == [first]
    assert lost({second: 10}, {}, whole=(second,)) == []
