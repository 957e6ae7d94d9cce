"""What `docs/metrics/` says about channels and credit, recomputed from its own input."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from ecom_assets.commerce.attribution.checks import channels_add_up_to_the_conversion
from ecom_assets.commerce.attribution.contracts import (
    CHANNELS,
    MODELS,
    ChannelAttribution,
    ChannelRemovalEffects,
    ConversionCredit,
    Conversions,
    Touches,
)
from ecom_assets_tests.builders import Row
from ecom_assets_tests.markdown import Line
from ecom_assets_tests.platform import ShopPlatform
from ecom_assets_tests.test_metrics_doc import as_shown, rows_of, run, tables


@pytest.fixture(scope="module")
def platform() -> Iterator[ShopPlatform]:
    shop_platform = ShopPlatform()
    yield shop_platform
    shop_platform.close()


@pytest.mark.slow
def test_sources_and_channels_are_those_of_the_page(platform: ShopPlatform) -> None:
    lines = [line for table in tables("Source and medium") for line in table]
    visits = [
        {"visitor": f"v{n:02}", "event_at": "2026-03-08 09:00", "event_type": "page_view"}
        | {name: line[name] for name in ("page_url", "referrer_url")}
        for n, line in enumerate(lines)
    ]
    run(platform, rows_of(visits))
    expected = [
        {name: line[name] for name in ("source", "medium", "campaign", "channel")} for line in lines
    ]
    assert as_shown(platform.rows(Touches), expected) == expected


def test_the_rules_stand_in_their_order() -> None:
    (rules,) = tables("Rules of channels")
    assert tuple(line["channel"] for line in rules) == CHANNELS


@pytest.mark.slow
def test_every_model_is_described_and_shares_the_example_as_the_page_says(
    platform: ShopPlatform,
) -> None:
    models, done = tables("Attribution")
    expected, _ = tables("Credit of the example")
    assert (
        [line["model"] for line in models] == [line["model"] for line in expected] == list(MODELS)
    )
    bought(platform, done)
    rows = platform.rows(ChannelAttribution)
    assert [line_of(rows, model) for model in MODELS] == expected


@pytest.mark.slow
def test_a_single_purchase_says_which_channels_led_to_it(platform: ShopPlatform) -> None:
    """Anna came by Email, Direct and Organic Search, and buys for 30.00;
    a refund of 15.00 takes half of it back.
    """
    _, done = tables("Attribution")
    bought(platform, done)
    of_anna = [row for row in platform.rows(ConversionCredit) if row["visitor_id"] == "anna"]
    for is_refund, parts in ((False, (12, 6, 12)), (True, (-6, -3, -6))):
        rows = {row["channel"]: row for row in of_anna if row["is_refund"] == is_refund}
        by_position = [
            rows[name]["position_revenue_amount"] for name in ("Email", "Direct", "Organic Search")
        ]
        assert by_position == [Decimal(part) for part in parts]
        assert sum(row["position_credit"] for row in rows.values()) == (0 if is_refund else 1)
        (purchase,) = [
            r
            for r in platform.rows(Conversions)
            if (r["visitor_id"], r["is_refund"]) == ("anna", is_refund)
        ]
        assert {row["conversion_id"] for row in rows.values()} == {purchase["conversion_id"]}


DEFECTS = [
    "DELETE FROM mart.conversion_credit WHERE channel = 'Direct'",
    "DELETE FROM mart.conversion_credit WHERE is_refund",
    "UPDATE mart.conversion_credit SET j_credit = j_credit * 2",
    "UPDATE mart.conversion_credit SET conversion_id = 'x' || conversion_id",
    (
        "UPDATE mart.conversion_credit SET first_revenue_amount = first_revenue_amount + 0.01 "
        "WHERE NOT is_refund"
    ),
]


@pytest.mark.slow
def test_a_conversion_whose_parts_do_not_add_up_is_seen(
    platform: ShopPlatform, subtests: pytest.Subtests
) -> None:
    _, done = tables("Attribution")
    bought(platform, done)
    check = channels_add_up_to_the_conversion

    def broken_count() -> int:
        read = [platform.table(table) for table in check.tables]
        return check.evaluate(None, *read).broken_count

    assert broken_count() == 0
    for defect in DEFECTS:
        with subtests.test(defect), platform.made_good_again():
            platform.engine.execute(defect)
            assert broken_count() > 0


def line_of(rows: list[Row], model: str) -> Line:
    """Return a model's credit and revenue by channel as the page writes them."""
    line = {"model": model}
    of_model = [row for row in rows if row["model"] == model]
    for channel in ("Email", "Organic Search", "Direct"):
        line[channel] = str(
            float(
                round(
                    sum((r["credit"] for r in of_model if r["channel"] == channel), Decimal(0)), 4
                )
            )
        )
    for channel in ("Email", "Organic Search", "Direct"):
        amounts = (row["revenue_amount"] for row in of_model if row["channel"] == channel)
        line[f"{channel} revenue"] = f"{sum(amounts, Decimal(0)):.2f}"
    return line


@pytest.mark.slow
def test_the_removal_effects_are_those_worked_out_by_hand(platform: ShopPlatform) -> None:
    _, done = tables("Attribution")
    (expected,) = tables("Removal effects")
    bought(platform, done)
    assert as_shown(platform.rows(ChannelRemovalEffects), expected) == expected


def bought(platform: ShopPlatform, done: list[Line]) -> None:
    """Let happen what the page describes."""
    run(
        platform,
        [
            row | {"cart_amount": row["cart_amount"] and Decimal(row["cart_amount"])}
            for row in rows_of(done)
        ],
    )
