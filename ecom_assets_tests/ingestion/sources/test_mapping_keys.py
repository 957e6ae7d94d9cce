"""The keys of mappings that need no SQL: what they make of values as shops' exports have them,
and their errors.
"""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ecom_assets.core.errors import MappingError
from ecom_assets.ingestion.sources.files.mapping import OrderMapping, load_order_mapping
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_order_files import read

LINE = {
    "uniq_id": "id",
    "date_time": "at",
    "customer_id": "who",
    "item_id": "item",
    "quantity": {"constant": 1},
    "payment_amount": "paid",
}
HEADER = "id,at,who,item,paid"


def mapping_of(fields: dict[str, Any] | None = None, **keys: Any) -> OrderMapping:
    own = {"name": "own", "other_columns": "ignore", "fields": LINE | (fields or {})}
    return OrderMapping.model_validate(own | keys)


def read_lines(
    tmp_path: Path, mapping: OrderMapping, *lines: str, encoding: str = "utf-8"
) -> list[Row]:
    file = tmp_path / "orders.csv"
    file.write_text("\n".join(lines) + "\n", encoding=encoding)
    return sorted(read(file, mapping), key=lambda row: str(row["uniq_id"]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1.234,50", "1234.50"),
        ("1234,5", "1234.50"),
        ("-3,00", "-3.00"),
        ("1.234.567", "1234567.00"),
        ("12.34", None),
        ("1,234.50", None),
        ("1.23,4", None),
        ("3,00 Stück", None),
        ("", None),
    ],
)
def test_a_number_is_read_as_the_mapping_says_or_not_at_all(
    tmp_path: Path, written: str, amount: str | None
) -> None:
    own = mapping_of(decimal=",", thousands=".", delimiter=";")
    [row] = read_lines(tmp_path, own, HEADER.replace(",", ";"), f"1;2026-07-01;ann;hat;{written}")
    assert row["payment_amount"] == (Decimal(amount) if amount else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "written",
    [
        "€ 1,234.50",
        "1,234.50 €",
        "EUR 1,234.50",
        "US$1,234.50",
        "1,234.50\u00a0kr.",
        "1,234.50",
        "1,234.50 Stk",
    ],
)
def test_a_currency_is_taken_off_a_number(tmp_path: Path, written: str) -> None:
    own = mapping_of(thousands=",", currency_signs="remove")
    [row] = read_lines(tmp_path, own, HEADER, f'1,2026-07-01,ann,hat,"{written}"')
    assert row["payment_amount"] == (None if "Stk" in written else Decimal("1234.50")), (
        "which is not a currency"
    )


def test_without_quotes_a_quote_is_a_sign_like_others(tmp_path: Path) -> None:
    items = ['"hat', 'ha"t', '"hat" and "coat"', "hat"]
    lines = [f"{number}\t2026-07-01\tann\t{item}\t5" for number, item in enumerate(items)]
    own = mapping_of(delimiter="\t", quote="")
    rows = read_lines(tmp_path, own, HEADER.replace(",", "\t"), *lines, "4\t2026-07-01\tann")
    assert [row["item_id"] for row in rows if not row["malformed_row"]] == items
    assert [row["malformed_row"] for row in rows if row["malformed_row"]] == [
        "4\t2026-07-01\tann"
    ], "too few values"
    without_header = mapping_of(delimiter="\t", quote="", header=HEADER.split(","))
    assert [row["item_id"] for row in read_lines(tmp_path, without_header, *lines)] == items


def test_values_are_changed_in_the_order_of_the_keys(tmp_path: Path) -> None:
    own = mapping_of(
        {
            "customer_id": {"first_of": ["mail", "who"], "trim": True, "lower": True},
            "item_id": {"column": "item", "split": {"by": "/", "part": -1}, "upper": True},
            "payment_amount": {
                "column": "paid",
                "times": "count",
                "less": ["off", "tax"],
                "absolute": True,
            },
            "status": {"column": "kind", "lookup": {"1": "shipped", "2": "refunded"}},
        }
    )
    header = "id,at,who,mail,item,paid,count,off,tax,kind"
    rows = read_lines(
        tmp_path,
        own,
        header,
        "1,2026-07-01,w1, Ann@Example.com ,a/b/hat,10.00,3,5,,1",
        "2,2026-07-01,w2,,hat,-10.00,1,0,2.00,2",
    )
    assert [
        (row["customer_id"], row["item_id"], row["payment_amount"], row["status"]) for row in rows
    ] == [
        ("ann@example.com", "HAT", Decimal("25.00"), "shipped"),
        ("w2", "HAT", Decimal("12.00"), "refunded"),
    ]


def test_a_file_may_have_no_header(tmp_path: Path) -> None:
    lines = ["1,2026-07-01,ann,hat,2.50", "2,2026-07-01,bob,cap,3.00"]
    rows = read_lines(tmp_path, mapping_of(header=HEADER.split(",")), *lines)
    assert [(row["uniq_id"], row["customer_id"], row["payment_amount"]) for row in rows] == [
        ("1", "ann", Decimal("2.50")),
        ("2", "bob", Decimal("3.00")),
    ]


def test_headers_are_known_in_other_languages_and_encodings(tmp_path: Path) -> None:
    own = mapping_of(aliases={"who": ["Käufer", "Client"], "paid": ["Größe"]}, encoding="cp1252")
    [row] = read_lines(
        tmp_path, own, "id,at,Käufer,item,Größe", "1,2026-07-01,Zoë,hat,2.50", encoding="cp1252"
    )
    assert (row["customer_id"], row["payment_amount"]) == ("Zoë", Decimal("2.50"))


def test_an_apostrophe_keeps_a_spreadsheet_from_reading_a_number(tmp_path: Path) -> None:
    own = mapping_of(leading_apostrophe="remove")
    [row] = read_lines(tmp_path, own, HEADER, "'0012,2026-07-01,'s-Gravenhage,o'hat,1")
    assert (row["uniq_id"], row["customer_id"], row["item_id"]) == (
        "0012",
        "'s-Gravenhage",
        "o'hat",
    )


def test_an_epoch_may_count_the_seconds_of_a_local_clock(tmp_path: Path) -> None:
    # 1782907200 is noon of 2026-07-01 in UTC, and on a clock in Berlin two hours earlier.
    own = mapping_of(
        {"date_time": {"column": "at", "format": "epoch_s", "timezone": "Europe/Berlin"}}
    )
    [row] = read_lines(tmp_path, own, HEADER, "1,1782907200,ann,hat,1")
    assert row["ordered_at"] == datetime(2026, 7, 1, 10)  # noqa: DTZ001 (UTC, as tables have it)


def test_what_is_left_out_says_which_condition_did_it(tmp_path: Path) -> None:
    tests, gifts = {"column": "who", "in": ["tester"]}, {"column": "gift", "filled": True}
    lines = ["1,2026-07-01,ann,hat,1,", "2,2026-07-01,tester,hat,1,x", "3,2026-07-01,bob,hat,1,x"]
    rows = read_lines(
        tmp_path, mapping_of(leave_out={"test": tests, "gift": gifts}), f"{HEADER},gift", *lines
    )
    assert [row["left_out"] for row in rows] == [None, "test", "gift"]


def test_lines_are_less_their_part_of_a_discount_to_the_cent(tmp_path: Path) -> None:
    # 1.00 off three lines of 10.00 is 0.33 + 0.34 + 0.33; nothing off the second order.
    fields = {"uniq_id": {"expression": "id || '-' || _position"}}
    fields |= {"payment_amount": {"column": "paid", "less_shared": "off"}}
    rows = read_lines(
        tmp_path,
        mapping_of(fields, group_by=["id"]),
        f"{HEADER},off",
        "1,2026-07-01,ann,hat,10.00,1.00",
        "1,2026-07-01,ann,cap,10.00,1.00",
        "1,2026-07-01,ann,mug,10.00,1.00",
        "2,2026-07-02,bob,pen,4.00,",
    )
    amounts = [row["payment_amount"] for row in sorted(rows, key=lambda row: str(row["uniq_id"]))]
    assert amounts == [Decimal("9.67"), Decimal("9.66"), Decimal("9.67"), 4]


def test_texts_are_carried_down_within_a_group_only_and_amounts_are_shared_to_the_cent(
    tmp_path: Path,
) -> None:
    fields = {"uniq_id": {"expression": "id || '-' || _position"}}
    fields |= {"payment_amount": {"column": "total", "shared_by": "paid"}}
    own = mapping_of(fields, group_by=["id"], carry_down=["at", "who"])
    rows = read_lines(
        tmp_path,
        own,
        f"{HEADER},total",
        "1,2026-07-01,ann,hat,1,10.00",
        "1,,,cap,1,",
        "1,,,mug,1,",
        "2,2026-07-02,,pen,0,4.00",
        ",2026-07-02,bob,pen,1,1.00",
        ",,,pen,1,1.00",
    )
    ann = [row for row in rows if row["customer_id"] == "ann"]
    assert [row["payment_amount"] for row in ann] == [
        Decimal("3.33"),
        Decimal("3.34"),
        Decimal("3.33"),
    ], "10.00 in all"
    pens = {
        (row["uniq_id"], row["customer_id"], row["payment_amount"])
        for row in rows
        if row["item_id"] == "pen"
    }
    # Lines without an id are no group, so that the last one has neither a customer nor a time.
    assert pens == {
        ("2-1", None, Decimal("4.00")),
        (None, "bob", Decimal("1.00")),
        (None, None, Decimal("1.00")),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("thousand: ','", "unknown key 'thousand' (did you mean 'thousands'?)"),
        ("carrydown: [a]", "unknown key 'carrydown' (did you mean 'carry_down'?)"),
        (
            "leave_out: {test: {colum: a}}",
            "unknown key 'colum' under `leave_out.test` (did you mean 'column'?)",
        ),
        ("rows: {sale: {lst: a}}", "unknown key 'lst' under `rows.sale` (did you mean 'list'?)"),
        ("carry_down: [a]", "`carry_down` needs `group_by`"),
        ("decimal: ','\nthousands: ','", "cannot be the same sign"),
    ],
)
def test_an_error_says_what_was_meant(tmp_path: Path, text: str, sentence: str) -> None:
    own = tmp_path / "own.yaml"
    fields = (
        "fields: {uniq_id: a, date_time: a, customer_id: a, item_id: a, quantity: a, "
        "payment_amount: a}"
    )
    own.write_text(f"{fields}\n{text}\n")
    with pytest.raises(MappingError) as error:
        load_order_mapping(own)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "origin", [{"colum": "a"}, {"column": "a", "constant": 1}, {"lower": True}]
)
def test_a_field_has_one_origin(origin: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"give exactly one of|colum"):
        mapping_of({"item_id": origin})
