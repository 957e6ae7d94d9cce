"""When a number is beyond chance: stories with numbers, and how often chance alone is found."""

import random
from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from scipy import stats

from ecom_assets.commerce.findings.chance import (
    DailyNumber,
    NumberLook,
    looks_at,
    student_quantile,
)
from ecom_assets.core.tables.usual import FEWEST_WEEKS
from ecom_assets_tests.each import each

LAST = date(2026, 3, 15)
ONE_DAY = timedelta(days=1)
HISTORY = [LAST - number * ONE_DAY for number in range(70)]
"""Ten weeks, the newest day first."""


def counts_of(usual: float, changed: Mapping[date, float] | None = None) -> dict[date, float]:
    """Return as many on every day, but for some."""
    return dict.fromkeys(HISTORY, usual) | dict(changed or {})


def found(number: DailyNumber, known: frozenset[date] = frozenset(HISTORY)) -> list[NumberLook]:
    """Return the looks that are beyond chance, if nothing else is looked at."""
    looks = list(looks_at(number, LAST, known))
    return [look for look in looks if look.is_beyond(look.bound(len(looks)))]


def test_a_day_without_what_is_usual_is_found_and_the_days_around_it_are_not() -> None:
    """On each day 100 come, on Wednesday 11 March nobody. The week has 600 instead of 700; of a
    week of 700 chance takes less than a tenth, so that both are found.
    """
    wednesday = date(2026, 3, 11)
    looks = found(DailyNumber(counts_of(100, {wednesday: 0})))
    assert [(look.days[0], look.days[-1]) for look in looks] == [
        (date(2026, 3, 9), LAST),
        (wednesday, wednesday),
    ]
    assert [(look.value, look.usual) for look in looks] == [(600, 700), (0, 100)]


def test_the_bound_of_a_count_is_what_a_poisson_count_exceeds_once_in_so_many_looks() -> None:
    """Of 100 a day, and no other spread, the bound is where the root is half of a normal quantile
    away: with one look 2.326 / 2 = 1.163, so (10 - 1.163)² = 78.1.
    """
    (look,) = looks_at(DailyNumber(counts_of(100)), LAST, frozenset(HISTORY), each_day=False)
    assert look.spread == 0
    day = NumberLook((LAST,), look.number, 100, 100, 0, 9)
    assert day.bound(1) == pytest.approx(78.1, abs=0.05)
    assert day.bound(100) < day.bound(10) < day.bound(1)


def test_a_spread_that_days_have_anyway_is_no_finding() -> None:
    """Every other week has 50 a day instead of 100: a week of 50 is as usual as one of 100."""
    restless = {day: 50.0 + 50 * (((LAST - day).days // 7) % 2) for day in HISTORY}
    assert not found(DailyNumber(restless))


def test_a_share_is_compared_with_what_a_share_of_so_many_may_be_by_chance() -> None:
    """Of 100 checkouts a day 60 are paid, today 30: √(0.6 · 0.4 / 100) is 0.049, so 30 are six of
    these away. Of 20 checkouts 6 are no less likely than many a day, and too few to look at.
    """
    today = {LAST: 30.0}
    (look,) = found(DailyNumber(counts_of(60, today), counts_of(100)))[-1:]
    assert (look.days, look.value, look.usual) == ((LAST,), 0.3, 0.6)
    assert not found(DailyNumber(counts_of(12, {LAST: 6.0}), counts_of(20)))


def test_refunds_are_found_where_they_rise_and_few_are_no_rise() -> None:
    """A product is paid back once a week; this week ten times, or twice."""
    weekly = {day: 1.0 for day in HISTORY if day.weekday() == 0}

    def refunds(count: float) -> DailyNumber:
        return DailyNumber(weekly | {date(2026, 3, 9): count}, is_rise=True)

    (look,) = [look for look in found(refunds(10)) if len(look.days) > 1]
    assert (look.value, look.usual) == (10, 1)
    assert not found(refunds(2))


def test_days_that_are_not_known_are_neither_zero_nor_compared() -> None:
    """Without the newest Monday there is no week, and no Monday; its day is not a fall to nothing.
    Below four known weeks nothing is expected.
    """
    monday = date(2026, 3, 9)
    number = DailyNumber(counts_of(100, {monday: 0}))
    assert monday in {look.days[0] for look in found(number)}
    assert not found(number, frozenset(HISTORY) - {monday})
    short = frozenset(HISTORY[: 7 * FEWEST_WEEKS])
    assert not list(looks_at(number, LAST, short))


@pytest.mark.slow
def test_chance_alone_is_found_at_most_once_in_four_weeks() -> None:
    """Twelve channels of 40 to 600 visits a day, Sundays with half, each day drawn by Poisson, for
    a year: on fewer than one of 28 mornings is there anything.
    """
    draw = random.Random(7)  # noqa: S311 (of a test)
    days = [LAST - number * ONE_DAY for number in range(365 + 70)]
    channels = [
        {day: float(_poisson(draw, usual / (2 if day.weekday() == 6 else 1))) for day in days}
        for usual in (40, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600)
    ]
    mornings = 0
    for morning in days[:364]:
        known = frozenset(days[days.index(morning) :])
        looks = [look for one in channels for look in looks_at(DailyNumber(one), morning, known)]
        mornings += any(look.is_beyond(look.bound(len(looks))) for look in looks)
    assert mornings <= 364 / 28, f"on {mornings} of 364 mornings"


def _poisson(draw: random.Random, mean: float) -> int:
    """Return a Poisson count, rounded from the normal one that it is nearly."""
    return max(round(draw.gauss(mean, mean**0.5)), 0)


@each("freedom", [7, 10, 18, 100])
def test_quantiles_of_students_t_are_those_of_scipy(freedom: float) -> None:
    for tail in (1e-2, 1e-3, 1e-4):
        assert student_quantile(1 - tail, freedom) == pytest.approx(
            stats.t.isf(tail, freedom), rel=0.01
        )
