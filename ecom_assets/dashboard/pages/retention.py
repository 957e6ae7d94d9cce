"""Retention builder: cohorts as a heat map, with periods that are not over yet shaded, and who is in a cell of it."""

import json
from functools import partial
from typing import Final

from ecom_assets.api.auth.callers import Scope
from ecom_assets.api.routes import ad_hoc
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, DataTable, Notice, TableColumn
from ecom_assets.dashboard.form_inputs import FormInput
from ecom_assets.dashboard.forms import Answer, Builder, answered, context, correct_first, question_page
from ecom_assets.dashboard.page import Section, View, csv_address
from ecom_assets.retention.answer import RETENTION, InCell, RetentionCohort, RetentionTotal

WHO: Final = ("cohort", "period", "returned")
OF_A_CELL: Final = (
    FormInput("who_cohort", "List who is in cohort", "2026-01-05", about=("cohort",)),
    FormInput("who_period", "In its period", "all of it", about=("period",)),
    FormInput("who_returned", "Of these", options=(("", "who came back"), ("false", "who did not"))),
)
BUILDER: Final = Builder(RETENTION, {"period": "week", "last_period": "12"}, extra={"list": OF_A_CELL})
CELLS: Final = (
    *TableColumn.from_fields(RetentionCohort, "cohort", "size"),
    *TableColumn.from_fields(RetentionTotal, "period", "returned", "rate"),
    TableColumn("state", "Period is"),
)
TOTALS: Final = TableColumn.from_fields(
    RetentionTotal, "period", "cohorts", "size", "returned", "rate", "revenue", "lifetime_value", bars=("rate",)
)
PALE: Final = "Pale cells are of periods that are not over yet: their share can grow."
MOST_COHORTS: Final = 26
"""Cohorts that are drawn: half a year of weeks."""


def cohorts(view: View) -> Block:
    """Return the map of the cohorts, by each identity rule that is asked."""
    return answered(BUILDER, partial(heat_map, view))(view)


def heat_map(view: View, answer: Answer) -> Block:
    """Return a cell per cohort and period."""
    names = [total["period"] for total in answer["totals"]]
    shown, count = answer["cohorts"][-MOST_COHORTS:], len(answer["cohorts"])
    cut = f"The newest {MOST_COHORTS} of {count:,} cohorts are drawn; the CSV has all." if count > MOST_COHORTS else ""
    rows = [
        {
            "cohort": f"{cohort['cohort']}",
            "size": cohort["size"],
            "period": names[position] if position < len(names) else str(position),
            "place": position,
            "returned": returned,
            "rate": returned / cohort["size"] if cohort["size"] else None,
            "state": "over" if cohort["complete"][position] else "not over yet",
        }
        for cohort in shown
        for position, returned in enumerate(cohort["returned"])
    ]
    return Chart(
        _map(names, view, answer),
        rows,
        CELLS,
        "A heat map: a row per cohort, a column per period, and the share of the cohort that came back.",
        csv=csv_address(answer),
        height=110 + 24 * len(shown),
        note=" ".join(filter(None, [PALE, cut])),
        definition="Visitors by the period in which they started, and the share of them that came back in each period.",
    )


def _map(names: list[str], view: View, answer: Answer) -> charts.Spec:
    base = {
        "x": charts.names(
            "period",
            sort=names,
            title="Periods since the start",
            axis={"orient": "top", "labelAngle": 0, "grid": False},
        ),
        "y": charts.names("cohort", sort="ascending", axis={"grid": False}),
        "tooltip": charts.tips(CELLS),
    }
    pale = {"condition": {"test": "datum.state === 'not over yet'", "value": 0.45}, "value": 1}
    number = {"field": "rate", "type": "quantitative", "format": ".0%"}
    legend = {"format": ".0%", "values": [0, 0.2, 1]}
    colour = {"field": "rate", "type": "quantitative", "title": "Share", "scale": {"type": "sqrt"}, "legend": legend}
    is_strong = {
        "condition": {"test": "datum.rate > 0.3 && datum.state !== 'not over yet'", "value": "theme.panel"},
        "value": "theme.text",
    }
    has_room = {"condition": {"test": f"width >= {CELL_WIDTH * len(names)}", "value": 1}, "value": 0}
    layers: list[charts.Spec] = [{"mark": {"type": "rect"}, "encoding": {**base, "color": colour, "opacity": pale}}]
    if len(names) <= MOST_WRITTEN:
        written = {**base, "text": number, "color": is_strong, "opacity": has_room}
        layers.append({"mark": {"type": "text", "fontSize": 11}, "encoding": written})
    if not view.may(Scope.PERSONAL):
        return {"layer": layers}
    for layer in layers:
        layer["encoding"] = {**layer["encoding"], "href": {"field": "who"}}
    return {"transform": [{"calculate": _address(view, answer), "as": "who"}], "layer": layers}


def _address(view: View, answer: Answer) -> str:
    """Return the expression of the address that lists who is in a cell, in the third section of the page."""
    is_other = answer is context(view, BUILDER).compared
    by_other = {"identity": answer["definition"]["identity"], "compare_identity": None} if is_other else {}
    here = view.here(who_cohort=None, who_period=None, who_returned=None, **by_other)
    here += "&" if "?" in here else "?"
    # The cohorts of hours have the offset of their zone.
    cohort = "replace(datum.cohort, '+', '%2B')"
    return f"{json.dumps(here + 'who_cohort=')} + {cohort} + '&who_period=' + datum.period + '#s3-title'"


CELL_WIDTH: Final = 32
"""Pixels from which the share fits into its cell."""
MOST_WRITTEN: Final = 14
"""Periods up to which the share is written into its cell."""


def totals(answer: Answer) -> Block:
    """Return the share of all cohorts that are complete in each period, as a line."""
    return DataTable(answer["totals"], TOTALS, definition="Sums over the cohorts that are complete in the period.")


def breakdown(answer: Answer) -> Block:
    """Return the share of each value in each period."""
    parts = answer["breakdown"]
    if not parts:
        return Notice("Name a column under “Break down by” to compare its values.", "info")
    rows = [
        {"value": part["value"], "period": total["period"], "rate": total["rate"], "size": total["size"]}
        for part in parts
        for total in part["totals"]
    ]
    spec = {
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": charts.names("period", axis={"labelAngle": 0, "grid": False}),
            "y": charts.number("rate", "rate"),
            "color": charts.names("value"),
            "tooltip": [charts.tip("value", "text", "Value"), charts.tip("rate", "rate", "Share")],
        },
    }
    columns = (TableColumn("value", "Value"), *TableColumn.from_fields(RetentionTotal, "period", "size", "rate"))
    return Chart(spec, rows, columns, "A line per value: the share that came back by period.")


def who(view: View) -> Block:
    """Return who is in a cell, for callers who may see people."""
    result = context(view, BUILDER)
    if not result.answer:
        return correct_first()
    fields = {name: text for name in WHO if (text := getattr(view.filters, f"who_{name}").strip())}
    if "cohort" not in fields:
        return Notice(
            "Choose a cell of the map, or a cohort under More, “List who is in cohort”; it needs the scope personal.",
            "info",
        )
    listed = ad_hoc.RetentionWhoParameters.model_validate(fields)
    answer = ad_hoc.retention_who(view.context, listed, result.question).model_dump(mode="json")
    cell = answer["cohort"] if answer["period"] is None else f"{answer['cohort']}, period {answer['period']}"
    shown = f"The first {len(answer['who']):,} of {answer['count']:,} of {cell}, by visitor."
    columns = TableColumn.from_fields(InCell, "visitor_id")
    return DataTable(answer["who"], columns, csv=csv_address(answer), note=shown, empty="Nobody is there.")


PAGE = question_page(
    BUILDER,
    (
        Section("Cohorts", cohorts),
        Section("Who is in a cell", who),
        Section("All cohorts", answered(BUILDER, totals)),
        Section("Breakdown", answered(BUILDER, breakdown)),
    ),
    path="retention",
    title="Retention",
    position=20,
    summary="Who comes back, by when they started.",
)
