"""`ecom retention`: cohorts from files of events and of orders, without setting anything up."""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets_tests.command import HEADER, Said, ecom, real_file, shape

# Ann and Bob begin in the week of 2 March, Cid in that of the 9th; Ann comes again then and buys. The newest day, the
# 16th, begins a third week.
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


def ask(home: Path, *words: str) -> Said:
    said = ecom("retention", "--events", home.parent / "story.csv", *words, home=home)
    assert (said.exit_code, said.err) == (0, "")
    return said


def told(found: Any) -> dict[str, list[int]]:
    """Return who returned, by cohort."""
    return {one["cohort"]: one["returned"] for one in found["cohorts"]}


def test_the_answer_has_the_shape_that_scripts_read(home: Path) -> None:
    found = ask(home, "--json").json
    assert found["definition"] == {
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
    assert found["cohorts"] == [
        {
            "cohort": "2026-03-02",
            "size": 2,
            "returned": [2, 1, 0],
            "complete": [True, True, False],
            "revenue": ["0.00", "25.50", "25.50"],
            "lifetime_value": [0.0, 12.75, 12.75],
        },
        {
            "cohort": "2026-03-09",
            "size": 1,
            "returned": [1, 1],
            "complete": [True, False],
            "revenue": ["0.00", "0.00"],
            "lifetime_value": [0.0, 0.0],
        },
    ]
    assert [shape(one) for one in found["totals"]][:2] == [
        {"period": str, "cohorts": int, "size": int, "returned": int, "rate": float, "revenue": str}
        | {"lifetime_value": float}
    ] * 2
    assert found["totals"][2] == {
        "period": "2", "cohorts": 0, "size": 0, "returned": 0, "rate": None, "revenue": "0.00", "lifetime_value": None
    }  # fmt: skip


def test_people_see_a_triangle_and_what_is_not_whole(home: Path) -> None:
    assert ask(home).out.splitlines() == [
        "Began with any event, came back with any event, by week: on, calendar clock; * is not whole yet",
        "cohort          size       0       1       2",
        "2026-03-02         2  100.0%   50.0%    0.0%*",
        "2026-03-09         1  100.0%  100.0%*",
        "whole          share  100.0%   50.0%       -",
        "per head     revenue    0.00   12.75       -",
        "Rows: 5 read, all counted",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--mode", "on_or_after"), {"2026-03-02": [2, 1, 0], "2026-03-09": [1, 1]}),
        (("--period", "month"), {"2026-03-01": [3]}),
        (("--period", "day", "--start", "purchase", "--periods", "2"), {"2026-03-10": [1, 0, 0]}),
        (("--return", "purchase"), {"2026-03-02": [0, 1, 0], "2026-03-09": [0, 0]}),
        (("--week-start", "tuesday"), {"2026-02-24": [1, 0, 1], "2026-03-03": [1, 0], "2026-03-10": [1]}),
        (("--brackets", "0,1-2"), {"2026-03-02": [2, 1], "2026-03-09": [1, 1]}),
        (("--clock", "rolling"), {"2026-03-02": [2, 1, 0], "2026-03-09": [1]}),
        (("--preset", "posthog", "--periods", "1"), {"2026-03-02": [1, 0], "2026-03-03": [1, 0], "2026-03-11": [1, 0]}),
        (("--start", "refund"), {}),
    ],
)
def test_each_question_has_its_answer(home: Path, words: tuple[str, ...], expected: dict[str, list[int]]) -> None:
    assert told(ask(home, "--json", *words).json) == expected


def test_a_type_that_no_event_has_counts_nobody_with_a_warning(home: Path) -> None:
    said = ecom("retention", "--events", home.parent / "story.csv", "--start", "refund", home=home)
    assert (said.exit_code, said.out) == (
        0,
        "Nobody began with refund, so there is no cohort.\nRows: 5 read, all counted\n",
    )
    there = "there are page_view, purchase, search."
    assert said.err == f"ecom: warning: No event has the type 'refund', so it counts 0; {there}\n"
    found = ask(home, "--return", "purchas", "--json").json
    assert told(found) == {"2026-03-02": [0, 0, 0], "2026-03-09": [0, 0]}
    assert found["warnings"] == ["No event has the type 'purchas', so it counts 0; did you mean 'purchase'?"]
    assert ask(home, "--start", "purchase", "--return", "search", "--json").json["warnings"] == []


def test_who_knows_that_the_newest_day_is_whole_says_so(home: Path) -> None:
    found = ask(home, "--json", "--period", "day", "--whole-until", "2026-03-16").json
    assert found["definition"]["whole_until_date"] == "2026-03-16"
    assert all(all(one["complete"]) for one in found["cohorts"])
    later = ask(home, "--json", "--whole-until", "2026-03-29").json
    assert told(later) == {"2026-03-02": [2, 1, 0, 0], "2026-03-09": [1, 1, 0]}
    assert all(all(one["complete"]) for one in later["cohorts"])


def test_where_events_carry_no_money_there_is_none_instead_of_zero(home: Path) -> None:
    path = home.parent / "story.csv"
    path.write_text(path.read_text().replace(",25.50", ","))
    found = ask(home, "--json").json
    assert found["cohorts"][0]["revenue"] == [None, None, None]
    assert found["totals"][0]["lifetime_value"] is None
    assert "revenue" not in ask(home).out


def test_orders_are_purchases_and_refunds_are_paid_back(home: Path) -> None:
    said = ecom("retention", "--orders", home.parent / "orders.csv", "--json", home=home)
    assert (said.exit_code, said.err) == (0, "")
    assert (said.json["definition"]["start"], said.json["definition"]["returning"]) == ("purchase", "purchase")
    (cohort,) = said.json["cohorts"]
    assert (cohort["size"], cohort["returned"]) == (2, [2, 1, 1])
    assert cohort["revenue"] == ["30.00", "55.00", "65.00"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Retention is asked of events or of orders; give one of --events PATH and --orders PATH."),
        (("--events", "story.csv", "--orders", "orders.csv"), "Retention is asked of events or of orders"),
        (("--events", "story.csv", "--period", "year"), "The period 'year' of retention is unknown; "),
        (("--events", "story.csv", "--mode", "after"), "The mode 'after' of retention is unknown; did you mean"),
        (("--orders", "orders.csv", "--return", "search"), "There is no event type 'search' here; Known: purchase"),
        (("--events", "story.csv", "--brackets", "3-1"), "The brackets '3-1' overlap, go backwards"),
        (("--events", "story.csv", "--brackets", "0,1", "--mode", "on"), "--brackets belong to --mode bracket"),
        (("--events", "story.csv", "--periods", "-1"), "The last period cannot be -1"),
        (("--events", "story.csv", "--whole-until", "soon"), "--whole-until 'soon' is not a date"),
        (("--events", "story.csv", "--preset", "heap"), "The preset 'heap' of retention is unknown; Known: n_day"),
    ],
)  # fmt: skip
def test_wrong_questions_are_answered_with_one_sentence(home: Path, words: tuple[str, ...], sentence: str) -> None:
    said = ecom("retention", *words, home=home)
    assert (said.exit_code, said.out) == (2, "")
    assert said.sentence.startswith(sentence)
    assert not home.exists()


def test_a_file_without_rows_is_named(home: Path) -> None:
    path = home.parent / "orders.csv"
    path.write_text(ORDERS.splitlines()[0] + "\n")
    said = ecom("retention", "--orders", path, home=home)
    assert (said.exit_code, said.sentence) == (1, f"{path} holds no rows; give a file that does.")


def test_a_file_without_a_clean_row_has_no_cohort(home: Path) -> None:
    path = home.parent / "story.csv"
    path.write_text(f"{HEADER}\na1,null,page_view,2026-03-02T10:00:00Z,,,s1,,,\n")
    found = ask(home, "--json", "--clock", "rolling").json
    assert (found["cohorts"], found["totals"], found["definition"]["newest_date"]) == ([], [], None)


def test_online_retail_s_first_cohort_returns_as_its_readme_tells(home: Path) -> None:
    path = real_file("online_retail_2010_2011.parquet")
    words = ("--orders-mapping", "online_retail", "--period", "month", "--json")
    found = ecom("retention", "--orders", path, *words, home=home).json
    first = found["cohorts"][0]
    assert first["returned"] == [885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235]
    assert (first["cohort"], first["size"], first["complete"][-2:]) == ("2010-12-01", 885, [True, False])
    assert sum(one["size"] for one in found["cohorts"]) == 4_338
