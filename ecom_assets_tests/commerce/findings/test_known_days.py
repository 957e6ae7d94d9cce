"""What could be compared, and which sources are late, by the days that are known."""

from datetime import date, timedelta

from ecom_assets.commerce.findings.queries import compared_kinds, late_sources
from ecom_assets.core.tables.queries import KnownDays, Period

NEWEST = date(2026, 3, 16)


def days(count: int, last: date = NEWEST) -> KnownDays:
    """Return so many days up to the last one."""
    return KnownDays(last - timedelta(days=count - 1), last)


def test_a_week_and_four_before_it_can_be_compared() -> None:
    """35 days are five weeks, 34 are not; refunds are those of orders where there are any."""
    assert compared_kinds({"events": days(35), "stock": days(1)}) == [
        "visits",
        "conversion",
        "refunds",
        "stock",
    ]
    assert compared_kinds({"events": days(34)}) == []
    assert compared_kinds({"events": days(60), "orders": days(20)}) == ["visits", "conversion"]
    assert compared_kinds({"orders": days(60)}) == ["refunds"]


def test_days_that_were_not_looked_at_are_not_compared() -> None:
    """The week looked at is of the 10th to the 16th; it ends on the 15th where that is not over."""
    known = {"events": days(60), "stock": days(1)}

    def compared(first: int, last: int, today: int = 17) -> list[str]:
        period = Period("custom", date(2026, 3, first), date(2026, 3, last))
        return [*compared_kinds(known, period, date(2026, 3, today))]

    assert compared(1, 31) == ["visits", "conversion", "refunds", "stock"]
    assert compared(10, 10) == ["visits", "conversion", "refunds"]
    assert compared(16, 20) == ["visits", "conversion", "refunds", "stock"]
    assert compared(1, 9) == compared(17, 31) == []
    assert compared(9, 9, today=16) == ["visits", "conversion", "refunds"]
    assert compared(16, 16, today=16) == ["stock"]


def test_a_source_is_late_that_lacks_a_day_which_is_over() -> None:
    """On the 16th orders end on the 15th, as on every day; on the 14th they lack one."""
    for last, expected in ((15, {}), (14, {"orders": date(2026, 3, 14)})):
        known = {
            "events": days(60),
            "orders": days(60, date(2026, 3, last)),
            "stock": days(1, date(2026, 3, 1)),
        }
        assert late_sources(known, NEWEST, today=NEWEST) == expected
    assert late_sources({"events": days(9)}, NEWEST, today=date(2026, 11, 28)) == {}
