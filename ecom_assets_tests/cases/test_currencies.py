"""Money in the digits of its currency: exact in lines, rounded once where it is shown,
shared so that lines add up.
"""

from decimal import ROUND_HALF_UP, Decimal
from math import log10

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_assets.behaviour.questions.answer import InCurrency, money_text
from ecom_assets.core.tables.currencies import MAGNITUDES, digits_of, largest_amount
from ecom_assets.core.tables.formats import amount as shown_amount
from ecom_assets.core.tables.queries import mean
from ecom_assets.ingestion.sources.files.plain import Numerals, Operations, in_currency_sql
from ecom_assets.interfaces.dashboard.charts import EXACT, in_digits
from ecom_assets.outputs.delivery.payloads import money_json
from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.each import each

HEADER = (
    "uniq_id,order_id,date_time,city_id,city_name,customer_id,item_id,item_name,quantity,payment_amount,status,"
    "currency\n"
)


def revenue(case: Case, currency: str, amount: str, count: int) -> str:
    lines = [
        f"u{n},o{n},2026-03-02 10:00:00,1,Bonn,c{n},i1,Hat,1,{amount},shipped,{currency}\n"
        for n in range(count)
    ]
    (case.folder / "lines.csv").write_text(HEADER + "".join(lines))
    sales = case.sales("--orders", "lines.csv", env={"ECOM_CURRENCY": currency})
    result: str = sales["revenue_amount"]
    return result


@pytest.mark.slow
@pytest.mark.parametrize("case", ["65"], indirect=True)
@pytest.mark.parametrize(
    ("currency", "amount", "total"),
    # Ten sales of 0.125 are 1.25, not ten times 0.13; yen have no decimals, and are rounded once,
    # at the end.
    [
        ("EUR", "0.125", "1.25"),
        ("JPY", "100.25", "1003"),
        ("KWD", "1.0005", "10.005"),
    ],
)
def test_lines_are_added_up_exactly_and_rounded_once(
    case: Case, currency: str, amount: str, total: str
) -> None:
    assert revenue(case, currency, amount, 10) == total


@each(
    "currency, digits",
    [
        ("KWD", 3),
        ("BHD", 3),
        ("OMR", 3),
        ("JOD", 3),
        ("TND", 3),
        ("IQD", 3),
        ("LYD", 3),
        ("JPY", 0),
        ("ISK", 0),
        ("EUR", 2),
        ("MGA", 2),
        ("XAU", 2),
        ("", 2),
    ],
)
def test_digits_are_those_of_the_list(currency: str, digits: int) -> None:
    assert digits_of(currency) == digits


def test_the_bound_of_a_row_grows_with_the_units_of_its_currency() -> None:
    bounds = {code: int(largest_amount(code)) for code in ("EUR", "KWD", "JPY", "VND", "IRR")}
    million = 10**6
    assert bounds == {
        "EUR": 100 * million,
        "KWD": 100 * million,
        "JPY": 10_000 * million,
        "VND": 1_000_000 * million,
        "IRR": 10_000_000 * million,
    }


@each("currency, form", [("JPY", ",.0f"), ("EUR", ",.2f"), ("KWD", ",.3f"), ("", ",.2f")])
def test_tooltips_of_charts_have_the_digits_of_the_currency(currency: str, form: str) -> None:
    tooltip = [
        {"field": "revenue", "format": EXACT["money"]},
        {"field": "share", "format": EXACT["rate"]},
    ]
    shown = in_digits({"layer": [{"encoding": {"tooltip": tooltip}}]}, currency)
    forms = [part["format"] for part in shown["layer"][0]["encoding"]["tooltip"]]
    assert forms == [form, EXACT["rate"]]


@pytest.mark.parametrize(("currency", "each"), [("JPY", "33"), ("EUR", "33.33"), ("KWD", "33.333")])
def test_an_average_is_rounded_once_where_it_is_shown(currency: str, each: str) -> None:
    average = mean(Decimal(100), 3)
    assert average is not None
    assert (shown_amount(average, currency), money_text(InCurrency.of(average, currency))) == (
        each,
        each,
    )


REFERENCE_RATES = {
    "USD": 1.3932,
    "JPY": 134.84,
    "BGN": 1.9558,
    "CZK": 26.357,
    "DKK": 7.4434,
    "GBP": 0.84715,
    "HUF": 279.50,
    "PLN": 4.5138,
    "RON": 4.2143,
    "SEK": 10.9725,
    "CHF": 1.5102,
    "NOK": 8.8995,
    "RUB": 43.4098,
    "TRY": 2.1642,
    "AUD": 1.7283,
    "BRL": 2.7325,
    "CAD": 1.5708,
    "CNY": 9.5242,
    "HKD": 10.7976,
    "IDR": 14491.00,
    "INR": 66.888,
    "KRW": 1761.36,
    "MXN": 18.5714,
    "MYR": 4.9264,
    "NZD": 2.1685,
    "PHP": 67.360,
    "SGD": 2.0274,
    "THB": 47.585,
    "ZAR": 11.2910,
    "ISK": 290.00,
}
"""Units in a euro: the European Central Bank's reference rates of 19 June 2009, of ISK the last of
2008, as Banca d'Italia publishes them (cambi_rif_20090619).
"""


@each("currency", REFERENCE_RATES)
def test_the_powers_of_ten_are_those_of_published_rates_within_one(currency: str) -> None:
    powers = {code: power for power, codes in MAGNITUDES.items() for code in codes}
    assert abs(powers.get(currency, 0) - log10(REFERENCE_RATES[currency])) <= 1


STRIPE = {"ISK": 2, "UGX": 2, "MGA": 0}


@each(
    "currency, units, amount",
    [
        ("isk", 500, "5"),
        ("ugx", 500, "5"),
        ("mga", 500, "500"),
        ("jpy", 500, "500"),
        ("kwd", 5120, "5.12"),
        ("eur", 1099, "10.99"),
        ("vnd", 185_000_000, "185000000"),
    ],
)
def test_minor_units_are_the_vendors(currency: str, units: int, amount: str) -> None:
    operations = Operations(minor_units="currency", minor_digits=STRIPE)
    sql = operations.applied("amount", Numerals(), is_number=True)
    ((result,),) = duckdb.execute(
        f"SELECT {sql} FROM (SELECT ? AS amount, ? AS currency)", [str(units), currency]
    ).fetchall()
    assert Decimal(result) == Decimal(amount)


@settings(max_examples=60, deadline=None)
@given(
    amount=st.decimals(-9_999_999, 9_999_999, places=4),
    currency=st.sampled_from(["EUR", "JPY", "KWD", "IQD", "CLF", "VND", None]),
)
def test_sql_rounds_as_python_does(amount: Decimal, currency: str | None) -> None:
    sql = in_currency_sql("?::DECIMAL(18, 4)", "?::VARCHAR")
    used = [amount if part.startswith("::DECIMAL") else currency for part in sql.split("?")[1:]]
    ((result,),) = duckdb.execute(f"SELECT {sql}", used).fetchall()
    unit = Decimal(1).scaleb(-digits_of(currency or ""))
    assert Decimal(str(result)) == amount.quantize(unit, ROUND_HALF_UP)


@settings(max_examples=60, deadline=None)
@given(cents=st.integers(-(10**12), 10**12))
def test_payloads_of_amounts_in_cents_stay_byte_for_byte(cents: int) -> None:
    amount = Decimal(cents).scaleb(-2)
    sql = (
        f"SELECT to_json(a::DECIMAL(18, 2))::VARCHAR, {money_json('a')} FROM (SELECT "
        "?::DECIMAL(18, 4) AS a)"
    )
    before, now = duckdb.execute(sql, [amount]).fetchall()[0]
    assert now == before == f"{amount:.2f}"
