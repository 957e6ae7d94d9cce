"""Received costs become versions, and versions the days on which each cost holds."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.costs.contracts import ItemCosts, QuarantinedCosts, RawCosts
from ecom_assets.commerce.costs.costs import cost_versions, item_costs, quarantined_costs
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import cost, stock_of
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

D = Decimal


def received(rows: Iterable[Row]) -> Any:
    return in_memory([dict.fromkeys(RawCosts.columns) | row for row in rows], RawCosts)


def costs_of(raw: Any, catalogue: Iterable[tuple[int, str | None]] = ()) -> list[Row]:
    """Return the days of costs, from received rows and the costs of a hat on days of June."""
    lines = stock_of(*(("hat", date(2026, 6, on), text) for on, text in catalogue))
    stock = in_memory([dict.fromkeys(RawStock.columns) | row for row in lines], RawStock)
    con = raw.get_backend()
    con.con.register("stock", stock.to_pyarrow())
    table = item_costs(cost_versions(raw), con.table("stock"))
    rows: list[Row] = table.order_by("item_id", "valid_from_date").to_pyarrow().to_pylist()
    return rows


def ranges(*rows: Row, catalogue: Sequence[tuple[int, str | None]] = ()) -> list[tuple[Any, ...]]:
    """Return the days of each cost, whether it is estimated, and what contradicts it."""
    found = costs_of(received(rows), catalogue)
    return [
        (
            str(row["valid_from_date"]),
            row["valid_to_date"] and str(row["valid_to_date"]),
            row["unit_cost_amount"],
            row["is_estimated"],
            row["contradiction"],
        )
        for row in found
    ]


def test_a_cost_holds_until_the_next_one_begins() -> None:
    assert ranges(cost("hat", "10", "2026-01-01"), cost("hat", "12", "2026-06-01")) == [
        ("2026-01-01", "2026-06-01", D(10), False, None),
        ("2026-06-01", None, D(12), False, None),
    ]


def test_a_cost_ends_on_its_own_last_day_where_that_comes_first() -> None:
    assert ranges(
        cost("hat", "10", "2026-01-01", "2026-03-31"), cost("hat", "12", "2026-06-01")
    ) == [
        ("2026-01-01", "2026-04-01", D(10), False, "gap_after"),
        ("2026-06-01", None, D(12), False, None),
    ]


@each(
    "until, contradiction",
    [
        ("2026-05-31", None),
        ("2026-06-01", None),  # as half-open days are written
        ("2026-06-02", "overlaps_next"),
        ("2025-12-31", "ends_before_start"),
    ],
)
def test_an_end_that_cannot_be_does_not_count_and_is_said(
    until: str, contradiction: str | None
) -> None:
    first, _ = ranges(cost("hat", "10", "2026-01-01", until), cost("hat", "12", "2026-06-01"))
    assert first == ("2026-01-01", "2026-06-01", D(10), False, contradiction)


def test_of_two_costs_at_once_the_higher_counts_and_of_two_files_the_newer() -> None:
    at_once = ranges(cost("hat", "10", "2026-01-01"), cost("hat", "12", "2026-01-01"))
    assert at_once == [("2026-01-01", None, D(12), False, "two_costs")]
    newer = cost("hat", "9", "2026-01-01", arrived=date(2026, 6, 11))
    assert ranges(cost("hat", "12", "2026-01-01"), newer) == [
        ("2026-01-01", None, D(9), False, None)
    ]


def test_a_cost_without_a_day_holds_before_it_as_an_estimate_and_later_ones_from_their_day() -> (
    None
):
    files = [
        cost("hat", amount, arrived=date(2026, 6, on))
        for on, amount in ((10, "10"), (11, "10"), (12, "12"))
    ]
    assert ranges(*files) == [
        ("1990-01-01", "2026-06-10", D(10), True, None),
        ("2026-06-10", "2026-06-12", D(10), False, None),
        ("2026-06-12", None, D(12), False, None),
    ]


def test_the_catalogue_s_cost_is_estimated_before_it_arrived_and_ends_with_it() -> None:
    """A default of 0 is no cost, nor is what cannot be read."""
    catalogue = [(10, "10"), (11, "10.00"), (12, "12"), (14, "0"), (16, "9"), (18, "ten")]
    assert ranges(catalogue=catalogue) == [
        ("1990-01-01", "2026-06-10", D(10), True, None),
        ("2026-06-10", "2026-06-12", D(10), False, None),
        ("2026-06-12", "2026-06-14", D(12), False, None),
        ("2026-06-16", "2026-06-18", D(9), False, None),
    ]


def test_the_catalogue_s_cost_holds_on_the_days_only_of_which_no_row_of_costs_says_one() -> None:
    dated = [
        cost("hat", "5", "2026-06-02", "2026-06-03"),
        cost("hat", "6", "2026-06-11", "2026-06-12"),
    ]
    assert ranges(*dated, catalogue=[(10, "10"), (12, "12")]) == [
        ("1990-01-01", "2026-06-02", D(10), True, None),
        ("2026-06-02", "2026-06-04", D(5), False, "gap_after"),
        ("2026-06-04", "2026-06-10", D(10), True, None),
        ("2026-06-10", "2026-06-11", D(10), False, None),
        ("2026-06-11", "2026-06-13", D(6), False, None),
        ("2026-06-13", None, D(12), False, None),
    ]
    for_good = cost("hat", "7", "2026-06-11")
    assert ranges(for_good, catalogue=[(10, "10"), (12, "12")]) == [
        ("1990-01-01", "2026-06-10", D(10), True, None),
        ("2026-06-10", "2026-06-11", D(10), False, None),
        ("2026-06-11", None, D(7), False, None),
    ]


def test_a_newer_version_without_a_cost_leaves_it_unknown() -> None:
    newer = cost("hat", None, "2026-01-01", arrived=date(2026, 6, 11))
    assert ranges(cost("hat", "10", "2026-01-01"), newer) == []
    assert ranges(cost("hat", "10", "2026-01-01"), cost("hat", "-1", "2026-03-01")) == [
        ("2026-01-01", "2026-03-01", D(10), False, None)
    ]


@each(
    "row, reason",
    [
        (cost(None, "10"), "missing_item"),
        (cost("hat", None), "missing_cost"),
        (cost("hat", None, received_unit_cost_amount=" "), "missing_cost"),
        (cost("hat", None, received_unit_cost_amount="ten"), "unparseable_cost"),
        (cost("hat", "-10"), "negative_cost"),
        (cost("hat", "10", unrated_currency="USD"), "currency_without_rate"),
        (cost("hat", "10", received_valid_from_date="soon"), "unparseable_valid_from"),
        (cost("hat", "10", received_valid_until_date="soon"), "unparseable_valid_until"),
        (cost("hat", "10", received_piece_count="0", piece_count=D(0)), "unparseable_piece_count"),
        (cost(None, None, malformed_row='"hat'), "malformed_row"),
    ],
)
def test_a_row_that_says_no_cost_is_kept_with_its_reason(row: Row, reason: str) -> None:
    (refused,) = quarantined_costs(received([row])).to_pyarrow().to_pylist()
    assert refused["reject_reason"] == reason
    assert set(refused) == set(QuarantinedCosts.columns)


START = date(2026, 1, 1)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 9),  # the first day
        st.one_of(st.none(), st.integers(0, 12)),  # the last day
        st.sampled_from((1, 2, 3, None)),  # the cost
        st.integers(0, 2),  # the day of arrival
    ),
    max_size=8,
)
Versions = Sequence[tuple[int, int | None, int | None, int]]


def by_hand(rows: Versions, on: int) -> int | None:
    """Return the cost of an item on a day: the newest version of the last start up to it."""
    starts = sorted({start for start, *_ in rows})
    last = max((start for start in starts if start <= on), default=None)
    if last is None:
        return None
    newest = max(arrived for start, _, _, arrived in rows if start == last)
    versions = [row for row in rows if row[0] == last and row[3] == newest]
    known = [row for row in versions if row[2] is not None]
    if not known:
        return None
    highest = max(amount for _, _, amount, _ in known if amount is not None)
    ends = [end for _, end, amount, _ in known if amount == highest]
    # Of ends, the last one counts; a row without one is the least.
    given = [end for end in ends if end is not None]
    end = max(given) if given else None
    if end is not None and last <= end < on:
        return None
    return highest


@given(ROWS)
@examples(60)
def test_each_day_has_the_cost_of_the_newest_version_of_the_last_start(rows: Versions) -> None:
    def text(on: int | None) -> str | None:
        return None if on is None else str(START + timedelta(days=on))

    table = received(
        cost(
            "hat",
            None if amount is None else str(amount),
            text(start),
            text(end),
            arrived=START + timedelta(days=arrived),
        )
        for start, end, amount, arrived in rows
    )
    spans = costs_of(table)
    for on in range(-1, 15):
        when = START + timedelta(days=on)
        holding = [
            int(span["unit_cost_amount"])
            for span in spans
            if span["valid_from_date"] <= when
            and (span["valid_to_date"] is None or when < span["valid_to_date"])
        ]
        expected = by_hand(rows, on)
        assert holding == ([] if expected is None else [expected]), (on, spans)
    assert {row for span in spans for row in span} <= set(ItemCosts.columns)
