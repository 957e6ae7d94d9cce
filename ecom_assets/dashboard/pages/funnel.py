"""Funnel builder: steps, window, order, unit, breakdown and exclusions; over time, times, and who is at each step."""

from typing import Any, Final

from ecom_assets.api.routes import funnels
from ecom_assets.dashboard import builder, charts
from ecom_assets.dashboard.blocks import Block, Chart, Column, DataTable, Notice, Tile, Tiles
from ecom_assets.dashboard.builder import Answer, Group, Input, Question, answered, given, plain, question_page, split
from ecom_assets.dashboard.formats import formatted
from ecom_assets.dashboard.page import Section, View, csv_address
from ecom_assets.funnels.definition import MAX_STEPS
from ecom_assets.tables.breakdown import split_columns

OCCURRENCES: Final = (
    ("", "Every such event"),
    ("first_time", "A visitor's first that meets the conditions"),
    ("first_ever", "A visitor's first ever, if it meets them"),
)
UNITS: Final = (("", "Visitors"), ("session", "Sessions"), ("totals", "Every attempt"))
GROUPS: Final = (
    builder.steps_group("Steps", MAX_STEPS, "cart_amount > 20; product_category = Shoes"),
    Group(
        "How",
        (
            Input("within", "Window", "7d", about=("within", "duration")),
            Input("order", "Order", options=builder.ORDERS, width=2),
            Input("per", "Count", options=UNITS),
            Input(
                "by",
                "Break down by",
                "product_category, cart_amount:bins=5",
                suggests="columns",
                about=("by", "breakdown"),
            ),
            Input("over", "Over time, by", options=(("", "No"), *builder.PERIODS)),
            Input("exclude", "Without, between steps", "remove_from_cart", suggests="types"),
        ),
    ),
    Group(
        "More",
        (
            Input("start_date", "Entered from", kind="date", about=("from", "first")),
            Input("end_date", "Entered to", kind="date", about=("to",)),
            Input("last", "Or the last", "30d"),
            builder.TIMEZONE,
            builder.WHERE,
            Input("occurrence", "Step 1 counts", options=OCCURRENCES),
            Input("per_value", "Or count each value of", "properties.company", suggests="columns", about=("per",)),
            Input("hold", "Same value throughout", "product_id", suggests="columns"),
            Input("exclusion_rule", "What comes between", options=builder.EXCLUDING),
            Input("by_attribution", "Breakdown's value from", "first, last, all, step_2"),
            Input("limit", "Values by themselves", "25", kind="number"),
            Input("week_start", "Weeks begin on", options=builder.WEEKDAYS),
            Input("times", "Time to convert, steps", "1-3", about=("time_to_convert",)),
            Input("bins", "Its bins", "12, 1h, or 1m, 10m, 1h"),
            Input(
                "session_rule", "Session rule", options=builder.SESSION_RULES, about=("session_rule", "session rule")
            ),
            builder.SEGMENT,
            builder.PRESET,
            Input("who", "List who is at step", "2", kind="number", about=("Step",)),
            Input("who_stopped", "Of these", options=(("", "all"), ("yes", "who went no further"))),
        ),
        is_more=True,
    ),
)
STEPS: Final = (
    Column("label", "Step"),
    Column("count", "Count", "count", bar="conversion_from_start"),
    Column("conversion_from_start", "Of step 1", "rate"),
    Column("conversion_from_previous", "Of the step before", "rate"),
    Column("median_s_from_previous", "Median time since", "seconds"),
    Column("p90_s_from_previous", "90th percentile", "seconds"),
)


def body_of(fields: Any) -> dict[str, Any]:  # noqa: ANN401 (the choices are made from the groups)
    """Return the body of the route from the fields of the form."""
    own = ("start_date", "end_date", "times", "bins", "who", "who_stopped", "occurrence", "per_value")
    steps = [one.name for one in GROUPS[0].inputs]
    chosen = builder.steps_of(fields, MAX_STEPS)
    if fields.occurrence and chosen:
        chosen[0]["occurrence"] = fields.occurrence
    return given(
        {
            "steps": chosen,
            **plain(fields, GROUPS, *own, *steps),
            **given({"per": fields.per_value.strip()}),
            "exclude": [builder.exclusion(one) for one in split(fields.exclude)],
            "by": split_columns(fields.by),
            "hold": split(fields.hold),
            "from": fields.start_date,
            "to": fields.end_date,
            "time_to_convert": _times(fields.times, fields.bins),
        }
    )


def _times(steps: str, bins: str) -> dict[str, Any] | None:
    """Return the time to convert, with the bins as `--bins` of the command has them."""
    if not steps.strip():
        return None
    first, _, last = steps.partition("-")
    edges = split(bins)
    chosen: object = edges if len(edges) > 1 else int(bins) if bins.strip().isdigit() else bins.strip()
    return given({"from": first.strip(), "to": last.strip(), "bins": chosen})


QUESTION: Final = Question(funnels.funnel, body_of, GROUPS, "ecom funnel")


def steps(answer: Answer) -> Block:
    """Return the steps as bars, with conversion and times as a table."""
    rows = [{**row, "label": f"{row['step']} · {row['event_type']}"} for row in answer["steps"]]
    warnings = " ".join(answer["warnings"])
    return Chart(
        _bars(),
        rows,
        STEPS,
        "A bar per step of the funnel.",
        csv=csv_address(answer),
        height=max(120, 56 * len(rows)),
        note=warnings,
        definition="How many got to each step within the window, one after the other as the order says.",
    )


def _bars() -> charts.Spec:
    spec = charts.ranking("label", "count", title="Count", sort=None)
    share = {"field": "conversion_from_start", "type": "quantitative", "format": ".1%", "title": "Of step 1"}
    before = {
        "field": "conversion_from_previous",
        "type": "quantitative",
        "format": ".1%",
        "title": "Of the step before",
    }
    tips = [*spec["encoding"]["tooltip"], share, before]
    return {**spec, "encoding": {**spec["encoding"], "tooltip": tips}}


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
    if not answer.get("cohorts"):
        return Notice("Choose a period under “Over time, by” to see the conversion of those who entered in it.", "info")
    rows = [
        {
            "start": charts.day_of(one["start"]),
            "value": part["value"],
            "entered_count": part["steps"][0]["count"],
            "converted_count": part["steps"][-1]["count"],
            "conversion": part["steps"][-1]["conversion_from_start"],
            "state": "complete" if one["complete"] else "still open",
        }
        for one in answer["cohorts"]
        for part in ({**one, "value": "All"}, *(one.get("breakdown") or ()))
        if part["steps"]
    ]
    is_broken_down = any(row["value"] != "All" for row in rows)
    columns = (
        Column("start", "Entered", "text"),
        *([Column("value", "Value")] if is_broken_down else []),
        Column("entered_count", "Entered", "count"),
        Column("converted_count", "Converted", "count"),
        Column("conversion", "Conversion", "rate"),
        Column("state", "Window"),
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
            "value": one["value"] or "(none)",
            **{f"step{step['step']}": step["count"] for step in one["steps"]},
            "conversion": one["steps"][-1]["conversion_from_start"],
        }
        for one in answer["breakdown"]
    ]
    middle = [Column(f"step{n}", f"Step {n}", "count") for n in range(1, count + 1)]
    columns = [Column("value", "Value"), *middle, Column("conversion", "Conversion", "rate", bar="conversion")]
    return DataTable(rows, columns, csv=csv_address(answer))


def times(answer: Answer) -> Block:
    """Return how long it took, as a histogram."""
    fields = answer.get("time_to_convert")
    bars = fields["bins"] if fields else answer["steps"][-1]["histogram_from_previous"]
    rows = [{**one, "label": _range(one), "place": place} for place, one in enumerate(bars)]
    columns = (Column("label", "Time"), Column("count", "Count", "count"))
    spec = charts.ranking("label", "count", title="Count", sort=None)
    between = f"steps {fields['from_step']} and {fields['to_step']}" if fields else "the last two steps"
    return Chart(
        spec,
        rows,
        columns,
        f"Bars of how many took how long between {between}.",
        height=max(120, 24 * len(rows)),
        csv=csv_address({"bins": [{name: one[name] for name in bars[0]} for one in rows]}) if rows else "",
        note=f"Between {between}; other steps under More, “Time to convert”.",
    )


def _range(one: dict[str, Any]) -> str:
    first = _round(one["from_s"])
    return f"{first} and more" if one["to_s"] is None else f"{first} to {_round(one['to_s'])}"


def _round(seconds: float) -> str:
    """Return a bound of a bar: bounds are whole minutes, hours or days from a minute on."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and not seconds % size:
            return f"{seconds // size:.0f} {unit}"
    return formatted(seconds, "seconds")


def who(view: View) -> Block:
    """Return who is at a step, for callers who may see people."""
    result = builder.context(view, QUESTION)
    if not result.answer:
        return builder.correct_first()
    if not view.filters.who.strip():
        return Notice("Give a step under More, “List who is at step”; it needs the scope personal.", "info")
    parameters = funnels.WhoParameters.model_validate(
        {"step": view.filters.who, "stopped": view.filters.who_stopped == "yes"}
    )
    answer = funnels.funnel_who(view.context, parameters, result.body)
    columns = (
        Column("visitor_id", "Visitor"),
        Column("event_at", "When (UTC)", "instant"),
        Column("event_id", "Event"),
    )
    shown = f"The first {len(answer['who']):,} of {answer['count']:,} at step {answer['step']}, by visitor."
    return DataTable(answer["who"], columns, csv=csv_address(answer), note=shown, empty="Nobody is there.")


PAGE = question_page(
    QUESTION,
    (
        Section("Totals", answered(QUESTION, totals), is_titled=False),
        Section("Steps", answered(QUESTION, steps)),
        Section("Breakdown", answered(QUESTION, breakdown)),
        Section("Over time", answered(QUESTION, over_time), width="half"),
        Section("Time to convert", answered(QUESTION, times), width="half"),
        Section("Who is at a step", who),
    ),
    {"step1": "product_view", "step2": "add_to_cart", "step3": "purchase"},
    path="funnel",
    title="Funnel",
    place=10,
    summary="How many get from one step to the next, and how long it takes.",
)
