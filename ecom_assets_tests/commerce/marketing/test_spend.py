"""Which received rows of ad spend count, and which loads."""

from datetime import date, datetime, time
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from ecom_assets.commerce.marketing.contracts import AdSpend, AdSpendDaily, QuarantinedAdSpend
from ecom_assets.commerce.marketing.spend import quarantined_ad_spend
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.marketing.spend_rows import DAY, AdShop, D, received, spend
from ecom_assets_tests.each import each

ARRIVED, LATER = date(2026, 6, 10), date(2026, 6, 11)


def shop_of(*rows: Row) -> AdShop:
    shop = AdShop()
    shop.load(*rows)
    return shop


def test_the_newest_load_replaces_the_day_of_its_account_whole() -> None:
    shop = shop_of(spend("1 Brand", "10"), spend("2 Shoes", "20.000001"))
    assert shop.spent() == {"Brand": D(10), "Shoes": D("20.000001")}
    shop.load(spend("1 Brand", "9.5", file="again.csv", arrived=LATER))
    assert shop.spent() == {"Brand": D("9.5")}
    (row,) = shop.rows(AdSpend)
    assert (row["source_file"], row["is_conflict"], row["row_count"]) == ("again.csv", False, 1)


def test_an_older_load_of_the_same_day_of_arrival_is_found_by_when_it_was_written() -> None:
    shop = shop_of(
        spend("1 Brand", "10", file="b.csv", received_at=datetime.combine(ARRIVED, time(11))),
        spend("1 Brand", "11", file="a.csv"),
    )
    assert shop.spent() == {"Brand": D(11)}


def test_another_export_of_the_day_with_other_campaigns_counts_beside_it() -> None:
    shop = shop_of(
        spend("1 Brand", "10", file="brand.csv"),
        spend("2 Shoes", "20", file="rest.csv", arrived=LATER),
        spend("2 Shoes", "21", file="rest 2.csv", arrived=date(2026, 6, 12)),
    )
    assert shop.spent() == {"Brand": D(10), "Shoes": D(21)}
    assert [row["is_conflict"] for row in shop.rows(AdSpend)] == [True, True]


def test_exports_with_ids_and_without_are_one_account_by_their_names() -> None:
    shop = shop_of(
        spend(" Brand", "10", file="page.csv"),
        spend("1 brand ", "10", file="api.csv", arrived=LATER),
    )
    assert list(shop.spent().values()) == [D(10)]


def test_a_campaign_that_was_renamed_is_one_by_its_id() -> None:
    shop = shop_of(spend("1 Brand", "10"), spend("1 Brand DE", "12", file="b.csv", arrived=LATER))
    assert shop.spent() == {"Brand DE": D(12)}


def test_accounts_and_platforms_do_not_replace_each_other() -> None:
    shop = shop_of(
        spend("1 Brand", "10"),
        spend("1 Brand", "7", file="b.csv", arrived=LATER, account_id="outlet"),
        spend("1 Brand", "5", file="c.csv", arrived=LATER, platform="microsoft_ads"),
    )
    assert shop.spent() == {"Brand": D(22)}


def test_money_is_that_of_campaigns_where_ad_groups_stand_beside_them() -> None:
    groups = [
        spend("1 Brand", amount, file="groups.csv", arrived=LATER, ad_group_name=name)
        for name, amount in (("Exact", "4"), ("Broad", "5"))
    ]
    shop = shop_of(*groups, spend("2 Max", "1", file="groups.csv", arrived=LATER))
    assert shop.spent() == {"Brand": D(9), "Max": D(1)}
    shop.load(spend("1 Brand", "10"), spend("2 Max", "1"))
    assert shop.spent() == {"Brand": D(10), "Max": D(1)}
    levels = {(row["level"], row["is_counted"]) for row in shop.rows(AdSpend)}
    assert levels == {("campaign", True), ("ad_group", False)}


def test_rows_of_a_load_about_one_campaign_add_up_and_corrections_are_below_zero() -> None:
    shop = shop_of(spend("1 Brand", "10"), spend("1 Brand", "5"), spend("1 Brand", "-2.5"))
    assert shop.spent() == {"Brand": D("12.5")}


@each(
    "row, reason",
    [
        (spend(None, "30", on=None, received_spend_date="Total: Account"), "total_line"),
        (spend(" Total", "30", on=None), "total_line"),
        (spend(" Total", "30"), None),  # of a day: what it is cannot be known by its name
        (spend("1 Totally new", "30"), None),
        (spend("1 Brand", "3", until_date=date(2026, 6, 7)), "several_days"),
        (spend("1 Brand", "3", until_date=DAY), None),
        (spend("1 Brand", "3", account_id=None), "missing_account"),
        (spend("1 Brand", "3", on=None, received_spend_date="June"), "unparseable_spend_date"),
        (spend(None, "3"), "missing_campaign"),
        (spend("1 Brand", None), "missing_spend"),
        (spend("1 Brand", "3", account_spend_amount=None), "unparseable_spend"),
        (spend("1 Brand", "3", currency=None), "missing_currency"),
        (spend("1 Brand", "3", unrated_currency="USD", spend_amount=None), "currency_without_rate"),
        (spend("1 Brand", "0"), None),
    ],
)
def test_a_row_that_does_not_count_says_why(row: Row, reason: str | None) -> None:
    rows: list[Any] = quarantined_ad_spend(received([row])).to_pyarrow().to_pylist()
    assert [each["reject_reason"] for each in rows] == ([reason] if reason else [])


def test_a_total_is_not_spent() -> None:
    total = spend(None, "30", on=None, received_spend_date="Total: Campaigns")
    shop = shop_of(spend("1 Brand", "10"), spend("2 Shoes", "20"), total)
    assert sum(shop.spent().values()) == D(30)
    assert [row["reject_reason"] for row in shop.rows(QuarantinedAdSpend)] == ["total_line"]


def expected_spend(rows: list[Row]) -> dict[tuple[Any, ...], Decimal]:
    """Return, in plain Python, what each campaign cost by day and account."""
    loads: dict[tuple[Any, ...], dict[tuple[date, str], list[Row]]] = {}
    for row in rows:
        account = (row["spend_date"], row["account_id"])
        load = (row["received_date"], row["source_file"])
        loads.setdefault(account, {}).setdefault(load, []).append(row)
    result: dict[tuple[Any, ...], Decimal] = {}
    for account, of_day in loads.items():
        seen: set[str] = set()
        for load in sorted(of_day, reverse=True):
            keys = {row["campaign_id"] or row["campaign_name"].lower() for row in of_day[load]}
            names = {f"name {row['campaign_name'].lower()}" for row in of_day[load]}
            if not seen & (keys | names):
                for row in of_day[load]:
                    key = (*account, row["campaign_id"] or row["campaign_name"].lower())
                    result[key] = result.get(key, D(0)) + row["spend_amount"]
            seen |= keys | names
    return result


@pytest.mark.slow
@each("seed", range(8))
def test_any_loads_count_as_they_do_one_by_one(seed: int) -> None:
    dice = Random(seed)  # noqa: S311 (no secret)
    files = {f"{number}.csv": date(2026, 6, 10 + dice.randrange(3)) for number in range(5)}
    rows = [
        spend(
            dice.choice(["1 Brand", "2 Shoes", "3 Hats", " Brand", " Hats", "4 shoes"]),
            str(dice.randrange(100)),
            file=file,
            on=date(2026, 6, dice.randrange(1, 4)),
            arrived=arrived,
            account_id=dice.choice(["shop", "outlet"]),
            spend_id=str(number),
        )
        for number in range(60)
        for file, arrived in [dice.choice([*files.items()])]
    ]
    shop = shop_of(*rows)
    found = {
        (row["spend_date"], row["account_id"], row["campaign_key"]): row["spend_amount"]
        for row in shop.rows(AdSpendDaily)
    }
    assert found == expected_spend(rows)
