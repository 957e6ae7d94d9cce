"""`ecom correlation`: what goes with conversion, from files, without setting anything up."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from ecom_assets_tests.command import CommandResult, ecom, real_file

STORY = """\
a1,ann,page_view,2026-03-02T10:00:00Z,,hats,s1,https://shop.example/,,
a2,ann,search,2026-03-02T10:05:00Z,,,s1,https://shop.example/,,
a3,ann,purchase,2026-03-02T12:00:00Z,,,s1,https://shop.example/,,25.50
b1,bob,page_view,2026-03-02T11:00:00Z,,shoes,s2,https://shop.example/,,
b2,bob,search,2026-03-03T11:00:01Z,,,s3,https://shop.example/,,
c1,cid,page_view,2026-03-04T10:00:00Z,,hats,s4,https://shop.example/,,
"""
QUESTION = ("--steps", "page_view,purchase", "--within", "1d", "--property", "product_category")


pytestmark = pytest.mark.usefixtures("events")


def ask(home: Path, *arguments: str | Path) -> CommandResult:
    return ecom("correlation", "--events", home.parent / "story.csv", *arguments, home=home)


def test_the_answer_has_the_shape_that_scripts_read(home: Path) -> None:
    result = ask(home, *QUESTION, "--json")
    assert (result.exit_code, result.err) == (0, "")
    actual = result.json
    assert actual["definition"]["properties"] == ["product_category"]
    assert actual["definition"]["funnel"]["within"] == "86400s"
    assert (actual["converted_count"], actual["other_count"]) == (1, 2)
    assert actual["correlations"][1] == {
        "property": None,
        "value": "search",
        "converted_count": 1,
        "other_count": 0,
        # (1.5 / 2) / (0.5 / 3), with a half added to each count, as one of them is 0
        "factor": 4.5,
        "factor_low": 0.316723,
        "factor_high": 63.9359,
        "odds_ratio": 15.0,
        "low": 0.182012,
        "high": 1236.18,
        "is_enough": False,
    }
    assert actual["rows"]["counted"] == 6


def test_each_line_has_the_factor_and_the_counts(home: Path) -> None:
    """With a half added to each count, as one is 0: (1.5 / 3) / (0.5 / 2) = 2 for hats."""
    head, meaning, *rows, counted = ask(home, *QUESTION).out.splitlines()
    assert head == "page_view > purchase: of 3 visitors who entered, 1 converted (33.3%)"
    assert meaning == (
        "Visitors with it convert, and the 0.95 interval of the factor; * has too few visitors"
    )
    assert [re.split(" {2,}", row.strip()) for row in rows] == [
        ["product_category = hats", "2 times as often*", "0.14 to 28.42", FIRST],
        ["search", "4.5 times as often* 0.32 to 63.94", SECOND],
        ["product_category = shoes 1/2 as often*", "0.04 to 7.10", THIRD],
    ]
    assert counted == "Rows: 6 read, all counted"


FIRST = "1 of 1 converted, 1 of 2 others, odds ratio 3.00"
SECOND = "1 of 1 converted, 0 of 2 others, odds ratio 15.00"
THIRD = "0 of 1 converted, 1 of 2 others, odds ratio 0.33"


@pytest.mark.slow
def test_days_conditions_and_segments_go_together(home: Path) -> None:
    (home.parent / "hats.yaml").write_text("hats: {did: {where: [product_category = hats]}}\n")
    actual = ask(home, *QUESTION, "--segment", home.parent / "hats.yaml", "--json").json
    assert (actual["converted_count"], actual["other_count"]) == (1, 1)
    actual = ask(home, *QUESTION, "--from", "2026-03-03", "--json").json
    assert (actual["converted_count"], actual["other_count"]) == (0, 1)
    assert (
        actual["warnings"][-1]
        == "Nobody who entered the funnel converted, so there is nothing to compare."
    )


def test_a_definition_says_all_of_it(home: Path) -> None:
    file = home.parent / "asked.yaml"
    file.write_text("funnel: {steps: [page_view, purchase], within: 1d}\nlimit: 1\n")
    actual = ask(home, "--definition", file, "--json").json
    assert [row["value"] for row in actual["correlations"]] == ["search"]
    refused = ask(home, "--definition", file, "--limit", "2", "--property", "page_url")
    assert (refused.exit_code, refused.sentence) == (
        2,
        "--definition says what --property, --limit would; leave one of them out.",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "A correlation needs either --steps or --definition FILE; give one of them."),
        ((*QUESTION, "--limit", "0"), "`limit` of a correlation is at least 1, not 0."),
        ((*QUESTION, "--property", "brand"), "The events have no column 'brand'; "),
    ],
)
def test_an_impossible_question_is_refused_in_a_sentence(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ask(home, *arguments)
    assert (result.exit_code, result.sentence.startswith(sentence)) == (2, True), result.err


@pytest.mark.slow
def test_purchases_of_a_real_shop_before_carts_are_what_a_count_by_hand_gives(home: Path) -> None:
    """Of the 4,504 users 111 put something in a cart after they had viewed something."""
    file = real_file("rees46_2019_10_01.csv")
    arguments = ("--steps", "view,cart", "--mapping", "rees46", "--limit", "1000", "--json")
    result = ecom("correlation", "--events", file, *arguments, home=home).json
    assert (result["converted_count"], result["other_count"]) == (111, 4_504 - 111)
    times: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with file.open(newline="") as opened:
        for line in csv.DictReader(opened):
            times[line["user_id"]][line["event_type"]].append(line["event_time"])
    bought = [0, 0]
    for own in times.values():
        start = min(own["view"], default="9999")
        carts = [moment for moment in own["cart"] if moment >= start]
        end = min(carts, default="9999")
        if any(start < moment < end for moment in own["purchase"]):
            bought[0 if carts else 1] += 1
    (purchase,) = [row for row in result["correlations"] if row["value"] == "purchase"]
    assert [purchase["converted_count"], purchase["other_count"]] == bought == [2, 130]
