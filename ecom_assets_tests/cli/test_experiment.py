"""`ecom experiment`: variants compared from files, without setting anything up."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from ecom_assets_tests.command import CommandResult, ecom, real_file
from ecom_assets_tests.each import each

HEADER = "event_id,user_id,event_type,event_timestamp,product_id,session_id,cart_value,variant"
STORY = """\
a1,ann,page_view,2026-03-02T10:00:00Z,,s1,,control
a2,ann,purchase,2026-03-02T10:30:00Z,,s1,10,
b1,bob,page_view,2026-03-02T11:00:00Z,,s2,,test
b2,bob,purchase,2026-03-04T11:00:00Z,,s3,30,
c1,cid,page_view,2026-03-02T12:00:00Z,,s4,,test
d1,dan,purchase,2026-03-02T12:59:00Z,,s5,99,
d2,dan,page_view,2026-03-02T13:00:00Z,,s5,,control
e1,eva,page_view,2026-03-02T14:00:00Z,,s6,,control
e2,eva,page_view,2026-03-03T14:00:00Z,,s7,,test
x1,,page_view,2026-03-03T14:00:00Z,,,,test
"""
"""`x1` is of nobody."""
MAPPING = """\
name: story
description: Events with a variant
fields: {event_id: event_id, user_id: user_id, event_type: event_type, \
event_timestamp: event_timestamp,
  product_id: product_id, session_id: session_id, cart_value: cart_value}
other_columns: properties
"""
QUESTION = ("--variant", "properties.variant", "--goal", "purchase", "--within", "1d")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "story.csv").write_text(f"{HEADER}\n{STORY}")
    (tmp_path / "story.yaml").write_text(MAPPING)
    return tmp_path / "home"


def ask(home: Path, *arguments: str | Path) -> CommandResult:
    folder = home.parent
    return ecom(
        "experiment",
        "--events",
        folder / "story.csv",
        "--mapping",
        folder / "story.yaml",
        *arguments,
        home=home,
    )


def test_the_answer_has_the_shape_that_scripts_read(home: Path) -> None:
    result = ask(home, *QUESTION, "--amount", "cart_amount", "--json")
    assert (result.exit_code, result.err.partition(",")[0]) == (
        0,
        "ecom: warning: 1 of 10 rows (10%) are not counted",
    )
    actual = result.json
    assert actual["definition"] == {
        "variant": "properties.variant",
        "exposure": {"event_type": None},
        "control": "control",
        "goal": {"event_type": "purchase"},
        "within": "86400s",
        "amount": "cart_amount",
        "shares": None,
        "multiple": "exclude",
        "confidence": 0.95,
        "planned_units": 5_000,
        "first_date": "2026-03-02",
        "last_date": "2026-03-04",
    }
    control, other = actual["variants"]
    assert control["conversion"] == {
        "value": 0.5,
        "credible": {"low": 0.094299, "high": 0.905701},
        "probability_best": 0.8,
        "against_control": None,
    }
    assert (
        other["variant"],
        other["unit_count"],
        other["converted_count"],
        other["open_count"],
    ) == ("test", 2, 0, 0)
    assert other["conversion"]["against_control"]["difference"] == -0.5
    assert set(other["conversion"]["against_control"]) == {
        "difference",
        "relative_difference",
        "sequential",
        "relative_sequential",
        "p_value",
        "credible",
        "probability_better",
    }
    assert (control["amount"], control["mean"]["value"], other["mean"]["value"]) == (10.0, 5.0, 0.0)
    assert actual["mixed_count"] == 1
    assert actual["sample_ratio"] == {
        "chi_squared": 0.0,
        "p_value": 1.0,
        "threshold": 0.001,
        "is_mismatch": False,
    }
    assert actual["rows"] == {"read": 10, "counted": 9, "rejected": {"missing_identity": 1}}


@pytest.mark.slow
def test_variants_are_drawn_as_bars_with_their_comparison(home: Path) -> None:
    result = ask(home, *QUESTION)
    assert result.out.splitlines() == [
        (
            "purchase within 1.0 d of the exposure by properties.variant, exposed 2026-03-02 to "
            "2026-03-04"
        ),
        "  control ██████████████████████████████    50.00%  1 of 2, best 80.0%",
        "  test                                       0.00%  0 of 2, best 20.0%",
        "  test against control: -50.00% (-100.0%)",
        "    sequential interval 0.95: -100.00% to +100.00%, p 1",
        "    credible interval 0.95: -78.12% to +36.18%, better with 20.0%",
        "",
        "Split: as planned (chi-squared 0.00, p 1)",
        "Units exposed to several variants: 1, left out",
        "Rows: 10 read, 9 counted; not counted: missing_identity 1",
    ]
    assert result.err.splitlines()[1].startswith(
        "ecom: warning: Some variants have fewer than 100 units: control (2), test (2);"
    )


@pytest.mark.slow
def test_conditions_shares_and_days_go_together(home: Path) -> None:
    arguments = (
        "--share",
        "control=1",
        "--share",
        "test=3",
        "--multiple",
        "first",
        "--goal-where",
        "cart_amount > 20",
    )
    actual = ask(home, *QUESTION[:4], *arguments, "--to", "2026-03-03", "--json").json
    assert [
        (variant["unit_count"], variant["converted_count"]) for variant in actual["variants"]
    ] == [(3, 0), (2, 0)]
    assert [variant["expected_share"] for variant in actual["variants"]] == [0.25, 0.75]
    actual = ask(home, *QUESTION[:4], *arguments, "--json").json
    assert [variant["converted_count"] for variant in actual["variants"]] == [0, 1]
    shown = ask(
        home,
        *QUESTION,
        "--exposure",
        "page_view",
        "--exposure-where",
        "properties.variant != test",
        "--json",
    )
    assert [variant["unit_count"] for variant in shown.json["variants"]] == [3]
    assert (
        shown.json["warnings"][0]
        == "All units saw the same variant, 'control', so there is nothing to compare."
    )


@pytest.mark.slow
def test_a_definition_says_all_of_it(home: Path) -> None:
    file = home.parent / "checkout.yaml"
    file.write_text(
        "variant: properties.variant\n"
        "goal: {event_type: purchase, where: {cart_amount: 10}}\n"
        "within: 1d\n"
    )
    actual = ask(home, "--definition", file, "--json").json
    assert [variant["converted_count"] for variant in actual["variants"]] == [1, 0]
    refused = ask(home, "--definition", file, "--share", "control=1", "--control", "x")
    assert (refused.exit_code, refused.sentence) == (
        2,
        "--definition says what --control, --share would; leave one of them out.",
    )


@each(
    "arguments, sentence",
    [
        (("--variant", "properties.variant"), "An experiment needs `goal`, such as purchase."),
        (
            ("--goal", "purchase"),
            "An experiment needs either --variant or --definition FILE; give one of them.",
        ),
        (
            (*QUESTION, "--share", "control"),
            (
                "The share 'control' is not understood; write VARIANT=NUMBER once each, as in "
                "control=50."
            ),
        ),
        (
            (*QUESTION, "--control", "base"),
            "No unit was exposed to the control 'base'; known: control, test.",
        ),
        (("--variant", "brand", "--goal", "purchase"), "The events have no column 'brand'; "),
    ],
)
def test_an_impossible_question_is_refused_in_a_sentence(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ask(home, *arguments)
    assert (result.exit_code, result.sentence.startswith(sentence)) == (2, True), result.err


@pytest.mark.slow
def test_a_real_shop_s_brands_are_what_a_count_by_hand_gives(home: Path) -> None:
    """Those who saw only one of Samsung and Apple: how many bought, and for how much."""
    file = real_file("rees46_2019_10_01.csv")
    options = (
        "--variant",
        "properties.brand",
        "--exposure",
        "view",
        "--goal",
        "purchase",
        "--amount",
        "cart_amount",
    )
    arguments = (
        *options,
        "--control",
        "samsung",
        "--share",
        "samsung=1",
        "--share",
        "apple=1",
        "--mapping",
        "rees46",
        "--json",
    )
    result = ecom("experiment", "--events", file, *arguments, home=home).json
    with file.open(newline="") as opened:
        lines = list({tuple(line.items()): line for line in csv.DictReader(opened)}.values())
    since: dict[str, str] = {}
    seen: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line["event_type"] == "view" and line["brand"] in {"samsung", "apple"}:
            seen[line["user_id"]].add(line["brand"])
            since[line["user_id"]] = min(
                line["event_time"], since.get(line["user_id"], line["event_time"])
            )
    for variant in result["variants"]:
        units = {user for user, brands in seen.items() if brands == {variant["variant"]}}
        bought = [
            line
            for line in lines
            if line["user_id"] in units
            and line["event_type"] == "purchase"
            and line["event_time"] >= since[line["user_id"]]
        ]
        assert (variant["unit_count"], variant["converted_count"]) == (
            len(units),
            len({line["user_id"] for line in bought}),
        )
        assert variant["amount"] == pytest.approx(sum(float(line["price"]) for line in bought))
    assert result["mixed_count"] == sum(len(brands) > 1 for brands in seen.values()) == 74
