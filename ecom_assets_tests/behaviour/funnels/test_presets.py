"""`--preset` of a funnel: what each tool would answer, and that what is said beside it wins.

Ten visitors view a product; `docs/example_events.csv` has their events.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from ecom_assets.behaviour.funnels.definition import PRESETS, Funnel
from ecom_assets.core.errors import DefinitionError
from ecom_assets_tests.behaviour.funnels.funnel_reference import by_clickhouse
from ecom_assets_tests.command import CommandResult, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import ROOT

EVENTS = str(ROOT / "docs" / "example_events.csv")
STEPS = ["product_view", "add_to_cart", "purchase"]


def answer(tmp_path: Path, *arguments: str) -> CommandResult:
    result = ecom("funnel", "--events", EVENTS, *arguments, "--json", home=tmp_path / "home")
    assert result.exit_code == 0, result.err
    return result


def counts(tmp_path: Path, *arguments: str) -> list[int]:
    return [
        step["count"]
        for step in answer(tmp_path, "--steps", ",".join(STEPS), *arguments).json["steps"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "bought"),
    [
        ("amplitude", 5),  # within a day: Anna, Dora, Fay, Gil, Hana
        ("mixpanel", 6),  # within seven: Ben too, after two
        ("posthog", 7),  # within fourteen: Cara too, after ten
        ("ga4", 8),  # ever: Jane too, after forty
    ],
)
def test_each_tool_waits_as_long_as_it_does_by_itself(
    tmp_path: Path, tool: str, bought: int
) -> None:
    assert counts(tmp_path, "--preset", tool) == [10, 9, bought]  # Emil's cart came before his view


@pytest.mark.slow
def test_what_is_typed_wins_even_where_it_is_the_usual_value(tmp_path: Path) -> None:
    assert counts(tmp_path, "--preset", "amplitude", "--within", "14d") == [10, 9, 7]
    assert counts(tmp_path, "--preset", "posthog", "--within", "7d") == counts(tmp_path)


@pytest.mark.slow
def test_dora_who_emptied_her_cart_is_nobody_in_posthog_and_drops_off_in_mixpanel(
    tmp_path: Path,
) -> None:
    assert counts(tmp_path, "--preset", "posthog", "--exclude", "remove_from_cart") == [9, 8, 6]
    assert counts(
        tmp_path, "--preset", "mixpanel", "--exclude", "remove_from_cart", "--within", "14d"
    ) == [10, 9, 6]


@pytest.mark.slow
def test_ivan_s_view_without_a_category_counts_for_none_in_amplitude_only(tmp_path: Path) -> None:
    def values(tool: str) -> dict[str, int]:
        by = answer(
            tmp_path, "--steps", ",".join(STEPS), "--preset", tool, "--by", "product_category"
        ).json
        return {part["value"]: part["steps"][0]["count"] for part in by["breakdown"]}

    assert values("amplitude") == {"hats": 6, "shoes": 3, "(none)": 1}
    assert values("mixpanel") == values("posthog") == {"hats": 6, "shoes": 4}


@pytest.mark.slow
def test_sessions_are_cut_as_the_tool_does_unless_a_rule_is_typed(tmp_path: Path) -> None:
    per = ("--per", "session")
    assert counts(tmp_path, "--preset", "posthog", *per) == [10, 9, 5]  # Anna's is one, by its id
    assert counts(tmp_path, "--preset", "amplitude", *per) == [
        10,
        8,
        4,
    ]  # hers ends after 30 minutes, and so does Ivan's
    assert counts(tmp_path, "--preset", "mixpanel", *per) == [10, 7, 3]  # Hana's ends at midnight
    assert counts(tmp_path, "--preset", "mixpanel", *per, "--session-rule", "ga4") == [10, 8, 4]
    actual = answer(tmp_path, "--steps", ",".join(STEPS), "--preset", "mixpanel", *per).json
    assert actual["session_rule"] == "mixpanel"


@pytest.mark.slow
def test_the_definition_shows_what_was_used(tmp_path: Path) -> None:
    used = answer(
        tmp_path,
        "--steps",
        "product_view,purchase",
        "--preset",
        "amplitude",
        "--by",
        "product_category",
    )
    definition = used.json["definition"]
    assert (definition["within"], definition["by_attribution"], definition["order"]) == (
        "86400s",
        "step_1",
        "ordered",
    )
    weeks = answer(
        tmp_path, "--steps", "product_view,purchase", "--preset", "posthog", "--over", "week"
    ).json
    assert weeks["definition"]["week_start"] == "sunday"
    assert [cohort["start"] for cohort in weeks["cohorts"]][:2] == ["2026-03-01", "2026-03-08"]


@pytest.mark.slow
def test_a_definition_file_names_a_preset_and_what_it_says_itself_wins(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps({"steps": STEPS, "preset": "amplitude"}))
    (tmp_path / "g.json").write_text(
        json.dumps({"steps": STEPS, "preset": "amplitude", "within": "14d"})
    )
    actual = [
        answer(tmp_path, "--definition", str(tmp_path / name)).json["steps"][2]["count"]
        for name in ("f.json", "g.json")
    ]
    assert actual == [5, 7]
    twice = ecom(
        "funnel",
        "--events",
        EVENTS,
        "--definition",
        tmp_path / "f.json",
        "--preset",
        "ga4",
        home=tmp_path / "home",
    )
    assert (twice.exit_code, "--definition says what --preset would" in twice.sentence) == (2, True)


@each("tool", PRESETS)
def test_every_preset_is_a_definition_that_stays_as_it_is(tool: str) -> None:
    funnel = Funnel.from_mapping(
        {"steps": STEPS, "preset": tool, "by": "product_category", "exclude": ["search"]}
    )
    assert Funnel.from_mapping(funnel.to_mapping()).to_mapping() == funnel.to_mapping()


@each("wrong", ["posthgo", "heap", 7, ["ga4"]])
def test_an_unknown_tool_is_refused_in_a_sentence_that_names_the_known_ones(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"The preset .* of funnel is unknown; .*posthog"):
        Funnel.from_mapping({"steps": STEPS, "preset": wrong})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "mode"),
    [
        (STEPS, None),
        (["product_view", "product_view"], None),  # one view serves both
        (["purchase", "add_to_cart"], None),
        (STEPS, "strict_order"),
        (STEPS, "strict_deduplication"),
    ],
)
def test_clickhouse_itself_answers_as_its_preset_does(
    tmp_path: Path, steps: list[str], mode: str | None
) -> None:
    rows = pyarrow.csv.read_csv(EVENTS)
    at = rows["event_timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    events = pa.table(
        {"visitor_id": rows["user_id"], "event_type": rows["event_type"], "event_at": at}
    )
    # Gil's three events have one time, and their order decides in ClickHouse: it gets them in that
    # of the steps.
    step_index = pa.array(
        [steps.index(kind) if kind in steps else -1 for kind in events["event_type"].to_pylist()]
    )
    events = events.append_column("place", step_index).sort_by(
        [("event_at", "ascending"), ("place", "ascending")]
    )
    funnel = Funnel.from_mapping({"steps": steps, "preset": "clickhouse"})
    levels = by_clickhouse(
        events.drop_columns("place"), funnel, tmp_path, *([mode] if mode else [])
    )
    reached = [
        sum(level >= number for level in levels.values()) for number in range(1, len(steps) + 1)
    ]
    arguments = (
        "--steps",
        ",".join(steps),
        "--preset",
        "clickhouse",
        *(("--order", mode) if mode else ()),
    )
    assert [step["count"] for step in answer(tmp_path, *arguments).json["steps"]] == reached
