"""When a number is worth a message, by numbers that a reader can do again."""

from datetime import datetime, timedelta

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.interfaces.boards.model import NumberAlert
from ecom_assets.interfaces.watching.rule import ValueFormat, WatchedPoint, episodes, findings
from ecom_assets_tests.each import each

MONDAY = datetime.fromisoformat("2026-03-02")
COUNT = ValueFormat(is_count=True)


def days(*values: float | None, every: timedelta = timedelta(days=1)) -> list[WatchedPoint]:
    return [
        WatchedPoint(MONDAY + number * every, value, is_complete=True)
        for number, value in enumerate(values)
    ]


def alert(**fields: object) -> NumberAlert:
    return NumberAlert.from_mapping(
        {"name": "Orders", "measure": "order_count", "is_on": True, **fields}
    )


def test_a_bound_is_crossed_on_the_days_beyond_it() -> None:
    found = findings(alert(when="below", limit=10), days(12, 10, 9.9, None, 3), COUNT)
    assert [(finding.point.value, finding.is_breach) for finding in found] == [
        (12, False),
        (10, False),
        (9.9, True),
        (3, True),
    ]
    assert found[2].reason == "below the bound of 10"


def test_a_fall_is_measured_against_the_same_day_a_week_before() -> None:
    found = findings(
        alert(when="falls", limit=0.2), days(100, 50, 50, 50, 50, 50, 50, 79, 50), COUNT
    )
    assert [(finding.point.day.isoformat(), finding.is_breach) for finding in found] == [
        ("2026-03-09", True),  # 79 is 21 % less than 100
        ("2026-03-10", False),
    ]
    assert found[0].reason == "21% less than on Mon 2026-03-02"


def test_a_fall_against_the_day_before_needs_one_that_is_not_zero() -> None:
    found = findings(
        alert(when="falls", limit=0.5, compared_with="period_before"), days(0, 100, 49, 49), COUNT
    )
    assert [finding.is_breach for finding in found] == [True, False]


def test_what_is_expected_is_the_median_of_the_same_weekdays_give_or_take_four_spreads() -> None:
    # Mondays of 100, 102, 98, 100, 300, then 100: the one of 300 is beyond what is expected, and
    # changes little of it.
    mondays = days(100, 102, 98, 100, 300, 100, every=timedelta(days=7))
    found = findings(alert(when="unexpected"), mondays, COUNT)
    assert [(finding.point.value, finding.is_breach) for finding in found] == [
        (300, True),
        (100, False),
    ]
    first = found[0]
    assert (first.usual, first.low, first.high) == (
        100,
        60,
        140,
    )  # 4 times the root of 100, as the MAD is only 1.5
    assert first.reason == "outside of 60 to 140, which the last 4 Mondays let expect"


def test_nothing_is_expected_before_there_are_four_weeks() -> None:
    assert (
        findings(alert(when="unexpected"), days(1, 1, 1, 99, every=timedelta(days=7)), COUNT) == []
    )


def test_an_hour_is_compared_with_the_same_hour_of_the_weekday() -> None:
    points = [
        WatchedPoint(
            MONDAY + timedelta(weeks=week, hours=hour),
            100.0 if hour == 12 else 4.0,
            is_complete=True,
        )
        for week in range(5)
        for hour in (3, 12)
    ]
    assert not any(
        finding.is_breach
        for finding in findings(alert(when="unexpected", every="hour"), points, COUNT)
    )


def test_a_period_that_is_not_over_is_not_evaluated() -> None:
    points = [*days(20, 20), WatchedPoint(MONDAY + timedelta(days=2), 1.0, is_complete=False)]
    assert not any(finding.is_breach for finding in findings(alert(when="below", limit=10), points))


def test_days_in_a_row_are_one_incident_which_a_good_day_ends() -> None:
    found = findings(alert(when="below", limit=10), days(12, 9, 8, 12, 7), COUNT)
    assert [
        (episode.first.point.value, episode.last.point.value, episode.is_over)
        for episode in episodes(found)
    ] == [
        (9, 8, True),
        (7, 7, False),
    ]


@each(
    "fields, sentence",
    [
        ({"when": "above"}, "needs `limit`"),
        ({"when": "falls", "limit": -0.2}, "above 0"),
        ({"question": "x"}, "either `question`"),
        ({"measure": "revenue_amont"}, "revenue_amount"),
        ({"by": ["user_id"]}, "personal data"),
        ({"quiet": "25:00-07:00"}, "quiet"),
        ({"emails": ["nobody"]}, "emails"),
    ],
)
def test_an_alert_that_cannot_be_is_refused_with_a_sentence(
    fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(DefinitionError, match=sentence):
        alert(**fields)


def shares(*values: tuple[float, int]) -> list[WatchedPoint]:
    """Return a share and how many it is of, for each day."""
    return [
        WatchedPoint(MONDAY + number * timedelta(days=1), share, is_complete=True, size=size)
        for number, (share, size) in enumerate(values)
    ]


def test_a_count_of_few_is_no_incident() -> None:
    """Four Mondays of 3 let expect at most 9.9: 14 are beyond it, and still say nothing."""
    mondays = days(3, 3, 3, 3, 14, every=timedelta(days=7))
    (found,) = findings(alert(when="unexpected"), mondays, COUNT)
    assert (round(found.high or 0, 1), found.is_breach) == (9.9, False)
    assert found.reason == "of fewer than 30, which says nothing"
    (found,) = findings(alert(when="unexpected", least_count=14), mondays, COUNT)
    assert found.is_breach
    assert "let expect" in found.reason


def test_a_fall_from_many_to_few_is_an_incident() -> None:
    falls = alert(when="falls", limit=0.5, compared_with="period_before")
    assert [found.is_breach for found in findings(falls, days(30, 2), COUNT)] == [True]
    assert [found.is_breach for found in findings(falls, days(29, 2), COUNT)] == [False]


def test_a_share_of_few_is_no_incident() -> None:
    below = alert(measure="bounce_rate", when="below", limit=0.2)
    found = findings(below, shares((0.1, 30), (0.1, 29)), ValueFormat(is_rate=True))
    assert [finding.is_breach for finding in found] == [True, False]
    falls = alert(measure="bounce_rate", when="falls", limit=0.2, compared_with="period_before")
    found = findings(falls, shares((0.5, 29), (0.1, 400)), ValueFormat(is_rate=True))
    assert [finding.is_breach for finding in found] == [False], "it is compared with few"


def test_a_bound_of_a_count_is_as_it_was_set() -> None:
    (found,) = findings(alert(when="below", limit=10), days(3), COUNT)
    assert found.is_breach
