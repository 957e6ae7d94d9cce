"""Events against orders: who finds whom, and for which cause they differ, to the cent."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from ecom_assets.commerce.attribution.order_sums import SumsOfData
from ecom_assets.commerce.reconciliation.contracts import CAUSES
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, clean_events
from ecom_assets_tests.commerce.reconciliation.reconciliation_reference import (
    ReconciledShop,
    line,
    purchase,
    reference_differences,
    reported,
)
from ecom_assets_tests.hypothesis_settings import seeds

FIRST = date(2026, 3, 9)
WEEK = Days.between(FIRST, FIRST + timedelta(days=7))
LONG = Days.between(FIRST, FIRST + timedelta(days=16))

pytestmark = pytest.mark.xdist_group("reconciliation")


@pytest.fixture(scope="module")
def shop() -> ReconciledShop:
    return ReconciledShop()


def differences(
    shop: ReconciledShop, events: list[Row], lines: list[Row]
) -> list[tuple[str, str, str, Decimal]]:
    """Day of the month, cause, id of the record, and amount."""
    shop.land(events, lines)
    return [
        (str(row["reconciled_date"].day), row["cause"], row["record_id"], row["difference_amount"])
        for row in shop.differences(WEEK)
    ]


def test_an_event_that_names_its_order_matches_its_lines(shop: ReconciledShop) -> None:
    events = [purchase("e1", "2026-03-10 09:00", amount="30", order="A1")]
    lines = [
        line("A1-1", "2026-03-10 09:05", amount="10"),
        line("A1-2", "2026-03-10 09:05", amount="20"),
    ]
    assert differences(shop, events, lines) == []


def test_an_order_s_own_id_is_found_too(shop: ReconciledShop) -> None:
    events = [
        purchase("e1", "2026-03-10 09:00", order="N-77"),
        purchase("e2", "2026-03-10 09:00", "ben", order=4711),
    ]
    lines = [
        line("x", "2026-03-10 18:00", "carl", order_id="N-77"),
        line("y", "2026-03-10 18:00", "dora", order_id="4711"),
    ]
    assert differences(shop, events, lines) == []


def test_an_order_without_an_event_and_an_event_without_an_order(shop: ReconciledShop) -> None:
    events = [purchase("e1", "2026-03-10 09:00", "anna", 25, order="gone")]
    lines = [line("B1-1", "2026-03-11 09:00", "ben", 30, order_id="B1")]
    assert differences(shop, events, lines) == [
        ("10", "missing_order", "e1", Decimal(-25)),
        ("11", "missing_event", "B1", Decimal(30)),
    ]


def test_an_event_that_says_another_amount_differs_by_that(shop: ReconciledShop) -> None:
    lines = [line("A1-1", "2026-03-10 09:00", order_id="A1")]
    assert differences(
        shop, [purchase("e1", "2026-03-10 09:00", amount="24.90", order="A1")], lines
    ) == [("10", "amount_differs", "A1", Decimal("-4.90"))]
    assert differences(
        shop, [purchase("e1", "2026-03-10 09:00", amount=None, order="A1")], lines
    ) == [("10", "amount_differs", "A1", Decimal(20))]


def test_a_second_event_of_an_order_is_a_duplicate_whatever_its_amount(
    shop: ReconciledShop,
) -> None:
    events = [
        purchase(f"e{n}", f"2026-03-10 09:0{n}", amount=amount, order="A1")
        for n, amount in enumerate((20, 5))
    ]
    lines = [line("A1-1", "2026-03-10 09:00")]
    assert differences(shop, events, lines) == [("10", "duplicate", "e1", Decimal(-5))]


@pytest.mark.parametrize(
    ("clock", "cause"), [("10:00:00", "duplicate"), ("10:00:01", "missing_order")]
)
def test_an_event_without_an_order_repeats_one_of_the_last_hour(
    shop: ReconciledShop, clock: str, cause: str
) -> None:
    events = [purchase("e1", "2026-03-10 09:00"), purchase("e2", f"2026-03-10 {clock}")]
    assert differences(shop, events, [line("x", "2026-03-10 09:00:10")]) == [
        ("10", cause, "e2", Decimal(-20))
    ]


def test_a_refund_that_only_one_side_knows(shop: ReconciledShop) -> None:
    events = [purchase("e1", "2026-03-10 09:00", amount=8, kind="refund")]
    lines = [line("B1-1-r", "2026-03-11 09:00", "ben", 30, status="refunded", order_id="B1")]
    assert differences(shop, events, lines) == [
        ("10", "refund", "e1", Decimal(8)),
        ("11", "refund", "B1", Decimal(-30)),
    ]


def test_a_refund_and_its_event_match_beside_the_purchase_of_the_same_order(
    shop: ReconciledShop,
) -> None:
    events = [
        purchase("e1", "2026-03-10 09:00", order="A1"),
        purchase("e2", "2026-03-12 09:00", order="A1", kind="refund"),
    ]
    lines = [
        line("A1-1", "2026-03-10 09:00"),
        line("A1-1-r", "2026-03-12 11:00", status="refunded"),
    ]
    assert differences(shop, events, lines) == []


def test_a_clock_of_another_zone_moves_an_order_to_the_next_day_and_both_add_up(
    shop: ReconciledShop,
) -> None:
    events = [purchase("e1", "2026-03-10 23:30", amount="19", order="A1")]
    lines = [line("A1-1", "2026-03-11 01:30", order_id="A1")]
    assert differences(shop, events, lines) == [
        ("10", "time_zone_shift", "e1", Decimal(-19)),
        ("11", "amount_differs", "A1", Decimal(1)),
        ("11", "time_zone_shift", "A1", Decimal(19)),
    ]


@pytest.mark.parametrize(
    ("ordered", "count"), [("2026-03-11 12:00:00", 2), ("2026-03-11 12:00:01", 2)]
)
def test_without_an_id_equal_amounts_of_fourteen_hours_match(
    shop: ReconciledShop, ordered: str, count: int
) -> None:
    lines = [line("x", ordered)]
    actual = differences(shop, [purchase("e1", "2026-03-10 22:00")], lines)
    is_one = ordered.endswith("00")
    assert [cause for _, cause, _, _ in actual] == (
        ["time_zone_shift"] * count if is_one else ["missing_order", "missing_event"]
    )


@pytest.mark.parametrize(("clock", "causes"), [("10:00:00", ["amount_differs"]), ("10:00:01", [])])
def test_without_an_id_another_amount_must_be_near(
    shop: ReconciledShop, clock: str, causes: list[str]
) -> None:
    actual = differences(
        shop, [purchase("e1", "2026-03-10 09:00")], [line("x", f"2026-03-10 {clock}", amount=18)]
    )
    assert [cause for _, cause, _, _ in actual] == (causes or ["missing_order", "missing_event"])


def test_equal_purchases_of_one_day_find_two_orders(shop: ReconciledShop) -> None:
    events = [purchase("e1", "2026-03-10 09:00"), purchase("e2", "2026-03-10 09:05")]
    lines = [line("x", "2026-03-10 09:06"), line("y", "2026-03-10 09:20")]
    assert differences(shop, events, lines) == []


def test_rows_say_who_was_matched_with_whom_and_how(shop: ReconciledShop) -> None:
    shop.land(
        [purchase("e1", "2026-03-10 09:00", amount=24, order="?")], [line("x", "2026-03-10 09:10")]
    )
    (row,) = shop.differences(WEEK)
    assert (row["matched_by"], row["order_id"], row["event_id"]) == (
        "customer_time",
        row["record_id"],
        "e1",
    )
    assert (row["order_amount"], row["event_amount"], row["named_order_id"]) == (20, 24, "?")


def test_properties_that_are_no_json_name_no_order(shop: ReconciledShop) -> None:
    odd = [
        purchase(f"e{n}", "2026-03-10 09:00", f"v{n}") | {"properties": text}
        for n, text in enumerate(ODD)
    ]
    shop.land(odd, [])
    assert [row["named_order_id"] for row in shop.differences(WEEK)] == [
        None,
        None,
        None,
        None,
        "a b",
        "7",
        "T1",
    ]


ODD = (
    None,
    "",
    "not json",
    '{"order_id":null}',
    '{"order_id" : "a b", "x":1}',
    '{"x":{"order_id":7}}',
    '{"transaction_id":"T1"}',
)


def test_nothing_gives_nothing(shop: ReconciledShop) -> None:
    shop.land([], [])
    assert (shop.differences(WEEK), shop.totals(WEEK)) == ([], [])


def with_shipping(*charged: object, said: object = None) -> tuple[list[Row], list[Row]]:
    """Return orders of 20.00, each with what was charged for shipping, and their events, which have
    it, or that which is said.
    """
    events, lines = [], []
    for n, shipping in enumerate(charged):
        when, who = f"2026-03-10 {n:02}:00", f"buyer{n}"
        amount = 20 + Decimal(str(shipping or 0)) if said is None else said
        money = None if shipping is None else Decimal(str(shipping))
        events.append(purchase(f"e{n:02}", when, who, amount, order=f"A{n:02}"))
        lines.append(line(f"A{n:02}-1", when, who, order_id=f"A{n:02}", shipping_amount=money))
    return events, lines


def sums_by_cause(shop: ReconciledShop, events: list[Row], lines: list[Row]) -> dict[str, Decimal]:
    """Return how often each cause is there, and the sum of its amounts."""
    sums: dict[str, Decimal] = {}
    for _, cause, _, amount in differences(shop, events, lines):
        sums[cause] = sums.get(cause, Decimal(0)) + amount
    return sums


@pytest.mark.slow
def test_what_a_sender_always_sends_beside_the_items_is_no_other_amount(
    shop: ReconciledShop,
) -> None:
    """Nine events have shipping of 4.90, and one a mistake of 3.00: -9 x 4.90 and another -4.90
    are what shipping comes to, and the mistake is the rest.
    """
    events, lines = with_shipping(*[4.9] * 10)
    events[9] |= {"cart_amount": Decimal("27.90")}
    assert sums_by_cause(shop, events, lines) == {
        "other_parts": Decimal("-49.00"),
        "amount_differs": Decimal("-3.00"),
    }
    (day,) = shop.totals(WEEK)
    assert (day["order_count"], day["matched_count"], day["other_parts_count"]) == (10, 9, 10)
    assert day["sent_sums"] == "purchase + shipping"


@pytest.mark.parametrize("right", [9, 8])
def test_of_ten_pairs_nine_have_to_equal_the_sum(shop: ReconciledShop, right: int) -> None:
    events, lines = with_shipping(*[4.9] * 10)
    for event in events[right:]:
        event |= {"cart_amount": Decimal(50)}
    causes = {"other_parts", "amount_differs"} if right == 9 else {"amount_differs"}
    assert sums_by_cause(shop, events, lines).keys() == causes


def test_nine_pairs_say_nothing_of_a_sender(shop: ReconciledShop) -> None:
    events, lines = with_shipping(*[4.9] * 9)
    assert sums_by_cause(shop, events, lines) == {"amount_differs": Decimal("-44.10")}


def test_what_one_sender_sends_says_nothing_of_another(shop: ReconciledShop) -> None:
    events, lines = with_shipping(*[4.9] * 11)
    events[10] |= {"sent_by": "key:app"}
    assert sums_by_cause(shop, events, lines) == {
        "other_parts": Decimal("-49.00"),
        "amount_differs": Decimal("-4.90"),
    }


def test_a_sender_of_the_items_alone_is_as_ever(shop: ReconciledShop) -> None:
    """Half of the orders have no shipping: 15 of 15 amounts are the items, 7 those with it."""
    events, lines = with_shipping(*[4.9, 0, None] * 5, said=20)
    assert sums_by_cause(shop, events, lines) == {}


def test_two_sums_that_as_many_amounts_equal_say_nothing(shop: ReconciledShop) -> None:
    """Taxes and shipping are 4.90 each: nobody knows which of them the events have."""
    events, lines = with_shipping(*[4.9] * 10)
    lines = [row | {"tax_amount": Decimal("4.90")} for row in lines]
    assert sums_by_cause(shop, events, lines) == {"amount_differs": Decimal("-49.00")}


def test_amounts_before_discounts_with_taxes_and_shipping_are_a_sum_too(
    shop: ReconciledShop,
) -> None:
    """20.00 were paid for what costs 25.00; with taxes of 3.80 and shipping, events say 33.70."""
    events, lines = with_shipping(*[4.9] * 10, said=Decimal("33.70"))
    more = {"tax_amount": Decimal("3.80"), "discount_amount": Decimal(5)}
    assert sums_by_cause(shop, events, [row | more for row in lines]) == {
        "other_parts": Decimal("-137.00")
    }


def test_a_refund_with_its_shipping_is_of_refunds_alone(shop: ReconciledShop) -> None:
    """Ten refunds of 20.00 and 4.90: orders less events of refunds are 10 x 4.90."""
    events, lines = with_shipping(*[4.9] * 10)
    events = [event | {"event_type": "refund"} for event in events]
    lines = [row | {"status": "refunded"} for row in lines]
    assert sums_by_cause(shop, events, lines) == {"other_parts": Decimal("49.00")}


def test_without_an_id_a_sum_of_the_order_s_parts_matches_like_its_items(
    shop: ReconciledShop,
) -> None:
    """Five hours lie between order and event, too many for two amounts that nothing explains."""
    lines = [line("x", "2026-03-10 14:00", shipping_amount=Decimal("4.90"))]
    for amount, causes in (
        ("24.90", ["amount_differs"]),
        ("24.80", ["missing_order", "missing_event"]),
    ):
        actual = differences(shop, [purchase("e1", "2026-03-10 09:00", amount=amount)], lines)
        assert sorted(cause for _, cause, _, _ in actual) == sorted(causes)


def random_shop(dice: random.Random, days: Days) -> tuple[list[Row], list[Row]]:
    """A few people who buy the same things again and again, around midnight more than not,
    with or without ids, and with taxes and shipping, which events may have or not.
    """

    def when() -> str:
        day = dice.choice(days.dates)
        clock = dice.choice((0, 60, 600, 3599, 3600, 7200, 36_000, 79_200, 82_800, 86_399))
        return (datetime.combine(day, datetime.min.time()) + timedelta(seconds=clock)).isoformat()

    ids = [f"o{n}" for n in range(6)]
    # Two orders share a key, which is nobody's then; and keys may be the ids of other orders. Third
    # names are numbers, two of which differ by a leading zero alone.
    thirds = ("010", "10", "012", "0013", "n4", "n5")
    keys = {
        f"o{n}": f"{dice.choice((f'k{n % 4}', f'o{(n + 1) % 6}'))} {thirds[n]}" for n in range(6)
    }
    events, lines = [], []
    for n in range(dice.randint(0, 24)):
        names = (*ids, *ids, "k0", "k2", "10", "12", "0")
        named = {"order": dice.choice(names)} if dice.random() < 0.6 else {}
        kind, amount = (
            dice.choice(("purchase", "purchase", "refund")),
            dice.choice((10, 10, 20, 12, 15, 17, None)),
        )
        event = purchase(f"e{n:02}", when(), dice.choice("abc"), amount, kind=kind, **named)
        events.append(event | {"sent_by": dice.choice((None, None, "key:app"))})
    for n in range(dice.randint(0, 24)):
        own = {"order_id": dice.choice(ids)} if dice.random() < 0.5 else {}
        own |= {"order_keys": keys[own["order_id"]]} if own else {}
        if own and dice.random() < 0.2:  # another order claims its number
            number = own["order_id"]
            own |= {"order_id": f"{number} (2)", "shared_order_id": number}
        status = dice.choice(("shipped", "shipped", "refunded"))
        suffix = "-r" if status == "refunded" else ""
        charges: Row = {
            "shipping_amount": dice.choice((None, Decimal(5), Decimal(5))),
            "tax_amount": dice.choice((Decimal(2), Decimal(0))),
        }
        uniq_id = f"{dice.choice((*ids, 'p', 'q'))}-{n}{suffix}"
        lines.append(
            line(
                uniq_id,
                when(),
                dice.choice("abc"),
                dice.choice((10, 10, 20)),
                status=status,
                **own,
                **charges,
            )
        )
    return events, lines


def check(shop: ReconciledShop, seed: int, days: Days, cuts: list[Days]) -> None:
    """Compare a random shop with the reference: over all days at once, and day by day."""
    events, lines = random_shop(random.Random(seed), days)  # noqa: S311 (stories, not secrets)
    shop.land(events, lines)
    expected = reference_differences(clean_events(events).to_pylist(), lines, (2, 0.5))
    assert reported(shop.differences(days)) == expected, f"shop {seed}"
    for cut in cuts:
        expected_rows = [row for row in expected if row[0] in cut.dates]
        assert reported(shop.differences(cut)) == expected_rows, f"{cut.dates} of shop {seed}"
    for row in shop.totals(days):
        by_cause = sum((row[f"{cause}_amount"] for cause in CAUSES), Decimal(0))
        assert row["order_amount"] - row["event_amount"] == row["difference_amount"] == by_cause, (
            f"shop {seed}"
        )


@pytest.fixture(scope="module")
def quick_shop() -> ReconciledShop:
    """A shop of which two pairs say what a sender sends."""
    return ReconciledShop(SumsOfData(least_pairs=2, least_share=0.5))


@pytest.mark.slow
def test_random_shops_differ_as_the_definition_says_whichever_days_are_asked_for(
    quick_shop: ReconciledShop,
) -> None:
    for seed in range(3):
        days = WEEK if seed % 2 else LONG
        check(quick_shop, seed, days, [Days((days.dates[3],)), Days(days.dates[1:3])])


@pytest.mark.slow
def test_hundreds_of_random_shops_differ_as_the_definition_says(
    quick_shop: ReconciledShop,
) -> None:
    """Of each also one day alone: one before the middle, and the day after it, in turn."""
    for seed in seeds(range(1000, 1240)):
        check(quick_shop, seed, LONG, [Days((LONG.dates[7 + seed % 2],))])
