"""`GET /explain` over the small shop: numbers that other routes answer,
down to the lines and events of its files.
"""

import ast
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import ecom_assets
from ecom_assets.behaviour.identity.contracts import Identities, IdentityLinks
from ecom_assets.commerce.costs.contracts import (
    CategoryProfitability,
    CostVersions,
    ItemCosts,
    RawCosts,
)
from ecom_assets.commerce.marketing.contracts import CampaignCredit, CampaignTags
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.trace import Computed, Count, Sum
from ecom_assets.interfaces.explain.question import TRACES, UPSTREAM
from ecom_assets.outputs.serving.assets import IN_SNAPSHOT, SERVED
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop


@pytest.mark.slow
def test_the_revenue_of_a_day_is_the_sum_of_its_received_lines(api: Api, shop: PlainShop) -> None:
    answer = api.json(
        "/explain/mart/revenue_daily", column="revenue_amount", where='{"order_date": "2026-01-10"}'
    )
    number = answer["number"]
    (part,) = number["down"]
    assert number["adds_up"] is True
    lines = [line for line in shop.lines if line["day"] == date(2026, 1, 10)]
    signed = [line["amount"] * (-1 if line["status"] == "refunded" else 1) for line in lines]
    assert Decimal(number["value"]) == sum(signed)
    assert part["received"]["row_count"] == len(lines) > 0
    assert {row["uniq_id"] for row in part["received"]["rows"]} <= {
        line["uniq_id"] for line in lines
    }


def test_the_sessions_of_ten_days_go_down_together(api: Api) -> None:
    where = json.dumps(["event_date between 2026-01-05 and 2026-01-14"])
    number = api.json(
        "/explain/mart/engagement_daily", column="session_count", where=where, limit=0
    )["number"]
    days = api.json("/analytics/engagement", start_date="2026-01-05", end_date="2026-01-14")
    assert number["value"] == days["engagement"]["session_count"] > 0
    assert [level["table"] for level in number["down"][0]["levels"]] == [
        "mart.sessions",
        "staging.events",
        "raw.events",
    ]
    assert number["adds_up"] is True


@each(
    "path, parameters, status, result",
    [
        ("mart/sesions", {}, 422, "did you mean 'mart.sessions' or"),
        ("mart/engagement_daily", {"column": "sesion_count"}, 422, "did you mean 'session_count'?"),
        ("mart/engagement_daily", {"where": "{oops"}, 422, "where is not JSON"),
        (
            "mart/engagement_daily",
            {"where": "event_date = soon"},
            422,
            "'soon' is not a date for event_date",
        ),
        ("mart/session_events", {}, 409, "session_events is not here"),
    ],
)
def test_impossible_questions_fail(
    api: Api, path: str, parameters: dict[str, Any], status: int, result: str
) -> None:
    answer = api.get(f"/explain/{path}", None, **parameters)
    assert (answer.status_code, result in answer.json()["detail"]) == (status, True), answer.text


def reached(tables: set[type[Table]]) -> set[type[Table]]:
    """Return these tables, and those on the ways down from their numbers to received rows."""
    traces = [trace for table in tables & set(TRACES) for trace in TRACES[table].numbers.values()]
    traces = [trace.inputs or () if isinstance(trace, Computed) else trace for trace in traces]
    parts = [part for trace in traces for part in (trace if isinstance(trace, tuple) else (trace,))]
    below = {part.to for part in parts if isinstance(part, Count | Sum)}
    below |= {UPSTREAM[table].to for table in tables if table in UPSTREAM}
    return tables if below <= tables else reached(tables | below)


def test_every_table_on_the_way_down_from_a_published_number_is_published() -> None:
    assert reached(set(SERVED)) <= set(IN_SNAPSHOT)


PACKAGE = Path(ecom_assets.__file__).parent
READERS = [
    *PACKAGE.rglob("queries.py"),
    *(PACKAGE / "interfaces").rglob("*.py"),
    PACKAGE / "outputs" / "serving" / "reading.py",
]
"""The modules that read what is published: numbers, routes, pages, and days."""
BY_REQUEST: set[type[Table]] = {
    Identities,  # a number of it is asked of `/explain` alone: why ids are of a visitor
    CategoryProfitability,  # as the profit by week and category
    IdentityLinks,  # below ids that too many share, by the row that is explained
    *(CampaignCredit, CampaignTags),  # below credit by campaign, by the row that is explained
    *(ItemCosts, CostVersions, RawCosts),  # below costs of lines, by the row, too
}


def test_nothing_is_published_that_no_route_no_page_and_no_explanation_reads() -> None:
    imported = {
        alias.name
        for reader in READERS
        for node in ast.walk(ast.parse(reader.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    read = reached({table for table in IN_SNAPSHOT if table.__name__ in imported})
    assert set(IN_SNAPSHOT) - read == BY_REQUEST
