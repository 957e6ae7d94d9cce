"""Columns of yes and no that say that a row is no sale: what is left is what somebody who knows the
file adds up by hand, whatever the column and its words are called.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import MappingSearch
from ecom_assets.ingestion.sources.proposal.state_words import Meaning, flag_meaning
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import (
    asked,
    search_of,
    sold_and_back,
)

QUESTION = "state_flag_1"
PRICES = (2000, 1550, 990, 4900, 1200, 775, 6000, 350, 2100, 1999, 820, 1475)
"""What lines cost, in cents: two of each order."""
DROPPED = (3, 6, 11)
ALL = sum(PRICES)
LEFT = Decimal(ALL - sum(PRICES[n] for n in DROPPED)) / 100


def lines_with(name: str, yes: str, no: str, *, is_total_without: bool = False) -> list[str]:
    """Return a file of six orders of two lines, of which some have a flag; with the total of the
    others, if asked for.
    """
    head = f"order_no,ordered_at,customer,sku,qty,unit_price,{name}"
    lines = [f"{head},order_sum" if is_total_without else head]
    for n, cents in enumerate(PRICES):
        order, flag = n // 2, yes if n in DROPPED else no
        line = f"A{order},2026-03-0{order + 1} 10:00:00,c{order % 4}@x.example,S{n % 5},1"
        kept = sum(PRICES[k] for k in (order * 2, order * 2 + 1) if k not in DROPPED)
        total = f",{kept / 100:.2f}" if is_total_without else ""
        lines.append(f"{line},{cents / 100:.2f},{flag}{total}")
    return lines


SEEM = {
    "OXSTORNO": ("1", "0"),
    "kz_storno": ("J", "N"),
    "isdeleted": ("true", "false"),
    "line_voided_yn": ("Y", "N"),
    "istest": ("x", ""),
    "archiviert": ("ja", "nein"),
    "usunieto": ("TAK", "NIE"),
    "invalid": ("t", "f"),
    "customer_cancelled": ("1", "0"),
}
"""Names that seem to say that a row is no sale, with how they write yes and no."""
COUNT = {
    "valid": ("1", "0"),
    "active": ("True", "False"),
    "is_paid": ("yes", "no"),
    "aktiv": ("x", ""),
    "bezahlt": ("J", "N"),
    "livemode": ("true", "false"),
}
"""Names that say which rows count."""
KNOWN = {"deleted": ("1", "0"), "is_test": ("true", "false"), "voided": ("S", "N")}
"""Names that say it for sure."""
NO_MATTER = ("is_virtual", "gift_wrap", "newsletter", "customer_active", "is_refundable", "kz_neu")


@pytest.mark.slow
def test_a_flag_that_seems_to_say_that_rows_are_no_sale_is_asked_about(tmp_path: Path) -> None:
    wrong = {}
    for name, (yes, no) in {**SEEM, **COUNT}.items():
        dropped, kept = (no, yes) if name in COUNT else (yes, no)
        search = search_of(tmp_path / f"{name}.csv", lines_with(name, dropped, kept))
        money = ALL / 100 - float(LEFT)
        sentence = asked(search, {}).get(QUESTION, "")
        found = [
            f"3 rows, together {money:.2f}" in sentence and name in sentence,
            sold_and_back(search, {QUESTION: "no sale"}) == (LEFT, 0),
        ]
        if name in {next(iter(SEEM)), next(iter(COUNT))}:  # of any name the answer says the same
            sold = sold_and_back(search, {QUESTION: "sale"})
            found.append(sold == (Decimal(ALL) / 100, 0))
        if {*asked(search, {})} != {QUESTION} or not all(found):
            wrong[name] = found, asked(search, {})
    assert not wrong


@pytest.mark.slow
def test_a_flag_may_say_that_rows_went_back(tmp_path: Path) -> None:
    search = search_of(tmp_path / "a.csv", lines_with("OXSTORNO", "1", "0"))
    back = Decimal(ALL) / 100 - LEFT
    assert sold_and_back(search, {QUESTION: "refund"}) == (Decimal(ALL) / 100, back)


@pytest.mark.slow
def test_a_flag_is_not_asked_about_where_its_name_says_enough(tmp_path: Path) -> None:
    for name, (yes, no) in KNOWN.items():
        search = search_of(tmp_path / f"{name}.csv", lines_with(name, yes, no))
        assert asked(search, {}) == {}, name
        assert sold_and_back(search, {}) == (LEFT, 0), name
    for name in NO_MATTER:
        search = search_of(tmp_path / f"{name}.csv", lines_with(name, "1", "0"))
        assert asked(search, {}) == {}, name
        assert sold_and_back(search, {}) == (Decimal(ALL) / 100, 0), name


@pytest.mark.slow
def test_a_flag_of_any_name_is_asked_about_where_totals_are_without_its_rows(
    tmp_path: Path,
) -> None:
    lines = lines_with("kz7", "1", "0", is_total_without=True)
    search = search_of(tmp_path / "a.csv", lines)
    assert "order_sum is without them" in asked(search, {})[QUESTION]
    assert sold_and_back(search, {QUESTION: "no sale"}) == (LEFT, 0)


@pytest.mark.slow
def test_a_flag_of_any_name_is_asked_about_where_its_rows_lack_a_time(tmp_path: Path) -> None:
    lines = ["number,ordered_at,customer,total,zz,paid_on"]
    for n, cents in enumerate(PRICES):
        paid = "" if n in DROPPED else f"2026-03-{n + 2:02d}"
        flag = "Y" if n in DROPPED else "N"
        lines.append(f"A{n},2026-03-{n + 1:02d} 10:00:00,c{n % 5},{cents / 100:.2f},{flag},{paid}")
    search = search_of(tmp_path / "a.csv", lines)
    assert "no paid_on is in them" in asked(search, {})[QUESTION]
    assert sold_and_back(search, {QUESTION: "no sale"}) == (LEFT, 0)


@pytest.mark.slow
def test_a_flag_of_rows_that_are_no_sale_by_their_state_is_not_asked_about(tmp_path: Path) -> None:
    lines = ["number,ordered_at,customer,total,status,valid"]
    for n, cents in enumerate(PRICES):
        state, valid = ("cancelled", 0) if n in DROPPED else ("paid", 1)
        lines.append(
            f"A{n},2026-03-{n + 1:02d} 10:00:00,c{n % 5},{cents / 100:.2f},{state},{valid}"
        )
    search = search_of(tmp_path / "a.csv", lines)
    assert asked(search, {}) == {}
    assert sold_and_back(search, {}) == (LEFT, 0)


@pytest.mark.slow
def test_a_flag_of_the_items_of_an_order_is_known_and_asked_about(tmp_path: Path) -> None:
    """A boolean of JSON, which may be the column of the state, as text is."""
    assert in_items(tmp_path / "known.ndjson", "storniert", {}) == ({}, LEFT)
    (keys, sold) = in_items(tmp_path / "asked.ndjson", "kzStorno", {QUESTION: "no sale"})
    assert ({*keys}, sold) == ({QUESTION}, LEFT)
    # A product that is deleted by now was sold, as somebody says.
    assert in_items(tmp_path / "inner.ndjson", "state.deleted", {}) == ({}, LEFT)
    (keys, sold) = in_items(tmp_path / "other.ndjson", "product.deleted", {QUESTION: "no sale"})
    assert ({*keys}, sold) == ({QUESTION}, LEFT)


def in_items(path: Path, flag: str, answers: Mapping[str, str]) -> tuple[dict[str, str], Decimal]:
    """Return what is asked of orders in JSON, whose items have a flag, and what was sold."""
    orders = []
    for order in range(0, len(PRICES), 2):
        items = []
        for n in (order, order + 1):
            own: dict[str, object] = {flag.rsplit(".", maxsplit=1)[-1]: n in DROPPED}
            own = {flag.split(".", maxsplit=1)[0]: own} if "." in flag else own
            items.append({"sku": f"S{n}", "quantity": 1, "price": PRICES[n] / 100, **own})
        at = f"2026-03-0{order // 2 + 1}T10:00:00Z"
        orders.append({"id": f"A{order}", "created_at": at, "customer": "c", "items": items})
    write(path, "\n".join([*map(json.dumps, orders), ""]))
    search = MappingSearch([str(path)], Settings(home=path.parent / "home"), MappingKind.ORDERS)
    sold, back = sold_and_back(search, answers)
    assert back == 0
    return asked(search, {}), Decimal(sold)


def test_words_for_yes_are_none_for_no() -> None:
    assert not YES & NO


def test_what_can_be_refunded_was_not() -> None:
    for name in ("refundable", "is_returnable", "cancellable", "stornierbar", "returning"):
        assert flag_meaning(name) is None, name
    assert flag_meaning("is_refunded") is Meaning.REFUND
