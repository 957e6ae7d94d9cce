"""Numbers per visitor, active visitors, groups in place of visitors, rare periods,
and several breakdowns of trends.

Against plain Python they are in `test_trend.py` and `test_kinds.py`, with the other measures and
periods.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.trends.question import ACTIVE, TrendQuestion, TrendSeries
from ecom_assets.behaviour.trends.range import number_of
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import first_day_of, next_start, period_number, period_start
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.trends import test_kinds
from ecom_assets_tests.behaviour.trends.test_trend import STORY, answer, deeds_of, line
from ecom_assets_tests.behaviour.trends.trend_reference import Deed, make_series, make_trend
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

BUYS = [
    Deed("anna", "purchase", date(2026, 3, 2), None, Decimal("10.00")),
    Deed("anna", "purchase", date(2026, 3, 2), None, Decimal("20.00")),
    Deed("anna", "purchase", date(2026, 3, 2)),
    Deed("ben", "purchase", date(2026, 3, 2), None, Decimal("5.00")),
    Deed("cara", "purchase", date(2026, 3, 3)),
    Deed("dora", "page_view", date(2026, 3, 4)),
]
"""On the 2nd Anna buys three times, twice for 10 and 20, Ben once for 5; on the 3rd Cara,
nobody knows for how much.
"""


@each(
    "series, of_days, total",
    [
        ("purchase:mean_per_visitor", [2.0, 1.0, None], 5 / 3),
        ("purchase:median_per_visitor", [1.0, 1.0, None], 1.0),
        ("purchase:max_per_visitor", [3.0, 1.0, None], 3.0),
        ("purchase:mean_per_visitor(cart_amount)", [17.5, None, None], 17.5),
        ("purchase:mean_per_visitor(mean(cart_amount))", [10.0, None, None], 10.0),
        ("purchase:p90_per_visitor(min(cart_amount))", [10.0, None, None], 10.0),
    ],
)
def test_a_number_of_each_visitor_who_did_it(
    series: str, of_days: list[float | None], total: float
) -> None:
    asked = TrendSeries.from_mapping(series)
    (actual,) = answer(BUYS, make_trend((asked,)))["series"]
    assert (actual["values"], actual["total"]) == (of_days, pytest.approx(total))
    assert TrendSeries.from_mapping(asked.to_mapping()) == asked


def test_distinct_values_of_a_column_are_counted() -> None:
    deeds = [*BUYS, Deed("emil", "purchase", date(2026, 3, 3), None, Decimal("5.00"))]
    (actual,) = answer(
        deeds, make_trend((TrendSeries.from_mapping("purchase:distinct(cart_amount)"),))
    )["series"]
    # 10, 20 and 5 on the 2nd, 5 again on the 3rd: three over all days.
    assert (actual["values"], actual["total"]) == ([3, 1, 0], 3)


def test_companies_take_the_place_of_visitors() -> None:
    of_company = {
        who: json.dumps({"company": name})
        for who, name in (("anna", "acme"), ("ben", "acme"), ("cara", "bolt"))
    }
    deeds = [replace(buy, properties=of_company.get(buy.visitor_id)) for buy in BUYS]
    measures = (
        make_series(None, "visitors"),
        make_series("purchase", "mean_per_visitor"),
        make_series(None),
    )
    actual = answer(deeds, make_trend(measures, per="properties.company"))
    # Acme buys four times on the 2nd, Bolt once on the 3rd, and Dora's page view on the 4th is of
    # no company.
    assert [line(actual, name) for name in "ABC"] == [[1, 1, 0], [4.0, 1.0, None], [4, 1, 0]]
    assert actual["definition"]["per"] == "properties.company"
    (life,) = answer(
        deeds, make_trend((make_series(None),), kind="lifecycle", per="properties.company")
    )["lifecycle"]
    assert (life["new"], life["dormant"]) == ([1, 1, 0], [None, 1, 1])


def test_minutes_are_those_of_the_local_day() -> None:
    acts = [
        ("anna", "page_view", datetime.fromisoformat(f"2026-03-02 10:10:{second}"))
        for second in ("00", "59")
    ]
    later = [*acts, ("ben", "page_view", datetime.fromisoformat("2026-03-02 10:11:00"))]
    actual = test_kinds.answer(later, make_trend((make_series(None),), "minute"), "Asia/Kolkata")
    values = dict(zip(actual["periods"], actual["series"][0]["values"], strict=True))
    assert len(values) == 24 * 60
    assert {name: count for name, count in values.items() if count} == {
        "2026-03-02T15:40+05:30": 2,
        "2026-03-02T15:41+05:30": 1,
    }
    (life,) = test_kinds.answer(
        later, make_trend((make_series(None),), "minute", kind="lifecycle")
    )["lifecycle"]
    assert (sum(life["new"]), sum(count or 0 for count in life["dormant"])) == (2, 2)
    assert life["dormant"][10 * 60 + 11] == 1, "Anna is gone when Ben comes"


def test_quarters_and_years_begin_with_their_first_day() -> None:
    deeds = [
        Deed("anna", "purchase", day)
        for day in (date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30))
    ]
    quarters, years = (
        answer(deeds, make_trend((make_series(None),), period)) for period in ("quarter", "year")
    )
    assert dict(zip(quarters["periods"], line(quarters), strict=True)) == {
        "2025-10-01": 1,
        "2026-01-01": 1,
        "2026-04-01": 1,
    }
    assert dict(zip(years["periods"], line(years), strict=True)) == {
        "2025-01-01": 1,
        "2026-01-01": 2,
    }


@examples(5)
@given(
    first=st.dates(date(1969, 1, 1), date(2099, 1, 1)),
    period=st.sampled_from(["week", "month", "quarter", "year"]),
)
def test_periods_of_engines_are_those_of_python(first: date, period: str) -> None:
    days = [first + timedelta(days=n) for n in range(370)]
    rows = ibis.memtable({"day": days}, schema={"day": "date"})
    both = rows.mutate(start=period_start(rows.day, period), number=period_number(rows.day, period))
    trend = make_trend((make_series(None),), period)
    for row in connect().to_pyarrow(both).to_pylist():
        start = first_day_of(row["day"], period)
        assert (row["start"], row["number"]) == (start, number_of(start, trend))
        assert start <= row["day"] < next_start(start, period)
        assert number_of(next_start(start, period), trend) == row["number"] + 1


@each(
    "definition, why",
    [
        (
            {"per": "product_id"},
            "`per` of a trend is user, or a key of properties such as properties.company",
        ),
        ({"period": "minute", "series": ["*:wau"]}, "wau counts whole days, so it has no minutes"),
        (
            {"series": ["purchase:distinct(product_id)"], "cumulative": True},
            "A distinct cannot be cumulated",
        ),
        (
            {"series": ["purchase:mean_per_visitor"], "cumulative": True},
            "mean_per_visitor cannot be cumulated",
        ),
        (
            {"series": ["purchase:mean_per_visitor"], "kind": "stickiness"},
            "so it has no mean_per_visitor of a series",
        ),
    ],
)
def test_what_cannot_be_is_refused(definition: dict[str, object], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        TrendQuestion.from_mapping({"series": ["*"], **definition})


def test_more_than_two_days_of_minutes_are_refused() -> None:
    with pytest.raises(DefinitionError, match="By the minute a trend has at most 2 days, not 4"):
        answer(STORY, make_trend((make_series(None),), "minute"))


WAU, MAU = make_series(None, "wau"), make_series("purchase", "mau")


def active(deeds: Sequence[Deed], series: TrendSeries, day: date, shelf: str | None) -> int:
    """Count the visitors with a deed on one of the days up to a day."""
    since = day - timedelta(days=ACTIVE[series.measure])
    values = [
        deed
        for deed in deeds
        if series.counted_type in {None, deed.event_type} and since < deed.event_date <= day
    ]
    return len(
        {
            value.visitor_id
            for value in values
            if shelf is None or (value.product_category or "(none)") == shelf
        }
    )


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    later=st.integers(0, 12),
    period=st.sampled_from(["day", "week"]),
    by=st.sampled_from([None, "product_category"]),
)
def test_active_visitors_are_those_of_the_days_before_too(
    seed: int, later: int, period: str, by: str | None
) -> None:
    deeds = deeds_of(seed)
    days = [deed.event_date for deed in deeds]
    first = min(min(days) + timedelta(days=later), max(days))
    actual = answer(deeds, make_trend((WAU, MAU), period, by=by, limit=9), first)
    length = 7 if period == "week" else 1
    starts = [date.fromisoformat(start) for start in actual["periods"]]
    ends = [min(start + timedelta(days=length - 1), max(days)) for start in starts]
    for row in actual["series"]:
        series = WAU if row["name"] == "A" else MAU
        assert row["values"] == [active(deeds, series, end, row["breakdown"]) for end in ends]
        assert row["total"] == row["values"][-1]


def test_a_visitor_is_active_for_seven_days_from_each_event_on() -> None:
    # Anna came on the 2nd and 4th, Ben on the 2nd, Cara on the 5th of March; the last event is on
    # the 10th.
    story = [*STORY, Deed("dora", "search", date(2026, 3, 10))]
    actual = answer(
        story,
        make_trend((make_series(None, "wau"), make_series("search", "wau")), formula=None),
        date(2026, 3, 7),
    )
    assert actual["periods"] == ["2026-03-07", "2026-03-08", "2026-03-09", "2026-03-10"]
    assert (line(actual), line(actual, "B")) == ([3, 3, 2, 3], [0, 0, 0, 1])


def test_active_visitors_have_no_hours_column_or_running_total() -> None:
    with pytest.raises(DefinitionError, match="wau counts whole days"):
        make_trend((WAU,), "hour")
    with pytest.raises(DefinitionError, match="takes no column"):
        make_series(None, "mau", "cart_amount")
    with pytest.raises(DefinitionError, match="cannot be cumulated"):
        make_trend((WAU,), cumulative=True)
    with pytest.raises(DefinitionError, match="counts visitors, so it has no wau"):
        make_trend((WAU,), kind="stickiness")


def test_several_columns_are_one_breakdown() -> None:
    # Anna's hats and Ben's on the 2nd are one value, Anna's shoes on the 4th another.
    trend = TrendQuestion.from_mapping(
        {"series": ["purchase"], "by": ["product_category", "event_type"]}
    )
    actual = answer(STORY, trend)
    assert {series["breakdown"]: series["values"] for series in actual["series"]} == {
        "hats / purchase": [2, 0, 0, 0],
        "shoes / purchase": [0, 0, 1, 0],
    }
    assert actual["definition"]["by"] == ["product_category", "event_type"]
    for by in (
        ("product_category", "product_category"),
        ("cart_amount:bins=3", "cart_amount:edges=5"),
    ):
        with pytest.raises(DefinitionError, match="1 to 5 different columns"):
            make_trend((WAU,), by=by)
