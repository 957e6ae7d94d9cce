"""Events against orders: who finds whom, and for which cause they differ, to the cent."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

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


def random_shop(dice: random.Random, days: Days) -> tuple[list[Row], list[Row]]:
    """A few people who buy the same things again and again, around midnight more than not,
    with or without ids.
    """

    def when() -> str:
        day = dice.choice(days.dates)
        clock = dice.choice((0, 60, 600, 3599, 3600, 7200, 36_000, 79_200, 82_800, 86_399))
        return (datetime.combine(day, datetime.min.time()) + timedelta(seconds=clock)).isoformat()

    ids = [f"o{n}" for n in range(6)]
    # Two orders share a key, which is nobody's then; and keys may be the ids of other orders.
    keys = {f"o{n}": f"{dice.choice((f'k{n % 4}', f'o{(n + 1) % 6}'))} n{n}" for n in range(6)}
    events, lines = [], []
    for n in range(dice.randint(0, 24)):
        names = (*ids, *ids, "k0", "k2", "n1", "n5", "0")
        named = {"order": dice.choice(names)} if dice.random() < 0.6 else {}
        kind, amount = (
            dice.choice(("purchase", "purchase", "refund")),
            dice.choice((10, 10, 20, None)),
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
        uniq_id = f"{dice.choice((*ids, 'p', 'q'))}-{n}{suffix}"
        lines.append(
            line(
                uniq_id, when(), dice.choice("abc"), dice.choice((10, 10, 20)), status=status, **own
            )
        )
    return events, lines


def check(shop: ReconciledShop, seed: int, days: Days, cuts: list[Days]) -> None:
    """Compare a random shop with the reference: over all days at once, and day by day."""
    events, lines = random_shop(random.Random(seed), days)  # noqa: S311 (stories, not secrets)
    shop.land(events, lines)
    expected = reference_differences(clean_events(events).to_pylist(), lines)
    assert reported(shop.differences(days)) == expected, f"shop {seed}"
    for cut in cuts:
        expected_rows = [row for row in expected if row[0] in cut.dates]
        assert reported(shop.differences(cut)) == expected_rows, f"{cut.dates} of shop {seed}"
    for row in shop.totals(days):
        by_cause = sum((row[f"{cause}_amount"] for cause in CAUSES), Decimal(0))
        assert row["order_amount"] - row["event_amount"] == row["difference_amount"] == by_cause, (
            f"shop {seed}"
        )


@pytest.mark.slow
def test_random_shops_differ_as_the_definition_says_whichever_days_are_asked_for(
    shop: ReconciledShop,
) -> None:
    for seed in range(3):
        days = WEEK if seed % 2 else LONG
        check(shop, seed, days, [Days((days.dates[3],)), Days(days.dates[1:3])])


@pytest.mark.slow
def test_hundreds_of_random_shops_differ_as_the_definition_says(shop: ReconciledShop) -> None:
    for seed in seeds(range(1000, 1500)):
        check(shop, seed, LONG, [Days((LONG.dates[7],)), Days((LONG.dates[8],))])
