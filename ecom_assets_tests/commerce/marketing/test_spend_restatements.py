"""What platforms restate is logged by day and campaign; small changes are logged as their sum."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from ecom_assets.commerce.marketing.contracts import AdSpendDaily
from ecom_assets.commerce.reconciliation.restatements import ChangedNumber, changed_numbers
from ecom_assets.core.tables.portable import schema_of

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
