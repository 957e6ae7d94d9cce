"""`ecom funnel`: funnels from files, without setting anything up. Not here: what a funnel counts (`transforms/`)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from ecom_assets_tests.command import HEADER, Said, ecom, real_file, shape

# Ann views at 10:00 and puts a hat in her cart at 10:05, removing it in between at 10:03; Bob views a shoe and carts it
# at once; Cid only views.
STORY = """\
a1,ann,product_view,2026-01-01T10:00:00Z,p1,hats,s1,https://shop.example/,,
a2,ann,remove_from_cart,2026-01-01T10:03:00Z,p1,hats,s1,https://shop.example/,,
a3,ann,add_to_cart,2026-01-01T10:05:00Z,p1,hats,s1,https://shop.example/,,
b1,bob,product_view,2026-01-01T11:00:00Z,p2,shoes,s2,https://shop.example/,,
b2,bob,add_to_cart,2026-01-01T11:00:00Z,p2,shoes,s2,https://shop.example/,,
c1,cid,product_view,2026-01-01T12:00:00Z,p3,hats,s3,https://shop.example/,,
"""
STEPS = ("--steps", "product_view,add_to_cart")
STEP = {
    "step": int,
    "event_type": str,
    "count": int,
    "conversion_from_start": float,
    "conversion_from_previous": float,
    "median_s_from_previous": float,
    "p90_s_from_previous": float,
    "median_s_from_start": float,
    "p90_s_from_start": float,
    "histogram_from_previous": [{"from_s": int, "to_s": int, "count": int}],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "story.csv"
    path.write_text(f"{HEADER}\n{STORY}")
    return path


def counts(said: Said) -> list[int]:
    assert said.exit_code == 0, said.err
    return [step["count"] for step in said.json["steps"]]


def asked(home: Path, events: Path, *words: str) -> list[int]:
    return counts(ecom("funnel", "--events", events, *STEPS, "--json", *words, home=home))


def test_an_answer_has_the_shape_that_scripts_read(home: Path, events: Path) -> None:
    said = ecom("funnel", "--events", events, *STEPS, "--within", "1h", "--by", "product_category", "--json", home=home)
    assert (said.exit_code, said.err) == (0, "")
    assert list(said.json) == ["definition", "steps", "breakdown", "warnings"]
    assert said.json["warnings"] == []
    assert said.json["definition"] == {
        "steps": [{"event_type": "product_view"}, {"event_type": "add_to_cart"}],
        "within": "3600s",
        "order": "ordered",
        "per": "user",
        "by": "product_category",
        "by_attribution": "first",
        "limit": 25,
    }
    first, second = said.json["steps"]
    assert first["median_s_from_previous"] is None
    assert shape(second) == STEP
    # Ann took 300 s and Bob none.
    assert (second["count"], second["median_s_from_previous"], second["p90_s_from_previous"]) == (2, 150.0, 270.0)
    found = {entry["value"]: [step["count"] for step in entry["steps"]] for entry in said.json["breakdown"]}
    assert found == {"hats": [2, 1], "shoes": [1, 1]}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [3, 2]),
        (("--per", "session"), [3, 2]),
        (("--per", "totals"), [3, 2]),
        (("--order", "strict_increase"), [3, 1]),
        (("--order", "exact"), [3, 1]),
        (("--order", "any"), [3, 2]),
        (("--order", "strict_order"), [3, 1]),
        (("--hold", "product_id,session_id"), [3, 2]),
        (("--hold", "visitor_id,product_id", "--order", "any"), [3, 2]),
        (("--hold", "visitor_id"), [3, 2]),
        (("--exclude", "remove_from_cart"), [3, 1]),
        (("--exclude", "remove_from_cart:1:2", "--exclusion-rule", "posthog"), [2, 1]),
        (("--within", "1m"), [3, 1]),
    ],
)
def test_each_option_is_heeded(home: Path, events: Path, words: tuple[str, ...], expected: list[int]) -> None:
    assert asked(home, events, *words) == expected


def test_a_definition_file_says_the_same_as_options(home: Path, events: Path) -> None:
    definition = events.with_name("funnel.json")
    raw: dict[str, Any] = {
        "steps": [{"event_type": "product_view", "where": {"product_category": "hats"}}, "add_to_cart"],
        "within": "1h",
        "exclude": [{"event_type": "remove_from_cart", "after": 1, "before": 2}],
        "by": "product_id",
        "by_attribution": "last",
    }
    definition.write_text(json.dumps(raw))
    said = ecom("funnel", "--events", events, "--definition", definition, "--json", home=home)
    assert counts(said) == [2, 0]


@pytest.mark.parametrize("name", ["who.csv", "who.parquet"])
def test_the_list_of_who_is_at_each_step_is_as_long_as_its_number(home: Path, events: Path, name: str) -> None:
    path = events.with_name(name)
    assert asked(home, events, "--who", str(path)) == [3, 2]
    table = pyarrow.csv.read_csv(path) if name.endswith("csv") else pyarrow.parquet.read_table(path)
    assert table.column_names == ["visitor_id", "step", "event_at", "event_id"]
    found = [(row["step"], row["visitor_id"], row["event_id"]) for row in table.to_pylist()]
    assert found == [(1, "ann", "a1"), (1, "bob", "b1"), (1, "cid", "c1"), (2, "ann", "a3"), (2, "bob", "b2")]


def test_people_read_a_chart_with_times_and_the_breakdown(home: Path, events: Path) -> None:
    said = ecom("funnel", "--events", events, *STEPS, "--by", "product_category", "--limit", "1", home=home)
    assert "66.7% of previous,  66.7% of all, median 2.5 min" in said.out
    assert "By product_category (first)" in said.out
    assert said.out.splitlines()[-1].split() == ["Other", "1", "1", "100.0%"]


def test_in_any_order_the_chart_names_no_step(home: Path, events: Path) -> None:
    said = ecom("funnel", "--events", events, *STEPS, "--order", "any", home=home)
    assert [line.split()[:3] for line in said.out.splitlines()] == [["1", "any", "1"], ["2", "any", "2"]]


def test_a_file_without_rows_but_clean_ones_is_a_funnel_of_zeros(home: Path, events: Path) -> None:
    events.write_text(f"{HEADER}\n,,product_view,2026-01-01T10:00:00Z,p1,,,,,\n")
    for words in ((), ("--by", "product_category"), ("--order", "any")):
        said = ecom("funnel", "--events", events, *STEPS, "--json", *words, home=home)
        assert counts(said) == [0, 0]
        assert said.json["steps"][1]["conversion_from_start"] is None
        assert said.json["breakdown"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--steps", "product_view"), "A funnel has 2 to 64 steps, this one has 1; add a step."),
        (
            ("--steps", ",".join("a" * 65)),
            "A funnel has 2 to 64 steps, this one has 65; split it into several funnels.",
        ),
        ((*STEPS, "--within", "0s"), "`within` is a time of at least one second"),
        ((*STEPS, "--within", "7"), "The duration '7' is not understood"),
        ((*STEPS, "--order", "orderd"), "The funnel's `order` 'orderd' is unknown; did you mean 'ordered'?"),
        ((*STEPS, "--per", "person"), "The funnel's `per` 'person' is unknown"),
        ((*STEPS, "--by", "product_categry"), "did you mean 'product_category'?"),
        ((*STEPS, "--hold", "prodct_id"), "The events have no column 'prodct_id'; did you mean 'product_id'?"),
        (
            (*STEPS, "--exclude", "refund:2"),
            "--exclude 'refund:2' names one step; name both, as in refund:1:2, or none.",
        ),
        ((*STEPS, "--by", "product_id", "--by-attribution", "step_3"), "did you mean 'step_2'?"),
        ((*STEPS, "--who", "who.txt"), "--who who.txt is neither .parquet nor .csv"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(
    home: Path, events: Path, words: tuple[str, ...], sentence: str
) -> None:
    said = ecom("funnel", "--events", events, *words, home=home)
    assert said.exit_code in {1, 2}
    assert sentence in said.sentence


@pytest.mark.parametrize(
    ("words", "expected", "warning"),
    [
        (("--steps", "product_view,add_to_card"), [3, 0], "did you mean 'add_to_cart'?"),
        (("--steps", "buy,product_view"), [0, 0], "there are add_to_cart, product_view, remove_from_cart."),
        (("--steps", "product_view,purchase", "--by", "product_id"), [3, 0], "there are add_to_cart"),
        (("--steps", "product_view,purchase", "--order", "any"), [3, 0], "there are add_to_cart"),
        ((*STEPS, "--exclude", "remove_from_card"), [3, 2], "did you mean 'remove_from_cart'?"),
    ],
)
def test_a_type_that_no_event_has_counts_0_with_a_warning(
    home: Path, events: Path, words: tuple[str, ...], expected: list[int], warning: str
) -> None:
    said = ecom("funnel", "--events", events, *words, "--json", home=home)
    assert (counts(said), said.err) == (expected, "")
    (sentence,) = said.json["warnings"]
    assert sentence.startswith("No event has the type '")
    assert warning in sentence
    told = ecom("funnel", "--events", events, *words, home=home)
    assert (told.exit_code, told.err) == (0, f"ecom: warning: {sentence}\n")


def test_a_warning_names_the_types_in_the_words_of_the_file(home: Path, tmp_path: Path) -> None:
    columns = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    path = tmp_path / "day.csv"
    path.write_text(columns + "2019-10-01 00:00:00 UTC,view,1,2,,,3.00,ann,s1\n")
    said = ecom("funnel", "--events", path, "--mapping", "rees46", "--steps", "view,purchase", "--json", home=home)
    assert counts(said) == [1, 0]
    assert said.json["warnings"] == ["No event has the type 'purchase', so it counts 0; there are view."]


REES46 = ("--mapping", "rees46", "--steps", "view,cart,purchase", "--within", "1h")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ordered", [4504, 111, 62]),
        ("clickhouse_default", [4504, 111, 62]),
        ("strict_order", [4504, 109, 60]),
        ("strict_deduplication", [4504, 111, 45]),
    ],
)
def test_a_real_shop_counts_in_each_order_as_clickhouse_does(home: Path, order: str, expected: list[int]) -> None:
    path = real_file("rees46_2019_10_01.csv")
    assert counts(ecom("funnel", "--events", path, *REES46, "--order", order, "--json", home=home)) == expected


def test_the_categories_of_a_real_shop_add_up_to_its_funnel(home: Path, tmp_path: Path) -> None:
    path, who = real_file("rees46_2019_10_01.csv"), tmp_path / "who.parquet"
    said = ecom("funnel", "--events", path, *REES46, "--by", "product_category", "--who", who, "--json", home=home)
    parts = [sum(entry["steps"][step]["count"] for entry in said.json["breakdown"]) for step in range(3)]
    listed = Counter(pyarrow.parquet.read_table(who)["step"].to_pylist())
    assert counts(said) == parts == [listed[1], listed[2], listed[3]] == [4504, 111, 62]
    assert len(said.json["breakdown"]) == 26
    assert said.json["breakdown"][-1]["value"] == "Other"
