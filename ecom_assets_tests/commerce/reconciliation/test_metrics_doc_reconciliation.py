"""The sections of `docs/metrics/` about orders against events,
and about restatements, recomputed.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from ecom_assets.commerce.reconciliation.contracts import CAUSES, RESTATEMENT_CAUSES, Restatements
from ecom_assets.commerce.reconciliation.restatements import RestatementLog
from ecom_assets.commerce.sales.assets import SALES_ASSETS, revenue_daily
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.sales import DIMENSIONS
from ecom_assets.core.tables.days import Days
from ecom_assets.orchestration.registry import MARTS, PUBLISHED
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.commerce.reconciliation.reconciliation_reference import (
    ReconciledShop,
    line,
    purchase,
)
from ecom_assets_tests.markdown import section
from ecom_assets_tests.platform import OrderPlatform
from ecom_assets_tests.test_metrics_doc import as_shown, tables

pytestmark = pytest.mark.xdist_group("metrics_doc_trust")

PAGE = "docs/metrics"
TENTH = date(2026, 3, 10)
DAYS = Days.between(TENTH, TENTH + timedelta(days=2))
OF_ROWS = (
    "a row per record, not numbers that anybody sees: their sums are in tables whose changes are "
    "logged"
)
OF_INPUT = "what became of received rows; the checks hold it to them"
UNLOGGED = {
    **dict.fromkeys(
        ("session_events", "session_days", "sessions", "journeys", "session_sources", "touches"),
        OF_ROWS,
    ),
    **dict.fromkeys(
        ("first_touches", "conversions", "sales", "order_visits", "order_event_reconciliation"),
        OF_ROWS,
    ),
    **dict.fromkeys(("identities", "funnel_entries", "conversion_credit", "profit_lines"), OF_ROWS),
    "products_bought_together": (
        "pairs change only with orders of their products, which mart.product_performance counts"
    ),
    "discount_performance": "its key may name a person, whom the log would keep",
    **dict.fromkeys(("event_accounting_daily", "quarantined_event_samples"), OF_INPUT),
    **dict.fromkeys(("order_accounting_daily", "quarantined_order_samples"), OF_INPUT),
    "returning_visitors_daily": (
        "what cohorts are added up from; new visitors make it longer, and change no day"
    ),
    "channel_removal_effects": "what the Markov model of mart.channel_attribution is computed from",
    "calendar": "names of days",
    "campaign_credit": OF_ROWS,
    "spend_reconciliation_daily": "numbers of mart.marketing_daily, and what they differ by",
    "other_costs_daily": "what rules of ecom.toml say, which no received row changes",
    "restatements": "the log itself",
}
"""The marts cut by day whose changes are not logged, and why.

A mart that is not cut by day says what is known now, and is replaced as a whole."""


@pytest.fixture(scope="module")
def compared() -> ReconciledShop:
    _, events, lines, *_ = tables("Orders against events")
    shop = ReconciledShop()
    shop.land(
        [
            purchase(
                event["event_id"],
                event["event_at"],
                event["visitor"],
                event["cart_amount"],
                **({"order": event["names"]} if event["names"] else {}),
            )
            for event in events
        ],
        [
            line(
                row["uniq_id"],
                row["ordered_at"],
                row["customer_id"],
                row["payment_amount"],
                status=row["status"],
            )
            for row in lines
        ],
    )
    return shop


def test_every_cause_is_described() -> None:
    causes, *_ = tables("Orders against events")
    assert tuple(cause["cause"].strip("`") for cause in causes) == CAUSES
    causes, *_ = tables("Restatements")
    assert tuple(cause["cause"].strip("`") for cause in causes) == RESTATEMENT_CAUSES


def test_the_page_names_the_tables_whose_numbers_are_published() -> None:
    text = section(PAGE, "Restatements").text
    named = text.split("All numbers of these tables are published:")[1].split("\n\n")[0]
    assert {contract.qualified_name() for contract in PUBLISHED} == set(named.split("`")[1::2])


def test_the_changes_of_every_mart_cut_by_day_are_logged_or_it_is_said_why_not() -> None:
    daily = {contract for contract in MARTS if contract.day_column}
    assert {contract.name for contract in daily - {*PUBLISHED}} == UNLOGGED.keys()


def test_events_and_orders_differ_as_the_page_says(compared: ReconciledShop) -> None:
    *_, expected, _, _ = tables("Orders against events")
    actual = as_shown(compared.differences(DAYS), expected)
    assert sorted(actual, key=repr) == sorted(expected, key=repr)


def test_each_day_s_totals_are_those_of_the_page(compared: ReconciledShop) -> None:
    *_, expected, _ = tables("Orders against events")
    totals = compared.totals(DAYS)
    assert as_shown(totals, expected) == expected
    assert sum((totals[0][f"{cause}_amount"] for cause in CAUSES), Decimal(0)) == Decimal("-47.90")


def test_what_others_would_answer_follows_from_the_example() -> None:
    _, events, lines, *_, answers = tables("Orders against events")
    day = [
        row
        for row in lines
        if row["ordered_at"].startswith("2026-03-10") and row["status"] == "shipped"
    ]
    gross = sum(Decimal(row["payment_amount"]) for row in day)
    once = {
        event["names"] or event["event_id"]: Decimal(event["cart_amount"])
        for event in reversed(events)
    }
    every = sum(Decimal(event["cart_amount"]) for event in events)
    assert [answer["answer"] for answer in answers] == [
        str(gross),
        str(sum(once.values())),
        str(every),
    ]


@pytest.mark.slow
def test_a_late_order_restates_the_numbers_of_the_page() -> None:
    _, lines, expected = tables("Restatements")
    shop = OrderPlatform()
    for number, days in enumerate((Days((TENTH,)), DAYS, DAYS), start=1):
        rows = [
            row_of(cells)
            for cells in lines
            if date.fromisoformat(cells["received_date"]) in days.dates
        ]
        shop.receive(rows, days)
        watched_run(shop, f"run {number}", days)
    total = (
        '{"channel": "(all)", "city_id": "(all)", "item_category": "(all)", "sales_channel": '
        '"(all)"}'
    )
    logged = shop.rows(Restatements)
    assert as_shown([row for row in logged if row["row_key"] == total], expected) == expected
    assert len(logged) == (1 + len(DIMENSIONS)) * len(expected)
    assert {row["run_id"] for row in logged} == {"run 2"}
    shop.close()


def row_of(cells: dict[str, str]) -> Row:
    day = date.fromisoformat(cells["order_date"])
    ordered = order_line(
        cells["uniq_id"],
        day,
        cells["customer_id"],
        ordered_at=datetime(2026, 3, 10, 9),  # noqa: DTZ001 (UTC without saying so)
    )
    return ordered | {
        "received_date": date.fromisoformat(cells["received_date"]),
        "payment_amount": Decimal(cells["payment_amount"]),
    }


def watched_run(shop: OrderPlatform, run_id: str, days: Days) -> None:
    """Run what revenue is made of, and revenue itself watched, as the IO manager does."""
    upstream = [asset.contract.name for asset in SALES_ASSETS if asset.contract is not RevenueDaily]
    needed = {"changed_order_days", "duplicate_orders", "user_order_log", "sales"}
    shop.run(days, only=[name for name in upstream if name in needed])
    actual = shop.output(revenue_daily, days)
    hooks = RestatementLog(shop.engine, run_id).hooks_for(RevenueDaily, actual.days, days)
    shop.engine.replace(RevenueDaily, actual.rows, actual.days, hooks)
