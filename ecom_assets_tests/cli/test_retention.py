"""`ecom retention`: cohorts from files of events and of orders, without setting anything up."""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.command import HEADER, CommandResult, ecom, real_file, shape
from ecom_assets_tests.each import each

# Ann and Bob begin in the week of 2 March, Cid in that of the 9th; Ann comes again then and buys.
# The newest day, the 16th, begins a third week.
STORY = """\
a1,ann,page_view,2026-03-02T10:00:00Z,,,s1,https://shop.example/,,
b1,bob,page_view,2026-03-03T10:00:00Z,,,s2,https://shop.example/,,
a2,ann,purchase,2026-03-10T10:00:00Z,,,s3,https://shop.example/,,25.50
c1,cid,page_view,2026-03-11T10:00:00Z,,,s4,https://shop.example/,,
c2,cid,search,2026-03-16T10:00:00Z,,,s5,https://shop.example/,,
"""
ORDERS = """\
id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,payment_amount,status
1,o1,2026-03-02 10:00:00,1,Bonn,ann,,,7,Hat,1,20,shipped
2,o2,2026-03-09 10:00:00,1,Bonn,ann,,,7,Hat,1,30,shipped
3,o3,2026-03-10 10:00:00,1,Bonn,ann,,,7,Hat,1,5,refunded
4,o4,2026-03-03 10:00:00,1,Bonn,bob,,,7,Hat,1,10,shipped
5,o5,2026-03-17 10:00:00,1,Bonn,bob,,,7,Hat,1,10,shipped
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "story.csv").write_text(f"{HEADER}\n{STORY}")
    (tmp_path / "orders.csv").write_text(ORDERS)
    return tmp_path / "home"


def ask(home: Path, *options: str) -> CommandResult:
    result = ecom("retention", "--events", home.parent / "story.csv", *options, home=home)
    assert (result.exit_code, result.err) == (0, "")
    return result


def reported(actual: Any) -> dict[str, list[int]]:
    """Return who returned, by cohort."""
    return {cohort["cohort"]: cohort["returned"] for cohort in actual["cohorts"]}


@pytest.mark.slow
def test_the_answer_has_the_shape_that_scripts_read(home: Path) -> None:
    actual = ask(home, "--json").json
    assert actual["definition"] == {
        "start": None,
        "returning": None,
        "period": "week",
        "mode": "on",
        "clock": "calendar",
        "week_start": "monday",
        "last_period": None,
        "timezone": "UTC",
        "newest_date": "2026-03-16",
        "whole_until_date": "2026-03-15",
    }
    assert actual["cohorts"] == [
        {
            "cohort": "2026-03-02",
            "size": 2,
            "returned": [2, 1, 0],
            "complete": [True, True, False],
            "revenue": ["0.00", "25.50", "25.50"],
            "lifetime_value": [0.0, 12.75, 12.75],
            "sum": None,
        },
        {
            "cohort": "2026-03-09",
            "size": 1,
            "returned": [1, 1],
            "complete": [True, False],
            "revenue": ["0.00", "0.00"],
            "lifetime_value": [0.0, 0.0],
            "sum": None,
        },
    ]


def test_its_totals_have_the_shape_that_scripts_read(home: Path) -> None:
    actual = ask(home, "--json").json
    assert [shape(total) for total in actual["totals"]][:2] == [
        {"period": str, "cohorts": int, "size": int, "returned": int, "rate": float, "revenue": str}
        | {"lifetime_value": float, "sum": type(None), "sum_per_visitor": type(None)}
    ] * 2
    assert actual["totals"][2] == {
        "period": "2",
        "cohorts": 0,
        "size": 0,
        "returned": 0,
        "rate": None,
        "revenue": "0.00",
        "lifetime_value": None,
        "sum": None,
        "sum_per_visitor": None,
    }
    assert actual["breakdown"] == []


def test_people_see_a_triangle_and_what_is_not_whole(home: Path) -> None:
    assert ask(home).out.splitlines() == [
        (
            "Began with any event, came back with any event, by week: on, calendar clock; * is not "
            "whole yet"
        ),
        "cohort          size       0       1       2",
        "2026-03-02         2  100.0%   50.0%    0.0%*",
        "2026-03-09         1  100.0%  100.0%*",
        "whole          share  100.0%   50.0%       -",
        "per head     revenue    0.00   12.75       -",
        "Rows: 5 read, all counted",
    ]


@pytest.mark.slow
@each(
    "options, expected",
    [
        (("--mode", "on_or_after"), {"2026-03-02": [2, 1, 0], "2026-03-09": [1, 1]}),
        (("--period", "month"), {"2026-03-01": [3]}),
        (("--period", "day", "--start", "purchase", "--periods", "2"), {"2026-03-10": [1, 0, 0]}),
        (("--return", "purchase"), {"2026-03-02": [0, 1, 0], "2026-03-09": [0, 0]}),
        (
            ("--week-start", "tuesday"),
            {"2026-02-24": [1, 0, 1], "2026-03-03": [1, 0], "2026-03-10": [1]},
        ),
        (("--brackets", "0,1-2"), {"2026-03-02": [2, 1], "2026-03-09": [1, 1]}),
        (("--clock", "rolling"), {"2026-03-02": [2, 1, 0], "2026-03-09": [1]}),
        (
            ("--preset", "posthog", "--periods", "1"),
            {"2026-03-02": [1, 0], "2026-03-03": [1, 0], "2026-03-11": [1, 0]},
        ),
        (("--start", "refund"), {}),
    ],
)
def test_each_question_has_its_answer(
    home: Path, options: tuple[str, ...], expected: dict[str, list[int]]
) -> None:
    assert reported(ask(home, "--json", *options).json) == expected


@pytest.mark.slow
def test_a_type_that_no_event_has_counts_nobody_with_a_warning(home: Path) -> None:
    result = ecom(
        "retention", "--events", home.parent / "story.csv", "--start", "refund", home=home
    )
    assert (result.exit_code, result.out) == (
        0,
        "Nobody began with refund, so there is no cohort.\nRows: 5 read, all counted\n",
    )
    known_types = "there are page_view, purchase, search."
    assert (
        result.err
        == f"ecom: warning: No event has the type 'refund', so it counts 0; {known_types}\n"
    )
    actual = ask(home, "--return", "purchas", "--json").json
    assert reported(actual) == {"2026-03-02": [0, 0, 0], "2026-03-09": [0, 0]}
    assert actual["warnings"] == [
        "No event has the type 'purchas', so it counts 0; did you mean 'purchase'?"
    ]
    assert ask(home, "--start", "purchase", "--return", "search", "--json").json["warnings"] == []


@pytest.mark.slow
def test_who_knows_that_the_newest_day_is_whole_says_so(home: Path) -> None:
    actual = ask(home, "--json", "--period", "day", "--whole-until", "2026-03-16").json
    assert actual["definition"]["whole_until_date"] == "2026-03-16"
    assert all(all(cohort["complete"]) for cohort in actual["cohorts"])
    later = ask(home, "--json", "--whole-until", "2026-03-29").json
    assert reported(later) == {"2026-03-02": [2, 1, 0, 0], "2026-03-09": [1, 1, 0]}
    assert all(all(cohort["complete"]) for cohort in later["cohorts"])


@pytest.mark.slow
def test_where_events_carry_no_money_there_is_none_instead_of_zero(home: Path) -> None:
    path = home.parent / "story.csv"
    path.write_text(path.read_text().replace(",25.50", ","))
    actual = ask(home, "--json").json
    assert actual["cohorts"][0]["revenue"] == [None, None, None]
    assert actual["totals"][0]["lifetime_value"] is None
    assert "revenue" not in ask(home).out


def test_orders_are_purchases_and_refunds_are_paid_back(home: Path) -> None:
    result = ecom("retention", "--orders", home.parent / "orders.csv", "--json", home=home)
    assert (result.exit_code, result.err) == (0, "")
    assert (result.json["definition"]["start"], result.json["definition"]["returning"]) == (
        "purchase",
        "purchase",
    )
    (cohort,) = result.json["cohorts"]
    assert (cohort["size"], cohort["returned"]) == (2, [2, 1, 1])
    assert cohort["revenue"] == ["30.00", "55.00", "65.00"]


@each(
    "options, sentence",
    [
        (
            (),
            "Retention needs either events or orders; give one of --events PATH and --orders PATH.",
        ),
        (
            ("--events", "story.csv", "--orders", "orders.csv"),
            "Retention needs either events or orders",
        ),
        (
            ("--events", "story.csv", "--period", "decade"),
            "The period of retention 'decade' is unknown; ",
        ),
        (
            ("--events", "story.csv", "--mode", "after"),
            "The mode of retention 'after' is unknown; did you mean",
        ),
        (
            ("--orders", "orders.csv", "--return", "search"),
            "There is no event type 'search' here; known: purchase",
        ),
        (
            ("--events", "story.csv", "--brackets", "3-1"),
            "The brackets '3-1' overlap, go backwards",
        ),
        (
            ("--events", "story.csv", "--brackets", "0,1", "--mode", "on"),
            "--brackets belong to --mode bracket",
        ),
        (
            ("--events", "story.csv", "--periods", "-1"),
            "`last_period` of a retention is at least 0, not",
        ),
        (("--events", "story.csv", "--whole-until", "soon"), "--whole-until 'soon' is not a date"),
        (
            ("--events", "story.csv", "--preset", "heap"),
            "The preset 'heap' of retention is unknown; known: n_day",
        ),
    ],
)
def test_wrong_questions_are_answered_with_one_sentence(
    home: Path, options: tuple[str, ...], sentence: str
) -> None:
    result = ecom("retention", *options, home=home)
    assert (result.exit_code, result.out) == (2, "")
    assert result.sentence.startswith(sentence)
    assert not home.exists()


def test_a_file_without_rows_is_named(home: Path) -> None:
    path = home.parent / "orders.csv"
    path.write_text(ORDERS.splitlines()[0] + "\n")
    result = ecom("retention", "--orders", path, home=home)
    assert (result.exit_code, result.sentence) == (
        1,
        f"{path} holds no rows; give a file that does.",
    )


@pytest.mark.slow
def test_a_file_without_a_clean_row_has_no_cohort(home: Path) -> None:
    path = home.parent / "story.csv"
    path.write_text(f"{HEADER}\na1,null,page_view,2026-03-02T10:00:00Z,,,,,,\n")
    result = ecom("retention", "--events", path, "--json", "--clock", "rolling", home=home)
    assert result.exit_code == 0
    assert result.err.startswith(
        "ecom: warning: 1 of 1 rows (100%) are not counted, most of them (1) for missing_identity"
    )
    actual = result.json
    assert (actual["cohorts"], actual["totals"], actual["definition"]["newest_date"]) == (
        [],
        [],
        None,
    )


@pytest.mark.slow
def test_online_retail_s_first_cohort_returns_as_its_readme_says(home: Path) -> None:
    path = real_file("online_retail_2010_2011.parquet")
    options = ("--orders-mapping", "online_retail", "--period", "month", "--json")
    result = ecom("retention", "--orders", path, *options, home=home).json
    first = result["cohorts"][0]
    assert first["returned"] == [885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235]
    assert (first["cohort"], first["size"], first["complete"][-2:]) == (
        "2010-12-01",
        885,
        [True, False],
    )
    assert sum(cohort["size"] for cohort in result["cohorts"]) == 4_338


@pytest.mark.slow
def test_conditions_stand_on_starts_returns_and_everything(home: Path) -> None:
    # Cid's search of the 16th is not looked at, but the data reach that far: nobody came back in
    # the third week.
    assert reported(ask(home, "--where", "event_type != search", "--json").json) == {
        "2026-03-02": [2, 1, 0],
        "2026-03-09": [1, 0],
    }
    options = (
        "--start-where",
        "event_type in page_view, purchase",
        "--return-where",
        "cart_amount > 20",
        "--json",
    )
    actual = ask(home, *options).json
    assert reported(actual) == {"2026-03-02": [0, 1, 0], "2026-03-09": [0, 0]}
    returning = {"column": "cart_amount", "operator": "greater", "value": 20}
    assert actual["definition"]["returning_where"] == {"all_of": [returning]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--by", "event_type", "--by", "properties.plan"),
        ("--return-where", "properties.plan != pro"),
    ],
)
def test_a_key_that_no_event_has_is_warned_of_wherever_it_stands(
    home: Path, options: tuple[str, ...]
) -> None:
    (warning,) = ask(home, *options, "--json").json["warnings"]
    assert warning.startswith("No event has properties, so none has properties.plan")


@pytest.mark.slow
def test_a_range_is_of_starts_or_of_all_events(home: Path) -> None:
    """Ann first came on the 2nd; looking at nothing before the 9th,
    she seems to begin on the 10th.
    """
    assert reported(ask(home, "--from", "2026-03-09", "--json").json) == {"2026-03-09": [1, 1]}
    options = ("--from", "2026-03-09", "--to", "2026-03-15", "--json")
    assert reported(ask(home, *options).json) == {"2026-03-09": [1, 1]}
    assert reported(ask(home, *options, "--range-of", "events").json) == {"2026-03-09": [2]}
    assert reported(ask(home, "--last", "1w", "--starting", "recurring", "--json").json) == {
        "2026-03-09": [2, 1],
        "2026-03-16": [1],
    }
    result = ecom(
        "retention",
        "--events",
        home.parent / "story.csv",
        "--to",
        "2018-01-01",
        "--json",
        home=home,
    )
    assert result.json["cohorts"] == []
    assert result.json["warnings"] == [
        "The data are of 2026-03-02 to 2026-03-16, so nothing is known of days up to 2018-01-01."
    ]


@pytest.mark.slow
def test_days_begin_in_the_zone_that_is_asked_for(home: Path) -> None:
    options = (
        "--period",
        "hour",
        "--periods",
        "1",
        "--timezone",
        "Asia/Kolkata",
        "--to",
        "2026-03-03",
        "--json",
    )
    assert reported(ask(home, *options).json) == {
        "2026-03-02T15:00+05:30": [1, 0],
        "2026-03-03T15:00+05:30": [1, 0],
    }


@pytest.mark.slow
def test_values_are_distinguished_below_the_triangle(home: Path) -> None:
    options = (
        "--by",
        "properties.plan",
        "--period",
        "month",
        "--sum",
        "cart_amount",
        "--whole-until",
        "2026-03-31",
    )
    out = ecom("retention", "--events", home.parent / "story.csv", *options, home=home)
    assert out.exit_code == 0
    assert out.err.startswith(
        "ecom: warning: No event has properties, so none has properties.plan;"
    )
    assert out.out.splitlines()[-5:] == [
        "per head     revenue    8.50",
        "per head         sum    8.50",
        "Of whole cohorts, by properties.plan",
        "(none)             3  100.0%",
        "Rows: 5 read, all counted",
    ]


@pytest.mark.slow
def test_people_read_that_cohorts_recur(home: Path) -> None:
    assert (
        ask(home, "--starting", "recurring")
        .out.splitlines()[0]
        .endswith(": on, recurring, calendar clock; * is not whole yet")
    )


@pytest.mark.slow
def test_who_is_in_each_cell_is_written(home: Path) -> None:
    file = home.parent / "who.csv"
    assert ask(home, "--who", str(file)).out.splitlines()[-2] == f"Written to {file}."
    assert file.read_text().splitlines() == [
        "cohort_date,visitor_id,first_period,last_period",
        "2026-03-02,ann,0,0",
        "2026-03-02,ann,1,1",
        "2026-03-02,bob,0,0",
        "2026-03-09,cid,0,0",
        "2026-03-09,cid,1,1",
    ]


@pytest.mark.slow
def test_a_definition_says_all_but_files_and_days(home: Path) -> None:
    file = home.parent / "retention.yaml"
    file.write_text(
        "period: week\nreturning: purchase\nstart_where: {event_type: page_view}\nby: event_type\n"
    )
    actual = ask(home, "--definition", str(file), "--from", "2026-03-01", "--json").json
    assert reported(actual) == {"2026-03-02": [0, 1, 0], "2026-03-09": [0, 0]}
    assert [part["value"] for part in actual["breakdown"]] == ["page_view"]


@each(
    "options, sentence",
    [
        (
            ("--limit", "3"),
            "--limit sets how many values of --by are shown; give --by, or leave it out.",
        ),
        (
            ("--range-of", "starts"),
            "--range-of says what --from, --to or --last limit; give one of them",
        ),
        (
            ("--range-of", "all", "--to", "2026-03-03"),
            "The range of retention 'all' is unknown; known: events, starts",
        ),
        (
            ("--starting", "twice"),
            (
                "The starting of retention 'twice' is unknown; known: first_time, first_ever, "
                "recurring"
            ),
        ),
        (("--by", "brand"), "The events have no column 'brand'"),
        (("--sum", "event_type"), "event_type holds text, not numbers; name a number column."),
        (
            ("--where", "cart_amount >"),
            "The condition on 'cart_amount' (greater) needs 1 values and has 0.",
        ),
        (
            ("--definition", "x.yaml", "--return", "a"),
            "--definition says what --return would; leave one of them out.",
        ),
        (
            ("--who", "who.txt"),
            "--who who.txt is neither .parquet nor .csv; end it in one of them.",
        ),
    ],
)
def test_impossible_choices_are_refused(
    home: Path, options: tuple[str, ...], sentence: str
) -> None:
    result = ecom("retention", "--events", home.parent / "story.csv", *options, home=home)
    assert (result.exit_code, result.sentence.startswith(sentence)) == (2, True), result.err
