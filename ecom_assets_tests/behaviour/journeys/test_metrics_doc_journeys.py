"""What `docs/metrics/` says about journeys, searches, categories and stock,
recomputed from its own input.
"""

import shlex
from collections import Counter
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.journeys.contracts import (
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.journeys.journeys import JourneyRule
from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.commerce.products.contracts import ALERTS, ProductPerformance, RawStock
from ecom_assets.commerce.products.performance import product_performance
from ecom_assets.commerce.products.stock import InventoryRule, SalesDays, inventory_alerts
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.stock import stock_rows
from ecom_assets_tests.behaviour.journeys.journey_reference import sessions_with_events, steps
from ecom_assets_tests.builders import Row, as_table, order_line
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.markdown import section
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.test_metrics_doc import PAGE, as_shown, rows_of, tables, without

DAYS = Days.between(date(2026, 3, 9), date(2026, 3, 13))
TABLES = (
    "duplicate_events",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "journeys",
    "journey_transitions",
    "search_performance",
    "category_performance",
)


def run(platform: Platform, rows: list[Row]) -> None:
    platform.receive([row | {"product_id": "p1"} for row in rows], DAYS)
    platform.run(DAYS, only=TABLES)


@pytest.mark.slow
def test_journeys_and_transitions_are_those_of_the_page(platform: Platform) -> None:
    lines, paths, transitions, *_ = tables("Journeys")
    run(platform, rows_of(lines))
    rows = sorted(
        platform.rows(Journeys),
        key=lambda row: (row["visitor_id"], row["dimension"], row["started_at"]),
    )
    assert as_shown(rows, paths) == paths
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in platform.rows(JourneyTransitions):
        if row["dimension"] == "page_type":
            for name in ("transition_count", "converted_transition_count"):
                sums[row["from_step"], row["to_step"], name] += row[name]
    expected = {
        (line["from_step"], line["to_step"], name): int(line[name])
        for line in transitions
        for name in ("transition_count", "converted_transition_count")
    }
    assert +sums == {key: count for key, count in expected.items() if count}


@pytest.mark.slow
def test_paths_from_and_to_a_step_are_those_of_the_page(tmp_path: Path) -> None:
    lines, *_, expected = tables("Journeys")
    rows = [
        f"e{n},{line['visitor']},{line['event_type']},{line['event_at']},p1,{line['product_category']},,,,"
        for n, line in enumerate(lines)
    ]
    (tmp_path / "story.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    for question in dict.fromkeys(line["options"] for line in expected):
        arguments = (
            "--events",
            str(tmp_path / "story.csv"),
            "--json",
            *shlex.split(question.strip("`")),
        )
        result = ecom("journeys", *arguments, home=tmp_path / "home")
        answer = [
            {
                "options": question,
                "path": " → ".join(path["path"]),
                "sessions": str(path["sessions"]),
            }
            for path in result.json["top_paths"]
        ]
        assert answer == [line for line in expected if line["options"] == question]


def test_what_others_would_say_of_a_transition() -> None:
    lines, *_, others, _ = tables("Journeys")
    rows = [row | {"visitor_id": row["user_id"], "session_device_id": ""} for row in rows_of(lines)]
    cut = [row | {"visitor_id": f"{row['user_id']} {row['event_date']}"} for row in rows]

    def passed(rows: list[Row], most: int = 99) -> list[str]:
        """Return who went from a page to a product, once for each time,
        within so many steps of a session.
        """
        answer = [
            (session[0]["user_id"], steps(session, "page_type")[:most])
            for _, session in sessions_with_events(rows)
        ]
        pairs = [(who, pair) for who, path in answer for pair in pairwise(path)]
        return [who for who, pair in pairs if pair == ("page_view", "product_view")]

    actual = {
        "here": len(passed(rows)),
        "PostHog paths": len(passed(rows, 5)),
        "Mixpanel flows": len(set(passed(rows))),
        "a path that ends at midnight": len(passed(cut)),
    }
    assert {line["tool"]: int(line["page_view → product_view"]) for line in others} == actual


def test_the_page_says_how_much_of_a_path_is_kept() -> None:
    rule, text = JourneyRule(), " ".join(section(PAGE, "Journeys").text.split())
    assert f"keeps the first {rule.most_steps} steps" in text
    assert f"{rule.most_places} stands for all from {rule.most_places} on" in text
    assert f"The first {rule.most_steps} steps" in Journeys.columns["path"].description
    assert f"{rule.most_places} stands for all" in JourneyTransitions.columns["place"].description


@pytest.mark.slow
def test_searches_are_those_of_the_page(platform: Platform) -> None:
    lines, expected = tables("Searches")
    run(platform, rows_of(lines))
    assert as_shown(platform.rows(SearchPerformance), expected) == expected


def test_categories_are_those_of_the_page(platform: Platform) -> None:
    lines, expected = tables("Categories that lead to carts")
    run(platform, rows_of(lines))
    assert as_shown(platform.rows(CategoryPerformance), expected) == expected


def with_tables(**tables_by_name: object) -> Backend:
    """Return a DuckDB in memory with these tables."""
    con = connect()
    for name, table in tables_by_name.items():
        con.con.register(name, table)
    return con


def test_products_are_those_of_the_page() -> None:
    lines, orders, expected = tables("Products")
    events = [row | {"visitor_id": row["user_id"]} for row in rows_of(lines)]
    sold = []
    for line in orders:
        sign = -1 if line["status"] == "refunded" else 1
        row = order_line(
            line["uniq_id"], date.fromisoformat(line["order_date"]), item_id=line["item_id"]
        )
        money = {
            "quantity": sign * int(line["quantity"]),
            "revenue_amount": sign * Decimal(line["payment_amount"]),
        }
        sold.append(row | money | {"order_id": line["uniq_id"], "status": line["status"]})
    con = with_tables(events=as_table(events, SessionEvents), sold=as_table(sold, Sales))
    actual = product_performance(con.table("events"), con.table("sold"), DAYS).order_by(
        "product_id"
    )
    assert as_shown(con.to_pyarrow(actual).to_pylist(), expected) == expected


def test_alerts_are_those_of_the_page() -> None:
    alerts, sold, stock, expected = tables("Inventory alerts")
    assert tuple(line["alert"] for line in alerts) == ALERTS
    rows = [
        line
        | {
            "event_date": date.fromisoformat(line["event_date"]),
            "sold_item_count": int(line["sold_item_count"]),
        }
        for line in sold
    ]
    answer = stock_rows(stock, date(2026, 6, 30), "test").to_pyarrow()
    con = with_tables(products=as_table(rows, ProductPerformance), stock=answer)
    rule, as_of = InventoryRule(), date(2026, 6, 30)
    first = min(date.fromisoformat(line["event_date"]) for line in sold)
    sales = Days.between(first, as_of + ONE_DAY)
    days = SalesDays.from_dates(sales.dates, as_of, rule)
    actual = inventory_alerts(con.table("stock"), con.table("products"), days, rule).order_by(
        "product_id"
    )
    like = without(expected, "why")
    assert as_shown(con.to_pyarrow(actual).to_pylist(), like) == like
    [glove] = [row for row in answer.to_pylist() if row["product_id"] == "glove"]
    assert glove["reject_reason"] == "unparseable_stock"
    assert set(RawStock.columns) == set(glove)


def test_the_limits_of_the_page_are_those_of_the_rule() -> None:
    rule, text = InventoryRule(), " ".join(section(PAGE, "Inventory alerts").text.split())
    assert f"in the {rule.sales_days} days that end with it" in text
    assert f"they last more than {rule.overstock_days} days" in text
    assert f"none was sold in {rule.dead_days} days" in text
