"""Funnel builder: steps, window, order, unit, breakdown and exclusions; over time, times,
and who is at each step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from ecom_assets.behaviour.funnels.answer import FUNNEL, AtStep, FunnelStepAnswer
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS
from ecom_assets.behaviour.funnels.queries import default_steps
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.intervals import FEW, differences_from_rest, interval_of_share
from ecom_assets.core.tables.queries import EVENTS, Reading, changes
from ecom_assets.interfaces.api.routes import ad_hoc
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    BEYOND_CHANCE,
    CHANCE,
    Block,
    Chart,
    Custom,
    DataTable,
    Notice,
    TableColumn,
    Tile,
    Tiles,
    is_change,
)
from ecom_assets.interfaces.dashboard.form_inputs import FormInput
from ecom_assets.interfaces.dashboard.formats import AGAINST, Kind, chance, formatted
from ecom_assets.interfaces.dashboard.forms import (
    Builder,
    answered,
    answered_in,
    break_down_by,
    context,
    correct_first,
    question_page,
    unknown_notice,
)
from ecom_assets.interfaces.dashboard.list_pages import (
    ROWS_OF_QUESTION,
    file_of_question,
    pages_of_question,
)
from ecom_assets.interfaces.dashboard.page import Section, View, address_of, csv_address
from ecom_assets.interfaces.dashboard.pages.person import columns_of_people, people
from ecom_assets.interfaces.dashboard.value_names import names_of

EXTRA: Final = (
    FormInput(
        "per_value",
        "Or count each value of",
        "properties.company",
        suggests="columns",
        about=("per",),
    ),
    FormInput("who", "List who is at step", "2", kind="number", about=("Step",)),
    FormInput("who_stopped", "Of these", options=(("", "all"), ("yes", "who went no further"))),
    FormInput("who_sort", "In order of", options=(("", "visitor"), ("newest", "newest first"))),
)
STEPS: Final = (
    TableColumn("label", "Step"),
    TableColumn.from_field(FunnelStepAnswer, "count", bar="conversion_from_start"),
    TableColumn.from_field(FunnelStepAnswer, "conversion_from_start", of="entered_count"),
    CHANCE,
    TableColumn.from_field(FunnelStepAnswer, "conversion_from_previous", of="previous_count"),
    *TableColumn.from_fields(FunnelStepAnswer, "median_s_from_previous", "p90_s_from_previous"),
)


def with_unit(definition: dict[str, Any], fields: Any) -> Answer:  # noqa: ANN401 (the choices are made from the form)
    """Return the definition of the form with the unit that is written instead of chosen."""
    per = fields.per_value.strip()
    return definition | ({"per": per} if per else {})


FEWEST_STEPS: Final = 2
FIRST_STEPS: Final = ("product_view", "add_to_cart", "purchase")


def steps_of_data(reading: Reading) -> dict[str, str]:
    """Return the steps of the shop's daily funnel as fields of the form,
    where it is not the shipped one.
    """
    steps = default_steps(reading) if EVENTS in reading.known else ()
    if len(steps) < FEWEST_STEPS or steps == FIVE_STEPS:
        return {}
    fields = dict.fromkeys(fields_of_steps(FIRST_STEPS), "")
    return {**fields, **fields_of_steps(steps)}


def fields_of_steps(steps: Sequence[str]) -> dict[str, str]:
    """Return steps as fields of the form, by their names."""
    return {f"step{number}": event_type for number, event_type in enumerate(steps, start=1)}


BUILDER: Final = Builder(
    FUNNEL,
    {**fields_of_steps(FIRST_STEPS), "last": "90d"},
    of_data=steps_of_data,
    extra={"counting": EXTRA[:1], "list": EXTRA[1:]},
    make=with_unit,
)


MEANING: Final = (
    "How many got to each step within the window, one after the other as the order says."
)


@dataclass(frozen=True)
class FunnelChart(Chart):
    """The steps of a funnel as bars that the server draws, with numbers and links on them."""

    template: ClassVar[str] = "funnel.html"


def steps(view: View, answer: Answer) -> Block:
    """Return the steps as bars with shares, times and those who dropped off,
    each leading on to who they are.
    """
    before = answer["before"]["steps"] if answer["before"] else []
    rows = [
        _step(view, answer, position, before[position] if before else None)
        for position in range(len(answer["steps"]))
    ]
    picture = charts.ranking(
        "label", "count", sort=None
    )  # for e-mails; the page draws its own bars
    return FunnelChart(
        picture,
        rows,
        STEPS,
        "A bar per step of the funnel.",
        csv=csv_address(answer, "breakdown", "steps"),
        height=max(120, 56 * len(rows)),
        definition=MEANING,
        links=_next_questions(view),
    )


def _step(view: View, answer: Answer, position: int, before: Answer | None) -> Answer:
    """Return what the bar of a step says;
    `lost_count` are those of the step before who went no further.
    """
    row, number = answer["steps"][position], answer["steps"][position]["step"]
    earlier = answer["steps"][position - 1] if position else None
    lost = (
        earlier["count"] - row["count"]
        if earlier and not row.get("optional") and not earlier.get("optional")
        else None
    )
    may = view.may(Scope.PERSONAL) and answer is context(view, BUILDER).answer
    entered, from_start = answer["steps"][0]["count"], row["conversion_from_start"]
    return {
        **row,
        "entered_count": entered,
        "previous_count": earlier["count"] if earlier else entered,
        "chance": chance(from_start, entered),
        "optional": row.get("optional"),
        "label": f"{number} · {view.event(row['event_type'])}",
        "share": row["conversion_from_start"] or 0.0,
        "lost_count": lost if lost is not None and lost >= 0 else None,
        "lost_rate": lost / earlier["count"]
        if earlier and lost is not None and earlier["count"]
        else None,
        "before": before,
        "who": view.here(who=number, who_stopped=None, list_offset=None) + WHO.anchor
        if may
        else "",
        "stopped": view.here(who=number - 1, who_stopped="yes", list_offset=None) + WHO.anchor
        if may and position
        else "",
    }


def _next_questions(view: View) -> list[tuple[str, str]]:
    """Return what can be asked next about the same steps: the words of each link,
    and its address.
    """
    chosen = view.filters.model_dump(exclude_defaults=True)
    of_days = {
        name: chosen[name]
        for name in ("start_date", "end_date", "last", "segment", "where")
        if chosen.get(name)
    }
    asked = {name: text for name, text in chosen.items() if name.startswith(("step", "where_step"))}
    last = [
        asked[name]
        for name in sorted(asked, key=lambda name: (len(name), name))
        if name.startswith("step")
    ][-1:]
    return [
        (
            "What goes with converting",
            address_of("correlation", {**asked, **of_days, "properties": "product_category"}),
        ),
        ("Which paths lead there", address_of("paths", {"to_step": "".join(last), **of_days})),
        ("Week by week", view.here(over="week")),
    ]


def totals(answer: Answer) -> Block:
    """Return who entered, who converted, and the share,
    beside those of the days that they are compared with.
    """
    now = _totals_of(answer)
    before = _totals_of(answer["before"]) if answer["before"] else dict.fromkeys(now)
    change = changes(now, before, now)
    tiles = [
        Tile(label, now[label], kind, meaning, before[label], change[label], better)
        for label, kind, meaning, better in TOTALS
    ]
    counts = [
        (float(numbers["Converted"] or 0), float(numbers["Entered"]))
        for numbers in (now, before)
        if numbers["Entered"]
    ]
    shares = [
        replace(tile, of=now["Entered"], is_beyond_chance=is_change(counts))
        if tile.label == "Conversion"
        else tile
        for tile in tiles
    ]
    return Tiles(tuple(shares), compared=bool(answer["before"]))


TOTALS: Final[tuple[tuple[str, Kind, str, Any], ...]] = (
    ("Entered", "count", "Those at step 1.", "up"),
    ("Converted", "count", "Those at the last step.", "up"),
    ("Conversion", "rate", "Those at the last step among those at step 1.", "up"),
    ("Median time", "seconds", "Median of the time from step 1 to the last.", "down"),
)
"""The numbers above the bars: label, kind, meaning, and the direction that is good."""


def _totals_of(answer: Answer) -> Answer:
    first, last = answer["steps"][0], answer["steps"][-1]
    values = (
        first["count"],
        last["count"],
        last["conversion_from_start"],
        last["median_s_from_start"],
    )
    return {label: value for (label, *_), value in zip(TOTALS, values, strict=True)}


MOST_LINES: Final = 6
"""Values of the breakdown that are drawn over time: more lines hide each other."""


def over_time(view: View, answer: Answer) -> Block:
    """Return the conversion of those who entered in each period, or links to it."""
    if not answer["cohorts"]:
        periods = (("day", "Day by day"), ("week", "Week by week"), ("month", "Month by month"))
        links = [{"label": label, "href": view.here(over=period)} for period, label in periods]
        return Custom(
            "links.html",
            {"words": "The conversion of those who entered in each period:", "links": links},
        )
    drawn = {part["value"] for part in answer["breakdown"][:MOST_LINES]} | {"All"}
    rows = [
        {
            "start": charts.day_of(cohort["start"]),
            "value": part["value"],
            "entered_count": part["steps"][0]["count"],
            "converted_count": part["steps"][-1]["count"],
            **_with_range(part["steps"]),
            "state": "complete" if cohort["complete"] else "still open",
        }
        for cohort in answer["cohorts"]
        for part in ({**cohort, "value": "All"}, *(cohort["breakdown"] or ()))
        if part["steps"] and part["value"] in drawn
    ]
    is_broken_down = any(row["value"] != "All" for row in rows)
    columns = (
        TableColumn("start", "Entered", "text"),
        *([TableColumn("value", "Value")] if is_broken_down else []),
        TableColumn("entered_count", "Entered", "count"),
        TableColumn("converted_count", "Converted", "count"),
        TableColumn("conversion", "Conversion", "rate", of="entered_count"),
        CHANCE,
        TableColumn("state", "Window"),
    )
    spec = charts.shares("start", "conversion", "entered_count", "value" if is_broken_down else "")
    cut = len(answer["breakdown"]) - MOST_LINES
    note = "Where the window of some is still open, the share can grow. "
    note += f"Pale: of fewer than {FEW}."
    note += "" if is_broken_down else " Shaded: the range that chance allows."
    note += f" {cut:,} less frequent values are in the CSV only." if cut > 0 else ""
    return Chart(
        spec,
        rows,
        columns,
        "Conversion by period of entry, as a line.",
        csv=csv_address(answer, "breakdown", "steps"),
        note=note,
    )


def _with_range(steps: Sequence[Row]) -> Answer:
    """Return the conversion of some steps with the range that chance allows."""
    conversion, entered = steps[-1]["conversion_from_start"], steps[0]["count"]
    low, high = interval_of_share(steps[-1]["count"], entered)
    return {
        "conversion": conversion,
        "low": low if entered else None,
        "high": high if entered else None,
        "chance": chance(conversion, entered),
    }


WATCH: Final = TableColumn("watch", "If worse", href="watch_href")
"""The link that watches a value of the breakdown, where the question is saved."""


def breakdown(view: View, answer: Answer) -> Block:
    """Return each value of the breakdown, or links that break down by what events have."""
    if not answer["breakdown"]:
        return break_down_by(view)
    count, parts = len(answer["steps"]), answer["breakdown"]
    by = answer["definition"]["by"]
    called = names_of(view, by, {part["value"] for part in parts if part["value"]})
    marks = differences_from_rest(
        [(part["steps"][-1]["count"], part["steps"][0]["count"]) for part in parts], len(parts)
    )
    rows = [
        {
            "value": called.get(part["value"], part["value"]) or "(none)",
            **{f"step{step['step']}": step["count"] for step in part["steps"]},
            **_with_range(part["steps"]),
            "against": AGAINST[mark],
        }
        for part, mark in zip(parts, marks, strict=True)
    ]
    is_marked = any(row["against"] for row in rows)
    against = [BEYOND_CHANCE] if is_marked else []
    ends = [TableColumn(f"step{n}", f"Step {n}", "count") for n in range(1, count + 1)]
    conversion = TableColumn("conversion", "Conversion", "rate", bar="conversion", of="step1")
    columns = [TableColumn("value", "Value"), *ends, conversion, CHANCE, *against]
    note = "Beyond chance: against all other values together." if is_marked else ""
    if view.filters.saved and view.may(Scope.WRITE):
        for row, part in zip(rows, parts, strict=True):
            asked = {"question": view.filters.saved, "value": part["value"] or "(none)"}
            row |= {"watch": "Tell me", "watch_href": address_of("alerts", asked)}
        columns = [
            replace(column, bar="") if column is conversion else column for column in columns
        ]
        columns.append(WATCH)
    return DataTable(rows, columns, csv=csv_address(answer, "breakdown", "steps"), note=note)


def times(answer: Answer) -> Block:
    """Return how long it took, as a histogram."""
    fields = answer["time_to_convert"]
    bars = fields["bins"] if fields else answer["steps"][-1]["histogram_from_previous"]
    rows = [{**bar, "label": _range(bar), "place": position} for position, bar in enumerate(bars)]
    columns = (TableColumn("label", "Time"), TableColumn("count", "Count", "count"))
    spec = charts.ranking("label", "count", title="Count", sort=None)
    between = (
        f"steps {fields['from_step']} and {fields['to_step']}" if fields else "the last two steps"
    )
    return Chart(
        spec,
        rows,
        columns,
        f"Bars of how many took how long between {between}.",
        height=max(120, 24 * len(rows)),
        csv=csv_address({"bins": [{name: row[name] for name in bars[0]} for row in rows]}, "bins")
        if rows
        else "",
        note=f"Between {between}; other steps under “Time to convert”.",
    )


def _range(bar: Row) -> str:
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
    if unknown := unknown_notice(outcome.answer):
        return unknown
    if not view.filters.who.strip():
        return Notice(
            "Choose a step above, or one under “List the visitors”; it needs a key that may see "
            "people.",
            "info",
        )
    parameters = ad_hoc.FunnelWhoParameters.model_validate(
        {
            "step": view.filters.who,
            "stopped": view.filters.who_stopped == "yes",
            "sort_by": view.filters.who_sort or "visitor",
            "limit": ROWS_OF_QUESTION,
            "offset": view.filters.list_offset or 0,
        }
    )
    answer = ad_hoc.funnel_who(view.context, parameters, outcome.question).model_dump(by_alias=True)
    columns = columns_of_people(AtStep, "event_at", "event_id")
    pages = pages_of_question(view, answer["count"], "visitors", WHO.anchor)
    return pages.around(
        DataTable(
            people(view, answer["who"]),
            columns,
            csv=file_of_question(
                view,
                "/analytics/funnel/who.csv",
                outcome.question,
                step=parameters.step,
                stopped=str(parameters.stopped).lower(),
                sort_by=parameters.sort_by,
            ),
            note=f"{answer['count']:,} at step {answer['step']}. {pages.note}".strip(),
            empty="Nobody is there.",
        )
    )


WHO: Final = Section("Who is at a step", who)
PAGE = question_page(
    BUILDER,
    (
        Section("Totals", answered(BUILDER, totals), is_titled=False),
        Section("Steps", answered_in(BUILDER, steps), width="half"),
        Section("Time to convert", answered(BUILDER, times), width="half"),
        Section("Breakdown", answered_in(BUILDER, breakdown)),
        Section("Over time", answered_in(BUILDER, over_time)),
        WHO,
    ),
    path="funnel",
    title="Funnel",
    position=10,
    summary="How many get from one step to the next, and how long it takes.",
)
