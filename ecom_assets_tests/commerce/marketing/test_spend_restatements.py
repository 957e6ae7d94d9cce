"""What platforms restate is logged by day and campaign; small changes are logged as their sum."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import ChangedVisitorDays
from ecom_assets.commerce.marketing.contracts import (
    AdSpend,
    AdSpendDaily,
    MarketingDaily,
    RawAdSpend,
)
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.checks import (
    each_restatement_begins_where_the_last_ended,
    spend_did_not_fall_by_half,
)
from ecom_assets.commerce.reconciliation.contracts import PublishedDays, Restatements
from ecom_assets.commerce.reconciliation.restatements import (
    ChangedNumber,
    RestatementLog,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.extraction.landing import STATE
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import ecom
from ecom_assets_tests.commerce.reconciliation.changed_numbers import changed_numbers
from ecom_assets_tests.each import each
from ecom_assets_tests.published_numbers import outside

D = Decimal
DAY = date(2026, 6, 1)


def spent(key: str, amount: str, currency: str = "EUR", rate: str = "1", **more: Any) -> Row:
    """Return what a campaign cost on a day."""
    return {
        **dict.fromkeys(AdSpendDaily.columns),
        "spend_date": DAY,
        "platform": "google_ads",
        "account_id": "shop",
        "campaign_key": key,
        "currency": currency,
        "account_spend_amount": D(amount),
        "spend_amount": D(amount) * D(rate),
        "is_conflict": False,
        **more,
    }


def state(*campaigns: tuple[str, ...]) -> pa.Table:
    """Return rows of a day: campaigns, and what each cost."""
    return outside(AdSpendDaily, [spent(*campaign) for campaign in campaigns]).to_pyarrow()


def changes(before: pa.Table, after: pa.Table) -> list[ChangedNumber]:
    return [
        change
        for change in changed_numbers(AdSpendDaily, before, after)
        if change.column == "spend_amount"
    ]


@each(
    "before, after, is_small",
    [
        ("100", "101", True),  # 1 % and 1.00
        ("100", "101.01", False),
        ("1000", "1001.01", False),  # less than 1 %, and more than 1.00
        ("50", "50.51", False),  # more than 1 %
        ("50", "49.5", True),
    ],
)
def test_a_campaign_s_day_is_logged_beyond_a_hundredth_or_1_00(
    before: str,
    after: str,
    is_small: bool,  # noqa: FBT001 (a case)
) -> None:
    (change,) = changes(state(("1", before)), state(("1", after)))
    assert ("campaign_key" not in change.row_key) is is_small
    assert change.difference == pytest.approx(float(D(after) - D(before)))


def test_the_log_says_the_rest_in_a_sum() -> None:
    before = state(("1", "100"), ("2", "50"), ("3", "10"), ("4", "5"))
    after = state(("1", "100.5"), ("2", "50.25"), ("3", "20"), ("5", "7"))
    rest, *others = changes(before, after)
    assert rest.row_key == '{"sum_of_rows_that_changed_by": "1% and 1.00 at most"}'
    assert (rest.before, rest.after, rest.difference) == (150.0, 150.75, 0.75)
    assert [(change.row_key[-6:], change.before, change.after) for change in others] == [
        (': "3"}', 10.0, 20.0),
        (': "4"}', 5.0, None),
        (': "5"}', None, 7.0),
    ]
    total = sum(change.difference or 0 for change in (rest, *others))
    assert total == pytest.approx(177.75 - 165)


def test_what_a_platform_says_anew_is_logged_so_whether_rows_came_or_not() -> None:
    """A second run has another amount, a third one another load with one row more."""
    engine = DuckDBEngine(Path("memory"))
    engine.con = connect()
    days = Days((DAY,))
    for contract in (AdSpend, AdSpendDaily, PublishedDays, Restatements):
        engine.ensure(contract)
    for run_id, amount, load_count in (("run 1", "10", 1), ("run 2", "20", 1), ("run 3", "30", 2)):
        loads = [
            state((str(number), amount)).to_pylist()[0]
            | {"level": "campaign", "ad_group_key": "(all)", "is_counted": True, "row_count": 1}
            | {"received_date": DAY, "source_file": f"{number}.csv"}
            for number in range(load_count)
        ]
        engine.replace(AdSpend, outside(AdSpend, loads), days)
        hooks = RestatementLog(engine, run_id).hooks_for(AdSpendDaily, days, days)
        engine.replace(
            AdSpendDaily, outside(AdSpendDaily, state(("1", amount)).to_pylist()), days, hooks
        )
    logged = [
        (row["after_value"], row["cause"], row["late_row_count"])
        for row in engine.rows_of(engine.table(Restatements))
        if row["column_name"] == "spend_amount"
    ]
    engine.close()
    assert sorted(logged) == [(20, "source_restated", 0), (30, "source_restated", 1)]


def test_other_rates_are_no_restatement_of_the_source_and_are_logged_by_currency() -> None:
    """The rate of the dollar is corrected; what ads cost in euros, or nothing, stays."""
    claims = {"platform_conversion_count": D(1), "platform_conversion_amount": D(50)}
    before = [spent("1", "100", "USD", "0.9"), spent("2", "10", "USD", "0.9"), spent("3", "7")]
    free = spent("4", "0", "USD", "0.9", **claims)
    after = [spent("1", "100", "USD", "0.8"), spent("2", "10", "USD", "0.8"), spent("3", "7")]
    free_after = free | {"platform_conversion_amount": D(45)}
    logged = changed_numbers(
        AdSpendDaily,
        outside(AdSpendDaily, [*before, free]).to_pyarrow(),
        outside(AdSpendDaily, [*after, free_after]).to_pyarrow(),
    )
    key = '{"sum_of_rows_by_another_rate_of": "USD"}'
    assert [
        (change.row_key, change.column, change.before, change.after, change.cause)
        for change in logged
    ] == [
        (key, "spend_amount", 99.0, 88.0, "rates_changed"),
        (key, "platform_conversion_amount", 50.0, 45.0, "rates_changed"),
    ]


def test_what_a_source_says_anew_stays_its_restatement_when_the_rate_changed_too() -> None:
    """100 dollars at 0.9 become 100.50 at 0.5: little in dollars, and not in euros."""
    tables = state(("1", "100", "USD", "0.9")), state(("1", "100.5", "USD", "0.5"))
    (change,) = changes(*tables)
    assert '"campaign_key": "1"' in change.row_key
    assert (change.before, change.after, change.cause) == (90.0, 50.25, "")
    # The export said the wrong currency: the amount is the same, and no rate changed.
    (change,) = changes(state(("1", "100", "USD", "0.9")), state(("1", "100", "EUR", "1")))
    assert (change.before, change.after, change.cause) == (90.0, 100.0, "")


LOGGED = ("row_key", "column_name", "before_value", "after_value", "cause")


class Log:
    """What runs log of spend and of what it brings, on a warehouse in memory."""

    def __init__(self) -> None:
        """Open an empty warehouse."""
        self.engine = DuckDBEngine(Path("memory"))
        self.engine.con = connect()
        tables = (RawAdSpend, AdSpend, AdSpendDaily, MarketingDaily, CleanEvents, UserOrderLog)
        for contract in (*tables, ChangedVisitorDays, PublishedDays, Restatements):
            self.engine.ensure(contract)
        self.days, self.runs = Days((DAY,)), 0

    def run(self, spend: list[Row], marketing: list[Row], *, file: str = "june.csv") -> None:
        """Let a run publish a day."""
        self.runs += 1
        loads = [
            row
            | {"level": "campaign", "ad_group_key": "(all)", "is_counted": True, "row_count": 1}
            | {"received_date": DAY + self.runs * timedelta(days=1), "source_file": file}
            for row in spend
        ]
        log = RestatementLog(self.engine, f"run {self.runs}")
        self.engine.replace(AdSpend, outside(AdSpend, loads), self.days)
        log.hooks_for(AdSpend, self.days, self.days)
        for contract, rows in ((AdSpendDaily, spend), (MarketingDaily, marketing)):
            hooks = log.hooks_for(contract, self.days, self.days)
            self.engine.replace(contract, outside(contract, rows), self.days, hooks)

    def fallen(self) -> str:
        """Return what is said of days that cost less than half of what was said before."""
        tables = map(self.engine.table, spend_did_not_fall_by_half.tables)
        result = spend_did_not_fall_by_half.evaluate(None, *tables)
        assert bool(result.broken_count) is bool(result.metadata)
        return str(result.metadata.get("sentence", ""))

    def logged(self, table: type[Any]) -> list[tuple[Any, ...]]:
        """Return what the last run logged of a table: row, column, values and cause."""
        rows = self.engine.rows_of(self.engine.table(Restatements))
        return sorted(
            (
                row["row_key"],
                row["column_name"],
                row["before_value"],
                row["after_value"],
                row["cause"],
            )
            for row in rows
            if row["run_id"] == f"run {self.runs}" and row["table_name"] == table.qualified_name()
        )


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.engine.close()


def brought(spend: str, revenue: str = "40", **more: Any) -> list[Row]:
    """Return what a campaign brought on a day, by two models."""
    return [
        {
            **dict.fromkeys(MarketingDaily.columns),
            "marketing_date": DAY,
            "platform": "google_ads",
            "account_id": "shop",
            "campaign_key": "1",
            "model": model,
            "session_count": 5,
            **dict.fromkeys(("credited_order_count", "touched_order_count"), D(1)),
            **dict.fromkeys(("touched_revenue_amount", "first_order_revenue_amount"), D(0)),
            **dict.fromkeys(("renewal_order_count", "renewal_revenue_amount"), D(0)),
            "new_customer_count": D(0),
            "spend_amount": D(spend),
            "credited_revenue_amount": D(revenue),
            "roas": float(D(revenue) / D(spend)) if D(spend) else None,
            **more,
        }
        for model in ("first", "last_non_direct")
    ]


ROW = '{"platform": "google_ads", "account_id": "shop", "campaign_key": "1", "model": "%s"}'
FIRST, LAST = ROW % "first", ROW % "last_non_direct"


def test_rates_that_are_corrected_twice_are_logged_twice_in_both_tables(log: Log) -> None:
    log.run([spent("1", "10", "USD", "0.9")], brought("9"))
    assert log.logged(AdSpendDaily) == log.logged(MarketingDaily) == []
    for before, after in (("0.9", "0.8"), ("0.8", "0.5")):
        was, now = float(D(10) * D(before)), float(D(10) * D(after))
        log.run([spent("1", "10", "USD", after)], brought(str(now)))
        key = '{"sum_of_rows_by_another_rate_of": "USD"}'
        assert log.logged(AdSpendDaily) == [(key, "spend_amount", was, now, "rates_changed")]
        # Spend is the same under each model, and logged of one.
        assert log.logged(MarketingDaily) == [
            (FIRST, "roas", 40 / was, 40 / now, "rates_changed"),
            (LAST, "roas", 40 / was, 40 / now, "rates_changed"),
            (LAST, "spend_amount", was, now, "rates_changed"),
        ]


def test_a_day_that_comes_back_with_nothing_is_logged_in_both_tables(log: Log) -> None:
    log.run([spent("1", "10")], brought("10"))
    log.run([], brought("0", roas=None))
    assert [row[1:] for row in log.logged(AdSpendDaily)] == [
        ("account_spend_amount", 10, None, "source_restated"),
        ("spend_amount", 10, None, "source_restated"),
    ]
    assert log.logged(MarketingDaily) == [
        (FIRST, "roas", 4, None, "source_restated"),
        (LAST, "roas", 4, None, "source_restated"),
        (LAST, "spend_amount", 10, 0, "source_restated"),
    ]


def test_credit_of_an_older_day_has_its_own_cause(log: Log) -> None:
    """Spend and credit change at once: what an order brings is not what a platform says."""
    log.run([spent("1", "10")], brought("10"))
    filled = {"string": "shipped", "date": DAY, "timestamp(6)": datetime.combine(DAY, time(12))}
    order = {
        name: None if column.nullable else filled.get(column.type, 1)
        for name, column in UserOrderLog.columns.items()
    }
    log.engine.replace(UserOrderLog, outside(UserOrderLog, [order]), log.days)
    log.run([spent("1", "20")], brought("20", "80"))
    assert [(row[0], row[1], row[-1]) for row in log.logged(MarketingDaily)] == [
        (FIRST, "credited_revenue_amount", "late_rows"),
        (LAST, "credited_revenue_amount", "late_rows"),
        (LAST, "spend_amount", "source_restated"),
    ]
    log.run([spent("1", "20")], brought("20", "100"))
    causes = {(row[1], row[-1]) for row in log.logged(MarketingDaily)}
    assert causes == {("credited_revenue_amount", "source_restated"), ("roas", "source_restated")}


def test_spend_of_a_day_that_was_published_without_it_is_a_restatement(log: Log) -> None:
    log.run([], brought("0", roas=None))
    log.run([spent("1", "10")], brought("10"))
    assert (LAST, "spend_amount", 0, 10, "source_restated") in log.logged(MarketingDaily)
    assert [row[1:] for row in log.logged(AdSpendDaily)] == [
        ("account_spend_amount", None, 10, "source_restated"),
        ("spend_amount", None, 10, "source_restated"),
    ]


@pytest.mark.slow
def test_a_day_of_a_window_that_lost_half_of_its_spend_is_said_once() -> None:
    """`ecom extract` writes the day anew, so that no older load of it is left."""
    log = Log()
    log.run([spent("1", "60"), spent("2", "40"), spent("1", "9", account_id="other")], [])
    assert log.fallen() == ""
    log.run([spent("1", "50"), spent("1", "9", account_id="other")], [])
    assert log.fallen() == "", "exactly half"
    log.run([spent("1", "24.99"), spent("1", "9", account_id="other")], [])
    said = (
        "Days of accounts that cost less than half of what was said before: 1, first 24.99 in "
        "place of 50.00 on 2026-06-01 of google_ads shop; see whether what came last has all "
        "campaigns."
    )
    assert log.fallen() == said
    assert log.fallen() == said, "as often as it is looked at"
    log.run([spent("1", "25.00"), spent("1", "9", account_id="other")], [])
    assert log.fallen() == "", "the last run changed it little"
    log.engine.close()


def test_a_day_of_a_window_that_comes_back_with_nothing_is_said(log: Log) -> None:
    log.run([spent("1", "60"), spent("1", "0.5", account_id="small")], [])
    log.run([], [])
    assert "1, first 0.00 in place of 60.00 on 2026-06-01 of google_ads shop;" in log.fallen()


def test_campaigns_that_take_each_other_s_place_and_other_rates_are_no_fall(log: Log) -> None:
    log.run([spent("1", "60", "USD", "0.9"), spent("2", "40", "USD", "0.9")], [])
    log.run([spent("3", "90", "USD", "0.9")], [])
    assert log.fallen() == ""
    log.run([spent("3", "90", "USD", "0.1")], [])
    assert log.fallen() == "", "in dollars it is the same"


def test_the_log_of_small_changes_and_of_rates_goes_on_from_where_a_day_was(log: Log) -> None:
    """The sums of a day's small changes are of other campaigns each time."""
    for first, second, rate in (
        ("100", "50", "0.9"),
        ("150", "50", "0.9"),
        ("150.5", "50.25", "0.9"),
        ("150.5", "50", "0.9"),
        ("200", "50", "0.9"),
        ("200", "50", "0.8"),
        ("300", "50", "0.7"),
    ):
        log.run([spent("1", first, "USD", rate), spent("2", second, "USD", rate)], [])
        logged = log.engine.table(Restatements)
        result = each_restatement_begins_where_the_last_ended.evaluate(None, logged)
        assert result.broken_count == 0


def landed(folder: Path, *days: tuple[str, str]) -> None:
    """Write a landed file as `ecom extract` does: the spend of days, or nothing any more."""
    lines = [
        json.dumps(
            {
                "spend_date": on,
                "platform": "google_ads",
                "account_id": "shop",
                "campaign_id": "1",
                "campaign_name": "Brand",
                "spend_amount": amount,
                "currency": "EUR",
            }
        )
        for on, amount in days
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.jsonl").write_text("".join(f"{line}\n" for line in lines or [""]))


@pytest.mark.slow
def test_runs_say_what_days_of_a_window_lost(tmp_path: Path) -> None:
    """The 2nd of June loses half of its spend, and then comes back with nothing."""
    spend, orders = tmp_path / "spend", tmp_path / "orders.csv"
    orders.write_text(
        "uniq_id,date_time,customer_id,city_id,city_name,item_id,item_name,quantity,"
        "payment_amount,status,id,currency\n"
        "o1,2026-06-01T10:00:00,c1,1,Berlin,hat,Hat,1,20,shipped,1,EUR\n"
    )

    def run() -> str:
        paths = ("--orders", orders, "--ad-spend", f"native={spend}")
        result = ecom("run", *paths, home=tmp_path / "home", env={"ECOM_CURRENCY": "EUR"})
        assert result.exit_code == 0, result.err
        return result.err

    first, second = (spend / f"campaigns/received_date=2026-06-{day}" for day in (10, 11))
    landed(first, ("2026-06-01", "40"), ("2026-06-02", "60"))
    (spend / STATE).touch()
    assert "less than half" not in run()
    landed(first, ("2026-06-01", "40"))
    landed(second, ("2026-06-02", "20"))
    assert "1, first 20.00 in place of 60.00 on 2026-06-02 of google_ads shop;" in run()
    landed(second)
    assert "1, first 0.00 in place of 20.00 on 2026-06-02 of google_ads shop;" in run()
