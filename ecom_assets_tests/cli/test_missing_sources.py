"""`ecom run` over one source alone: what the others would give is null, with the reason,
and never zero.
"""

import json
from pathlib import Path

import duckdb
import pytest

from ecom_assets_tests.command import HEADER, CommandResult, ecom

OF_EVENTS = (
    "sessions",
    "funnel",
    "funnels",
    "cohorts",
    "carts",
    "channels",
    "journeys",
    "search",
    "quarantined",
)
ORDERS = """\
id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount
1,a,2026-01-10T09:00:00,1,Rome,anna,,,p1,Shoe,1,69.80
2,b,2026-01-10T10:00:00,1,Rome,ben,,,p1,Shoe,1,69.80
"""


def run(home: Path, *arguments: str | Path) -> CommandResult:
    result = ecom("run", *arguments, home=home)
    assert result.exit_code == 0, result.err
    return result


def events_of(path: Path, amount: str) -> Path:
    rows = (
        "1,anna,product_view,2026-01-10T09:00:00Z,p1,shoes,s1,,,",
        f"2,anna,purchase,2026-01-10T09:02:00Z,p1,shoes,s1,,,{amount}",
    )
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return path


@pytest.mark.slow
def test_events_alone_have_the_sales_of_their_purchases(home: Path, tmp_path: Path) -> None:
    answer = run(home, "--json", "--events", events_of(tmp_path / "e.csv", "69.80")).json
    assert answer["sales"] == {
        "source": "purchase_events",
        "orders": 1,
        "customers": 1,
        "items_sold": 1,
        "shipped_amount": "69.80",
        "refunded_amount": "0.00",
        "revenue_amount": "69.80",
        "average_order_value": "69.80",
        "quarantined": None,
        "duplicates": None,
        "held_days": None,
        "held_order_days": None,
        "waiting_lines": None,
        "changed_days": {"count": 1, "from": "2026-01-10", "to": "2026-01-10"},
    }
    assert list(answer["missing"]) == ["orders", "customers", "stock"]
    assert {answer[name] for name in ("retention", "reconciliation", "customers", "inventory")} == {
        None
    }
    assert answer["sessions"]["events"] == 2


@pytest.mark.slow
def test_purchases_without_an_amount_have_no_revenue_instead_of_none(
    home: Path, tmp_path: Path
) -> None:
    result = run(home, "--json", "--events", events_of(tmp_path / "e.csv", ""))
    sales, channels = result.json["sales"], result.json["channels"]["models"]["last"]
    assert (sales["orders"], sales["revenue_amount"], sales["average_order_value"]) == (
        1,
        None,
        None,
    )
    assert [(channel["credit"], channel["revenue_amount"]) for channel in channels] == [(1.0, None)]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        product = con.execute(
            "SELECT purchase_count, revenue_amount FROM mart.product_performance"
        ).fetchall()
        bought = con.execute("SELECT unit, revenue_amount FROM mart.conversions").fetchall()
    assert product == [(1, None)]
    assert bought == [("purchase", None)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("amount", "value"), [pytest.param("", None, marks=pytest.mark.slow), ("69.80", 69.8)]
)
def test_cohorts_are_worth_what_purchases_say(
    home: Path, tmp_path: Path, amount: str, value: float | None
) -> None:
    path = events_of(tmp_path / "e.csv", amount)
    # so that the day after anna's first is over
    later = "3,ben,page_view,2026-01-12T09:00:00Z,,,s2,,,\n"
    path.write_text(path.read_text() + later)
    answer = run(home, "--json", "--events", path).json["cohorts"]["day"]
    assert [(row["period"], row["size"], row["lifetime_value"]) for row in answer] == [
        (1, 1, value)
    ]


@pytest.mark.slow
def test_orders_alone_give_no_sessions_and_views(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "o.csv").write_text(ORDERS)
    monkeypatch.setenv("ECOM_ORDER_CUSTOMERS_OVER", "0")
    result = run(home, "--orders", tmp_path / "o.csv")
    assert "clean events" not in result.out
    assert "Left out: no events; set ECOM_EVENTS" in result.out
    assert "Left out: no stock; set ECOM_CATALOGUE" in result.out
    assert "has computed" not in result.err  # no advice to compute tables whose source is not there
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        product = con.execute(
            "SELECT product_view_count, viewing_visitor_count, purchase_count, "
            "revenue_amount::VARCHAR FROM mart.product_performance"
        ).fetchall()
    assert product == [(None, None, 2, "139.6000")]
    answer = run(home, "--json", "--orders", tmp_path / "o.csv").json
    assert {name for name in OF_EVENTS if answer[name] is not None} == set()
    assert answer["sales"]["source"] == "orders"


def found(home: Path, env: dict[str, str]) -> dict[str, str]:
    """Return what `ecom doctor` says of each source."""
    of_sources = ("events", "orders", "customers")
    return {
        row["subject"]: row["found"]
        for row in ecom("doctor", "--json", home=home, env=env).json
        if row["subject"] in of_sources
    }


def test_doctor_says_where_sources_come_from_and_what_is_skipped_without_them(home: Path) -> None:
    api = {"ECOM_ORDER_API_URL": "http://127.0.0.1:9/"}
    assert found(home, api) == {
        "events": "none set; the tables of behaviour are skipped",
        "orders": "come from http://127.0.0.1:9",
        "customers": "none set; the tables of customers are skipped",
    }
    noted = {"sources": ["orders"], "paths": {"events": "/data/e.csv"}}
    home.mkdir(exist_ok=True)
    (home / "own_data.json").write_text(json.dumps(noted))
    assert found(home, {}) == {
        "events": "none set; the events that were loaded before stay, and count",
        "orders": "none set; the orders that were loaded before stay, and count",
        "customers": "none set; the tables of customers are skipped",
    }
