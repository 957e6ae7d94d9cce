"""What `docs/metrics/` says about trends, recomputed from its own input."""

from datetime import date
from decimal import Decimal
from typing import Any

from ecom_assets.behaviour.trends.queries import trend_answer
from ecom_assets.behaviour.trends.question import TrendQuestion, TrendSeries
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.core.tables.conditions import SYMBOLS
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.trends.trend_reference import (
    Deed,
    as_events,
    make_series,
    make_trend,
)
from ecom_assets_tests.markdown import Line
from ecom_assets_tests.test_metrics_doc import tables

SERIES = ("purchase", "*:visitors", "purchase:sum(cart_amount)", "purchase:median(cart_amount)")


def deeds_of(lines: list[Line]) -> list[Deed]:
    """Return the deeds of the page's example."""
    return [
        Deed(
            line["visitor"],
            line["event_type"],
            date.fromisoformat(line["event_at"][:10]),
            None,
            Decimal(line["cart_amount"]) if line["cart_amount"] else None,
        )
        for line in lines
    ]


def answer(deeds: list[Deed], trend: TrendQuestion) -> dict[str, Any]:
    """Return the answer about deeds, over all of their days."""
    con = connect()
    con.con.register("deeds", as_events(deeds))
    days = [deed.event_date for deed in deeds]
    return trend_answer(
        con, con.table("deeds"), trend, TrendRange.between((min(days), max(days)), (None, None))
    )


def test_the_example_is_what_the_page_says() -> None:
    lines, expected, _, _ = tables("Trend")
    actual = answer(
        deeds_of(lines), make_trend(tuple(TrendSeries.from_mapping(series) for series in SERIES))
    )
    reported = [
        {
            "period": period,
            **{
                name: "" if value is None else f"{value:g}"
                for name, value in zip(
                    ("purchase", "visitors", "sum", "median"), values, strict=True
                )
            },
            "complete": str(is_whole).lower(),
        }
        for period, is_whole, *values in zip(
            actual["periods"],
            actual["complete"],
            *(series["values"] for series in actual["series"]),
            strict=True,
        )
    ]
    assert reported == expected
    assert actual["series"][1]["total"] == 3


def test_lifecycle_and_stickiness_are_those_of_the_page() -> None:
    lines, _, lived, stuck = tables("Trend")
    actual = answer(deeds_of(lines), make_trend((make_series(None),), kind="lifecycle"))
    states = [
        actual["lifecycle"][0][name] for name in ("new", "returning", "resurrecting", "dormant")
    ]
    reported = [
        ["" if cell is None else str(cell) for cell in row]
        for row in zip(actual["periods"], *states, strict=True)
    ]
    assert reported == [list(line.values()) for line in lived]
    actual = answer(deeds_of(lines), make_trend((make_series(None),), kind="stickiness"))
    rows = actual["stickiness"][0]["visitors"]
    assert [{name: str(cell) for name, cell in row.items()} for row in rows] == stuck


def test_bins_are_those_of_the_page() -> None:
    lines, _, _, _ = tables("Trend")
    (shown,) = tables("Bins of numbers")
    for by in dict.fromkeys(line["by"] for line in shown):
        actual = answer(deeds_of(lines), make_trend((make_series("purchase"),), by=by))["series"]
        reported = [
            {"by": by, "bin": row["breakdown"], "purchases": str(row["total"])} for row in actual
        ]
        assert reported == [line for line in shown if line["by"] == by]


def test_every_operator_stands_on_the_page() -> None:
    (shown,) = tables("Conditions")
    written = " ".join(line["written"] for line in shown)
    assert [symbol for symbol in SYMBOLS if symbol not in written and symbol != "=="] == []
