"""`ecom run` without options: the sandbox shop, whose true numbers are known.

One run serves the whole module.
"""

import shutil
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.cli.summary.lines import summary_lines
from ecom_assets.commerce.attribution.contracts import CHANNELS
from ecom_assets.commerce.customers.contracts import SEGMENTS
from ecom_assets.core.settings import memory
from ecom_assets.core.settings.home import written
from ecom_assets.core.settings.memory import AvailableMemory
from ecom_assets.core.settings.settings import Settings
from ecom_assets.definitions import build_definitions, without_source
from ecom_assets_tests.behaviour.identity.reference import Seen, owners
from ecom_assets_tests.cli.summary_shapes import (
    SENT,
    SUMMARY,
    TABLES,
    UNCUT,
)
from ecom_assets_tests.command import CommandResult, ecom, ecom_process, shape, small_shop
from ecom_assets_tests.sandbox.shop_recount import CHECKED
from ecom_sandbox.running import customers_of
from ecom_sandbox.shop.traffic import QUERIES

pytestmark = pytest.mark.xdist_group("cli_run_sandbox")


WARNED = 2
"""The checks that warn: of guests who share an account, and of a campaign without visits."""


def check_count(settings: Settings) -> int:
    keys = build_definitions(settings).resolve_asset_graph().asset_check_keys
    return len([key for key in keys if key.asset_key not in without_source(settings)])


@dataclass(frozen=True)
class Shop:
    """A home with a small shop, its true numbers, and the output of the run."""

    home: Path
    truth: dict[str, Any]
    output: CommandResult

    @property
    def summary(self) -> dict[str, Any]:
        """Return the summary as scripts read it."""
        actual: dict[str, Any] = self.output.json
        return actual


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    home = tmp_path_factory.mktemp("sandbox") / "home"
    truth = small_shop(home, visitors=200)
    return Shop(home, truth, ecom("run", "--json", home=home))


def test_each_file_of_the_home_is_kept_private_and_stands_in_the_page_of_operations(
    shop: Shop,
) -> None:
    page = Path("docs/operations.md").read_text(encoding="utf-8")
    names = {
        path.name.split("-")[0] for path in shop.home.iterdir()
    }  # SQLite keeps `-wal` and `-shm` beside a file
    assert names >= {"dagster", "ledger.sqlite", "operations.sqlite", "warehouse.duckdb"}
    assert [name for name in names if not any(fnmatch(name, kind) for kind in written())] == []
    assert [name for name in [*names, *written()] if f"`{name.rstrip('*')}" not in page] == []


def test_the_run_ends_well_and_says_nothing_but_json_and_that_guests_share_an_id(
    shop: Shop,
) -> None:
    assert shop.output.exit_code == 0
    shared, without_visits = shop.output.err.splitlines()
    assert shared.startswith("ecom: warning: mart/shared_ids: 1 id")
    assert "1 by placeholder" in shared
    assert "Campaigns with spend and no visits: 1 of 6." in without_visits  # one has no tags
    assert shop.summary["success"] is True
    assert shop.summary["failures"] == []


def test_the_summary_has_the_shape_that_scripts_read(shop: Shop) -> None:
    actual = shape(shop.summary)
    # Null in a segment without anybody.
    actual["segments"]["segments"][0].pop("mean_recency_days")
    causes = actual["reconciliation"].pop("causes")
    assert all(cause == {"count": int, "amount": str} for cause in causes.values())
    assert actual.pop("quarantined") == dict.fromkeys(shop.summary["quarantined"], int)
    outcomes = [delivery.pop("outcomes") for delivery in actual["deliveries"].values()]
    assert {kind for outcome in outcomes for kind in outcome.values()} == {int}
    del actual["fetched"]
    assert actual == SUMMARY


def test_it_reports_what_it_took_to_get_through_to_the_apis(shop: Shop) -> None:
    fetched = shop.summary["fetched"]
    assert set(fetched) == {"raw/customers", "raw/stock", "raw/user_order_log"}
    for answer in fetched.values():
        assert set(answer) == {
            "request_count",
            "retry_counts",
            "rate_limit_wait_s",
            "received_bytes",
            "shortfall",
        }
    # One page of stock, and two attempts that failed.
    assert fetched["raw/stock"]["request_count"] == 3
    assert fetched["raw/stock"]["retry_counts"] == {"server_error": 1, "truncated": 1}
    # A report, its file and its increment for three days would be ten requests if all went well.
    assert fetched["raw/user_order_log"]["request_count"] > 10
    assert fetched["raw/user_order_log"]["retry_counts"]["truncated"] >= 3, (
        "empty, short and cut files"
    )


def test_segments_and_value_are_of_all_who_ordered(shop: Shop) -> None:
    answer, sales = shop.summary["segments"], shop.summary["sales"]
    assert [segment["segment"] for segment in answer["segments"]] == list(SEGMENTS)
    assert (
        answer["customers"]
        == sum(segment["customers"] for segment in answer["segments"])
        == sales["customers"]
    )
    assert sum(segment["orders"] for segment in answer["segments"]) == sales["orders"]
    # In three days hardly anybody comes again.
    assert answer["value"]["no_model_reason"] in {"no_repeat_orders", "too_few_customers"}
    assert answer["value"]["as_of_date"] == "2026-01-03"


def test_profit_is_what_the_shop_knows(shop: Shop) -> None:
    """Without a setting: the shop's own costs are the source."""
    by_day = shop.truth["profit"]["by_date"].values()

    def total(name: str) -> Decimal:
        return sum((Decimal(day[name] or 0) for day in by_day), Decimal(0))

    profit = shop.summary["profit"]
    assert Decimal(profit["gross_profit_amount"]) == total("gross_profit_amount")
    assert Decimal(profit["cost_amount"]) == total("cost_amount")
    assert 0 < profit["contribution_coverage_rate"] <= profit["cost_coverage_rate"] < 1
    lines = summary_lines(shop.summary)
    assert f"  gross profit {Decimal(profit['gross_profit_amount']):,}, margin " in "\n".join(lines)


def test_what_ads_cost_is_what_the_shop_spent(shop: Shop) -> None:
    spent = sum(map(Decimal, shop.truth["advertising"]["by_date"].values()), Decimal(0))
    ads = shop.summary["advertising"]
    assert Decimal(ads["spend_amount"]) == round(spent, 2)
    known = shop.truth["advertising"]["total"]
    assert Decimal(ads["credited_revenue_amount"]) == Decimal(known["credited_revenue_amount"]) > 0
    assert ads["roas"] == pytest.approx(known["roas"], abs=1e-6)
    assert f"Ads: {Decimal(ads['spend_amount']):,} spent" in summary_lines(shop.summary)


def test_it_covers_every_day_on_which_something_arrived(shop: Shop) -> None:
    assert shop.summary["days"] == {"from": "2026-01-01", "to": "2026-01-03"}


def test_clean_events_duplicates_and_rejected_rows_are_those_that_were_planted(shop: Shop) -> None:
    planted = shop.truth["events"]
    assert shop.summary["tables"]["raw.events"] == planted["rows"]
    assert shop.summary["tables"]["staging.events"] == planted["clean"]
    assert shop.summary["duplicates"] == planted["duplicates"]
    assert shop.summary["quarantined"] == {
        reason: n for reason, n in planted["quarantined"].items() if n
    }


def visitors_by_hand(folder: Path) -> set[str]:
    """Return the visitors of a shop's clean events by the identity rule in plain Python."""
    con = duckdb.connect()
    con.execute(CHECKED.format(out=folder))
    columns = (
        "nullif(anonymous_id, ''), nullif(session_id, ''), nullif(user_id, ''), "
        "properties->>'previous_id'"
    )
    rows = con.execute(f"select t, event_id, {columns} from clean").fetchall()
    merged = {former: user for *_, user, former in rows if former}
    guests = [event_id for _, event_id, _, _, user, _ in rows if user == "guest"]
    seen = [
        Seen(at, event_id, device, session, None if user == "guest" else user)
        for at, event_id, device, session, user, _ in rows
    ]
    found = owners(seen, IdentityRule()) | dict.fromkeys(guests, "guest")
    return {str(merged.get(visitor, visitor)) for visitor in found.values()}


def test_sessions_and_visitors_are_those_that_were_planted(shop: Shop) -> None:
    actual = shop.summary["sessions"]
    assert actual["events"] == shop.truth["events"]["clean"]
    assert actual["sessions"] == shop.truth["sessions"]["total"]
    assert actual["visitors"] == len(visitors_by_hand(shop.home / "sandbox"))
    assert actual["bounce_rate"] == pytest.approx(
        1 - actual["engaged_sessions"] / actual["sessions"]
    )


def test_the_funnel_of_sessions_is_the_one_that_was_planted(shop: Shop) -> None:
    actual = {step["event_type"]: step["count"] for step in shop.summary["funnel"]["session"]}
    assert actual == shop.truth["funnel_sessions"]


def test_orders_and_revenue_are_those_that_were_planted(shop: Shop) -> None:
    actual, planted = shop.summary["sales"], shop.truth["orders"]
    assert actual["orders"] == planted["orders"]
    assert actual["shipped_amount"] == planted["shipped_amount"]
    assert actual["refunded_amount"].removeprefix("-") == planted["refunded_amount"]
    assert actual["revenue_amount"] == planted["revenue"]
    lines = planted["order_lines"] + planted["refund_lines"]
    assert {shop.summary["tables"][f"{layer}.user_order_log"] for layer in ("raw", "staging")} == {
        lines
    }
    assert shop.summary["tables"]["mart.sales"] == lines


def test_orders_and_events_differ_for_the_causes_that_were_planted(shop: Shop) -> None:
    actual, planted = shop.summary["reconciliation"], shop.truth["order_event_differences"]
    counts = {cause: count for cause, count in planted["by_cause"].items() if count}
    assert {cause: amounts["count"] for cause, amounts in actual["causes"].items()} == counts
    assert counts, "a shop without a difference proves nothing"
    days = planted["by_date"].values()
    for cause, amounts in actual["causes"].items():
        assert Decimal(amounts["amount"]) == sum(
            (Decimal(day.get(cause, "0")) for day in days), Decimal(0)
        )
    assert Decimal(actual["difference_amount"]) == sum(
        Decimal(cause["amount"]) for cause in actual["causes"].values()
    )


def test_a_first_run_and_its_repetition_change_no_published_number(shop: Shop) -> None:
    assert shop.summary["restatements"] == {"changed": 0, "causes": {}, "largest": None}


def test_journeys_are_those_of_the_sessions_and_searches_those_that_were_planted(
    shop: Shop,
) -> None:
    actual, searched = shop.summary["journeys"], shop.summary["search"]
    assert actual["sessions"] == shop.truth["sessions"]["total"]
    assert actual["converted_sessions"] == shop.truth["funnel_sessions"]["purchase"]
    assert searched["searches"] == shop.truth["events"]["clean_by_type"]["search"]
    assert 0 < searched["click_rate"] < 1
    assert [
        term["search_term"] for term in searched["top_terms"] if term["search_term"] not in QUERIES
    ] == []


def test_the_stock_of_the_shop_is_watched(shop: Shop) -> None:
    actual = shop.summary["inventory"]
    assert (actual["as_of"], actual["products"], actual["unreadable_lines"]) == (
        "2026-01-03",
        480,
        0,
    )
    stock = pq.read_table(shop.home / "sandbox" / "catalogue.parquet").column("stock").to_pylist()
    assert actual["alerts"]["out_of_stock"] == sum(count == 0 for count in stock) > 0
    assert actual["alerts"]["dead"] == 0, "three days of sales are too few"


def test_what_is_sold_has_the_vendor_of_the_catalogue(shop: Shop) -> None:
    products = pq.read_table(shop.home / "sandbox" / "catalogue.parquet").to_pylist()
    vendors = {product["product_id"]: product["vendor"] for product in products}
    with duckdb.connect(str(shop.home / "warehouse.duckdb"), read_only=True) as con:
        sold = con.execute("SELECT DISTINCT item_id, vendor FROM mart.sales").fetchall()
    assert sold
    assert [(item, vendor) for item, vendor in sold if vendor != vendors[item]] == []
    assert len({vendor for _, vendor in sold}) > 2


def test_every_model_credits_all_orders_and_all_revenue_to_channels(shop: Shop) -> None:
    actual, planted = shop.summary["channels"], shop.truth["orders"]
    assert actual["unit"] == "order"
    for channels in actual["models"].values():
        assert sum(channel["credit"] for channel in channels) == pytest.approx(planted["orders"])
        assert sum(Decimal(channel["revenue_amount"]) for channel in channels) == Decimal(
            planted["revenue"]
        )
        assert {channel["channel"] for channel in channels} <= {*CHANNELS}, (
            "who buys here was seen here"
        )


def test_everybody_is_new_in_the_week_that_the_shop_opened(shop: Shop) -> None:
    week = shop.summary["retention"]
    assert week["week_start_date"] == "2025-12-29"
    assert week["new"]["customers"] == shop.summary["sales"]["customers"]
    assert week["new"]["amount"] == shop.truth["orders"]["shipped_amount"]
    assert week["returning"] == {"customers": 0, "orders": 0, "amount": "0.00"}


def test_customers_are_those_that_the_shop_has_with_the_flaws_that_were_planted(shop: Shop) -> None:
    planted = customers_of(shop.home / "sandbox").truth
    actual, tables = shop.summary["customers"], shop.summary["tables"]
    assert (actual["count"], actual["as_of"]) == (planted["customers"], "2026-01-03")
    assert tables["staging.customers"] == planted["customers"]
    # Two pages: the API adds a copy and an invalid record to each, and a conflicting copy to one of
    # them.
    assert tables["raw.customers"] == planted["records"] + 5
    assert tables["staging.quarantined_customers"] == 2
    assert {sum(actual[name].values()) for name in ("tiers", "segments", "quality_bands")} == {
        planted["customers"]
    }
    flaws = planted["flaws"]
    # An empty name costs 20 points, and half of the missing dates are two; every other flaw costs
    # 10.
    assert (
        flaws["empty_name"]
        <= actual["quality_bands"]["medium"]
        <= flaws["empty_name"] + flaws["missing_date"]
    )
    assert actual["quality_bands"]["low"] == 0


def test_every_check_ran_and_passed_but_the_one_that_warns_of_the_guests(shop: Shop) -> None:
    result = shop.summary["checks"]
    assert (result["passed"], result["failed"]) == (
        check_count(Settings(home=shop.home)) - WARNED,
        [],
    )
    assert [
        (warned["table"], warned["name"], warned["observed"]) for warned in result["warned"]
    ] == [
        ("mart/shared_ids", "ids_are_not_shared", 1),
        ("mart/spend_reconciliation_daily", "spend_has_visits", 1),
    ]


@pytest.mark.slow
def test_running_again_changes_no_number_and_prints_the_same(shop: Shop, tmp_path: Path) -> None:
    """In an interpreter of its own, which warns of nothing else either."""
    home = shutil.copytree(
        shop.home, tmp_path / "home"
    )  # the other tests look at what one run left
    again = ecom_process("run", home=home)
    assert again.exit_code == 0
    clean, total = shop.truth["events"]["clean"], shop.truth["sessions"]["total"]
    assert f"{clean:,} clean events" in again.out
    assert f"in {total:,} sessions" in again.out
    assert f"Checks: {check_count(Settings(home=home)) - WARNED} passed, 0 failed" in again.out
    assert f"Tables in duckdb://{home}/warehouse.duckdb" in again.out
    assert again.err.splitlines()[0].startswith("Nothing was given: this is the sandbox shop.")
    named = Counter(line.split()[0] for line in again.err.splitlines()[1:])
    assert named == Counter({"ecom:": WARNED, **dict.fromkeys([*TABLES, *SENT], 1)})


def test_status_shows_rows_newest_day_last_run_and_failing_checks(shop: Shop) -> None:
    rows = ecom("status", "--json", home=shop.home).json
    assert [row["table"] for row in rows if row["last_run_id"]] == TABLES
    assert shape(rows[0]) == {
        "table": str,
        "rows": int,
        "newest_day": str,
        "last_run_at": str,
        "last_run_id": str,
        "failing_checks": [],
        "held_days": [],
        "lost_days": [],
        "absent_days": [],
        "waiting_lines": [],
        "published_rows": type(None),
    }
    counts = shop.summary["tables"]
    assert {row["table"]: row["rows"] for row in rows if row["last_run_id"]} == {
        name: counts[name] for name in TABLES
    }
    newest = {
        row["table"]: row["newest_day"] for row in rows if row["rows"] and row["table"] not in UNCUT
    }
    for by_week in ("mart.customer_retention", "mart.category_profitability"):
        assert newest.pop(by_week) == "2025-12-29"
    assert newest.pop("export.dead_letters") == "2026-01-01", (
        "GA4 takes no event of more than 72 hours ago"
    )
    assert set(newest.values()) == {"2026-01-03"}


@pytest.mark.slow
def test_status_draws_a_table_for_people(shop: Shop) -> None:
    output = ecom("status", home=shop.home)
    assert output.exit_code == 0
    assert output.err == ""
    assert all(name in output.out for name in TABLES)


def test_doctor_looks_at_all_that_the_platform_stands_on(shop: Shop) -> None:
    output = ecom("doctor", "--json", home=shop.home)
    findings = output.json
    assert shape(findings[0]) == {"subject": str, "ok": bool, "found": str, "fix": str}
    subjects = [finding["subject"] for finding in findings]
    assert subjects == [
        "settings",
        "versions",
        "disk",
        "memory",
        "privacy",
        "warehouse",
        "events",
        "event ids",
        "orders",
        "customers",
        "dagster",
        "requests",
        "daemon",
        "alerts",
        "lineage",
        "publishing",
        "api",
        "keys",
    ]
    assert output.exit_code == (0 if all(finding["ok"] for finding in findings) else 1)
    assert {finding["subject"] for finding in findings if not finding["ok"]} <= {"versions", "disk"}


def test_doctor_and_the_summary_say_how_much_memory_a_run_may_take(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.summary["memory"] == "1500MB for a run (ECOM_MEMORY_LIMIT)"
    assert f"Memory: {shop.summary['memory']}" in summary_lines(shop.summary)
    monkeypatch.setattr(memory, "memory_here", lambda: AvailableMemory(24_000))
    findings = ecom("doctor", "--json", home=shop.home, env={"ECOM_MEMORY_LIMIT": "auto"}).json
    (found,) = [finding for finding in findings if finding["subject"] == "memory"]
    assert found["ok"] is True
    assert found["found"] == (
        "6,000 MB for a run (auto: a quarter of 24,000 MB); 2,000 MB for each process of the API "
        "(auto: a quarter of 24,000 MB for 3 processes)"
    )


@pytest.mark.slow
def test_a_number_of_the_run_is_explained_down_to_received_rows(shop: Shop) -> None:
    values = (
        "explain",
        "mart.engagement_daily",
        "--column",
        "session_count",
        "--limit",
        "1",
        "--json",
    )
    result = ecom(*values, home=shop.home).json
    number, made = result["number"], result["made_of"]
    assert number["value"] == shop.summary["sessions"]["sessions"]
    assert number["adds_up"] is True
    assert number["down"][0]["levels"][-1]["table"] == "raw.events"
    assert [run["run_id"] for run in made["runs"]] == [shop.summary["run_id"]]
    assert [row["table"] for row in made["upstream"]] == ["mart.session_days", "mart.sessions"]
    assert made["sql"].startswith(("SELECT", "WITH"))
    text = ecom(*values[:-1], "--sql", home=shop.home).out
    assert f"session_count = {number['value']}" in text
    assert "The received rows give the number again." in text
    assert "•••" in text
