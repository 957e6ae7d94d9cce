"""`ecom journeys`: journeys from files, without setting anything up."""

from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.questions.answer import QuestionAnswer
from ecom_assets_tests.command import HEADER, CommandResult, ecom, real_file, shape

# Ann views a page twice, a hat, then buys; an hour later she views a page. Bob only searches.
STORY = """\
a1,ann,page_view,2026-01-01T10:00:00Z,,,s1,,,
a2,ann,page_view,2026-01-01T10:01:00Z,,,s1,,,
a3,ann,product_view,2026-01-01T10:02:00Z,p1,hats,s1,,,
a4,ann,purchase,2026-01-01T10:03:00Z,,,s1,,,20
a5,ann,page_view,2026-01-01T11:30:00Z,,,s1,,,
b1,bob,search,2026-01-01T23:59:00Z,,,s2,,,
b2,bob,page_view,2026-01-02T00:10:00Z,,,s2,,,
"""
PATH = {
    "path": [str],
    "is_cut": bool,
    "sessions": int,
    "share": float,
    "converted_sessions": int,
    "conversion_rate": float,
}


def question(home: Path, story: str, *arguments: str) -> CommandResult:
    """Ask about a story."""
    path = home.parent / "story.csv"
    path.write_text(f"{HEADER}\n{story}")
    return ecom("journeys", "--events", path, *arguments, home=home)


def own_part(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of journeys, without what every answer has."""
    of_every_answer = {*QuestionAnswer.model_fields} - {"rows"}
    return {name: value for name, value in answer.items() if name not in of_every_answer}


def pairs(answer: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {
        (transition["from"], transition["to"]): transition["count"]
        for transition in answer["transitions"]
    }


def test_the_answer_has_the_shape_that_scripts_read(home: Path) -> None:
    answer = question(home, STORY, "--json").json
    definition = answer.pop("definition")
    assert (definition["by"], definition["session_rule"], definition["idle_timeout_s"]) == (
        "page_type",
        "ga4",
        1800,
    )
    assert (definition["most_steps"], definition["most_places"]) == (20, 10)
    transition = {"from": str, "to": str, "count": int, "converted": int}
    assert shape(own_part(answer)) == {
        "sessions": int,
        "converted_sessions": int,
        "transitions": [transition],
        "steps": [{"step": int, **transition}],
        "top_paths": [PATH],
        "converting_paths": [PATH],
        "other_paths": [PATH],
        "rows": {"read": int, "counted": int, "rejected": {}},
    }


def test_paths_and_transitions_are_those_of_the_sessions(home: Path) -> None:
    answer = question(home, STORY, "--json").json
    assert (answer["sessions"], answer["converted_sessions"]) == (3, 1)
    assert [
        (path["path"], path["sessions"], path["conversion_rate"]) for path in answer["top_paths"]
    ] == [
        (["page_view"], 1, 0.0),
        (["page_view", "product_view", "purchase"], 1, 1.0),
        (["search", "page_view"], 1, 0.0),
    ]
    assert [path["path"][-1] for path in answer["converting_paths"]] == ["purchase"]
    assert {path["share"] for path in answer["other_paths"]} == {0.5}
    assert pairs(answer) == {
        ("(start)", "page_view"): 2,
        ("page_view", "(exit)"): 2,
        ("page_view", "product_view"): 1,
        ("product_view", "purchase"): 1,
        ("purchase", "(exit)"): 1,
        ("(start)", "search"): 1,
        ("search", "page_view"): 1,
    }
    assert {
        "step": 2,
        "from": "product_view",
        "to": "purchase",
        "count": 1,
        "converted": 1,
    } in answer["steps"]


@pytest.mark.slow
def test_by_category_only_events_with_one_are_steps(home: Path) -> None:
    answer = question(home, STORY, "--by", "category", "--json").json
    assert pairs(answer) == {
        ("(start)", "(exit)"): 2,
        ("(start)", "hats"): 1,
        ("hats", "(exit)"): 1,
    }
    assert [(path["path"], path["sessions"]) for path in answer["top_paths"]] == [
        ([], 2),
        (["hats"], 1),
    ]


@pytest.mark.slow
def test_a_very_long_session_is_cut_and_counted_whole(home: Path) -> None:
    kinds = ("page_view", "search")
    lines = [
        f"e{n:03},ann,{kinds[n % 2]},2026-01-01T10:{n // 60:02}:{n % 60:02}Z,,,s,,,\n"
        for n in range(101)
    ]
    answer = question(home, "".join(lines), "--json").json
    [path] = answer["top_paths"]
    assert (len(path["path"]), path["is_cut"]) == (20, True)
    assert pairs(answer) == {
        ("(start)", "page_view"): 1,
        ("page_view", "search"): 50,
        ("search", "page_view"): 50,
        ("page_view", "(exit)"): 1,
    }


def test_only_so_many_paths_are_listed_as_were_asked_for(home: Path) -> None:
    answer = question(home, STORY, "--top", "1", "--json").json
    assert [len(answer[name]) for name in ("top_paths", "converting_paths", "other_paths")] == [
        1,
        1,
        1,
    ]


def test_people_read_lines(home: Path) -> None:
    result = question(home, STORY, "--top", "1")
    assert result.out.splitlines() == [
        "3 sessions, 1 of them with a purchase",
        "",
        "Paths of all sessions",
        "          1  33.3%  page_view",
        "",
        "Paths with a purchase",
        "          1 100.0%  page_view → product_view → purchase",
        "",
        "Paths without a purchase",
        "          1  50.0%  page_view",
        "",
        "Most frequent transitions",
        "          2  (start) → page_view",
        "Rows: 7 read, all counted",
    ]


def test_a_file_without_a_clean_event_has_no_sessions(home: Path) -> None:
    answer = question(home, "a1,null,page_view,2026-01-01T10:00:00Z,,,,,,\n", "--json").json
    assert answer.pop("definition")
    assert own_part(answer) == {
        "sessions": 0,
        "converted_sessions": 0,
        **{
            name: []
            for name in ("transitions", "steps", "top_paths", "converting_paths", "other_paths")
        },
        "rows": {"read": 1, "counted": 0, "rejected": {"missing_identity": 1}},
    }


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (
            ("--by", "pagetype"),
            (
                "The step of a journey 'pagetype' is unknown; did you mean 'page_type'? Known: "
                "page_type, category, page."
            ),
        ),
        (("--top", "0"), "`top` of a journey definition is at least 1, not 0."),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    home: Path, arguments: tuple[str, ...], result: str
) -> None:
    refused = question(home, STORY, *arguments)
    assert (refused.exit_code, refused.sentence) == (2, result)


def test_an_empty_file_is_reported(home: Path) -> None:
    refused = question(home, "")
    assert (refused.exit_code, refused.sentence) == (
        1,
        f"{home.parent / 'story.csv'} holds no rows; give a file that does.",
    )


@pytest.mark.slow
def test_a_real_store_s_buyers_mostly_viewed_first(home: Path) -> None:
    path = real_file("rees46_2019_10_01.csv")
    answer = ecom("journeys", "--events", path, "--mapping", "rees46", "--json", home=home).json
    counts = pairs(answer)
    starts = sum(count for (from_step, _), count in counts.items() if from_step == "(start)")
    exits = sum(count for (_, other), count in counts.items() if other == "(exit)")
    # Runs of each user in each of their `user_session`s without a silence of more than 30 minutes,
    # counted in plain Python: 200 have a purchase, by 193 buyers, and one of them begins with it.
    assert starts == exits == answer["sessions"] == 5_068
    assert answer["converted_sessions"] == 200
    assert [
        transition for transition in answer["transitions"] if transition["from"] == "(start)"
    ] == [
        {"from": "(start)", "to": "product_view", "count": 5_067, "converted": 199},
        {"from": "(start)", "to": "purchase", "count": 1, "converted": 1},
    ]


PAGES = """\
a1,ann,page_view,2026-01-01T10:00:00Z,,,s1,https://shop.example/,,
a2,ann,page_view,2026-01-01T10:01:00Z,,,s1,https://shop.example/product/1?x=1,,
a3,ann,scroll,2026-01-01T10:02:00Z,,,s1,https://shop.example/product/1,,
a4,ann,page_view,2026-01-01T10:03:00Z,,,s1,https://shop.example/product/2/,,
a5,ann,purchase,2026-01-01T10:04:00Z,,,s1,https://shop.example/cart,,20
b1,bob,page_view,2026-01-02T10:00:00Z,,,s2,https://shop.example/product/9,,
b2,bob,page_view,2026-01-02T10:01:00Z,,,s2,https://shop.example/,,
"""


def paths_of(result: CommandResult) -> list[tuple[str, int]]:
    """Return the paths and the sessions that took them."""
    return [(" ".join(path["path"]), path["sessions"]) for path in result.json["top_paths"]]


@pytest.mark.slow
def test_pages_are_steps_that_patterns_group(home: Path) -> None:
    result = question(home, PAGES, "--by", "page", "--group", "/product/*", "--json")
    assert paths_of(result) == [("/ /product/* /cart", 1), ("/product/* /", 1)]
    result = question(
        home, PAGES, "--by", "page", "--group", "/product/*", "--from-step", "/product/*", "--json"
    )
    assert paths_of(result) == [("/product/* /", 1), ("/product/* /cart", 1)]
    assert result.json["definition"]["from_step"] == "/product/*"


@pytest.mark.slow
def test_journeys_from_a_step_to_another_leave_others_out(home: Path) -> None:
    result = question(home, STORY, "--from-step", "product_view", "--to-step", "purchase")
    assert result.out.splitlines()[:4] == [
        "1 session from product_view to purchase, 1 of them with a purchase",
        "",
        "Paths of all sessions",
        "          1 100.0%  product_view → purchase",
    ]
    actual = question(home, PAGES, "--exclude", "scroll", "--min-count", "2", "--json").json
    assert pairs(actual) == {("(start)", "page_view"): 2}


@pytest.mark.slow
def test_sessions_of_some_days_and_of_some_events_are_reported(home: Path) -> None:
    assert paths_of(
        question(home, PAGES, "--to", "2026-01-01", "--exclude", "scroll", "--json")
    ) == [("page_view purchase", 1)]
    assert paths_of(question(home, PAGES, "--last", "1d", "--json")) == [("page_view", 1)]
    result = question(
        home, PAGES, "--where", "page_url contains /product/", "--by", "page", "--json"
    )
    assert paths_of(result) == [("/product/1 /product/2", 1), ("/product/9", 1)]
    late = question(home, STORY, "--from", "2026-01-02", "--json")
    assert late.json["sessions"] == 0  # Bob's session began on the day before, and is one
    assert question(home, STORY, "--from", "2027-01-01", "--json").json["warnings"] == [
        "The data are of 2026-01-01 to 2026-01-02, so nothing is known of days from 2027-01-01 on."
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--group", "/a/*"),
            "Patterns group pages, and steps are by page_type; ask by page, or leave them out.",
        ),
        (
            ("--from-step", "(start)"),
            "Every session has (start); name another step, or leave it out.",
        ),
        (
            ("--min-count", "0"),
            "`min_count` of a journey definition is at least 1, not 0.",
        ),
        (("--where", "brand = x"), "The events have no column 'brand'"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = question(home, STORY, *arguments)
    assert (refused.exit_code, refused.sentence.startswith(sentence)) == (2, True)


@pytest.mark.slow
def test_a_file_says_what_options_say_and_one_of_them_is_enough(home: Path) -> None:
    file = home.parent / "journeys.yaml"
    file.write_text(
        "to_step: product_view\nexclude: [search]\ntop: 2\nwhere: [event_type != refund]\n"
    )
    arguments = (
        "--to-step",
        "product_view",
        "--exclude",
        "search",
        "--top",
        "2",
        "--where",
        "event_type != refund",
    )
    by_file, by_options = (
        question(home, STORY, *options, "--json").json
        for options in (("--definition", str(file)), arguments)
    )
    assert by_file == by_options
    assert [path["path"] for path in by_file["top_paths"]] == [["page_view", "product_view"]]
    result = question(home, STORY, "--definition", str(file), "--top", "1")
    assert (result.exit_code, result.sentence) == (
        2,
        "--definition says what --top would; leave one of them out.",
    )
    file.write_text("to: product_view\n")
    assert question(home, STORY, "--definition", str(file)).sentence.startswith(
        "Unknown key 'to' in a journey definition;"
    )
