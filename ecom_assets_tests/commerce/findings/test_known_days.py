"""What could be compared, and which sources are late, by the days that are known."""

from datetime import date, timedelta

from ecom_assets.commerce.findings.queries import compared_kinds, late_sources
from ecom_assets.core.tables.queries import KnownDays

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
