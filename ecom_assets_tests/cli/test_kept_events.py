"""Questions over Parquet files by kept statements: the same answers, and the second time without Ibis."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest

from ecom_assets.cli.kept_events import KeptEvents
from ecom_assets.cli.opened_files import checking
from ecom_assets.cli.options import OwnData
from ecom_assets.cli.retention import Scope, answer_retention
from ecom_assets.cli.trend_answer import answer_trend
from ecom_assets.errors import DefinitionError
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.settings.settings import load_settings
from ecom_assets.tables.days import DayRange
from ecom_assets.warehouse.kept_queries import KeptQueryRunner


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 events of 11 visitors over 40 days, and one that no rule takes."""
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    duckdb.connect().execute(f"""
        COPY (
            SELECT n::VARCHAR AS event_id, CASE WHEN n = 7 THEN 'null' ELSE 'v' || n * n % 11 END AS user_id,
                ['page_view', 'product_view', 'purchase'][1 + n * 7 % 3] AS event_type,
                TIMESTAMP '2025-03-01 00:00:01' + INTERVAL (n * 191) MINUTE AS event_timestamp,
                's' || n % 5 AS session_id, 'p' || n % 3 AS product_id, '/' AS page_url, NULL::VARCHAR AS referrer_url,
                ['shoes', 'hats', 'bags', NULL][1 + n % 4] AS product_category,
                CASE WHEN n % 3 = 0 THEN (n % 13)::DECIMAL(18, 2) END AS cart_value,
                '{{"plan": "' || ['pro', 'free'][1 + n % 2] || '"}}' AS properties
            FROM range(300) AS t(n)
        ) TO '{path}' (FORMAT parquet)
    """)
    return path


PURCHASE = {"event_type": "purchase", "measure": "sum", "of": "cart_amount", "where": ["cart_amount > 3"]}
TRENDS: tuple[dict[str, Any], ...] = (
    {"series": ["product_view"]},
    {"series": ["product_view:visitors", "nothing"], "period": "week"},
    {"series": ["purchase:p95(cart_amount)", PURCHASE], "period": "month"},
    {"series": ["*"], "by": "product_category", "limit": 2, "where": ["properties.plan = pro"]},
    {"series": ["*:visitors"], "by": ["product_category", "event_type"], "cumulative": True},
    {"series": ["purchase:wau", "product_view:mau"], "compare": True},
    {"series": ["purchase:visitors:first_ever", "purchase:mean_per_visitor"], "formula": "A / B", "moving_average": 2},
    {"series": ["purchase", "page_view:distinct(product_category)"], "where": ["product_category in shoes, hats"]},
    {"series": ["page_view"], "kind": "stickiness", "period": "week", "per": "properties.plan"},
    {"series": ["page_view"], "kind": "lifecycle", "period": "week"},
    {"series": ["page_view"], "where": ["received_date is set"]},
)


def answered(events: Path, definition: dict[str, Any], days: DayRange) -> dict[str, Any]:
    with checking([str(events)], load_settings()) as opened:
        return answer_trend(opened, definition, days)


@pytest.mark.parametrize("definition", TRENDS, ids=str)
def test_trends_are_those_of_ibis_written_and_kept(home: Path, events: Path, definition: dict[str, Any]) -> None:
    assert home
    days = DayRange(day_count=30)
    with patch.object(KeptEvents, "open", return_value=None):
        expected = answered(events, definition, days)
    assert answered(events, definition, days) == expected
    with patch.object(KeptQueryRunner, "_written", side_effect=AssertionError("it is kept")):
        assert answered(events, definition, days) == expected
    assert expected["rows"] == {"read": 300, "counted": 299, "rejected": {"missing_identity": 1}}


RETENTIONS: tuple[dict[str, Any], ...] = (
    {"period": "day"},
    {"period": "week", "start": "product_view", "returning": "purchase", "mode": "on_or_after"},
    {"period": "week", "by": "product_category", "limit": 2},
    {"period": "month", "by": "properties.plan", "start": "purchase"},
    {"period": "day", "clock": "rolling", "sum_of": "cart_amount", "last_period": 5},
    {"period": "day", "mode": "bracket", "brackets": ((0, 0), (1, 3), (4, 9)), "starting": "recurring"},
    {"period": "hour", "last_period": 3},
    {"period": "week", "start": "nothing"},
)


@pytest.mark.parametrize("rule", RETENTIONS, ids=str)
@pytest.mark.parametrize("range_of", [None, "starts", "events"])
def test_retention_is_always_that_of_ibis(home: Path, events: Path, rule: dict[str, Any], range_of: str | None) -> None:
    assert home
    scope = Scope(OwnData([str(events)], None, [], None), None, DayRange(day_count=20 if range_of else None), range_of)
    own = RetentionRule(**rule)
    with patch.object(KeptEvents, "open", return_value=None):
        expected = outcome(scope, own)
    assert outcome(scope, own) == expected
    with patch.object(KeptQueryRunner, "_written", side_effect=AssertionError("it is kept")):
        assert outcome(scope, own) == expected


def outcome(scope: Scope, rule: RetentionRule) -> object:
    """The answer, or why there is none."""
    try:
        return answer_retention(scope, rule)
    except DefinitionError as error:
        return str(error)


SCRIPT = """
import sys
sys.argv = ["ecom", *{words!r}]
from ecom_assets.cli.app import run
try:
    run()
finally:
    print([name for name in ("ibis", "sqlglot", "pandas") if name in sys.modules])
"""


@pytest.mark.parametrize("is_writable", [True, False])
def test_a_second_question_of_the_same_shape_loads_no_ibis(home: Path, events: Path, *, is_writable: bool) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ECOM_")} | {"ECOM_HOME": str(home)}
    if not is_writable:
        (home / "statements.sqlite").mkdir(parents=True)
    printed = []
    for last in ("20d", "10d"):
        words = ["trend", "--series", "purchase", "--events", str(events), "--last", last, "--json"]
        script = SCRIPT.format(words=words)
        result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=env)
        printed.append(result.stdout.splitlines())
    assert [len(json.loads(answer)["periods"]) for answer, _ in printed] == [20, 10]
    assert [loaded for _, loaded in printed] == ["['ibis', 'sqlglot']", "[]" if is_writable else "['ibis', 'sqlglot']"]
