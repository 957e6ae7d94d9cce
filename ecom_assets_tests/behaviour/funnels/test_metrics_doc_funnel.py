"""What `docs/metrics/` says of a funnel's orders, and the examples of peers, exclusions,
conditions, days of entry, times and values, recomputed from their own input.

Not here: ClickHouse itself, and `ordered` at length (`test_metrics_doc.py`,
`funnels/test_funnel_orders.py`).
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
import yaml
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.funnels.answer import funnel_answer
from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import ORDERS, Funnel
from ecom_assets.behaviour.funnels.entries import EntryLimits
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.report import labelled, step_answers, step_numbers
from ecom_assets.core.warehouse.local import connect
from ecom_assets.orchestration.rules import read_funnels
from ecom_assets_tests.behaviour.trends.trend_reference import Deed, as_events
from ecom_assets_tests.markdown import Line, event_lines, section
from ecom_assets_tests.test_metrics_doc import FUNNEL_EXAMPLES, tables

STEPS = ["product_view", "add_to_cart", "purchase"]


def examples(heading: str) -> list[list[Line]]:
    return section(FUNNEL_EXAMPLES, heading).tables


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    backend = connect()
    yield backend
    backend.disconnect()


def events_of(con: Backend, lines: list[Line]) -> ir.Table:
    """The events of a table: `09:00 product_view hats, …` per visitor."""
    rows = [
        (
            line["visitor"],
            datetime.fromisoformat(line["event_at"]),
            line["event_type"],
            line["product_category"] or None,
        )
        for line in event_lines(lines, "product_category")
    ]
    names = ("visitor_id", "event_at", "event_type", "product_category")
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    types = pa.schema(
        [
            ("visitor_id", pa.string()),
            ("event_at", pa.timestamp("us")),
            *((n, pa.string()) for n in names[2:]),
        ]
    )
    table = pa.table(columns, types).append_column(
        "event_id", pa.array([f"{n:03}" for n in range(len(rows))])
    )
    return con.create_table("page_events", table, overwrite=True)


def question(con: Backend, events: ir.Table, raw: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps that the page's definition gives, counted from their chains."""
    funnel = Funnel.from_mapping(raw)
    return step_answers(
        funnel, con.to_pyarrow(step_numbers(funnel_chains(events, funnel))).to_pylist()
    )


def shown(steps: list[dict[str, Any]]) -> Line:
    return {step["event_type"]: str(step["count"]) for step in steps}


def tables_of_orders() -> tuple[list[Line], list[Line], list[Line]]:
    """Return the orders, the events of the example, and the levels that they give."""
    orders, lines = tables("Orders of a funnel")
    levels = [{name: cell for name, cell in line.items() if name != "events"} for line in lines]
    return orders, lines, levels


@pytest.mark.slow
def test_each_order_gives_each_visitor_the_level_of_the_page(con: Backend) -> None:
    _, lines, expected = tables_of_orders()
    events = events_of(con, lines)
    actual: dict[str, Line] = {line["visitor"]: {"visitor": line["visitor"]} for line in lines}
    for order in ORDERS:
        funnel = Funnel.from_mapping({"steps": STEPS, "within": "1h", "order": order})
        for row in con.to_pyarrow(funnel_levels(events, funnel)).to_pylist():
            actual[row["visitor_id"]][order] = str(row["level"])
    assert list(actual.values()) == expected


def test_the_page_explains_every_order() -> None:
    assert sorted(line["order"] for line in tables("Orders of a funnel")[0]) == sorted(ORDERS)


@pytest.mark.slow
def test_each_peer_s_answer_is_that_of_the_settings_beside_it(con: Backend) -> None:
    _, lines, _ = tables_of_orders()
    (peers,) = examples("What other tools return")
    events = events_of(con, lines)
    for peer in peers:
        actual = shown(
            question(con, events, {"steps": STEPS, **yaml.safe_load(peer["the same here"])})
        )
        assert actual == {step: peer[step] for step in STEPS}, peer


@pytest.mark.slow
def test_exclusions_units_and_held_columns_count_as_the_examples_say(con: Backend) -> None:
    lines, expected, _ = examples("Exclusions, units, times and values")
    events = events_of(con, lines)
    for line in expected:
        raw = {"steps": STEPS[:2], "within": "2h", **yaml.safe_load(line["asked for"])}
        assert shown(question(con, events, raw)) == {step: line[step] for step in STEPS[:2]}, line


def test_the_times_of_the_page_are_those_of_the_example(con: Backend) -> None:
    lines, *_ = examples("Exclusions, units, times and values")
    _, cart = question(con, events_of(con, lines), {"steps": STEPS[:2], "within": "2h"})
    assert (cart["median_s_from_previous"], cart["p90_s_from_previous"]) == (1_200, 3_120)
    text = section("docs/metrics", "Exclusions, units, times and values").text
    assert "The median is 1,200 s" in text
    assert "= 3,120 s" in text


def test_each_attribution_gives_the_values_of_the_example(con: Backend) -> None:
    lines, _, expected = examples("Exclusions, units, times and values")
    events = events_of(con, lines)
    actual = []
    for attribution in dict.fromkeys(line["by_attribution"] for line in expected):
        raw = {
            "steps": STEPS[:2],
            "within": "2h",
            "by": "product_category",
            "by_attribution": attribution,
        }
        funnel = Funnel.from_mapping(raw)
        rows = con.to_pyarrow(
            step_numbers(labelled(funnel_chains(events, funnel), funnel), ["label"])
        ).to_pylist()
        for value in sorted({row["label"] for row in rows}):
            steps = step_answers(funnel, [row for row in rows if row["label"] == value])
            actual.append({"by_attribution": attribution, "value": value} | shown(steps))
    assert actual == expected


def test_conditions_count_as_the_examples_say(con: Backend) -> None:
    lines, expected = examples("Conditions of a funnel")
    events = events_of(con, lines)
    for line in expected:
        raw = {"steps": STEPS[:2], "within": "2h", **yaml.safe_load(line["asked for"])}
        assert shown(question(con, events, raw)) == {step: line[step] for step in STEPS[:2]}, line
    hats = {"where": ["product_category = hats"]}
    actual = [
        question(con, events, {"steps": [STEPS[1]], **where})[0]["count"] for where in ({}, hats)
    ]
    assert actual == [3, 2]


def test_days_of_entry_cohorts_and_times_are_those_of_the_example(con: Backend) -> None:
    lines, ranges, cohorts, bins = examples("Days of entry")
    entered = as_events([_deed(line) for line in lines])
    times = pa.array([datetime.fromisoformat(line["event_at"]) for line in lines])
    entered = entered.set_column(entered.column_names.index("event_at"), "event_at", times)
    con.con.register("entered", entered)
    events = con.table("entered").mutate(source_session_id=ibis.null("string"))
    requested = {
        "all": EntryLimits(),
        "up to 2026-03-02": EntryLimits(last=date(2026, 3, 2)),
        "of 2026-03-03": EntryLimits(date(2026, 3, 3), date(2026, 3, 3)),
        "from 2026-03-04": EntryLimits(date(2026, 3, 4)),
        "last 1d": EntryLimits(day_count=1),
    }
    raw = {"steps": STEPS[:2], "within": "1d", "over": "day", "time_to_convert": "1:2"}
    actual = {
        name: funnel_answer(con, events, Funnel.from_mapping(raw), limits=limits)
        for name, limits in requested.items()
    }
    assert [{"entries": name, **shown(row["steps"])} for name, row in actual.items()] == ranges
    answer = actual["all"]
    assert [
        {
            "cohort": cohort["start"],
            **shown(cohort["steps"]),
            "complete": str(cohort["complete"]).lower(),
        }
        for cohort in answer["cohorts"]
    ] == cohorts
    took = answer["time_to_convert"]
    assert [{name: str(value) for name, value in bin_.items()} for bin_ in took["bins"]] == bins
    assert (took["average_s"], took["median_s"]) == (15_600, 10_800)
    assert answer["steps"][1]["average_s_from_start"] == took["average_s"]


def _deed(line: Line) -> Deed:
    return Deed(line["visitor"], line["event_type"], date.fromisoformat(line["event_at"][:10]))


def test_the_file_of_daily_funnels_that_the_page_shows_is_one(tmp_path: Path) -> None:
    path = tmp_path / "funnels.yaml"
    path.write_text(section("docs/metrics", "The daily funnel").code[0])
    assert [(funnel.name, funnel.units) for funnel in read_funnels(path)] == [
        ("checkout", ("session", "visitor")),
        ("hats in one visit", ("session",)),
    ]
