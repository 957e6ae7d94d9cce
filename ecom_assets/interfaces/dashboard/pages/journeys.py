"""Journeys: how sessions flow from step to step; and the paths from or to a step,
with every choice of the command.
"""

from collections import Counter
from dataclasses import replace
from typing import Final, Literal

from pydantic import Field

from ecom_assets.behaviour.events.queries import event_types
from ecom_assets.behaviour.journeys.answer import (
    JOURNEYS,
    CountedPath,
    CountedTransition,
    OwnJourneysAnswer,
)
from ecom_assets.behaviour.journeys.journeys import EXIT
from ecom_assets.behaviour.journeys.queries import Dimension
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.queries import EVENTS, Reading
from ecom_assets.interfaces.api.routes import behaviour
from ecom_assets.interfaces.dashboard import charts, sankey
from ecom_assets.interfaces.dashboard.blocks import (
    CHANCE,
    Block,
    Chart,
    DataTable,
    Nothing,
    TableColumn,
    Tile,
    Tiles,
)
from ecom_assets.interfaces.dashboard.formats import chance
from ecom_assets.interfaces.dashboard.forms import Builder, answered, answered_in, question_page
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Section, View, csv_address
from ecom_assets.interfaces.dashboard.sankey import Flow

DEPTH: Final = 4
"""How many transitions are drawn from the beginning of sessions."""
BRANCHES: Final = 8
"""The most names of a column; the others are one."""
OTHERS_LABEL: Final = "(others)"
FLOWS: Final = (
    TableColumn("step", "Transition", "count"),
    *TableColumn.from_fields(
        behaviour.Transition, "from_step", "to_step", "transition_count", "conversion_rate"
    ),
)
PAIRS: Final = (
    TableColumn.from_field(behaviour.Transition, "from_step", href="from_address"),
    TableColumn.from_field(behaviour.Transition, "to_step", href="to_address"),
    *TableColumn.from_fields(
        behaviour.Transition, "transition_count", "step_share", bars=("step_share",)
    ),
    TableColumn.from_field(behaviour.Transition, "conversion_rate", of="transition_count"),
)


class JourneyFilters(Filters):
    """The kind of steps, and the step to look around."""

    dimension: Dimension = Field("page_type", title="Steps are")
    view: Literal["from_the_beginning", "around_a_step"] = Field("from_the_beginning", title="Show")
    least: Literal["all", "1%", "5%"] = Field("1%", title="Leave out below")
    step: str | None = None


def flow(view: View) -> Block:
    """Return the flows as a diagram."""
    flows, columns = (
        _around(view) if view.filters.view == "around_a_step" else _from_beginning(view)
    )
    flows = [
        replace(edge, source=view.step(edge.source), target=view.step(edge.target))
        for edge in flows
    ]
    share = {"all": 0.0, "1%": 0.01, "5%": 0.05}[view.filters.least]
    totals: Counter[int] = Counter()
    for edge in flows:
        totals[edge.column] += edge.count
    large_flows = [edge for edge in flows if edge.count >= share * totals[edge.column]]
    if not large_flows:
        return Chart({}, [], FLOWS, "", empty="There are no journeys in these days.")
    rows, nodes = sankey.rows_of(large_flows, columns)
    left_out = sum(edge.count for edge in flows) - sum(edge.count for edge in large_flows)
    return Chart(
        sankey.spec_of(nodes),
        rows,
        FLOWS,
        f"A diagram of flows between {columns} columns of steps; the table has the same numbers.",
        csv=view.csv("/analytics/journeys.csv", dimension=view.filters.dimension),
        height=460,
        note=f"{left_out:,} transitions in smaller flows are left out." if left_out else "",
        definition="Transitions between the steps of sessions, repeats of a step in a row as one.",
    )


def _from_beginning(view: View) -> tuple[list[Flow], int]:
    flows = [
        Flow(
            place,
            row["from_step"],
            row["to_step"],
            row["transition_count"],
            row["converted_transition_count"],
        )
        for place in range(DEPTH)
        for row in _transitions(view, place)
    ]
    return _with_rare_names_merged(flows, DEPTH + 1), DEPTH + 1


def _around(view: View) -> tuple[list[Flow], int]:
    """Return the steps before and after a step; by default the most frequent one."""
    rows = _transitions(view, None)
    step = view.filters.step or (rows[0]["from_step"] if rows else "")
    counts = [(row, row["transition_count"], row["converted_transition_count"]) for row in rows]
    before = [
        Flow(0, row["from_step"], step, n, with_it)
        for row, n, with_it in counts
        if row["to_step"] == step
    ]
    after = [
        Flow(1, step, row["to_step"], n, with_it)
        for row, n, with_it in counts
        if row["from_step"] == step
    ]
    return _with_rare_names_merged([*before, *after], 3), 3


def _transitions(view: View, place: int | None) -> list[Row]:
    parameters = {"dimension": view.filters.dimension, "place": place, "limit": 1000}
    rows: list[Row] = view.answer(behaviour.journeys, **parameters)["transitions"]
    return rows


def _with_rare_names_merged(flows: list[Flow], columns: int) -> list[Flow]:
    """Return flows in which the rarer names of each column are one."""
    largest = []
    for column in range(columns):
        sizes: Counter[str] = Counter()
        for edge in flows:
            if column in {edge.column, edge.column + 1}:
                sizes[edge.source if edge.column == column else edge.target] += edge.count
        largest.append(set(sorted(sizes, key=lambda name: (-sizes[name], name))[:BRANCHES]))
    sums: dict[tuple[int, str, str], tuple[int, int | None]] = {}
    for edge in flows:
        source = edge.source if edge.source in largest[edge.column] else OTHERS_LABEL
        target = edge.target if edge.target in largest[edge.column + 1] else OTHERS_LABEL
        count, converted = sums.get((edge.column, source, target), (0, 0))
        is_known = converted is not None and edge.converted is not None
        both = (converted or 0) + (edge.converted or 0)
        sums[edge.column, source, target] = count + edge.count, both if is_known else None
    return [Flow(*key, *counts) for key, counts in sums.items()]


def pairs(view: View) -> Block:
    """Return the pairs of steps, each name leading to what is around it."""
    rows = [
        {
            **row,
            "from_step": view.step(row["from_step"]),
            "to_step": view.step(row["to_step"]),
            "from_address": view.here(view="around_a_step", step=row["from_step"]),
            "to_address": view.here(view="around_a_step", step=row["to_step"]),
        }
        for row in _transitions(view, None)[:50]
    ]
    csv = view.csv("/analytics/journeys.csv", dimension=view.filters.dimension)
    return DataTable(
        rows, PAIRS, csv=csv, note="Choose a step to see what comes before and after it."
    )


FLOWS_PAGE: Final = DashboardPage(
    "journeys",
    "Journeys",
    group="Behaviour",
    position=30,
    summary="Which step leads to which, from the beginning of sessions or around one step.",
    asks=JourneyFilters,
    has_comparison=False,
    sections=(Section("Flow", flow), Section("Pairs of steps", pairs)),
)


LISTS: Final = (
    ("top_paths", "All sessions"),
    ("converting_paths", "With a purchase"),
    ("other_paths", "Without one"),
)
PATHS: Final = (
    TableColumn("of", "Sessions", is_on_one_line=True),
    TableColumn("steps", "Path"),
    TableColumn.from_field(CountedPath, "sessions", bar="share"),
    TableColumn.from_field(CountedPath, "share"),
    TableColumn.from_field(CountedPath, "conversion_rate", of="sessions"),
)
TRANSITIONS: Final = (
    TableColumn("from", "From"),
    TableColumn("to", "To"),
    *TableColumn.from_fields(CountedTransition, "count", "converted"),
)
MOST_SHOWN: Final = 100


def totals(answer: Answer) -> Block:
    """Return how many sessions there are."""
    count, converted = answer["sessions"], answer["converted_sessions"]
    rate = converted / count if count and converted is not None else None
    share = Tile("Conversion", rate, "rate", "The share of these.", of=count)
    counts = Tiles.from_fields(OwnJourneysAnswer, answer, ("sessions", "converted_sessions"))
    return replace(counts, tiles=(*counts.tiles, share))


NEXT: Final = (
    TableColumn("name", "Next step"),
    TableColumn("count", "Sessions", "count"),
    TableColumn("share", "Of all", "rate", of="all_count"),
    TableColumn("conversion_rate", "With a purchase", "rate", of="count"),
    CHANCE,
)
LEAVE: Final = "Leave the shop"


def after_first(view: View, answer: Answer) -> Block:
    """Return which steps follow the first one of the paths; nothing of paths that end in a step,
    which begin anywhere.
    """
    definition = answer["definition"]
    if definition.get("to_step") and not definition.get("from_step"):
        return Nothing()
    steps = [row for row in answer["steps"] if row["step"] == 1]
    total = sum(row["count"] for row in steps)
    by_name: dict[str, list[int]] = {}
    for row in steps:
        counts = by_name.setdefault(LEAVE if row["to"] == EXIT else row["to"], [0, 0])
        counts[0] += row["count"]
        counts[1] += row["converted"] or 0
    knows_purchases = answer["converted_sessions"] is not None
    ranked = sorted(by_name.items(), key=lambda item: (-item[1][0], item[0]))
    rows = [
        {
            "name": view.step(name),
            "count": count,
            "all_count": total,
            "share": count / total,
            "conversion_rate": converted / count if knows_purchases else None,
            "chance": chance(converted / count if knows_purchases else None, count),
        }
        for name, (count, converted) in ranked[:BRANCHES]
    ]
    first = definition.get("from_step")
    after = (
        f"After the first “{view.step(first)}” of a session" if first else "After the first step"
    )
    left_out = len(ranked) - len(rows)
    return Chart(
        charts.ranking("name", "share", kind="rate", title="Of all", sort=None),
        rows,
        NEXT,
        f"Bars: the share of sessions that took each step {after.lower()}.",
        csv=csv_address(answer, "steps"),
        height=max(120, 30 * len(rows)),
        note=f"{after}; repeats of a step are one."
        + (f" And {left_out} rarer ones, in the CSV." if left_out > 0 else ""),
        is_table_open=True,
        empty="No session has such a step.",
    )


def paths(view: View, answer: Answer) -> Block:
    """Return the most frequent paths: of all sessions, of those with a purchase,
    and of the others.
    """
    rows = []
    for name, title in LISTS:
        if name != "top_paths" and answer[name] == answer["top_paths"]:
            continue  # of paths to a purchase, all lists are the same
        for path in answer[name]:
            named = [view.step(step) for step in path["path"]]
            steps = [*named, "…"] if path["is_cut"] else named
            rate = path["conversion_rate"] if name == "top_paths" else None  # else all of them do
            shown = {"of": title, "steps": " → ".join(steps) or "(no step)"}
            rows.append({**path, **shown, "conversion_rate": rate})
    # Of paths to a purchase each ends in one, which is no news in every row.
    is_said = any(row["conversion_rate"] not in {1, None} for row in rows)
    columns = [column for column in PATHS if is_said or column.name != "conversion_rate"]
    return DataTable(rows, columns, empty="No session has such a path.")


def transitions(view: View, answer: Answer) -> Block:
    """Return which step led to which, most frequent first."""
    rows = [
        {**row, "from": view.step(row["from"]), "to": view.step(row["to"])}
        for row in answer["transitions"][:MOST_SHOWN]
    ]
    count = len(answer["transitions"])
    note = f"The first {len(rows):,} of {count:,}; the CSV has all." if count > len(rows) else ""
    return DataTable(rows, TRANSITIONS, csv=csv_address(answer, "transitions"), note=note)


FIRST_PAGE: Final = "page_view"


def from_first_page(reading: Reading) -> dict[str, str]:
    """Return that paths begin at the first page of a session; where no event is a view of one, at
    the beginning of sessions.
    """
    types = event_types(reading) if EVENTS in reading.known else ()
    has_pages = any(row["event_type"] == FIRST_PAGE for row in types)
    return {"from_step": FIRST_PAGE if has_pages else ""}


BUILDER: Final = Builder(
    JOURNEYS, {"from_step": FIRST_PAGE, "last": "90d"}, of_data=from_first_page
)
BUILDER_PAGE: Final = question_page(
    BUILDER,
    (
        Section("Totals", answered(BUILDER, totals), is_titled=False),
        Section("What comes next", answered_in(BUILDER, after_first)),
        Section("Paths", answered_in(BUILDER, paths)),
        Section("Transitions", answered_in(BUILDER, transitions)),
    ),
    path="paths",
    title="Paths",
    position=31,
    summary=(
        "What visitors do after their first page, or from and to any step, and how often they buy."
    ),
)
PAGES: Final = (FLOWS_PAGE, BUILDER_PAGE)
