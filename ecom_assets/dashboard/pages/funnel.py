"""Funnel builder: steps, window, order, unit, breakdown and exclusions; over time, times, and who is at each step."""

from typing import Any, Final

from ecom_assets.api.routes import ad_hoc
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, DataTable, Notice, TableColumn, Tile, Tiles
from ecom_assets.dashboard.formats import formatted
from ecom_assets.dashboard.forms import Answer, Builder, FormInput, answered, context, correct_first, question_page
from ecom_assets.dashboard.page import Section, View, csv_address
from ecom_assets.funnels.answer import FUNNEL, AtStep, FunnelStepAnswer

EXTRA: Final = (
    FormInput("per_value", "Or count each value of", "properties.company", suggests="columns", about=("per",)),
    FormInput("who", "List who is at step", "2", kind="number", about=("Step",)),
    FormInput("who_stopped", "Of these", options=(("", "all"), ("yes", "who went no further"))),
)
STEPS: Final = (
    TableColumn("label", "Step"),
    TableColumn.from_field(FunnelStepAnswer, "count", bar="conversion_from_start"),
    *TableColumn.from_fields(
        FunnelStepAnswer, "conversion_from_start", "conversion_from_previous", "median_s_from_previous",
        "p90_s_from_previous",
    ),
)  # fmt: skip


def with_unit(definition: dict[str, Any], fields: Any) -> dict[str, Any]:  # noqa: ANN401 (the choices are made from the form)
    """Return the definition of the form with the unit that is written instead of chosen."""
    per = fields.per_value.strip()
    return definition | ({"per": per} if per else {})


BUILDER: Final = Builder(
    FUNNEL,
    {"step1": "product_view", "step2": "add_to_cart", "step3": "purchase"},
    extra={"more": EXTRA},
    make=with_unit,
)


def steps(answer: Answer) -> Block:
    """Return the steps as bars, with conversion and times as a table."""
    rows = [{**row, "label": f"{row['step']} · {row['event_type']}"} for row in answer["steps"]]
    return Chart(
        _bars(),
        rows,
        STEPS,
        "A bar per step of the funnel.",
        csv=csv_address(answer),
        height=max(120, 56 * len(rows)),
        definition="How many got to each step within the window, one after the other as the order says.",
    )


def _bars() -> charts.Spec:
    spec = charts.ranking("label", "count", sort=None)
    return {**spec, "encoding": {**spec["encoding"], "tooltip": charts.tips(STEPS[:4])}}


def totals(answer: Answer) -> Block:
    """Return who entered, who converted, and the share."""
    first, last = answer["steps"][0], answer["steps"][-1]
    return Tiles(
        (
            Tile("Entered", first["count"], "count", "Those at step 1."),
            Tile("Converted", last["count"], "count", "Those at the last step."),
            Tile("Conversion", last["conversion_from_start"], "rate", "Those at the last step among those at step 1."),
            Tile("Median time", last["median_s_from_start"], "seconds", "Median of the time from step 1 to the last."),
        ),
        compared=False,
    )


def over_time(answer: Answer) -> Block:
    """Return the conversion of those who entered in each period."""
    if not answer["cohorts"]:
        return Notice("Choose a period under “Over time, by” to see the conversion of those who entered in it.", "info")
    rows = [
        {
            "start": charts.day_of(cohort["start"]),
            "value": part["value"],
            "entered_count": part["steps"][0]["count"],
            "converted_count": part["steps"][-1]["count"],
            "conversion": part["steps"][-1]["conversion_from_start"],
            "state": "complete" if cohort["complete"] else "still open",
        }
        for cohort in answer["cohorts"]
        for part in ({**cohort, "value": "All"}, *(cohort["breakdown"] or ()))
        if part["steps"]
    ]
    is_broken_down = any(row["value"] != "All" for row in rows)
    columns = (
        TableColumn("start", "Entered", "text"),
        *([TableColumn("value", "Value")] if is_broken_down else []),
        TableColumn("entered_count", "Entered", "count"),
        TableColumn("converted_count", "Converted", "count"),
        TableColumn("conversion", "Conversion", "rate"),
        TableColumn("state", "Window"),
    )
    spec = (
        charts.lines("start", "conversion", "value", kind="rate")
        if is_broken_down
        else charts.line("start", "conversion", kind="rate", title="Conversion")
    )
    return Chart(spec, rows, columns, "Conversion by period of entry, as a line.", csv=csv_address(answer),
                 note="Where the window of some is still open, the share can grow.")  # fmt: skip


def breakdown(answer: Answer) -> Block:
    """Return each value of the breakdown."""
    if not answer["breakdown"]:
        return Notice("Name a column under “Break down by” to compare its values.", "info")
    count = len(answer["steps"])
    rows = [
        {
            "value": part["value"] or "(none)",
            **{f"step{step['step']}": step["count"] for step in part["steps"]},
            "conversion": part["steps"][-1]["conversion_from_start"],
        }
        for part in answer["breakdown"]
    ]
    middle = [TableColumn(f"step{n}", f"Step {n}", "count") for n in range(1, count + 1)]
    columns = [
        TableColumn("value", "Value"),
        *middle,
        TableColumn("conversion", "Conversion", "rate", bar="conversion"),
    ]
    return DataTable(rows, columns, csv=csv_address(answer))


def times(answer: Answer) -> Block:
    """Return how long it took, as a histogram."""
    fields = answer["time_to_convert"]
    bars = fields["bins"] if fields else answer["steps"][-1]["histogram_from_previous"]
    rows = [{**bar, "label": _range(bar), "place": position} for position, bar in enumerate(bars)]
    columns = (TableColumn("label", "Time"), TableColumn("count", "Count", "count"))
    spec = charts.ranking("label", "count", title="Count", sort=None)
    between = f"steps {fields['from_step']} and {fields['to_step']}" if fields else "the last two steps"
    return Chart(
        spec,
        rows,
        columns,
        f"Bars of how many took how long between {between}.",
        height=max(120, 24 * len(rows)),
        csv=csv_address({"bins": [{name: row[name] for name in bars[0]} for row in rows]}) if rows else "",
        note=f"Between {between}; other steps under More, “Time to convert”.",
    )


def _range(bar: dict[str, Any]) -> str:
    first = _round(bar["from_s"])
    return f"{first} and more" if bar["to_s"] is None else f"{first} to {_round(bar['to_s'])}"


def _round(seconds: float) -> str:
    """Return a bound of a bar: bounds are whole minutes, hours or days from a minute on."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and not seconds % size:
            return f"{seconds // size:.0f} {unit}"
    return formatted(seconds, "seconds")


def who(view: View) -> Block:
    """Return who is at a step, for callers who may see people."""
    outcome = context(view, BUILDER)
    if not outcome.answer:
        return correct_first()
    if not view.filters.who.strip():
        return Notice("Give a step under More, “List who is at step”; it needs the scope personal.", "info")
    parameters = ad_hoc.FunnelWhoParameters.model_validate(
        {"step": view.filters.who, "stopped": view.filters.who_stopped == "yes"}
    )
    answer = ad_hoc.funnel_who(view.context, parameters, outcome.question).model_dump(by_alias=True)
    columns = TableColumn.from_fields(AtStep, "visitor_id", "event_at", "event_id")
    shown = f"The first {len(answer['who']):,} of {answer['count']:,} at step {answer['step']}, by visitor."
    return DataTable(answer["who"], columns, csv=csv_address(answer), note=shown, empty="Nobody is there.")


PAGE = question_page(
    BUILDER,
    (
        Section("Totals", answered(BUILDER, totals), is_titled=False),
        Section("Steps", answered(BUILDER, steps)),
        Section("Breakdown", answered(BUILDER, breakdown)),
        Section("Over time", answered(BUILDER, over_time), width="half"),
        Section("Time to convert", answered(BUILDER, times), width="half"),
        Section("Who is at a step", who),
    ),
    path="funnel",
    title="Funnel",
    position=10,
    summary="How many get from one step to the next, and how long it takes.",
)
