"""Retention by story: periods and clocks, modes, what is whole, and what a cohort was worth.

Not here: random streams against other ways of counting (`test_retention_references.py`), the
platform's table (`retention/test_cohorts.py`).
"""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ecom_assets.behaviour.retention.question import RetentionQuestion, brackets_from
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.behaviour.retention.retention_reference import (
    Deed,
    answer,
    bought,
    came,
    cells,
    triangle,
)
from ecom_assets_tests.each import each

# Anna comes on the 1st, 2nd and 5th, Ben on the 1st and the 4th, Cara on the 2nd; the newest day is
# the 5th.
STORY = [
    *came("anna", "2026-03-01 23:00", "2026-03-02 01:00", "2026-03-05 00:30"),
    *came("ben", "2026-03-01 09:00", "2026-03-04 10:00"),
    *came("cara", "2026-03-02 12:00"),
]
DAILY = RetentionQuestion(period="day")


def test_on_counts_who_came_on_exactly_that_day() -> None:
    assert triangle(cells(STORY, DAILY)) == {
        "2026-03-01": [2, 1, 0, 1, 1],
        "2026-03-02": [1, 0, 0, 0],
    }


def test_on_or_after_counts_who_came_then_or_later_and_never_rises() -> None:
    rule = RetentionQuestion(period="day", mode="on_or_after")
    assert triangle(cells(STORY, rule)) == {
        "2026-03-01": [2, 2, 2, 2, 1],
        "2026-03-02": [1, 0, 0, 0],
    }


def test_a_bracket_counts_a_visitor_once_however_often_they_came_in_it() -> None:
    rule = RetentionQuestion(period="day", mode="bracket", brackets=((0, 0), (1, 3), (4, 7)))
    assert triangle(cells(STORY, rule)) == {"2026-03-01": [2, 2, 1], "2026-03-02": [1, 0]}


def test_days_that_no_bracket_has_count_nowhere() -> None:
    rule = RetentionQuestion(period="day", mode="bracket", brackets=((1, 1), (4, 5)))
    assert triangle(cells(STORY, rule)) == {"2026-03-01": [1, 1], "2026-03-02": [0]}


def test_on_the_rolling_clock_a_day_is_24_hours_from_the_visitor_s_own_start() -> None:
    # Anna's second visit is two hours after her first, so on day 0; Ben's is 73 hours after his, so
    # on day 3.
    rolling = RetentionQuestion(period="day", clock="rolling")
    assert triangle(cells(STORY, rolling)) == {"2026-03-01": [2, 0, 0, 2], "2026-03-02": [1, 0, 0]}


def test_a_day_on_the_rolling_clock_ends_after_exactly_24_hours() -> None:
    rule = RetentionQuestion(period="day", clock="rolling")
    first, later = came("anna", "2026-03-01 09:00:00"), came("zoe", "2026-03-09 09:00")
    just_before = [*first, *came("anna", "2026-03-02 08:59:59.999999"), *later]
    just_then = [*first, *came("anna", "2026-03-02 09:00:00"), *later]
    assert triangle(cells(just_before, rule))["2026-03-01"][:2] == [1, 0]
    assert triangle(cells(just_then, rule))["2026-03-01"][:2] == [1, 1]


def test_weeks_begin_on_monday_unless_set_otherwise() -> None:
    deeds = came(
        "anna", "2026-03-07 12:00", "2026-03-08 12:00", "2026-03-09 12:00"
    )  # Saturday to Monday
    assert triangle(cells(deeds, RetentionQuestion())) == {"2026-03-02": [1, 1]}
    assert triangle(cells(deeds, RetentionQuestion(week_start="sunday"))) == {"2026-03-01": [1, 1]}
    assert triangle(cells(deeds, RetentionQuestion(week_start="saturday"))) == {"2026-03-07": [1]}


def test_months_are_those_of_the_calendar_over_the_turn_of_the_year() -> None:
    deeds = came("anna", "2025-11-30 12:00", "2025-12-01 12:00", "2026-02-28 12:00")
    assert triangle(cells(deeds, RetentionQuestion(period="month"))) == {"2025-11-01": [1, 1, 0, 1]}


def test_cohorts_may_begin_with_one_event_and_return_with_another() -> None:
    deeds = [
        *came("anna", "2026-03-01 09:00"),
        bought("anna", "2026-03-03 09:00", 10),
        *came("anna", "2026-03-04 09:00"),
    ]
    rule = RetentionQuestion(start="purchase", returning="page_view", period="day")
    assert triangle(cells(deeds, rule)) == {"2026-03-03": [0, 1]}
    assert triangle(cells(deeds, RetentionQuestion(returning="purchase", period="day"))) == {
        "2026-03-01": [0, 0, 1, 0]
    }


def test_a_cohort_with_nobody_has_no_row() -> None:
    assert cells(STORY, RetentionQuestion(start="purchase")) == []
    assert answer(STORY, RetentionQuestion(start="purchase"), output="totals") == []
    assert cells([], RetentionQuestion()) == []


def test_a_period_is_whole_once_the_data_hold_a_later_one_and_totals_have_whole_ones_only() -> None:
    actual = cells(STORY, DAILY)
    assert [cell.is_complete for cell in actual] == [True] * 4 + [False] + [True] * 3 + [False]
    sums = answer(STORY, DAILY, output="totals")
    reported = [
        (row["cohort_count"], row["visitor_count"], row["returned_count"], row["retention_rate"])
        for row in sums
    ]
    assert reported == [
        (2, 3, 3, 1.0),
        (2, 3, 1, pytest.approx(1 / 3)),
        (2, 3, 0, 0.0),
        (1, 2, 1, 0.5),
        (0, 0, 0, None),
    ]


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [("UTC", [1, 1]), ("Asia/Tokyo", [1, 0, 1]), ("America/New_York", [1])],
)
def test_days_are_those_of_the_reporting_zone(timezone: str, expected: list[int]) -> None:
    # 23:30 and 15:30 UTC are 08:30 on the 2nd and 00:30 on the 3rd in Tokyo, 18:30 and 10:30 in New
    # York.
    deeds = {
        "UTC": came("anna", "2026-03-01 23:30", "2026-03-02 15:30"),
        "Asia/Tokyo": came("anna", "2026-03-01 14:30", "2026-03-02 15:30"),
        "America/New_York": came("anna", "2026-03-01 05:30", "2026-03-02 04:30"),
    }[timezone]
    assert list(triangle(cells(deeds, DAILY, timezone)).values()) == [expected]


@pytest.mark.parametrize(
    ("timezone", "before"),
    [
        ("Europe/Berlin", "2026-03-28 22:30"),
        ("Europe/Berlin", "2026-10-24 21:30"),
        ("America/New_York", "2026-11-01 03:30"),
    ],
)
def test_days_of_23_and_25_hours_are_one_day_each(timezone: str, before: str) -> None:
    # Half an hour before the midnight at which the odd day begins, then 24 h 45 min later: the
    # calendar says one or two days on, the rolling clock always one.
    start = datetime.fromisoformat(before)
    deeds = [
        Deed("anna", start, "page_view"),
        Deed("anna", start + timedelta(hours=24, minutes=45), "page_view"),
    ]
    is_short = before.startswith("2026-03")
    assert list(triangle(cells(deeds, DAILY, timezone)).values()) == [
        [1, 0, 1] if is_short else [1, 1]
    ]
    assert list(
        triangle(cells(deeds, RetentionQuestion(period="day", clock="rolling"), timezone)).values()
    ) == [[1, 1]]


def test_value_is_revenue_so_far_per_visitor_over_whole_cohorts_only() -> None:
    # Cohorts of 100, 120 and 80 that paid 500, 720 and 320 within their first two days; a fourth is
    # not whole yet.
    sizes, paid = (100, 120, 80, 50), (500, 720, 320, 9999)
    deeds = [
        deed
        for day, size in enumerate(sizes, start=1)
        for n in range(size)
        for deed in came(f"{day}-{n}", f"2026-03-0{day} 12:00")
    ]
    deeds += [
        bought(f"{day}-0", f"2026-03-0{day + 1} 12:00", amount)
        for day, amount in enumerate(paid, start=1)
    ]
    day_one = answer(deeds, DAILY, output="totals")[1]
    assert (day_one["cohort_count"], day_one["visitor_count"]) == (3, 300)
    assert day_one["cumulative_revenue_amount"] == Decimal(1540)
    assert round(day_one["lifetime_value"], 2) == 5.13


def test_value_in_brackets_has_what_was_paid_between_them() -> None:
    deeds = [
        *came("anna", "2026-03-01 09:00"),
        bought("anna", "2026-03-03 09:00", 7),
        *came("zoe", "2026-03-09 09:00"),
    ]
    rule = RetentionQuestion(period="day", mode="bracket", brackets=((0, 0), (3, 4)))
    assert [cell.revenue for cell in cells(deeds, rule)][:2] == [Decimal(0), Decimal(7)]


def test_no_more_periods_than_asked_for_are_listed_and_who_came_later_came_after() -> None:
    rule = RetentionQuestion(period="day", mode="on_or_after", last_period=2)
    assert triangle(cells(STORY, rule)) == {"2026-03-01": [2, 2, 2], "2026-03-02": [1, 0, 0]}


@each(
    "definition, message",
    [
        (
            {"period": "weak"},
            "'weak' is unknown; did you mean 'week'? Known: hour, day, week, month, quarter, year.",
        ),
        ({"mode": "off"}, "known: on, on_or_after, bracket"),
        ({"clock": "wall"}, "known: calendar, rolling"),
        ({"week_start": "funday"}, "did you mean 'sunday'?"),
        ({"last_period": -1}, "`last_period` of a retention is at least 0, not -1."),
        ({"mode": "bracket", "brackets": ((0, 2), (2, 3))}, "The brackets '0-2,2-3' overlap"),
        ({"mode": "bracket", "brackets": ()}, "write pairs of periods"),
    ],
)
def test_what_cannot_be_counted_is_refused(definition: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        RetentionQuestion.from_mapping(definition)
    assert message in str(refused.value)


def test_brackets_are_read_as_people_write_them() -> None:
    assert brackets_from("0, 1-3,4-7") == ((0, 0), (1, 3), (4, 7))
    with pytest.raises(
        DefinitionError, match=r"The brackets '1\.\.3' are not understood; write them as in 0,1-3"
    ):
        brackets_from("1..3")


def test_presets_are_the_peers_defaults() -> None:
    assert RetentionQuestion.from_mapping({"preset": "amplitude"}).clock == "rolling"
    assert (
        RetentionQuestion.from_mapping({"preset": "posthog", "week_start": None}).week_start
        == "sunday"
    )
    with pytest.raises(DefinitionError, match="did you mean 'mixpanel'"):
        RetentionQuestion.from_mapping({"preset": "mixpannel"})
