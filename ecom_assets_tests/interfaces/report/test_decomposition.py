"""Weeks as people write them; decompositions of a change: worked by hand,
and adding up whatever the numbers.
"""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.marketing.contracts import AdCampaigns
from ecom_assets.core.errors import UsageError
from ecom_assets.core.tables.currencies import rounded_parts, unit_of
from ecom_assets.interfaces.weeks.causes import (
    PartRatio,
    factor_contributions,
    mix_and_rate,
)
from ecom_assets.interfaces.weeks.weekly import Week, changes_of_campaigns
from ecom_assets.interfaces.weeks.wording import campaign_sentence, factor, money, signed_amount
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.markdown import Line, definition

CENT = Decimal("0.01")
COUNTS = st.integers(0, 40)
PARTS = st.dictionaries(
    st.sampled_from("abcd"), st.builds(PartRatio, COUNTS.map(Fraction), COUNTS.map(Fraction))
)


def ratio(line: Line, week: str) -> PartRatio:
    return PartRatio(Fraction(line[f"purchases {week}"]), Fraction(line[f"sessions {week}"]))


def test_the_mix_and_rate_of_the_page_are_what_comes_out() -> None:
    mixed, _ = definition("Why a rate changed, and why revenue did").tables
    now, before = (
        {line["device"]: ratio(line, week) for line in mixed} for week in ("now", "before")
    )
    actual = mix_and_rate(now, before)
    assert {name: (str(float(row.mix)), str(float(row.rate))) for name, row in actual.items()} == {
        line["device"]: (line["mix"], line["rate"]) for line in mixed
    }


def test_the_factors_of_the_page_are_what_comes_out() -> None:
    _, factors = definition("Why a rate changed, and why revenue did").tables
    now, before = ([Fraction(line[week]) for line in factors] for week in ("now", "before"))
    parts = factor_contributions(now, before)
    assert [str(amount) for amount in rounded_parts(parts, Decimal("400.00"), CENT)] == [
        line["adds"] for line in factors
    ]


def test_two_factors_are_mean_times_change() -> None:
    # 10 orders of 50 become 12 of 40: (12 - 10) x 45 = 90 by orders, (40 - 50) x 11 = -110 by
    # value.
    assert factor_contributions([Fraction(12), Fraction(40)], [Fraction(10), Fraction(50)]) == [
        90,
        -110,
    ]


def test_a_part_that_is_new_or_gone_is_all_mix() -> None:
    actual = mix_and_rate(
        {"old": PartRatio(Fraction(1), Fraction(10)), "new": PartRatio(Fraction(3), Fraction(10))},
        {"old": PartRatio(Fraction(1), Fraction(10))},
    )
    # Half of the sessions are of the new part, which converts at 30 % where the whole's mean is 15
    # %.
    assert (actual["new"].mix, actual["new"].rate) == (Fraction(3, 40), Fraction(0))
    assert sum(row.mix + row.rate for row in actual.values()) == Fraction(4, 20) - Fraction(1, 10)


@examples(100)
@given(PARTS, PARTS)
def test_mix_and_rate_add_up_to_the_change(
    now: dict[str, PartRatio], before: dict[str, PartRatio]
) -> None:
    totals = [
        (
            sum(part.numerator for part in parts.values()),
            sum(part.denominator for part in parts.values()),
        )
        for parts in (now, before)
    ]
    if not all(denominator for _, denominator in totals):
        with pytest.raises(ValueError, match="without a denominator"):
            mix_and_rate(now, before)
        return
    change = Fraction(*totals[0]) - Fraction(*totals[1])
    assert sum(part.mix + part.rate for part in mix_and_rate(now, before).values()) == change


@examples(100)
@given(st.lists(st.tuples(st.fractions(-99, 99), st.fractions(-99, 99)), min_size=1, max_size=4))
def test_factors_add_up_to_the_change_of_the_product(
    pairs: list[tuple[Fraction, Fraction]],
) -> None:
    now, before = Fraction(1), Fraction(1)
    for left, other in pairs:
        now, before = now * left, before * other
    assert (
        sum(factor_contributions([new for new, _ in pairs], [old for _, old in pairs]))
        == now - before
    )


@examples(100)
@given(st.lists(st.fractions(-999, 999), min_size=1, max_size=9))
def test_rounded_parts_add_up_and_are_off_by_a_cent_at_most(parts: list[Fraction]) -> None:
    total = Decimal(round(sum(parts) * 100)) / 100
    actual = rounded_parts(parts, total, CENT)
    assert sum(actual) == total
    assert all(
        abs(Fraction(amount) - part) < Fraction(1, 100) + Fraction(1, 200)
        for amount, part in zip(actual, parts, strict=True)
    )


def test_parts_of_another_total_are_refused() -> None:
    with pytest.raises(ValueError, match="is not the sum"):
        rounded_parts([Fraction(1), Fraction(2)], Decimal("3.02"), CENT)


@pytest.mark.parametrize(
    ("written", "monday"),
    [
        ("2026-W04", date(2026, 1, 19)),
        ("2026-W01", date(2025, 12, 29)),
        ("2026-W53", date(2026, 12, 28)),
    ],
)
def test_a_week_is_that_of_iso_8601(written: str, monday: date) -> None:
    week = Week.parse(written)
    assert (week.first, str(week), (week.last - monday).days) == (monday, written, 6)


@each(
    "week_start, first",
    [
        ("monday", date(2026, 1, 19)),
        ("tuesday", date(2026, 1, 20)),
        ("wednesday", date(2026, 1, 21)),
        ("thursday", date(2026, 1, 22)),
        ("friday", date(2026, 1, 16)),
        ("saturday", date(2026, 1, 17)),
        ("sunday", date(2026, 1, 18)),
    ],
)
def test_a_week_that_begins_on_another_day_is_named_by_the_iso_week_of_most_of_its_days(
    week_start: str, first: date
) -> None:
    week = Week.parse("2026-W04", week_start)
    assert (week.first, str(week)) == (first, "2026-W04")
    assert str(week.before) == "2026-W03"
    assert Week.newest_whole(week.last, week_start) == week
    assert Week.newest_whole(week.last - timedelta(days=1), week_start) == week.before


@each("wrong", ["2026-W60", "2025-W53", "2026-W00", "2026-04", "W04", "2026-W4", "", "2026-W04 "])
def test_a_wrong_week_is_reported_in_one_sentence(wrong: str) -> None:
    with pytest.raises(UsageError) as reported:
        Week.parse(wrong)
    assert (
        str(reported.value)
        == f"--week {wrong!r} is not an ISO week; use YYYY-Www, such as 2026-W04."
    )


@pytest.mark.parametrize(
    ("newest", "week"), [(date(2026, 1, 25), "2026-W04"), (date(2026, 1, 31), "2026-W04")]
)
def test_the_newest_week_is_over(newest: date, week: str) -> None:
    assert str(Week.newest_whole(newest)) == week


@pytest.mark.parametrize(
    ("currency", "parts"),
    # 100 shared in three: what is left of the last digit goes to the first.
    [
        ("JPY", ["34", "33", "33"]),
        ("EUR", ["33.34", "33.33", "33.33"]),
        ("KWD", ["33.334", "33.333", "33.333"]),
    ],
)
def test_parts_are_in_the_digits_of_the_currency_and_add_up(
    currency: str, parts: list[str]
) -> None:
    actual = rounded_parts([Fraction(100, 3)] * 3, Decimal(100), unit_of(currency))
    assert ([str(part) for part in actual], sum(actual)) == (parts, 100)


@pytest.mark.parametrize(
    ("currency", "texts"),
    [
        ("JPY", ("1,235 JPY", "+1,235", "13")),
        ("KWD", ("1,234.568 KWD", "+1,234.568", "12.500")),
        ("EUR", ("1,234.57 EUR", "+1,234.57", "12.50")),
    ],
)
def test_the_report_writes_amounts_in_the_digits_of_the_currency(
    currency: str, texts: tuple[str, ...]
) -> None:
    amount = Decimal("1234.5675")
    written = (
        money(amount, currency),
        signed_amount(amount, currency),
        factor("revenue_per_order", 12.5, currency),
    )
    assert written == texts


def campaign(name: str, platform: str, spend: str | None, revenue: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(AdCampaigns.key, name),
        "platform": platform,
        "campaign_name": name,
        "spend_amount": None if spend is None else Decimal(spend),
        "credited_revenue_amount": Decimal(revenue),
    }


def test_spend_of_a_campaign_that_no_account_reports_did_not_change_by_nothing() -> None:
    now = [campaign("brand", "google_ads", "30", "200"), campaign("news", "(none)", None, "90")]
    before = [campaign("brand", "google_ads", "20", "250"), campaign("news", "(none)", None, "50")]
    changed = changes_of_campaigns(now, before, "EUR")
    assert [campaign_sentence(row, "EUR") for row in changed] == [
        "brand (google_ads): spend +10.00, revenue credited \N{MINUS SIGN}50.00",
        "news: spend not known, revenue credited +40.00",
    ]
