"""Times, amounts and JSON values as programs write them, each decided by a
few lines of plain Python.
"""

import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.sql_text import instant
from ecom_assets.ingestion.sources.customer_api.records import ApiTime
from ecom_assets.ingestion.sources.files.mapping import EventMapping, load_mapping
from ecom_assets.ingestion.sources.files.plain import CURRENCY_SIGNS, Numerals, currency_sql
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.builders import Row
from ecom_assets_tests.each import each

CON = duckdb.connect(config={"threads": 1})
BLANKS = ["", " ", "\u00a0", "\u202f", "\u2009", "  "]
SEPARATED = [
    (".", ","),
    (",", "."),
    (",", " "),
    (",", "\u00a0"),
    (",", "\u202f"),
    (".", "'"),
    (".", "\u2019"),
]


def value_of(sql: str, text: str) -> object:
    """Return what SQL over a column `v` says of a text."""
    ((result,),) = CON.execute(f"SELECT {sql} FROM (SELECT ?::VARCHAR AS v)", [text]).fetchall()
    return result


WAYS = st.fixed_dictionaries(
    {
        "number": st.decimals(min_value=0, max_value=10**9, places=2),
        "sign": st.sampled_from(["", "$", "€", "EUR", "USD", "R$", "kr", "zł", "US$", "kr."]),
        "is_before": st.booleans(),
        "blank": st.sampled_from(BLANKS),
        "minus": st.sampled_from(
            ["", "before all", "before number", "after number", "after all", "brackets"]
        ),
    }
)


@pytest.mark.slow
@given(separators=st.sampled_from(SEPARATED), ways=st.lists(WAYS, min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_an_amount_is_the_same_however_it_is_written(
    separators: tuple[str, str], ways: list[dict[str, Any]]
) -> None:
    """A statement reads eight amounts at once: it takes longer to plan than to run."""
    decimal, thousands = separators
    texts = [written(way, decimal, thousands) for way in ways]
    number = Numerals(decimal=decimal, thousands=thousands, has_currency=True).number_sql("v")
    rows = f"SELECT unnest(?::VARCHAR[]) AS v, unnest(range({len(texts)})) AS n"
    found = CON.execute(
        f"SELECT {number}, {currency_sql('v')} FROM ({rows}) ORDER BY n", [texts]
    ).fetchall()
    for way, text, (read, currency) in zip(ways, texts, found, strict=True):
        assert read is not None, text
        assert Decimal(str(read)) == (-way["number"] if way["minus"] else way["number"]), text
        sign = way["sign"].upper().rstrip(".")
        assert currency == (CURRENCY_SIGNS.get(sign, sign) or None), text


def written(way: dict[str, Any], decimal: str, thousands: str) -> str:
    """Return a number as somebody writes it, with its currency and its minus."""
    sign, blank, minus = way["sign"], way["blank"], way["minus"]
    digits = f"{way['number']:,.2f}".translate(str.maketrans(",.", thousands + decimal))
    dash = {"before number": f"-{digits}", "after number": f"{digits}-"}.get(minus, digits)
    whole = f"{sign}{blank}{dash}" if way["is_before"] else f"{dash}{blank}{sign}"
    around = {"before all": f"-{whole}", "after all": f"{whole}-", "brackets": f"({whole})"}
    return around.get(minus, whole)


@each("amount, currency", {"12,- kr": "KR", "€ 12,-": "EUR", "12:- SEK": "SEK"}.items())
def test_a_currency_stands_beside_a_dash_in_place_of_cents_too(amount: str, currency: str) -> None:
    assert value_of(currency_sql("v"), amount) == currency


@each(
    "text", ["12.5.0", "1,23", "--5", "-5-", "(5", "5 pieces", "", "-", "12,-5", "$", "EUR", "1 2"]
)
def test_what_is_no_amount_is_none(text: str) -> None:
    assert value_of(Numerals(thousands=",", has_currency=True).number_sql("v"), text) is None


@given(
    moment=st.datetimes(min_value=datetime(1995, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001 (a wall clock)
    half=st.sampled_from(["AM", "am", "a.m.", "A.M.", "a. m.", "a.\u00a0m."]),
    blank=st.sampled_from(BLANKS),
)
@settings(max_examples=200, deadline=None)
def test_a_clock_of_twelve_hours_is_read_with_any_blank(
    moment: datetime, half: str, blank: str
) -> None:
    moment = moment.replace(microsecond=0)
    own = half if moment.hour < 12 else half.replace("a", "p").replace("A", "P")
    text = (
        f"{moment.month}/{moment.day}/{moment.year}, "
        f"{moment.hour % 12 or 12}:{moment:%M:%S}{blank}{own}"
    )
    form = "%m/%d/%Y, %I:%M:%S %p"
    assert value_of(instant("v", [form], "UTC"), text) == moment
    read = ApiTime(path="at", format=form).instant_of(text)
    assert read is not None
    assert read.replace(tzinfo=None) == moment


def proposed(path: Path, kind: MappingKind = MappingKind.EVENTS) -> tuple[list[str], str]:
    """Return the keys of the questions about a file, and its mapping."""
    search = MappingSearch([str(path)], Settings(home=path.parent), kind)
    proposal = search.proposal({"timezone": "UTC"}, OWN)
    return [
        question.key for question in proposal.questions if question.key != "timezone"
    ], proposal.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "is_asked"),
    [
        ("%Y%m%d%H%M%S", False),
        ("%Y%m%d%H%M", False),
        ("%Y%m%dT%H%M%SZ", False),
        ("%d.%m.%Y %H:%M", False),
        ("%m/%d/%Y, %I:%M:%S %p", False),
        ("%d/%m/%Y %I:%M %p", False),
        ("%Y-%m-%d\u00a0%H:%M:%S", False),
        ("%d-%b-%y %H:%M:%S", False),
    ],
)
def test_times_are_recognized_by_all_their_values(
    tmp_path: Path, form: str, *, is_asked: bool
) -> None:
    """Forty views from the 8th to the 27th of March; a version beside them is never the time."""
    moments = [datetime(2026, 3, 8 + n % 20, n % 24, 7 * n % 60, 0) for n in range(40)]  # noqa: DTZ001 (a wall clock)
    rows = [
        f'4.{n % 3}.0;"{moment.strftime(form)}";u{n};product_view'
        for n, moment in enumerate(moments)
    ]
    file = tmp_path / "views.csv"
    file.write_text("\n".join(["app_version;seen;user_id;event", *rows]))
    questions, text = proposed(file)
    assert ("date_format" in questions) is is_asked
    (tmp_path / "m.yaml").write_text(text)
    files = RecordFiles.open(duckdb.connect(), [file], load_mapping(tmp_path / "m.yaml"))
    read = files.con.execute(f"SELECT event_at FROM ({files.received_sql()}) ORDER BY 1").fetchall()
    assert [moment for (moment,) in read] == sorted(moments)


@pytest.mark.slow
def test_a_day_that_may_be_a_month_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "views.csv"
    file.write_text(
        "ts,user_id,event\n"
        + "".join(f"0{n}/03/2026 10:00,u{n},product_view\n" for n in range(1, 10))
    )
    assert proposed(file)[0] == ["date_format"]


WRAPPED: dict[str, dict[str, object]] = {
    "mongodb": {
        "at": {"$date": "2026-03-02T09:00:00Z"},
        "paid": {"$numberDecimal": "19.90"},
        "id": {"$oid": "6f"},
    },
    "mongodb in milliseconds": {
        "at": {"$date": {"$numberLong": "1772442000000"}},
        "paid": {"$numberDouble": "19.9"},
        "id": {"$numberInt": "6"},
    },
    "dynamodb": {
        "at": {"S": "2026-03-02T09:00:00Z"},
        "paid": {"N": "19.90"},
        "id": {"S": "6f"},
        "none": {"NULL": True},
    },
    "dynamodb item": {
        "Item": {"at": {"S": "2026-03-02T09:00:00Z"}, "paid": {"N": "19.90"}, "id": {"S": "6f"}}
    },
    "avro": {
        "at": {"string": "2026-03-02T09:00:00Z"},
        "paid": {"double": 19.9},
        "id": {"string": "6f"},
    },
    "plain": {"at": "2026-03-02T09:00:00Z", "paid": 19.9, "id": "6f", "size": {"S": "3"}},
}
FIELDS = {
    "event_id": "id",
    "event_type": {"constant": "purchase"},
    "event_timestamp": "at",
    "user_id": "id",
    "cart_value": "paid",
}


def events_in(path: Path) -> list[Row]:
    """Return the events of a file by a mapping of its members."""
    own = EventMapping.model_validate(
        {"name": "own", "fields": FIELDS, "other_columns": "properties"}
    )
    files = RecordFiles.open(duckdb.connect(), [path], own)
    rows: list[Row] = files.con.sql(files.received_sql()).to_arrow_table().to_pylist()
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize(
    "layout",
    ["lines", "one line", "commas", "array", "indented", "indented array", "broken lines"],
)
def test_values_in_objects_that_say_their_type(tmp_path: Path, kind: str, layout: str) -> None:
    """Three purchases of 19.90 each, however the file is laid out."""
    records = [json.dumps(WRAPPED[kind])] * 3
    indented = json.dumps(WRAPPED[kind], indent=2)
    content = {
        "lines": "\n".join(records),
        "one line": "".join(records),
        "commas": ",\n".join([*records, ""]),
        "array": f"[{','.join(records)}]",
        "indented": "\n".join([indented] * 3),
        "indented array": json.dumps([WRAPPED[kind]] * 3, indent=1),
        "broken lines": "\n".join(records).replace(", ", ",\n "),
    }[layout]
    file = tmp_path / "e.json"
    file.write_text(content)
    rows = events_in(file)
    assert [(str(row["event_at"]), row["cart_amount"]) for row in rows] == [
        ("2026-03-02 09:00:00", Decimal("19.90"))
    ] * 3
    assert {row["malformed_row"] for row in rows} == {None}


def test_of_objects_on_one_line_only_the_damaged_rest_is_lost(tmp_path: Path) -> None:
    records = [
        json.dumps({**WRAPPED["plain"], "id": f"e{n}", "note": "}{ in a text"}) for n in range(40)
    ]
    file = tmp_path / "e.json"
    file.write_text("".join(records[:20]) + "\n" + "".join(records[20:]) + '{"id": "cut')
    rows = events_in(file)
    assert sorted(str(row["event_id"]) for row in rows if row["event_id"]) == sorted(
        f"e{n}" for n in range(40)
    )
    assert [row["malformed_row"] for row in rows if row["malformed_row"]] == ['{"id": "cut']


@pytest.mark.slow
@pytest.mark.parametrize(
    ("amounts", "sums"),
    [
        (["EUR 25.00", "25.00 €", "25.00"], {"EUR": "75.00"}),
        (["$25.00", "25.00", "($5.00)"], {None: "45.00"}),
        (["EUR 25.00", "USD 30.00"], "EUR 25.00 in 1 line; USD 30.00 in 1 line"),
        (["€25.00", "$30.00"], "EUR 25.00 in 1 line"),
    ],
)
def test_currencies_in_cells_are_never_added_up(
    tmp_path: Path, amounts: list[str], sums: object
) -> None:
    file = tmp_path / "o.csv"
    file.write_text(
        "nr;at;who;sku;total\n"
        + "".join(f"{n};2026-03-02;u{n};a;{a}\n" for n, a in enumerate(amounts))
    )
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "currency_signs: remove\n"
        "delimiter: ;\n"
        "fields: {uniq_id: nr, date_time: at, customer_id: who, item_id: sku, quantity: "
        "{constant: 1}, payment_amount: total}\n"
    )
    if isinstance(sums, str):
        with pytest.raises(SourceError, match=re.escape(sums).replace("line", "lines?")):
            _ = FileReading.open(
                [str(file)], str(mapping), is_events=False, settings=Settings(home=tmp_path)
            ).rows
        return
    reading = FileReading.open(
        [str(file)], str(mapping), is_events=False, settings=Settings(home=tmp_path)
    )
    rows: list[Row] = reading.files.classified().to_pyarrow().to_pylist()
    assert isinstance(sums, dict)
    assert {row["currency"] for row in rows} == {*sums}
    assert sum(row["payment_amount"] for row in rows) == Decimal(next(iter(sums.values())))


def test_an_amount_that_cannot_be_read_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "e.csv"
    rows = [f"2026-03-0{n % 9 + 1}T10:00:00Z,purchase,u{n},twenty,{n}" for n in range(20)]
    file.write_text("\n".join(["ts,event,user_id,amount,stars", *rows]))
    questions, text = proposed(file)
    assert questions == ["cart_value"]
    assert "no amounts that can be read: amount, such as twenty" in text


@pytest.mark.slow
def test_customers_and_orders_of_one_document(tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    orders = [
        {
            "order_id": n,
            "created_at": f"2026-03-02T1{n}:00:00Z",
            "customer": {"id": 7},
            "total": 5 + n,
            "quantity": 1,
            "sku": "a",
        }
        for n in range(6)
    ]
    people = [{"id": n, "email": f"p{n}@ex.de", "address": {"city": "Ulm"}} for n in range(7, 10)]
    file.write_text(
        json.dumps({"meta": {"page": 1}, "customers": people, "orders": orders}, indent=1)
    )
    assert 'records: "orders"' in proposed(file, MappingKind.ORDERS)[1]
    assert 'records: "customers"' in proposed(file, MappingKind.CUSTOMERS)[1]
    search = MappingSearch([str(file)], Settings(home=tmp_path))
    assert any("--customers reads them" in reason for reason in search.proposal({}, OWN).why)
    orders_search = MappingSearch([str(file)], Settings(home=tmp_path), MappingKind.ORDERS)
    with read_by(orders_search, orders_search.proposal({}, OWN)) as reading:
        assert reading.rows_json == {"read": 6, "counted": 6, "rejected": {}}
