"""What events are worth by their drafts: in several currencies, by pieces, and read once."""

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.mapping import EventMapping, load_mapping
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets_tests.each import each
from ecom_assets_tests.fresh_duckdb import fresh_duckdb

Sale = tuple[Decimal, str]
"""What a purchase is worth, and in which currency."""
RATES: Final = {"EUR": Decimal(1), "USD": Decimal("0.90"), "GBP": Decimal("1.15")}
"""What one of each is worth in euros."""


def sales_by_chance(seed: int) -> list[Sale]:
    """Return forty purchases, most of them in euros."""
    rng = random.Random(seed)  # noqa: S311 (amounts by chance, no secrets)
    currencies = rng.choices([*RATES], weights=[6, 3, 1], k=40)
    return [(Decimal(rng.randrange(100, 20_000)) / 100, code) for code in currencies]


def of_event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "user_id": f"u{number % 7}",
        "event_name": "purchase" if number % 2 == 0 else "page_view",
        "timestamp": f"2026-03-02T{number // 60:02}:{number % 60:02}:00Z",
    }


def with_views(sales: Sequence[Sale]) -> list[tuple[dict[str, Any], Sale | None]]:
    """Return a purchase for each sale, and a view behind each, which is worth nothing."""
    rows: list[tuple[dict[str, Any], Sale | None]] = []
    for number, sale in enumerate(sales):
        rows += [(of_event(2 * number), sale), (of_event(2 * number + 1), None)]
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = [*dict.fromkeys(name for row in rows for name in row)]
    lines = io.StringIO()
    writer = csv.DictWriter(lines, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return lines.getvalue()


def documents(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def columns(amount: str, currency: str) -> Callable[[Sequence[Sale]], str]:
    """Return what writes a table with an amount and a currency in columns of these names."""

    def written(sales: Sequence[Sale]) -> str:
        rows = with_views(sales)
        return table(
            [row | ({amount: sale[0], currency: sale[1]} if sale else {}) for row, sale in rows]
        )

    return written


def packed(sales: Sequence[Sale]) -> str:
    rows = with_views(sales)
    each = [
        json.dumps({"revenue": float(sale[0]), "currency": sale[1]} if sale else {})
        for _, sale in rows
    ]
    return table([row | {"props": cell} for (row, _), cell in zip(rows, each, strict=True)])


def nested(sales: Sequence[Sale]) -> str:
    return documents(
        [
            row | ({"data": {"revenue": float(sale[0]), "currency": sale[1]}} if sale else {})
            for row, sale in with_views(sales)
        ]
    )


def of_money(sales: Sequence[Sale]) -> str:
    return documents(
        [
            row | ({"total": {"amount": str(sale[0]), "currencyCode": sale[1]}} if sale else {})
            for row, sale in with_views(sales)
        ]
    )


def two_currencies(sales: Sequence[Sale]) -> str:
    """Write what was paid beside what it is in the currency of the report, which is dollars."""
    return table(
        [
            row
            | (
                {
                    "Revenue": sale[0],
                    "Revenue Currency": sale[1],
                    "Report Currency": "USD",
                }
                if sale
                else {}
            )
            for row, sale in with_views(sales)
        ]
    )


LAYOUTS: Final[Mapping[str, Callable[[Sequence[Sale]], str]]] = {
    "named.csv": columns("revenue", "currency"),
    "german.csv": columns("Umsatz", "Währung"),
    "other.csv": columns("value", "paid_in"),
    "packed.csv": packed,
    "nested.ndjson": nested,
    "money.ndjson": of_money,
    "two.csv": two_currencies,
}


def sold(
    folder: Path, name: str, content: str, answers: Mapping[str, str], **own: Any
) -> tuple[Decimal, list[str]]:
    """Return what purchases come to by the draft of a file, and what answers say of its rows."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    search = MappingSearch([str(path)], Settings(home=folder / "home", **own))
    proposal = search.proposal(answers, OWN)
    with read_by(search, proposal, folder) as reading:
        assert isinstance(reading, FileReading)
        rows = reading.files.classified().to_pyarrow().to_pylist()
        notes = list(reading.rows.notes)
    amounts = [row["cart_amount"] for row in rows if row["event_type"] == "purchase"]
    return sum((amount for amount in amounts if amount is not None), Decimal()), notes


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("seed", range(2))
def test_amounts_of_several_currencies_come_to_what_rates_say(
    tmp_path: Path, name: str, seed: int
) -> None:
    sales = sales_by_chance(seed)
    rates = tmp_path / "rates.csv"
    lines = [f"2026-03-01,{code},{rate}\n" for code, rate in RATES.items() if code != "EUR"]
    rates.write_text("date,currency,rate\n" + "".join(lines))
    written = LAYOUTS[name](sales)
    rated, notes = sold(tmp_path, name, written, {}, currency="EUR", rates=rates)
    assert rated == sum(amount * RATES[code] for amount, code in sales)
    assert not notes


@pytest.mark.parametrize("name", LAYOUTS)
def test_amounts_without_a_rate_are_said_by_currency(tmp_path: Path, name: str) -> None:
    sales = sales_by_chance(3)
    unrated, (note,) = sold(tmp_path, name, LAYOUTS[name](sales), {}, currency="EUR")
    sums = {code: sum(amount for amount, each in sales if each == code) for code in RATES}
    counts = {code: sum(each == code for _, each in sales) for code in RATES}
    assert unrated == sums["EUR"]
    assert f"{counts['USD']} in USD (purchases of {sums['USD']:,.2f})" in note
    assert f"{counts['GBP']} in GBP (purchases of {sums['GBP']:,.2f})" in note


def test_of_many_currencies_five_are_named(tmp_path: Path) -> None:
    """A purchase of 10.00 in each of eight currencies: seven have no rate."""
    codes = ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN")
    sales = [(Decimal("10.00"), code) for code in codes for _ in range(3)]
    written = columns("amount", "currency")(sales)
    _, (note,) = sold(tmp_path, "many.csv", written, {}, currency="EUR")
    assert note.startswith("Amounts of 21 events are not known")
    assert note.count("(purchases of 30.00)") == 5
    assert " and in 2 more; set ECOM_CURRENCY" in note


def test_of_parquet_files_amounts_without_a_rate_are_said_whatever_columns_are_read(
    tmp_path: Path,
) -> None:
    """Two purchases of 20.00 and 5.00 dollars, and one of 7.50 euros, without the check of rows."""
    rows = [(f"e{n}", n, amount, code) for n, amount, code in PURCHASES]
    path, mapping = tmp_path / "events.parquet", tmp_path / "m.yaml"
    with fresh_duckdb() as con:
        con.execute("CREATE TABLE rows (id VARCHAR, n INTEGER, amount DECIMAL(9, 2), code VARCHAR)")
        con.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", rows)
        con.execute(
            "COPY (SELECT id, 'u' || n AS who, 'purchase' AS what, TIMESTAMP '2026-03-02' AS at, "
            f"amount, code FROM rows) TO '{path}'"
        )
    mapping.write_text(
        "fields: {event_id: id, user_id: who, event_type: what, event_timestamp: {column: at, "
        "timezone: UTC}, cart_value: amount, currency: code}"
    )
    settings = Settings(home=tmp_path / "home", currency="EUR", events_mapping=str(mapping))
    events = replace(FileEvents.open([str(path)], settings), row_check=None)
    (note,) = events.naming(["event_type"]).rows.notes
    assert "2 in USD (purchases of 25.00); set" in note


PURCHASES: Final = ((1, "20.00", "USD"), (2, "5.00", "USD"), (3, "7.50", "EUR"))


DEEP: Final = 3_000
HARMFUL: Final = (
    "[" * 200_000,
    '[{"type":' * 50_000,
    '{"a":' + "[" * DEEP + "]" * DEEP + "}",
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "page_view" + " " * 1_000_000 + "x",
)


@each("cell", HARMFUL)
def test_a_cell_that_was_made_to_harm_is_a_text_like_others(tmp_path: Path, cell: str) -> None:
    """Python's reader of JSON ended at such depths, and signs were looked for from each blank."""
    path = tmp_path / "events.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "user_id", "stuff"])
        writer.writerows([f"2026-03-0{n} 10:00:00", f"u{n}", cell] for n in range(1, 6))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), MappingKind.EVENTS)
    assert "event_type" in {one.key for one in search.proposal({"timezone": "UTC"}, OWN).questions}


def test_an_amount_whose_name_says_the_currency_is_of_that_one(tmp_path: Path) -> None:
    """No column beside it changes that, whatever buyers paid in."""
    sales = sales_by_chance(4)
    written = columns("revenue_eur", "currency")(sales)
    total, notes = sold(tmp_path, "eur.csv", written, {}, currency="EUR")
    assert total == sum(amount for amount, _ in sales)
    assert not notes


@pytest.mark.parametrize("seed", range(3))
def test_a_price_times_pieces_is_what_a_row_is_worth(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 (as above)
    prices = [(Decimal(rng.randrange(100, 9_000)) / 100, rng.randrange(1, 5)) for _ in range(30)]
    rows = [
        row
        for number, (price, count) in enumerate(prices)
        for row in (
            of_event(2 * number) | {"price": price, "quantity": count},
            of_event(2 * number + 1),
        )
    ]
    answers = {"cart_value": "price times quantity"}
    total, _ = sold(tmp_path, "pieces.csv", table(rows), answers)
    assert total == sum(price * count for price, count in prices)


def test_a_price_of_rows_with_one_piece_each_needs_no_question(tmp_path: Path) -> None:
    rows = [of_event(number) | {"price": "9.50", "quantity": 1} for number in range(20)]
    total, _ = sold(tmp_path, "single.csv", table(rows), {})
    assert total == Decimal("95.00")


def test_parts_that_are_computed_once_stand_in_no_field(tmp_path: Path) -> None:
    """Entities of Snowplow are some kilobytes of JSON; each field read all of them."""
    mapping = load_mapping("snowplow_tsv")
    assert isinstance(mapping, EventMapping)
    assert mapping.once == ("entities",)
    statement = snowplow_statement(tmp_path)
    assert statement.count("$.data[*]") == 1


def snowplow_statement(folder: Path) -> str:
    """Return the SELECT of events of Snowplow."""
    entity = {
        "schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/transaction/jsonschema/1-0-0",
        "data": {"transaction_id": "T1", "revenue": 19.9, "currency": "EUR"},
    }
    event = {
        "event_id": "e1",
        "event_name": "snowplow_ecommerce_action",
        "collector_tstamp": "2026-03-02 09:00:00.000",
        "domain_userid": "d1",
        "useragent": "Mozilla/5.0",
        "unstruct_event": {"data": {"data": {"type": "transaction"}}},
        "contexts": {"data": [entity]},
    }
    path = folder / "events.ndjson"
    path.write_text(json.dumps(event))
    reading = FileReading.open([str(path)], "snowplow", is_events=True)
    (row,) = reading.files.classified().to_pyarrow().to_pylist()
    assert (row["event_type"], row["cart_amount"]) == ("purchase", Decimal("19.9000"))
    return reading.files.files.received_sql()
