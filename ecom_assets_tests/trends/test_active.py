"""Weekly and monthly active visitors, and breakdowns by several columns, by story and against plain Python."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.errors import DefinitionError
from ecom_assets.trends.definition import ACTIVE, Series, Trend
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.trends.test_trend import STORY, answer, deeds_of, line
from ecom_assets_tests.trends.trend_reference import Deed

WAU, MAU = Series(None, "wau"), Series("purchase", "mau")


def active(deeds: Sequence[Deed], series: Series, day: date, shelf: str | None) -> int:
    """Count the visitors with a deed on one of the days up to a day."""
    since = day - timedelta(days=ACTIVE[series.measure])
    values = [one for one in deeds if series.event_type in {None, one.event_type} and since < one.event_date <= day]
    return len({one.visitor_id for one in values if shelf is None or (one.product_category or "(none)") == shelf})


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    later=st.integers(0, 12),
    period=st.sampled_from(["day", "week"]),
    by=st.sampled_from([None, "product_category"]),
)
def test_active_visitors_are_those_of_the_days_before_too(seed: int, later: int, period: str, by: str | None) -> None:
    deeds = deeds_of(seed)
    days = [one.event_date for one in deeds]
    first = min(min(days) + timedelta(days=later), max(days))
    actual = answer(deeds, Trend((WAU, MAU), period, by=by, limit=9), first)
    length = 7 if period == "week" else 1
    starts = [date.fromisoformat(start) for start in actual["periods"]]
    ends = [min(start + timedelta(days=length - 1), max(days)) for start in starts]
    for one in actual["series"]:
        series = WAU if one["name"] == "A" else MAU
        assert one["values"] == [active(deeds, series, end, one["breakdown"]) for end in ends]
        assert one["total"] == one["values"][-1]


def test_a_visitor_is_active_for_seven_days_from_each_event_on() -> None:
    # Anna came on the 2nd and 4th, Ben on the 2nd, Cara on the 5th of March; the last event is on the 10th.
    story = [*STORY, Deed("dora", "search", date(2026, 3, 10))]
    actual = answer(story, Trend((Series(None, "wau"), Series("search", "wau")), formula=None), date(2026, 3, 7))
    assert actual["periods"] == ["2026-03-07", "2026-03-08", "2026-03-09", "2026-03-10"]
    assert (line(actual), line(actual, "B")) == ([3, 3, 2, 3], [0, 0, 0, 1])


def test_active_visitors_have_no_hours_column_or_running_total() -> None:
    with pytest.raises(DefinitionError, match="wau counts whole days"):
        Trend((WAU,), "hour")
    with pytest.raises(DefinitionError, match="takes no column"):
        Series(None, "mau", "cart_amount")
    with pytest.raises(DefinitionError, match="cannot be cumulated"):
        Trend((WAU,), is_cumulative=True)
    with pytest.raises(DefinitionError, match="counts visitors, so it has no wau"):
        Trend((WAU,), kind="stickiness")


def test_several_columns_are_one_breakdown() -> None:
    # Anna's hats and Ben's on the 2nd are one value, Anna's shoes on the 4th another.
    trend = Trend.from_mapping({"series": ["purchase"], "by": ["product_category", "event_type"]})
    actual = answer(STORY, trend)
    assert {one["breakdown"]: one["values"] for one in actual["series"]} == {
        "hats / purchase": [2, 0, 0, 0],
        "shoes / purchase": [0, 0, 1, 0],
    }
    assert actual["definition"]["by"] == ["product_category", "event_type"]
    for by in (("product_category", "product_category"), ("cart_amount:bins=3", "cart_amount:edges=5")):
        with pytest.raises(DefinitionError, match="1 to 5 different columns"):
            Trend((WAU,), by=by)
