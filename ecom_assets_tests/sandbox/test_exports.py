"""The shop that everybody has: Shopify's orders, GA4's rows and Google Ads' report meet by the
order alone, and what a run says of them is the truth to the cent.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets_tests.command import CommandResult, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_sandbox.shop.exports import MODELS, SECOND_SHOP, TRAPS, Sends, write_exports

Row = dict[str, Any]
DAYS, VISITORS = 40, 120


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_exports(tmp_path / name, days=10, visitors=30)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert one == two


def test_an_unknown_trap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no trap 'tills'"):
        write_exports(tmp_path / "shop", traps=["tills"])


@each("model", MODELS)
def test_every_model_credits_all_revenue(model: str, tmp_path: Path) -> None:
    truth = write_exports(tmp_path / model, days=10, visitors=60, traps=["till", "late_order"])
    credited = sum(Decimal(amount) for amount in truth["credited"][model].values())
    assert credited == Decimal(truth["revenue_amount"]) > 0


def run_over(folder: Path, home: Path) -> CommandResult:
    """Run over the files of a shop, and return what is printed."""
    orders = sorted(folder.glob("shopify_orders*.csv"))
    result = ecom(
        *("run", "--events", folder / "ga4_events.jsonl", "--events-mapping", "ga4_export"),
        *(word for path in orders for word in ("--orders", path)),
        *("--orders-mapping", "shopify"),
        *("--ad-spend", f"google_ads={folder / 'google_ads.csv'}"),
        home=home,
    )
    assert result.exit_code == 0, result.err
    return result


def check(home: Path, truth: Row) -> None:
    """Compare what a run wrote with the truth."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as tables:
        _check(tables, truth)


def sales(home: Path, by: str) -> Row:
    """Ask the API for revenue by what visits say."""
    settings = Settings(home=home, api_timeout_s=300, adhoc_timeout_s=300)
    with served(build_stack(settings, build_app(settings))) as api:  # type: ignore[arg-type]
        answer = requests.post(
            f"{api.address}/v1/analytics/sales",
            json={"by": [by], "measures": ["revenue_amount"], "limit": 100},
            timeout=300,
        )
    assert answer.status_code == 200, answer.text
    body: Row = answer.json()
    return body


def check_categories(home: Path, truth: Row) -> None:
    """Compare what the API says of categories with the truth, in all days."""
    settings = Settings(home=home, api_timeout_s=300, adhoc_timeout_s=300)
    days = {"start_date": "2022-01-01", "end_date": "2026-12-31"}
    with served(build_stack(settings, build_app(settings))) as api:  # type: ignore[arg-type]
        answer = requests.get(
            f"{api.address}/v1/analytics/categories", params=days | {"limit": 1000}, timeout=300
        )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["category_coverage_rate"] == pytest.approx(
        truth["category_coverage_rate"], abs=1e-6
    )
    rows = {row["product_category"]: row for row in body["categories"]}
    assert known({name: row["revenue_amount"] for name, row in rows.items()}) == known(
        truth["categories"]
    )
    assert {
        name: row["viewing_session_count"]
        for name, row in rows.items()
        if row["viewing_session_count"]
    } == truth["category_visits"]


def known(sums: Row) -> dict[str, Decimal]:
    """Return amounts by name, without zeros."""
    return {name: Decimal(amount) for name, amount in sums.items() if Decimal(amount)}


def _check(tables: duckdb.DuckDBPyConnection, truth: Row) -> None:
    met = "SELECT count(*) FROM mart.order_visits WHERE kind = 'purchase'"
    assert tables.execute(met).fetchone() == (truth["orders_met"],)
    credited: dict[str, Row] = {}
    sql = """SELECT model, channel, sum(revenue_amount) FROM mart.channel_attribution
        WHERE unit = 'order' GROUP BY ALL"""
    for model, channel, amount in tables.execute(sql).fetchall():
        credited.setdefault(model, {})[channel] = amount
    assert {model: known(credited[model]) for model in MODELS} == {
        model: known(sums) for model, sums in truth["credited"].items()
    }
    sql = """SELECT campaign_key, model, sum(credited_revenue_amount), sum(spend_amount)
        FROM mart.marketing_daily WHERE platform = 'google_ads' GROUP BY ALL"""
    for campaign, model, revenue, spend in tables.execute(sql).fetchall():
        of_campaign = truth["campaigns"][campaign]
        assert revenue == Decimal(of_campaign[model]["credited_revenue_amount"])
        assert float(revenue / spend) == pytest.approx(of_campaign[model]["roas"])
    sql = """SELECT first_channel, sum(revenue_amount) FROM mart.customer_cohort_value
        WHERE first_channel <> '(all)' GROUP BY ALL"""
    assert known(dict(tables.execute(sql).fetchall())) == known(truth["first_channels"])
    sql = """SELECT c.customer_id, count(*) FROM mart.customer_visitors c
        JOIN mart.sessions s USING (visitor_id) GROUP BY ALL"""
    assert dict(tables.execute(sql).fetchall()) == truth["visits_by_customer"]


@pytest.mark.slow
@pytest.mark.parametrize("sends", ["name", "id"])
def test_orders_meet_visits_by_what_ga4_sends_of_them(sends: Sends, tmp_path: Path) -> None:
    truth = write_exports(tmp_path / "shop", sends=sends, days=DAYS, visitors=VISITORS)
    assert truth["orders_met"] == truth["orders"] > 20
    run_over(tmp_path / "shop", tmp_path / "home")
    check(tmp_path / "home", truth)
    check_categories(tmp_path / "home", truth)
    found = sales(tmp_path / "home", "landing_page")
    assert found["visit_coverage_rate"] == 1
    pages = {row["by"]["landing_page"]: row["numbers"]["revenue_amount"] for row in found["sales"]}
    assert known(pages) == known(truth["landing_pages"])
    check_categories(tmp_path / "home", truth)


@pytest.mark.slow
def test_where_ga4_sends_nothing_of_orders_nothing_is_known(tmp_path: Path) -> None:
    write_exports(tmp_path / "shop", sends="nothing", days=DAYS, visitors=VISITORS)
    result = run_over(tmp_path / "shop", tmp_path / "home")
    assert "too few to say what brought them" in result.out
    found = sales(tmp_path / "home", "channel")
    assert found["visit_coverage_rate"] == 0
    assert found["warnings"][0].endswith("too few to say what brought them.")


def test_what_ga4_says_of_two_shops_is_known_by_the_id_only(tmp_path: Path) -> None:
    """Of `#1002`, which both shops have, nothing says whose it is; of an `Id`, that says it."""
    options: Row = {"days": 10, "visitors": 60, "traps": ["two_shops"]}
    by_name, by_id = (
        write_exports(tmp_path / sends, sends=sends, **options) for sends in ("name", "id")
    )
    lines = (tmp_path / "id" / SECOND_SHOP).read_text(encoding="utf-8").splitlines()
    twins = len(lines) - 1
    assert by_id["orders"] == by_name["orders"]
    assert by_id["orders_met"] == by_id["orders"] - twins
    assert by_name["orders_met"] == by_id["orders_met"] - twins < by_id["orders_met"]


@pytest.mark.slow
@pytest.mark.parametrize("sends", ["name", "id"])
def test_each_trap_is_right(sends: Sends, tmp_path: Path) -> None:
    """All at once: they are of different orders, or change what all of them come to."""
    truth = write_exports(tmp_path / "shop", sends=sends, traps=TRAPS, days=DAYS, visitors=VISITORS)
    assert 0 < truth["orders_met"] < truth["orders"]
    run_over(tmp_path / "shop", tmp_path / "home")
    check(tmp_path / "home", truth)
    check_categories(tmp_path / "home", truth)
