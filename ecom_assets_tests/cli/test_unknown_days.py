"""What `ecom run` says of days of which nothing is known, and of tables that a run did not compute.

A shop has one visit with a purchase of 10.00, and an order of 20.00, on each day from 1 to 4 March
2026.
"""

from pathlib import Path

import pytest

from ecom_assets_tests.cli.test_run_orders import queried
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER

DAYS = [f"2026-03-0{day}" for day in range(1, 5)]
TABLES = (
    '+key:"mart/engagement_daily" or +key:"mart/revenue_daily" or '
    '+key:"mart/purchase_revenue_daily" or +key:"mart/conversion_funnel"'
)
EMPTY = ("--from", "2026-05-01", "--to", "2026-05-02")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    visits = [
        f"v{day},ann,purchase,{day}T10:00:00Z,i1,hats,s,https://s.example/,,10.00" for day in DAYS
    ]
    lines = [
        f"{n},l{n},{day}T12:00:00Z,1,Ulm,ann,A,B,i1,Hat,1,20,shipped" for n, day in enumerate(DAYS)
    ]
    (folder / "events.csv").write_text("\n".join((HEADER, *visits, "")))
    (folder / "orders.csv").write_text("\n".join((ORDER_HEADER, *lines, "")))
    return folder


def given(shop: Path) -> tuple[str | Path, ...]:
    return ("run", "--events", shop / "events.csv", "--orders", shop / "orders.csv")


@pytest.mark.slow
def test_days_without_data_are_not_known(shop: Path) -> None:
    home = shop / "home"
    first = ecom(*given(shop), "--select", TABLES, "--json", home=home)
    assert (first.json["sessions"]["events"], first.json["sales"]["revenue_amount"]) == (4, "80.00")
    assert first.json["unknown"] == {}
    summary = ecom(*given(shop), *EMPTY, "--select", TABLES, "--json", home=home).json
    days = {"reason": "not_known", "known_from": DAYS[0], "known_to": DAYS[-1]}
    assert summary["unknown"] == {"events": days, "orders": days}
    assert [summary[part] for part in ("sessions", "funnels", "search", "reconciliation")] == [
        None
    ] * 4
    assert {summary["sales"][name] for name in ("orders", "customers", "revenue_amount")} == {None}
    shown = ecom(*given(shop), *EMPTY, "--select", TABLES, home=home)
    assert (
        "Events: not known. No events were received of these days; there are some from 2026-03-01"
        in shown.out
    )
    assert "Sales: not known of these days" in shown.out
    assert "0 clean events" not in shown.out
    assert "0 orders" not in shown.out


@pytest.mark.slow
def test_tables_that_a_run_does_not_compute_are_said(shop: Path) -> None:
    result = ecom(*given(shop), "--select", "raw/events", home=shop / "raw")
    assert "Events: not computed. raw.events has rows of these days" in result.out
    assert "clean events" not in result.out
    assert "Quarantined rows" not in result.out
    # The orders were not loaded, so that nothing is known of them.
    assert "Orders: not known." in result.out


@pytest.mark.slow
def test_tables_that_a_failed_check_stopped_are_said_without_a_remedy_of_other_runs(
    shop: Path,
) -> None:
    few = {"ECOM_ORDER_CUSTOMERS_OVER": "3"}
    result = ecom(*given(shop), "--select", '+key:"mart/revenue_daily"', home=shop / "few", env=few)
    assert result.exit_code == 1
    assert "Orders: not computed. The run failed; what stopped it stands at the end" in result.out
    assert "run without --select" not in result.out
    assert "have 1 customer, and 3 or fewer are too few" in result.err


@pytest.mark.slow
def test_events_that_a_check_of_clean_events_stopped_are_not_computed(shop: Path) -> None:
    """The rows are accounted for, so that the number of refused ones is known,
    and no number of sessions is.
    """
    result = ecom(*given(shop), "--select", "+mart/event_accounting_daily", home=shop / "stopped")
    assert result.exit_code == 0, result.err
    assert "Events: not computed. raw.events has rows of these days" in result.out
    assert "Events: not known" not in result.out
    assert "Quarantined rows: 0; surplus copies left out: 0" in result.out
    assert "clean events" not in result.out


@pytest.mark.slow
def test_one_of_each_is_said_as_one(shop: Path, tmp_path: Path) -> None:
    """One visit of one visitor, in which one item is bought."""
    only = tmp_path / "one.csv"
    only.write_text("\n".join([*(shop / "events.csv").read_text().splitlines()[:2], ""]))
    result = ecom("run", "--events", only, "--select", TABLES, home=tmp_path / "home")
    assert "  1 clean event of 1 visitor in 1 session\n" in result.out
    assert "  1 order of 1 customer, 1 item sold\n" in result.out


@pytest.mark.slow
def test_a_first_day_in_another_year_than_the_data_is_said(shop: Path) -> None:
    arguments = (*given(shop), "--from", "2025-12-31", "--select", "raw/events")
    said = "--from 2025-12-31 is in another year than the data, which begin on 2026-03-01"
    result = ecom(*arguments, home=shop / "year")
    assert said in result.out + result.err
    quiet = ecom(*given(shop), "--from", "2026-02-27", "--select", "raw/events", home=shop / "year")
    assert "another year" not in quiet.out + quiet.err


@pytest.mark.slow
def test_the_mean_of_sales_before_a_stock_is_over_the_days_that_are_known(tmp_path: Path) -> None:
    # Of 28 days up to 28 March, four have no line: 24 lines of 1 are 1 a day, not 24/28.
    lines = [
        f"{n},l{n},2026-03-{n:02}T12:00:00Z,1,Ulm,c{n},A,B,i1,Hat,1,20,shipped"
        for n in range(1, 29)
        if n not in {3, 10, 17, 24}
    ]
    (tmp_path / "orders.csv").write_text("\n".join((ORDER_HEADER, *lines, "")))
    (tmp_path / "stock.csv").write_text("product_id,category,stock,lead_time_days\ni1,hats,6,30\n")
    env = {"ECOM_CATALOGUE": str(tmp_path / "stock.csv"), "ECOM_EMPTY_DAYS": "unknown"}
    arguments = (
        "run",
        "--json",
        "--orders",
        tmp_path / "orders.csv",
        "--select",
        '+key:"mart/inventory_alerts"',
    )
    assert ecom(*arguments, home=tmp_path / "home", env=env).json["success"]
    days = (
        "SELECT sold_item_count, sales_days_count, daily_sold_items, days_of_cover FROM "
        "mart.inventory_alerts"
    )
    assert queried(tmp_path / "home", days) == [(24, 24, 1.0, 6.0)]
    assert ecom(*arguments, home=tmp_path / "zero", env=env | {"ECOM_EMPTY_DAYS": "zero"}).json[
        "success"
    ]
    assert queried(tmp_path / "zero", days) == [(24, 28, 24 / 28, 7.0)]
