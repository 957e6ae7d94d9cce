"""Cases in which `ecom mapping init` must ask, or find out what the rows of a file are,
before money is counted.
"""

from pathlib import Path

import pytest

from ecom_assets_tests.cases.case import Case
from ecom_assets_tests.cases.test_amounts import clean_rows, money
from ecom_assets_tests.command import FEW_SALES, FEW_TABLES, HEADER, ecom


def by_init(case: Case, file: str, zone: str, *arguments: str) -> str:
    """Let a mapping be written for a file, and return what the command says."""
    return case.ecom("mapping", "init", file, "--timezone", zone, "--out", "m.yaml", *arguments).out


@pytest.mark.slow
@pytest.mark.parametrize("case", ["13"], indirect=True)
def test_returns_are_lines_below_zero(case: Case) -> None:
    by_init(case, "online_retail_II.csv", "Europe/London")
    text = (case.folder / "m.yaml").read_text()
    assert "below_zero: refund" in text
    read = case.ecom("mapping", "check", "online_retail_II.csv", "--mapping", "m.yaml").out
    assert "would count: 751.85, sold less paid back, 42 rows of 42 orders" in read
    # Three rows have no customer. One is alone on the newest day, which fails the gate of order
    # reports: exit code 1.
    ran = case.ecom(
        "run",
        "--orders",
        "online_retail_II.csv",
        "--orders-mapping",
        "m.yaml",
        "--json",
        *FEW_SALES,
    )
    sales = ran.json["sales"]
    amounts = [sales[name] for name in ("shipped_amount", "refunded_amount", "revenue_amount")]
    assert amounts == ["800.00", "-48.15", "751.85"]
    assert (ran.exit_code, sales["quarantined"]) == (1, {"missing_customer": 2})
    assert "The 1 order lines on 2010-04-29 have 0 customers" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("file", ["orders.csv", "orders_status.csv"])
@pytest.mark.parametrize("case", ["15"], indirect=True)
def test_states_that_no_word_explains_are_asked(case: Case, file: str) -> None:
    said = by_init(case, file, "UTC")
    for state in ("Partially Refunded", "Incomplete", "Awaiting Payment"):
        assert f"what {state!r} of " in said
    assert "would be refused: 550.00, 3 rows of 3 orders" in said, "400.00 + 80.00 + 70.00"
    assert "would be left out: 500.00, 2 rows of 2 orders" in said
    text = (case.folder / "m.yaml").read_text()
    assert text.count('"?"  # OPEN') == 3
    # 30 sales of 10.00; the refunded order of 50.00 was sold, and went back.
    assert case.counts(file) == "300.00, sold less paid back, 32 rows of 31 orders"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "file", "arguments"),
    [
        ("50", "api_dump.json", ["--orders"]),
        ("51", "umsatz_report.csv", []),
        ("52", "bestellungen.xlsx", []),
    ],
    indirect=["case"],
)
def test_orders_of_a_dump_a_report_and_a_workbook_are_the_same(
    case: Case, file: str, arguments: list[str]
) -> None:
    said = by_init(case, file, "Europe/Berlin", *arguments)
    if file == "umsatz_report.csv":
        assert "its header in row 2, below 'Umsatzreport Musterladen GmbH'" in said
        assert "would be refused: 135,765.65, 1 row of 1 order" in said, "the line of totals"
    # 126,946.35 sold less 5,715.65 paid back
    assert case.counts(file).startswith("121,230.70, sold less paid back, ")


@pytest.mark.parametrize("case", ["50"], indirect=True)
def test_customers_beside_orders_are_read_too(case: Case) -> None:
    said = by_init(case, "api_dump.json", "Europe/Berlin", "--customers")
    assert "ecom run --customers api_dump.json" in said
    read = case.ecom(
        "mapping", "check", "api_dump.json", "--mapping", "m.yaml", "--customers", "--json"
    ).json
    assert (read["rows"]["read"], read["preview"][0]["id"]) == (80, "10000")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["61"], indirect=True)
def test_a_discount_below_zero_lowers_revenue(case: Case) -> None:
    by_init(case, "orders.json", "Europe/Berlin", "--orders")
    # 30 x 50.00 less 12 x 5.00; nobody sent anything back
    assert money(clean_rows(case, "orders.json")) == (1_440, 0, 30)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["62"], indirect=True)
def test_further_lines_have_the_order_of_the_line_above(case: Case) -> None:
    by_init(case, "sale_order.csv", "Europe/Vienna", "--orders")
    rows = clean_rows(case, "sale_order.csv")
    assert (money(rows)[:2], sum(row["quantity"] for row in rows)) == ((1_408, 0), 64)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["63"], indirect=True)
def test_the_amount_of_an_order_counts_once(case: Case) -> None:
    by_init(case, "orders.csv", "Europe/Berlin", "--orders")
    assert case.counts("orders.csv").startswith("1,297.00, "), "the sum of totalPrice"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["66"], indirect=True)
def test_a_currency_in_the_cell_is_converted(case: Case) -> None:
    env = {"ECOM_CURRENCY": "EUR", "ECOM_RATES": "rates.csv"}
    case.ecom(
        "mapping",
        "init",
        "orders.csv",
        "--orders",
        "--timezone",
        "Europe/Berlin",
        "--out",
        "m.yaml",
        env=env,
    )
    # 20 x 25.00 + 10 x 30.00 x 0.90
    assert case.counts("orders.csv", env=env).startswith("770.00, ")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["54"], indirect=True)
def test_fourteen_digits_are_a_time(case: Case) -> None:
    by_init(case, "clevertap_events.csv", "Asia/Kolkata", "--events")
    options = ["--series", "*", "--period", "day", "--timezone", "Asia/Kolkata", "--json"]
    answer = case.ecom(
        "trend", "--events", "clevertap_events.csv", "--mapping", "m.yaml", *options
    ).json
    days = dict(zip(answer["periods"], answer["series"][0]["values"], strict=True))
    assert [(day[5:10], count) for day, count in days.items()] == [("03-02", 20), ("03-03", 40)]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["55"], indirect=True)
def test_values_in_objects_that_say_their_type_are_values(case: Case) -> None:
    by_init(case, "events.json", "UTC", "--events")
    asked = ("--series", "purchase", "--series", "purchase:sum(cart_amount)", "--period", "day")
    assert case.series("--events", "events.json", "--mapping", "m.yaml", *asked) == [20, 398]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["56"], indirect=True)
def test_a_narrow_space_before_am_is_white_space(case: Case) -> None:
    by_init(case, "events.csv", "America/New_York", "--events")
    options = ["--series", "*", "--period", "hour", "--timezone", "America/New_York", "--json"]
    answer = case.ecom("trend", "--events", "events.csv", "--mapping", "m.yaml", *options).json
    counts = dict(zip(answer["periods"], answer["series"][0]["values"], strict=True))
    assert {hour[11:13]: count for hour, count in counts.items() if count} == {
        "00": 20,
        "12": 20,
        "18": 20,
    }


@pytest.mark.parametrize("case", ["57"], indirect=True)
def test_objects_after_each_other_are_events(case: Case) -> None:
    asked = ("--series", "purchase", "--series", "purchase:sum(cart_amount)", "--period", "day")
    assert case.series("--events", "in", *asked) == [30, 600]


@pytest.mark.slow
def test_the_sum_of_purchases_without_an_amount_is_not_known(home: Path, tmp_path: Path) -> None:
    """Two days: a purchase without an amount on the first, one of 5.00 on the second,
    and no refund at all.
    """
    file = tmp_path / "events.csv"
    rows = [
        "e1,u1,purchase,2026-03-01T10:00:00Z,p,,s1,,,",
        "e2,u1,purchase,2026-03-02T10:00:00Z,p,,s1,,,5.00",
    ]
    file.write_text("\n".join([HEADER, *rows, ""]))
    asked = (
        "--series",
        "purchase:sum(cart_amount)",
        "--series",
        "refund:sum(cart_amount)",
        "--period",
        "day",
    )
    series = ecom("trend", "--events", file, *asked, "--json", home=home).json["series"]
    assert [(line["values"], line["total"]) for line in series] == [([None, 5.0], 5.0), ([0, 0], 0)]
    file.write_text("\n".join([HEADER, rows[0], ""]))
    (line, _) = ecom("trend", "--events", file, *asked, "--json", home=home).json["series"]
    assert (line["values"], line["total"]) == ([None], None)


@pytest.mark.slow
def test_a_run_says_which_steps_of_the_funnel_its_events_lack(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    rows = [
        "e1,u1,product_view,2026-03-01T10:00:00Z,p,,s1,,,",
        "e2,u1,purchase,2026-03-01T10:05:00Z,p,,s1,,,5.00",
    ]
    file.write_text("\n".join([HEADER, *rows, ""]))
    option, few = FEW_TABLES
    tables = f'{few} or +key:"mart/conversion_funnel"'
    ran = ecom("run", "--events", file, option, tables, home=home)
    assert "these events have no page_view, add_to_cart, checkout_start" in ran.err
    assert "ECOM_FUNNEL_STEPS, or funnel_steps in a mapping, chooses others" in ran.err
    assert "  1 product_view" in ran.out
    assert "  2 purchase " in ran.out
