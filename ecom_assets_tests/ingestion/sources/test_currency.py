"""Amounts of several currencies are converted by rates, or refused;
they are never added up as they are.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest
from pyarrow import csv, parquet

from ecom_assets.behaviour.events.checks import amounts_have_a_rate
from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.orders.checks import amounts_are_of_one_currency
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import OrderRule, classify
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.events import ReceivedEventFiles
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.resources import order_source_of
from ecom_assets_tests.builders import Row, as_table, order_line
from ecom_assets_tests.ingestion.sources.event_layouts import LAYOUTS
from ecom_assets_tests.ingestion.sources.test_order_files import HEADER

FIRST, LAST = date(2026, 7, 1), date(2026, 7, 3)
EVERY_DAY = (date(2026, 3, 1),)


def received(tmp_path: Path, lines: list[tuple[str, str, str]], **settings: Any) -> list[Row]:
    """Return what the order source makes of lines of a day, a currency and an amount,
    in order of their ids.
    """
    rows = [
        f"{n},{n},{day}T12:00:00,1,Berlin,ann,,,7,Hat,1,{paid},{name}"
        for n, (day, name, paid) in enumerate(lines)
    ]
    file = tmp_path / "orders.csv"
    file.write_text("\n".join([f"{HEADER},currency", *rows]) + "\n")
    source = order_source_of(
        connect(), Settings(orders=str(file), home=tmp_path / "home", **settings)
    )
    taken = source.received(Days.between(FIRST, LAST + ONE_DAY)).rows.to_pyarrow().to_pylist()
    return sorted(taken, key=lambda row: str(row["uniq_id"]))


def rates_in(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "rates.csv"
    file.write_text("\n".join(["date,currency,rate", *lines]) + "\n")
    return file


MIXED = [
    ("2026-07-01", "eur", "10.00"),
    ("2026-07-01", "USD", "20.00"),
    ("2026-07-03", "USD", "20.00"),
]


def test_one_currency_needs_no_rates(tmp_path: Path) -> None:
    rows = received(
        tmp_path, [("2026-07-01", "eur ", "10.00"), ("2026-07-02", "EUR", "2.50")], currency="EUR"
    )
    assert [(row["currency"], row["payment_amount"]) for row in rows] == [
        ("EUR", Decimal("10.00")),
        ("EUR", Decimal("2.50")),
    ]


def test_amounts_of_several_currencies_are_refused_with_their_sums(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"amounts in USD 40\.00 in 2 lines; EUR 10\.00 in 1 lines, which cannot"
    ):
        received(tmp_path, MIXED)


def test_another_currency_than_the_set_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"USD 1\.00 in 1 lines, and ECOM_CURRENCY is EUR"):
        received(tmp_path, [("2026-07-01", "USD", "1.00")], currency="EUR")


def test_lines_without_a_currency_beside_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"no currency 1\.00 in 1 lines.*give each line its currency"
    ):
        received(tmp_path, [("2026-07-01", "", "1.00"), ("2026-07-01", "EUR", "1.00")])


def test_the_newest_rate_up_to_the_day_of_the_order_counts(tmp_path: Path) -> None:
    rates = rates_in(tmp_path, "2026-06-30,USD,0.90", "2026-07-03,usd,0.875", "2026-07-04,USD,9")
    rows = received(tmp_path, MIXED, currency="EUR", rates=rates)
    # 20.00 at 0.90 and at 0.875.
    assert [row["payment_amount"] for row in rows] == [
        Decimal("10.00"),
        Decimal("18.00"),
        Decimal("17.50"),
    ]
    assert {row["currency"] for row in rows} == {"EUR"}
    assert [row["received_currency"] for row in rows] == ["eur", "USD", "USD"], "as it came"
    assert [row["received_payment_amount"] for row in rows] == ["10.00", "20.00", "20.00"]


def test_a_day_without_a_rate_is_refused(tmp_path: Path) -> None:
    rates = rates_in(tmp_path, "2026-07-02,USD,0.90")
    with pytest.raises(SourceError, match=r"no rate for USD from 2026-07-01 on \(1 lines\)"):
        received(tmp_path, MIXED, currency="EUR", rates=rates)


SHOPIFY = """\
Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Created at,Lineitem quantity,\
Lineitem name,Lineitem price,Lineitem sku,Cancelled at,Refunded Amount
#1,ann@example.com,refunded,USD,20.00,0.00,0.00,20.00,2026-07-01 10:00:00 +0000,1,Fern,20.00,FERN,\
2026-07-03 10:00:00 +0000,20.00
"""


@pytest.mark.slow
def test_a_refund_has_the_rate_of_its_order_s_day(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(SHOPIFY)
    settings = Settings(
        orders=str(tmp_path / "orders.csv"),
        orders_mapping="shopify",
        home=tmp_path / "home",
        currency="EUR",
        rates=rates_in(tmp_path, "2026-07-01,USD,0.90", "2026-07-03,USD,0.80"),
    )
    days = Days.between(FIRST, LAST + ONE_DAY)
    rows = order_source_of(connect(), settings).received(days).rows.to_pyarrow().to_pylist()
    # 20.00 at 0.90, though it came back at 0.80: nothing is left of the order.
    amounts = {row["status"]: (row["order_date"], row["payment_amount"]) for row in rows}
    assert amounts == {"shipped": (FIRST, 18), "refunded": (LAST, 18)}


def rows_in_rials(folder: Path, export: str) -> ir.Table:
    """Return the rows of an export of Shopify in rials, 1,600,000 for a dollar."""
    (folder / "orders.csv").write_text(export)
    settings = Settings(
        orders=str(folder / "orders.csv"),
        orders_mapping="shopify",
        home=folder / "home",
        currency="IRR",
        rates=rates_in(folder, "2026-07-01,USD,1600000"),
    )
    days = Days.between(FIRST, LAST + ONE_DAY)
    return order_source_of(connect(), settings).received(days).rows


@pytest.mark.slow
def test_amounts_are_converted_into_a_currency_of_small_worth(tmp_path: Path) -> None:
    rows = rows_in_rials(tmp_path, SHOPIFY).to_pyarrow().to_pylist()
    assert {row["payment_amount"] for row in rows} == {32_000_000}  # 20.00 each


@pytest.mark.slow
def test_an_amount_that_a_rate_makes_too_large_is_refused_alone(tmp_path: Path) -> None:
    """A billion dollars are more rials than an amount can have; the other order stays."""
    large = SHOPIFY.splitlines()[1].replace("#1", "#9").replace("20.00", "1000000000.00")
    raw = rows_in_rials(tmp_path, f"{SHOPIFY}{large}\n")
    rows = classify(raw, OrderRule(currency="IRR")).to_pyarrow().to_pylist()
    assert Counter(
        (row["reject_reason"], row["payment_amount"], row["received_payment_amount"])
        for row in rows
    ) == {  # a sale and a refund each
        (None, 32_000_000, "20.000000"): 2,
        ("amount_too_large", Decimal("99999999999999.9999"), "1000000000.000000"): 2,
    }
    assert {row["gross_amount"] for row in rows if row["status"] == "shipped"} == {
        Decimal(32_000_000),
        None,
    }


def test_two_loads_of_different_currencies_fail_a_check() -> None:
    day = Days((FIRST,))
    eur, usd, none = (order_line("1", FIRST, currency=name) for name in ("EUR", "USD", None))
    for lines, broken_count in (([eur], 0), ([eur, none], 0), ([eur, usd], 1)):
        rows = ibis.memtable(as_table(lines, UserOrderLog))
        assert amounts_are_of_one_currency.evaluate(day, rows).broken_count == broken_count


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["2026-07-01,USD,0.9", "2026-07-01,USD,0.8"], "two rates of one day"),
        (["2026-07-01,USD,0"], "not above 0"),
        (["2026-07-01,USD,dear"], "cannot be read"),
    ],
)
def test_rates_that_are_none_are_refused(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        received(tmp_path, MIXED, currency="EUR", rates=rates_in(tmp_path, *lines))


PAID = """name: paid
fields:
  event_id: id
  event_type: type
  event_timestamp: at
  user_id: who
  cart_value: {column: paid, optional: true}
  currency: {column: money, optional: true}
"""
EVENTS = [
    ("v", "search", "2026-07-01T10:00:00Z", "", ""),
    ("a", "purchase", "2026-07-01T11:00:00Z", "10.00", "eur"),
    ("b", "purchase", "2026-07-02T11:00:00Z", "20.00", "USD"),
    ("c", "purchase", "2026-07-03T11:00:00Z", "30.00", "USD"),
]
COLUMNS = ("id", "type", "at", "who", "paid", "money")
RATES = ("2026-07-01,USD,0.90", "2026-07-03,USD,0.80")


def paid_files(
    tmp_path: Path, rows: Sequence[tuple[str, ...]] = EVENTS, suffix: str = "csv"
) -> dict[str, Any]:
    """Write events with amounts of two currencies, and return the settings that read them."""
    file, mapping = tmp_path / f"paid.{suffix}", tmp_path / "paid.yaml"
    lines = [
        ",".join(COLUMNS),
        *(f"{n},{kind},{at},u,{paid},{money}" for n, kind, at, paid, money in rows),
    ]
    file.write_text("\n".join(lines) + "\n")
    if suffix == "parquet":
        rows_as_text = csv.read_csv(
            file, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, "string"))
        )
        parquet.write_table(rows_as_text, file)
    mapping.write_text(PAID)
    return {"events": str(file), "events_mapping": str(mapping)}


def events_of(
    tmp_path: Path, own: dict[str, Any], first: date = FIRST, **settings: Any
) -> dict[str, Decimal | None]:
    source = ReceivedEventFiles(
        connect(), Settings(home=tmp_path / "home", **own, **settings), lambda _: None
    )
    rows = source.received(Days.between(first, LAST + ONE_DAY)).to_pyarrow().to_pylist()
    assert set(RawEvents.columns) - set(rows[0]) == set(), "the tables have no further column"
    return {row["event_id"]: row["cart_amount"] for row in rows}


def test_amounts_of_events_are_converted_and_what_was_received_stays(tmp_path: Path) -> None:
    own, rates = paid_files(tmp_path), rates_in(tmp_path, *RATES)
    # 20.00 at 0.90, and 30.00 at the newer 0.80.
    expected = {"v": None, "a": Decimal("10.00"), "b": Decimal("18.00"), "c": Decimal("24.00")}
    assert events_of(tmp_path, own, currency="EUR", rates=rates) == expected


def test_an_event_in_a_currency_without_a_rate_counts_and_its_amount_is_not_known(
    tmp_path: Path,
) -> None:
    own = paid_files(tmp_path)
    # Euros came first, so that the shop's amounts are in them where no currency is set.
    expected = {"v": None, "a": Decimal("10.00"), "b": None, "c": None}
    assert events_of(tmp_path, own) == expected
    # A run over the last day alone sees dollars only; without a set currency the others count, too.
    assert events_of(tmp_path, own, LAST) == {"c": None}
    assert events_of(tmp_path, own, currency="GBP") == dict.fromkeys("vabc")
    late = rates_in(tmp_path, "2026-07-03,USD,0.80")
    assert events_of(tmp_path, own, currency="EUR", rates=late) == expected | {
        "c": Decimal("24.00")
    }


def test_amounts_without_a_rate_are_reported_by_currency(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", **paid_files(tmp_path), currency="EUR")
    source = ReceivedEventFiles(connect(), settings, lambda _: None)
    result = amounts_have_a_rate.evaluate(
        None, source.received(Days.between(FIRST, LAST + ONE_DAY))
    )
    assert (result.broken_count, amounts_have_a_rate.warns) == (2, True)
    assert result.metadata["sentence"].startswith(
        "The amounts of 2 events are not known, for want of a rate: 2 in USD (purchases of "
        "50.00). The events count;"
    )


def test_amounts_without_a_rate_are_reported_in_the_digits_of_their_currency(
    tmp_path: Path,
) -> None:
    time = "2026-07-01T10:00:00Z"
    events = [
        ("a", "purchase", time, "1500", "JPY"),
        ("b", "purchase", time, "0.125", "KWD"),
        ("c", "purchase", time, "0.250", "KWD"),
        ("d", "product_view", time, "7", "KWD"),
        ("e", "product_view", time, "9.00", "CHF"),
    ]
    settings = Settings(home=tmp_path / "home", **paid_files(tmp_path, events), currency="EUR")
    source = ReceivedEventFiles(connect(), settings, lambda _: None)
    result = amounts_have_a_rate.evaluate(
        None, source.received(Days.between(FIRST, LAST + ONE_DAY))
    )
    assert result.metadata["sentence"].startswith(
        "The amounts of 5 events are not known, for want of a rate: 3 in KWD (purchases of "
        "0.375), 1 in CHF, 1 in JPY (purchases of 1,500). The events count;"
    )


def test_views_without_a_currency_are_of_the_shop_s(tmp_path: Path) -> None:
    view = ("w", "product_view", "2026-07-01T10:00:00Z", "9.00", "")
    rows = events_of(tmp_path, paid_files(tmp_path, [*EVENTS[:2], view]), currency="EUR")
    assert rows == {"v": None, "a": Decimal("10.00"), "w": Decimal("9.00")}
    rates = rates_in(tmp_path, *RATES)
    rows = events_of(tmp_path, paid_files(tmp_path, [*EVENTS, view]), currency="EUR", rates=rates)
    assert rows["w"] == Decimal("9.00")


def test_one_currency_of_events_needs_no_setting(tmp_path: Path) -> None:
    assert events_of(tmp_path, paid_files(tmp_path, EVENTS[:2])) == {
        "v": None,
        "a": Decimal("10.00"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_questions_over_files_add_up_one_currency_only(tmp_path: Path, suffix: str) -> None:
    own = paid_files(tmp_path, suffix=suffix)
    opened = FileEvents.open([own["events"]], Settings(home=tmp_path / "home", **own))
    assert opened.clean().cart_amount.sum().to_pyarrow().as_py() == Decimal("10.00")
    assert (opened.rows.read, opened.rows.counted) == (4, 4), "dollars count, and have no amount"
    converting = Settings(
        home=tmp_path / "home", currency="EUR", rates=rates_in(tmp_path, *RATES), **own
    )
    opened = FileEvents.open([own["events"]], converting)
    events = opened.clean()
    assert events.cart_amount.sum().to_pyarrow().as_py() == Decimal("52.00"), "10 + 18 + 24"


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_exports_of_tools_say_their_currency(tmp_path: Path, layout: str) -> None:
    """Somebody buys for 19.90, or 24.80 with shipping, in euros, and a euro is worth 2 dollars."""
    folder = tmp_path / "export"
    folder.mkdir()
    own = {
        "events": str(LAYOUTS[layout].write(folder)),
        "events_mapping": LAYOUTS[layout].mapping,
        "currency": "USD",
    }
    assert {*events_of(tmp_path, own, EVERY_DAY[0]).values()} == {None}
    rates = rates_in(tmp_path, "2026-01-01,EUR,2")
    amounts = set(events_of(tmp_path, own, EVERY_DAY[0], rates=rates).values())
    assert amounts - {None}
    assert amounts <= {None, Decimal("39.80"), Decimal("49.60")}
