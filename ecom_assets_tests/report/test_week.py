"""ISO weeks as people write them."""

from datetime import date

import pytest

from ecom_assets.errors import UsageError
from ecom_assets.report.week import Week


@pytest.mark.parametrize(
    ("written", "monday"),
    [("2026-W04", date(2026, 1, 19)), ("2026-W01", date(2025, 12, 29)), ("2026-W53", date(2026, 12, 28))],
)
def test_a_week_is_that_of_iso_8601(written: str, monday: date) -> None:
    week = Week.parse(written)
    assert (week.monday, str(week), (week.sunday - monday).days) == (monday, written, 6)


@pytest.mark.parametrize("wrong", ["2026-W60", "2025-W53", "2026-W00", "2026-04", "W04", "2026-W4", "", "2026-W04 "])
def test_a_wrong_week_is_reported_in_one_sentence(wrong: str) -> None:
    with pytest.raises(UsageError) as reported:
        Week.parse(wrong)
    assert str(reported.value) == f"--week {wrong!r} is not an ISO week; use YYYY-Www, such as 2026-W04."


@pytest.mark.parametrize(("newest", "week"), [(date(2026, 1, 25), "2026-W04"), (date(2026, 1, 31), "2026-W04")])
def test_the_newest_week_is_over(newest: date, week: str) -> None:
    assert str(Week.newest_whole(newest)) == week
