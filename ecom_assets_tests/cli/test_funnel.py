"""`ecom funnel`: funnels from files, without setting anything up, and what it warns of."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from ecom_assets_tests.command import HEADER, CommandResult, ecom, real_file, shape
from ecom_assets_tests.each import each

# Ann views at 10:00 and puts a hat in her cart at 10:05, removing it in between at 10:03; Bob views
# a shoe and carts it at once; Cid only views.
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
    "average_s_from_previous": float,
    "average_s_from_start": float,
    "histogram_from_previous": [{"from_s": int, "to_s": int, "count": int}],
}


def counts(result: CommandResult) -> list[int | None]:
    assert result.exit_code == 0, result.err
    return [step["count"] for step in result.json["steps"]]


def answer(home: Path, events: Path, *arguments: str) -> list[int | None]:
    return counts(ecom("funnel", "--events", events, *STEPS, "--json", *arguments, home=home))


@pytest.mark.slow
def test_an_answer_has_the_shape_that_scripts_read(home: Path, events: Path) -> None:
    result = ecom(
        "funnel",
        "--events",
        events,
        *STEPS,
        "--within",
        "1h",
        "--by",
        "product_category",
        "--json",
        home=home,
    )
    assert (result.exit_code, result.err) == (0, "")
    assert {"definition", "steps", "breakdown", "warnings", "rows"} <= result.json.keys()
    assert (result.json["event_count"], result.json["total_count"], result.json["cohorts"]) == (
        6,
        2,
        None,
    )
    assert result.json["warnings"] == []
    assert result.json["rows"] == {"read": 6, "counted": 6, "rejected": {}}
    assert result.json["definition"] == {
        "steps": [{"event_type": "product_view"}, {"event_type": "add_to_cart"}],
        "within": "3600s",
        "order": "ordered",
        "per": "user",
        "by": "product_category",
        "by_attribution": "first",
        "limit": 25,
    }
    first, second = result.json["steps"]
    assert first["median_s_from_previous"] is None
    assert shape(second) == STEP
    # Ann took 300 s and Bob none.
    assert (second["count"], second["median_s_from_previous"], second["p90_s_from_previous"]) == (
        2,
        150.0,
        270.0,
    )
    actual = {
        entry["value"]: [step["count"] for step in entry["steps"]]
        for entry in result.json["breakdown"]
    }
    assert actual == {"hats": [2, 1], "shoes": [1, 1]}


@pytest.mark.slow
@each(
    "arguments, expected",
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
        (("--where", "product_category = hats"), [2, 1]),
        (("--where", "product_category = hats", "--where", "visitor_id != ann"), [1, 0]),
        (("--where", "product_category = hats or visitor_id = bob"), [3, 2]),
        (("--where", "event_type != remove_from_cart", "--order", "exact"), [3, 2]),
        (("--step-where", "1: product_category in hats, socks"), [2, 1]),
        (
            ("--step-where", "1: product_id matches ^p[12]$", "--step-where", "2: product_id = p1"),
            [2, 1],
        ),
        (("--where", "product_category is set", "--per", "session", "--by", "product_id"), [3, 2]),
        (("--from", "2026-01-01", "--to", "2026-01-01"), [3, 2]),
        (("--from", "2026-01-02"), [None, None]),  # after the last day nothing is known
        (("--last", "1d", "--order", "exact"), [3, 1]),
        (("--last", "1d", "--per", "session"), [3, 2]),
        (("--to", "2026-01-01", "--timezone", "Asia/Tokyo"), [3, 2]),
        (
            ("--to", "2026-01-01", "--timezone", "Pacific/Auckland"),
            [1, 1],
        ),  # where Bob came at midnight
    ],
)
def test_each_option_is_heeded(
    home: Path, events: Path, arguments: tuple[str, ...], expected: list[int | None]
) -> None:
    assert answer(home, events, *arguments) == expected


@pytest.mark.slow
def test_cohorts_by_hour_stand_under_the_chart(home: Path, events: Path) -> None:
    result = ecom(
        "funnel",
        "--events",
        events,
        *STEPS,
        "--within",
        "1h",
        "--over",
        "hour",
        "--last",
        "1d",
        home=home,
    )
    start = result.out.splitlines().index("By hour of entry")
    assert [line.split() for line in result.out.splitlines()[start + 11 : -1]] == [
        ["2026-01-01T10:00+00:00", "1", "1", "100.0%"],
        ["2026-01-01T11:00+00:00*", "1", "1", "100.0%"],
        ["2026-01-01T12:00+00:00*", "1", "0", "0.0%"],
        ["*", "still", "open:", "the", "data", "end", "before", "the", "window", "does"],
    ]
    result = ecom(
        "funnel", "--events", events, *STEPS, "--over", "month", "--by", "page_url", home=home
    )
    month = result.out.splitlines().index("By month of entry") + 1
    assert result.out.splitlines()[month : month + 2] == [
        "  2026-01-01*                      3          2   66.7%",
        "    https://shop.example/          3          2   66.7%",
    ]
    result = ecom("funnel", "--events", events, *STEPS, "--over", "month", "--json", home=home)
    assert result.json["entries"] == {
        "first_date": "2026-01-01",
        "last_date": "2026-01-01",
        "timezone": "UTC",
        "complete": False,
    }
    assert [
        (cohort["start"], cohort["complete"], cohort["steps"][0]["count"])
        for cohort in result.json["cohorts"]
    ] == [("2026-01-01", False, 3)]
    assert result.json["cohorts"][0]["steps"] == result.json["steps"]


@pytest.mark.slow
@each(
    "bins, expected",
    [
        ((), [(0, 151, 1), (151, 302, 1)]),  # the cube root of 2, rounded up
        (("--bins", "3"), [(0, 101, 1), (101, 202, 0), (202, 303, 1)]),
        (("--bins", "4m"), [(0, 240, 1), (240, 480, 1)]),
        (("--bins", "1s,5m,1h"), [(0, 1, 1), (1, 300, 0), (300, 3600, 1), (3600, None, 0)]),
    ],
)
def test_the_time_to_convert_stands_in_bins(
    home: Path, events: Path, bins: tuple[str, ...], expected: list[tuple[int, int | None, int]]
) -> None:
    arguments = ("funnel", "--events", str(events), *STEPS, "--time-to-convert", "1:2", *bins)
    result = ecom(*arguments, "--json", home=home).json["time_to_convert"]
    assert [(row["from_s"], row["to_s"], row["count"]) for row in result.pop("bins")] == expected
    assert result == {
        "from_step": 1,
        "to_step": 2,
        "count": 2,
        "average_s": 150.0,
        "median_s": 150.0,
        "p90_s": 270.0,
    }
    assert "average 2.5 min, median 2.5 min, p90 4.5 min" in ecom(*arguments, home=home).out


@pytest.mark.slow
def test_one_step_counts_who_did_it(home: Path, events: Path) -> None:
    result = ecom("funnel", "--events", events, "--steps", "add_to_cart", "--json", home=home)
    assert counts(result) == [2]
    result = ecom(
        "funnel",
        "--events",
        events,
        "--steps",
        "add_to_cart",
        "--by",
        "product_id",
        "--json",
        home=home,
    )
    assert [(row["value"], row["steps"][0]["count"]) for row in result.json["breakdown"]] == [
        ("p1", 1),
        ("p2", 1),
    ]


@pytest.mark.slow
def test_steps_in_a_file_have_conditions(home: Path, events: Path) -> None:
    definition = events.with_name("funnel.yaml")
    definition.write_text("""steps:
  - {event_type: product_view, where: "product_category in hats, socks"}
  - event_type: add_to_cart
    where:
      any_of: ["product_id = p1", {column: page_url, operator: contains, value: checkout}]
where: ["visitor_id != cid"]
""")
    assert counts(
        ecom("funnel", "--events", events, "--definition", definition, "--json", home=home)
    ) == [1, 1]


def test_a_definition_file_says_the_same_as_options(home: Path, events: Path) -> None:
    definition = events.with_name("funnel.json")
    raw: dict[str, Any] = {
        "steps": [
            {"event_type": "product_view", "where": {"product_category": "hats"}},
            "add_to_cart",
        ],
        "within": "1h",
        "exclude": [{"event_type": "remove_from_cart", "after": 1, "before": 2}],
        "by": "product_id",
        "by_attribution": "last",
    }
    definition.write_text(json.dumps(raw))
    result = ecom("funnel", "--events", events, "--definition", definition, "--json", home=home)
    assert counts(result) == [2, 0]


@pytest.mark.slow
@each(
    "arguments, option",
    [
        (("--within", "7d"), "--within"),  # even where it says what stands in the file
        (("--order", "ordered"), "--order"),
        (("--per", "session"), "--per"),
        (("--exclude", "refund"), "--exclude"),
        (("--exclusion-rule", "posthog"), "--exclusion-rule"),
        (("--by-attribution", "last"), "--by-attribution"),
        (("--limit", "3"), "--limit"),
        (("--where", "product_id is set"), "--where"),
        (("--step-where", "1: product_id is set"), "--step-where"),
    ],
)
def test_a_definition_file_allows_no_option_too(
    home: Path, events: Path, arguments: tuple[str, ...], option: str
) -> None:
    definition = events.with_name("funnel.yaml")
    definition.write_text("steps: [product_view, add_to_cart]\nwithin: 7d\n")
    result = ecom("funnel", "--events", events, "--definition", definition, *arguments, home=home)
    assert result.exit_code == 2
    assert result.sentence == f"--definition says what {option} would; leave one of them out."
    beside = ("--session-rule", "source", "--who", events.with_name("who.csv"))
    answer = ecom(
        "funnel", "--events", events, "--definition", definition, *beside, "--json", home=home
    )
    assert counts(answer) == [3, 2]


@pytest.mark.slow
def test_an_event_may_be_left_out_between_steps_that_it_is_none_of(
    home: Path, events: Path
) -> None:
    arguments = (
        "--steps",
        "product_view,remove_from_cart,add_to_cart",
        "--exclude",
        "product_view:2:3",
    )
    assert counts(ecom("funnel", "--events", events, *arguments, "--json", home=home)) == [3, 1, 1]


def test_help_names_every_unit_of_time(home: Path) -> None:
    shown = " ".join(ecom("funnel", "--help", home=home).out.replace("│", " ").split())
    assert "s (seconds), m (minutes), h (hours), d (days), w (weeks)" in shown


@pytest.mark.slow
def test_people_read_a_chart_with_times_and_the_breakdown(home: Path, events: Path) -> None:
    result = ecom(
        "funnel", "--events", events, *STEPS, "--by", "product_category", "--limit", "1", home=home
    )
    assert "66.7% of previous,  66.7% of all, median 2.5 min" in result.out
    assert "By product_category (first)" in result.out
    assert result.out.splitlines()[-2].split() == ["Other", "1", "1", "100.0%"]
    assert result.out.splitlines()[-1] == "Rows: 6 read, all counted"


@pytest.mark.slow
def test_several_columns_are_broken_down_together(home: Path, events: Path) -> None:
    arguments = ("--by", "product_category", "--by", "visitor_id", "--limit", "2")
    output = ecom("funnel", "--events", events, *STEPS, *arguments, home=home)
    assert "By product_category, visitor_id (first)" in output.out
    result = ecom("funnel", "--events", events, *STEPS, *arguments, "--json", home=home).json[
        "breakdown"
    ]
    assert [
        (row["value"], row["values"], [step["count"] for step in row["steps"]]) for row in result
    ] == [
        ("hats / ann", ["hats", "ann"], [1, 1]),
        ("hats / cid", ["hats", "cid"], [1, 0]),
        ("Other", ["Other"], [1, 1]),
    ]


@pytest.mark.slow
def test_in_any_order_the_chart_names_no_step(home: Path, events: Path) -> None:
    result = ecom("funnel", "--events", events, *STEPS, "--order", "any", home=home)
    assert [line.split()[:3] for line in result.out.splitlines()[:-1]] == [
        ["1", "any", "1"],
        ["2", "any", "2"],
    ]


@pytest.mark.slow
def test_a_file_without_rows_but_clean_ones_is_a_funnel_of_zeros(home: Path, events: Path) -> None:
    events.write_text(f"{HEADER}\n,,product_view,2026-01-01T10:00:00Z,p1,,,,,\n")
    for arguments in ((), ("--by", "product_category"), ("--order", "any")):
        result = ecom("funnel", "--events", events, *STEPS, "--json", *arguments, home=home)
        assert counts(result) == [0, 0]
        assert result.json["steps"][1]["conversion_from_start"] is None
        assert result.json["breakdown"] == []


@pytest.mark.slow
def test_days_of_entry_that_nothing_is_known_of_have_no_number(home: Path, events: Path) -> None:
    later = (*STEPS, "--from", "2026-01-02", "--to", "2026-01-02")
    shown = ecom("funnel", "--events", events, *later, "--compare", "before", home=home)
    assert shown.err == (
        "ecom: warning: The data are of 2026-01-01 to 2026-01-01, so nothing is known of "
        "2026-01-02 to 2026-01-02.\n"
    )
    assert shown.out.startswith(
        "2026-01-02 to 2026-01-02:\nNothing is known of these days.\n\n2026-01-01 to"
    )
    unknown = ecom(
        "funnel", "--events", events, *later, "--compare", "before", "--json", home=home
    ).json
    assert [step["count"] for step in unknown["steps"]] == [None, None]
    assert [step["count"] for step in unknown["before"]["steps"]] == [3, 2]
    earlier = ecom(
        "funnel",
        "--events",
        events,
        *STEPS,
        "--from",
        "2026-01-01",
        "--compare",
        "before",
        home=home,
    )
    assert (
        "The data hold none of 2025-12-31 to 2025-12-31, so there is nothing to compare with."
        in earlier.err
    )


@pytest.mark.slow
@each(
    "arguments, sentence",
    [
        (
            (*STEPS, "--step-where", "3: product_id = p1"),
            (
                "--step-where '3: product_id = p1' does not begin with the number of a step, 1 to "
                "2; write it as in '2:"
            ),
        ),
        (
            (*STEPS, "--step-where", "product_id = p1"),
            "does not begin with the number of a step, 1 to 2",
        ),
        (
            (*STEPS, "--from", "2026-02-01", "--to", "2026-01-01"),
            "--from 2026-02-01 is after --to 2026-01-01",
        ),
        ((*STEPS, "--last", "30"), "--last '30' is not understood"),
        ((*STEPS, "--over", "decade"), "The funnel's `over` 'decade' is unknown"),
        (
            (*STEPS, "--over", "week", "--week-start", "mon"),
            "The funnel's `week_start` 'mon' is unknown",
        ),
        (
            (*STEPS, "--over", "day", "--week-start", "sunday"),
            "leave it out, or set `over` to week",
        ),
        ((*STEPS, "--timezone", "Mars"), "Mars"),
        (
            (*STEPS, "--time-to-convert", "2:1"),
            "from step 2 to step 1; name two of the 2 steps by their numbers",
        ),
        ((*STEPS, "--time-to-convert", "cart"), "`time_to_convert` names two steps, as in 1:3"),
        (
            (*STEPS, "--time-to-convert", "1:2", "--bins", "0"),
            "The bins of `time_to_convert` are 1 to 100, not 0.",
        ),
        ((*STEPS, "--time-to-convert", "1:2", "--bins", "5m,1m"), "have to rise"),
        (
            (*STEPS, "--time-to-convert", "1:2", "--bins", "1s"),
            "so bins of 1 s would be 301; ask for wider ones",
        ),
        ((*STEPS, "--bins", "5m"), "--bins are those of --time-to-convert"),
        ((*STEPS, "--where", "product_id"), "'product_id' is not a condition; write one as in"),
        (
            (*STEPS, "--where", "cart_amount > ten"),
            "compares cart_amount, which holds number, with the text 'ten'",
        ),
        (
            (*STEPS, "--step-where", "2: prodct_id is set"),
            "no column 'prodct_id'; did you mean 'product_id'?",
        ),
        (
            ("--steps", "product_view", "--exclude", "refund"),
            "a funnel of one step, which has nothing between steps",
        ),
        (
            ("--steps", ",".join("a" * 65)),
            "`steps` of a funnel definition has at most 64 values, not 65.",
        ),
        (
            (*STEPS, "--exclude", "add_to_cart"),
            (
                "The exclusion of 'add_to_cart' is step 2 of the funnel itself, and no event can "
                "be both taken and left"
            ),
        ),
        ((*STEPS, "--order", "unordered"), "The funnel's `order` 'unordered' is called any here."),
        ((*STEPS, "--order", "Any order"), "The funnel's `order` 'Any order' is called any here."),
        ((*STEPS, "--order", "loose"), "The funnel's `order` 'loose' is called ordered here."),
        (
            (*STEPS, "--order", "sequential"),
            (
                "The funnel's `order` 'sequential' is called ordered (PostHog's word) or exact "
                "(Amplitude's) here."
            ),
        ),
        (
            (*STEPS, "--per", "session", "--session-rule", "sorce"),
            "The session rule 'sorce' is unknown; did you mean 'source'? Known: ga4,",
        ),
        ((*STEPS, "--within", "0s"), "`within` is a time of at least one second"),
        ((*STEPS, "--within", "7"), "The duration '7' is not understood"),
        (
            (*STEPS, "--order", "orderd"),
            "The funnel's `order` 'orderd' is unknown; did you mean 'ordered'?",
        ),
        ((*STEPS, "--per", "person"), "The funnel's `per` 'person' is unknown"),
        ((*STEPS, "--by", "product_categry"), "did you mean 'product_category'?"),
        (
            (*STEPS, "--hold", "prodct_id"),
            "The events have no column 'prodct_id'; did you mean 'product_id'?",
        ),
        (
            (*STEPS, "--exclude", "refund:2"),
            "--exclude 'refund:2' names one step; name both, as in refund:1:2, or none.",
        ),
        ((*STEPS, "--by", "product_id", "--by-attribution", "step_3"), "did you mean 'step_2'?"),
        ((*STEPS, "--who", "who.txt"), "--who who.txt is neither .parquet nor .csv"),
    ],
)
def test_impossible_questions_are_refused(
    home: Path, events: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom("funnel", "--events", events, *arguments, home=home)
    assert result.exit_code in {1, 2}
    assert sentence in result.sentence


REES46 = ("--mapping", "rees46", "--steps", "view,cart,purchase", "--within", "1h")


@pytest.mark.slow
@each(
    "order, expected",
    [
        ("ordered", [4504, 111, 62]),
        ("clickhouse_default", [4504, 111, 62]),
        ("strict_order", [4504, 109, 60]),
        ("strict_deduplication", [4504, 111, 45]),
    ],
)
def test_a_real_shop_counts_in_each_order_as_clickhouse_does(
    home: Path, order: str, expected: list[int]
) -> None:
    path = real_file("rees46_2019_10_01.csv")
    assert (
        counts(ecom("funnel", "--events", path, *REES46, "--order", order, "--json", home=home))
        == expected
    )


@pytest.mark.slow
def test_the_categories_of_a_real_shop_add_up_to_its_funnel(home: Path, tmp_path: Path) -> None:
    path, who = real_file("rees46_2019_10_01.csv"), tmp_path / "who.parquet"
    result = ecom(
        "funnel",
        "--events",
        path,
        *REES46,
        "--by",
        "product_category",
        "--who",
        who,
        "--json",
        home=home,
    )
    parts = [
        sum(entry["steps"][step]["count"] for entry in result.json["breakdown"])
        for step in range(3)
    ]
    listed = Counter(pyarrow.parquet.read_table(who)["step"].to_pylist())
    assert counts(result) == parts == [listed[1], listed[2], listed[3]] == [4504, 111, 62]
    assert len(result.json["breakdown"]) == 26
    assert result.json["breakdown"][-1]["value"] == "Other"


@pytest.mark.slow
def test_a_company_takes_its_steps_by_whichever_visitor_and_names_may_hold_commas_and_emojis(
    home: Path,
) -> None:
    # Ann views and Bob puts into the cart, both of Acme; Cid of Ring views; Dan has no company and
    # is not counted.
    view, cart = "view 🛒", "cart, full"
    rows = [
        ("ann", view, "acme"),
        ("bob", cart, "acme"),
        ("cid", view, "ring"),
        ("dan", view, None),
    ]
    file, mapping, definition = (
        home.parent / name for name in ("acts.jsonl", "acts.yaml", "acts.json")
    )
    file.write_text(
        "\n".join(
            json.dumps(
                {"id": f"e{n}", "who": who, "what": event_type, "at": f"2026-03-01T10:0{n}:00Z"}
                | {"properties": {"company": company} if company else {}}
            )
            for n, (who, event_type, company) in enumerate(rows)
        )
    )
    mapping.write_text(
        "fields: {event_id: id, user_id: who, event_type: what, event_timestamp: at, properties: "
        "properties}\n"
    )
    answer = ("funnel", "--events", file, "--mapping", mapping, "--json")
    steps = ("--steps", 'view 🛒,"cart, full"')
    assert counts(ecom(*answer, *steps, home=home)) == [3, 0]
    assert counts(ecom(*answer, *steps, "--per", "properties.company", home=home)) == [2, 1]
    definition.write_text(json.dumps({"steps": [view, cart], "per": "properties.company"}))
    assert counts(ecom(*answer, "--definition", definition, home=home)) == [2, 1]


@each(
    "arguments, why",
    [
        (
            ("--limit", "3"),
            "--limit sets how many values of --by are shown; give --by, or leave it out.",
        ),
        (
            ("--by-attribution", "last"),
            "--by-attribution says whose value of --by counts; give --by, or leave it out.",
        ),
        (
            ("--exclusion-rule", "posthog"),
            "--exclusion-rule says what an excluded event does; give --exclude, or leave it out.",
        ),
        (("--occurrence", "3: first_ever"), "does not begin with the number of a step, 1 to 2"),
    ],
)
def test_what_says_nothing_by_itself_is_refused(
    home: Path, arguments: tuple[str, ...], why: str
) -> None:
    result = ecom("funnel", "--events", home, "--steps", "a,b", *arguments, home=home)
    assert result.exit_code == 2
    assert why in result.sentence


@pytest.mark.slow
@each(
    "arguments, expected, warning",
    [
        (("--steps", "product_view,add_to_card"), [3, 0], "did you mean 'add_to_cart'?"),
        (
            ("--steps", "buy,product_view"),
            [0, 0],
            "there are add_to_cart, product_view, remove_from_cart.",
        ),
        (
            ("--steps", "product_view,purchase", "--by", "product_id"),
            [3, 0],
            "there are add_to_cart",
        ),
        (("--steps", "product_view,purchase", "--order", "any"), [3, 0], "there are add_to_cart"),
        ((*STEPS, "--exclude", "remove_from_card"), [3, 2], "did you mean 'remove_from_cart'?"),
    ],
)
def test_a_type_that_no_event_has_counts_0_with_a_warning(
    home: Path, events: Path, arguments: tuple[str, ...], expected: list[int], warning: str
) -> None:
    result = ecom("funnel", "--events", events, *arguments, "--json", home=home)
    assert (counts(result), result.err) == (expected, "")
    (sentence,) = result.json["warnings"]
    assert sentence.startswith("No event has the type '")
    assert warning in sentence
    answer = ecom("funnel", "--events", events, *arguments, home=home)
    assert (answer.exit_code, answer.err) == (0, f"ecom: warning: {sentence}\n")


def test_a_warning_names_the_types_in_the_words_of_the_file(home: Path, tmp_path: Path) -> None:
    columns = (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
        "user_session\n"
    )
    path = tmp_path / "day.csv"
    path.write_text(columns + "2019-10-01 00:00:00 UTC,view,1,2,,,3.00,ann,s1\n")
    result = ecom(
        "funnel",
        "--events",
        path,
        "--mapping",
        "rees46",
        "--steps",
        "view,purchase",
        "--json",
        home=home,
    )
    assert counts(result) == [1, 0]
    assert result.json["warnings"] == [
        "No event has the type 'purchase', so it counts 0; there are view."
    ]


@pytest.mark.slow
def test_values_that_no_event_has_in_its_properties_are_warned_of(
    home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    rows = [("a1", "product_view", 0), ("a2", "add_to_cart", 1)]
    line = '{{"event_id":"{}","event_type":"{}","event_timestamp":"2026-01-01T10:0{}:00Z"'
    line += ',"user_id":"ann","product_id":"p"{}}}'
    mapping = tmp_path / "own.yaml"
    fields = ("event_id", "event_type", "event_timestamp", "user_id", "product_id")
    mapping.write_text(
        "name: own\nfields: {" + ", ".join(f"{name}: {name}" for name in fields) + "}\n"
    )
    arguments = (
        "funnel",
        "--events",
        path,
        "--mapping",
        mapping,
        *STEPS,
        "--by",
        "properties.plan",
        "--json",
    )
    path.write_text("\n".join(line.format(*row, "") for row in rows))
    nowhere = (
        "No event has properties, so none has properties.plan; a mapping keeps them with "
        "`other_columns: properties`, and those of an object that a field uses with "
        "`properties: NAME OF THE OBJECT` under `fields`."
    )
    assert ecom(*arguments, home=home).json["warnings"] == [nowhere]
    mapping.write_text(mapping.read_text() + "other_columns: properties\n")
    path.write_text("\n".join(line.format(*row, ',"plam":"pro"') for row in rows))
    misspelt = "No event has properties.plan; look at the properties of one of them for its name."
    assert ecom(*arguments, home=home).json["warnings"] == [misspelt]
    path.write_text("\n".join(line.format(*row, ',"plan":"pro"') for row in rows))
    assert ecom(*arguments, home=home).json["warnings"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("again", "expected"),
    [
        ("p1,ann,purchase,2026-03-02T09:00:00Z,,,s1,,,", [0, {"duplicate": 1}]),
        ("p1,ann,search,2026-03-02T10:05:00Z,,,s1,,,", [1, {}]),
        ("v1,aaron,page_view,2026-03-02T10:00:00Z,,,s1,,,", [1, {}]),
    ],
    ids=["another time", "another type", "another user"],
)
def test_rows_of_one_id_are_copies_or_two_events_alike_in_every_question(
    tmp_path: Path, again: str, expected: list[Any]
) -> None:
    """Of copies that arrive together the earlier one counts, here before the view; rows that do not
    agree in who or what are two events.
    """
    rows = [
        "v1,ann,page_view,2026-03-02T10:00:00Z,,,s1,,,",
        "p1,ann,purchase,2026-03-02T10:05:00Z,,,s1,,,",
        again,
    ]
    (tmp_path / "copies.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    arguments = (
        "funnel",
        "--events",
        tmp_path / "copies.csv",
        "--steps",
        "page_view,purchase",
        "--json",
    )
    every = (
        (),
        ("--who", tmp_path / "who.csv"),
        ("--to", "2026-03-02"),
        ("--over", "day"),
        ("--by", "event_type"),
    )
    results = [ecom(*arguments, *more, home=tmp_path / "home").json for more in every]
    counted = [[result["steps"][1]["count"], result["rows"]["rejected"]] for result in results]
    assert counted == [expected] * 5
