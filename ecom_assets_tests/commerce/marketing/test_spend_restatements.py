"""What platforms restate is logged by day and campaign; small changes are logged as their sum."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from ecom_assets.commerce.marketing.contracts import AdSpend, AdSpendDaily
from ecom_assets.commerce.reconciliation.contracts import PublishedDays, Restatements
from ecom_assets.commerce.reconciliation.restatements import (
    ChangedNumber,
    RestatementLog,
    changed_numbers,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.published_numbers import outside

D = Decimal
DAY = date(2026, 6, 1)


def state(*campaigns: tuple[str, str]) -> pa.Table:
    """Return rows of a day: campaigns, and what each cost."""
    rows = [
        dict.fromkeys(AdSpendDaily.columns)
        | {
            "spend_date": DAY,
            "platform": "google_ads",
            "account_id": "shop",
            "campaign_key": key,
            "currency": "EUR",
            "account_spend_amount": D(amount),
            "spend_amount": D(amount),
            "is_conflict": False,
        }
        for key, amount in campaigns
    ]
    return pa.Table.from_pylist(rows, schema=schema_of(AdSpendDaily).to_pyarrow())


def changes(before: pa.Table, after: pa.Table) -> list[ChangedNumber]:
    return [
        change
        for change in changed_numbers(AdSpendDaily, before, after)
        if change.column == "spend_amount"
    ]


@pytest.mark.parametrize(
    ("before", "after", "is_small"),
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
