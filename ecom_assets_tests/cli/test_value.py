"""`ecom segments` and `ecom value`: customers from files, without setting anything up."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.commerce.customers.contracts import SEGMENTS, CustomerSegments, LifetimeValue
from ecom_assets_tests.command import HEADER as EVENTS_HEADER
from ecom_assets_tests.command import ecom, real_file
from ecom_assets_tests.commerce.customers import cdnow
from ecom_assets_tests.each import each

HEADER = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount"
)
COMMANDS = ("segments", "value")


def orders_csv(path: Path, lines: list[tuple[str, date, str]]) -> Path:
    """Write an order of each customer, day and amount."""
    rows = [
        f"{n},u{n},{day}T12:00:00,1,Berlin,{who},,,7,Hat,1,{amount}"
        for n, (who, day, amount) in enumerate(lines)
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def cdnow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published purchases as order lines, those after the calibration too."""
    path = tmp_path_factory.mktemp("cdnow") / "orders.csv"
    return orders_csv(
        path,
        [
            (purchase.customer_id, purchase.day, str(purchase.amount))
            for purchase in cdnow.purchases()
        ],
    )


@pytest.mark.slow
def test_cdnow_comes_out_as_published_in_the_shape_that_scripts_read(
    home: Path, cdnow_file: Path
) -> None:
    result = ecom("value", "--orders", cdnow_file, "--as-of", "1997-09-30", "--json", home=home)
    assert (result.exit_code, result.err) == (0, "")
    actual = result.json
    assert {"model", "customers", "parameters", "range", "rows"} <= actual.keys()
    assert (actual["model"], actual["customers"], actual["repeat_customers"]) == (
        "bg_nbd",
        2357,
        946,
    )
    assert {name: round(size, 3) for name, size in actual["parameters"].items()} == {
        "r": 0.243,
        "alpha": 4.414,
        "a": 0.793,
        "b": 2.426,
    }
    assert round(actual["log_likelihood"], 1) == -9582.4
    assert (actual["at_limit"], actual["reason"], actual["as_of_date"]) == ([], None, "1997-09-30")
    values = actual["order_value"]
    assert (values["model"], values["at_limit"], values["reason"]) == ("gamma_gamma", [], None)
    assert {name: round(size, 2) for name, size in values["parameters"].items()} == {
        "p": 6.25,
        "q": 3.74,
        "v": 15.44,
    }
    assert 0 < actual["expected_orders"] < actual["customers"]
    assert 946 < actual["expected_alive"] < 2357
    assert float(actual["lifetime_value_amount"]) > 0
    assert actual["definition"] == {
        "horizon_days": 90,
        "value_months": 12,
        "discount_rate": 0.1,
        "time_unit": "week",
        "order": "day_with_an_order",
        "source": "orders",
    }


@pytest.mark.slow
def test_segments_have_the_shape_for_scripts_and_rows_that_add_up(
    home: Path, tmp_path: Path, cdnow_file: Path
) -> None:
    out = tmp_path / "segments.csv"
    result = ecom("segments", "--orders", cdnow_file, "--json", "--out", out, home=home)
    assert (result.exit_code, result.err) == (0, "")
    actual = result.json
    assert {"definition", "as_of_date", "customers", "segments", "rows"} <= actual.keys()
    assert actual["definition"] == {"scores": "percent_rank", "source": "orders"}
    assert (actual["customers"], actual["as_of_date"]) == (2357, "1998-06-30")
    assert [segment["segment"] for segment in actual["segments"]] == list(SEGMENTS)
    assert list(actual["segments"][0]) == [
        "segment",
        "customers",
        "share",
        "orders",
        "revenue_amount",
        "mean_recency_days",
    ]
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(CustomerSegments.columns)
    counted = Counter(row["segment"] for row in rows)
    assert {segment["segment"]: segment["customers"] for segment in actual["segments"]} == {
        name: counted[name] for name in SEGMENTS
    }
    # All are at noon, so that those of one customer and day are one order.
    assert sum(segment["orders"] for segment in actual["segments"]) == len(
        {(p.customer_id, p.day) for p in cdnow.purchases()}
    )


@pytest.mark.slow
def test_files_of_a_row_per_customer_and_words_for_people(
    home: Path, tmp_path: Path, cdnow_file: Path
) -> None:
    out = tmp_path / "value.csv"
    arguments = (
        "--as-of",
        "1997-09-30",
        "--horizon-days",
        "273",
        "--months",
        "1",
        "--discount-rate",
        "0",
    )
    result = ecom("value", "--orders", cdnow_file, *arguments, "--out", out, home=home)
    assert result.exit_code == 0, result.err
    assert "2,357 customers at the end of 1997-09-30, 946 of whom came again" in result.out
    assert "BG/NBD       r 0.242595, alpha 4.4136, a 0.792922, b 2.42591" in result.out
    assert f"Written to {out}." in result.out
    with out.open() as file:
        rows = {row["customer_id"]: row for row in csv.DictReader(file)}
    assert list(rows["0001"]) == list(LifetimeValue.columns)
    first = rows["0001"]
    assert (first["repeat_order_count"], first["first_to_last_days"], first["observed_days"]) == (
        "2",
        "213",
        "272",
    )
    # What the paper's spreadsheet expects of this customer in the next 39 weeks: 1.226.
    assert float(first["expected_order_count"]) == pytest.approx(1.226, abs=0.002)
    shown = ecom("segments", "--orders", cdnow_file, "--scores", "cume_dist", home=home)
    assert "2,357 customers at the end of 1998-06-30" in shown.out
    assert "Champions" in shown.out


@pytest.mark.slow
@each("command", COMMANDS)
def test_purchase_events_serve_where_there_are_no_orders(
    home: Path, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "events.csv"
    rows = [
        f"e{n},ann,purchase,2026-01-0{n}T10:00:00Z,,,s{n},https://shop.example/,,{n}"
        for n in (1, 2, 4)
    ]
    rows.append("e9,ben,page_view,2026-01-09T10:00:00Z,,,s9,https://shop.example/,,")
    path.write_text("\n".join([EVENTS_HEADER, *rows]) + "\n")
    result = ecom(command, "--events", path, "--json", home=home)
    assert (result.exit_code, result.err) == (0, "")
    assert (result.json["customers"], result.json["as_of_date"]) == (1, "2026-01-09")
    assert result.json["definition"]["source"] == "purchase_events"
    if command == "value":
        assert result.json["reason"] == "too_few_customers"
        assert result.json["parameters"] == dict.fromkeys(("r", "alpha", "a", "b"))
        assert (result.json["expected_alive"], result.json["lifetime_value_amount"]) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_without_a_row_is_answered_with_nobody(
    home: Path, tmp_path: Path, command: str
) -> None:
    result = ecom(command, "--orders", orders_csv(tmp_path / "o.csv", []), "--json", home=home)
    assert (result.exit_code, result.err) == (0, "")
    assert (result.json["customers"], result.json["as_of_date"]) == (0, None)
    assert "NaN" not in result.out
    assert list(result.json["range"]["sources"]) == ["orders"]
    assert (
        ecom(command, "--orders", tmp_path / "o.csv", home=home).out
        == "Nobody ordered.\nRows: 0 read\n"
    )


@each("command", COMMANDS)
@each(
    "arguments, sentence",
    [
        ((), "needs either events or orders; give one of --events PATH and --orders PATH."),
        (("--orders", "nowhere.csv", "--events", "e.csv"), "needs either events or orders"),
        (("--orders", "nowhere.csv"), "nowhere.csv does not exist"),
        (
            ("--orders", "o.csv", "--mapping", "online_retial"),
            "there is no mapping 'online_retial' (did you mean 'online_retail'?)",
        ),
        (
            ("--orders", "o.csv", "--as-of", "soon"),
            "--as-of 'soon' is not a date; use YYYY-MM-DD, such as 2026-01-31.",
        ),
        (
            ("--orders", "o.csv", "--out", "o.xlsx"),
            "--out o.xlsx is neither .parquet nor .csv; end it in one of them.",
        ),
    ],
)
def test_an_impossible_question_is_refused_in_a_sentence(
    home: Path, tmp_path: Path, command: str, arguments: tuple[str, ...], sentence: str
) -> None:
    orders_csv(tmp_path / "o.csv", [("ann", date(2026, 1, 1), "10")])
    result = ecom(command, *arguments, home=home)
    assert result.exit_code in {1, 2}
    assert sentence in result.sentence
    assert result.out == ""


def test_definitions_that_mean_nothing_are_refused(home: Path) -> None:
    result = ecom("segments", "--orders", "o.csv", "--scores", "ntile", home=home)
    assert (result.exit_code, result.sentence) == (
        2,
        "The method of scores 'ntile' is unknown; known: percent_rank, cume_dist.",
    )
    result = ecom("value", "--orders", "o.csv", "--months", "0", home=home)
    assert (result.exit_code, result.sentence) == (
        2,
        "The months of value is 0; give a number from 1 to 120.",
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_days_are_one_day_only_which_a_definition_may_not_have(
    home: Path, tmp_path: Path, command: str
) -> None:
    definition = tmp_path / "rule.yaml"
    definition.write_text("start_date: 2026-01-01\n")
    orders = orders_csv(tmp_path / "o.csv", [("ann", date(2026, 1, 1), "10")])
    refused = ecom(command, "--orders", orders, "--definition", definition, home=home)
    assert (refused.exit_code, refused.sentence.partition(";")[0].partition(" in ")[0]) == (
        2,
        "Unknown key 'start_date'",
    )
    definition.write_text("session_rule: mixpanel\n")
    answer = ecom(
        command,
        "--orders",
        orders,
        "--definition",
        definition,
        "--as-of",
        "2026-01-03",
        "--json",
        home=home,
    )
    assert (answer.json["customers"], answer.json["as_of_date"]) == (1, "2026-01-03")


# Real files


@pytest.mark.slow
def test_the_real_order_report_has_every_customer_in_a_segment(home: Path) -> None:
    file = real_file("user_order_log.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = {row["uniq_id"]: row for row in csv.DictReader(lines)}.values()
    result = ecom("segments", "--orders", file, "--json", home=home).json
    assert result["customers"] == len({row["customer_id"] for row in rows})
    assert sum(float(segment["revenue_amount"]) for segment in result["segments"]) == 1_987_570


@pytest.mark.slow
def test_customers_of_online_retail_are_valued_as_other_tools_do(home: Path) -> None:
    file = real_file("online_retail_2010_2011.parquet")
    result = ecom("value", "--orders", file, "--mapping", "online_retail", "--json", home=home).json
    assert (result["customers"], result["as_of_date"]) == (4_338, "2011-12-09")
    # lifetimes 0.11.3 on the same days: 0.8265, 68.9051, 0.0034, 6.7451, its alpha in days.
    model = result["parameters"]
    assert (model["r"], model["alpha"] * 7) == (
        pytest.approx(0.8265, abs=0.001),
        pytest.approx(68.905, abs=0.05),
    )
    assert result["at_limit"] == []
