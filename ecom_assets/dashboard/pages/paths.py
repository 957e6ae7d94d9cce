"""Journey builder: the paths and transitions of sessions, from or to a step, with every choice of the command."""

from typing import Any, Final

from ecom_assets.api.routes import journeys
from ecom_assets.dashboard import builder
from ecom_assets.dashboard.blocks import Block, Column, DataTable, Tile, Tiles
from ecom_assets.dashboard.builder import Answer, Group, Input, Question, answered, given, plain, question_page, split
from ecom_assets.dashboard.page import Section, csv_address

STEPS: Final = (("page_type", "Event types"), ("category", "Categories"), ("page", "Pages"))
GROUPS: Final = (
    Group(
        "Paths",
        (
            Input("by", "Steps are", options=STEPS),
            Input("from_step", "From step", "the beginning", suggests="types"),
            Input("to_step", "To step", "the end", suggests="types"),
            Input("exclude", "Without", "search", suggests="types"),
            *builder.DAYS,
        ),
    ),
    Group(
        "More",
        (
            Input("group", "Pages as one step", "/product/*", width=2),
            Input("min_count", "Transitions taken at least", "1", kind="number"),
            Input("top", "Most paths", "10", kind="number"),
            Input("most_steps", "Most steps of a path", "20", kind="number"),
            *builder.OF_SESSIONS,
        ),
        is_more=True,
    ),
)
LISTS: Final = (("top_paths", "All sessions"), ("converting_paths", "With a purchase"), ("other_paths", "Without one"))
PATHS: Final = (
    Column("of", "Sessions"),
    Column("steps", "Path"),
    Column("sessions", "Count", "count", bar="share"),
    Column("share", "Of these", "rate"),
    Column("conversion_rate", "With a purchase", "rate"),
)
TRANSITIONS: Final = (
    Column("from", "From"),
    Column("to", "To"),
    Column("count", "Times", "count"),
    Column("converted", "In sessions with a purchase", "count"),
)
MOST_SHOWN: Final = 100


def body_of(fields: Any) -> dict[str, Any]:  # noqa: ANN401 (the choices are made from the groups)
    """Return the body of the route from the fields of the form."""
    lists = {"exclude": split(fields.exclude), "group": split(fields.group)}
    return given({**plain(fields, GROUPS, *lists), **lists})


def totals(answer: Answer) -> Block:
    """Return how many sessions there are."""
    count, converted = answer["sessions"], answer["converted_sessions"]
    return Tiles(
        (
            Tile("Sessions", count, "count", "Those that started on the days, and have the chosen step."),
            Tile("With a purchase", converted, "count", "Of these, those with a purchase."),
            Tile("Conversion", converted / count if count else None, "rate", "The share of these."),
        ),
        compared=False,
    )


def paths(answer: Answer) -> Block:
    """Return the most frequent paths: of all sessions, of those with a purchase, and of the others."""
    rows = [
        {**path, "of": title, "steps": " → ".join([*path["path"], *(["…"] if path["is_cut"] else [])]) or "(no step)"}
        for name, title in LISTS
        if name == "top_paths" or answer[name] != answer["top_paths"]  # to a purchase, they are the same
        for path in answer[name]
    ]
    return DataTable(rows, PATHS, empty="No session has such a path.")


def transitions(answer: Answer) -> Block:
    """Return which step led to which, most frequent first."""
    rows, count = answer["transitions"][:MOST_SHOWN], len(answer["transitions"])
    note = f"The first {len(rows):,} of {count:,}; the CSV has all." if count > len(rows) else ""
    return DataTable(rows, TRANSITIONS, csv=csv_address(answer), note=note)


QUESTION: Final = Question(journeys.custom_journeys, body_of, GROUPS, "ecom journeys", is_file_of_body=True)
PAGE = question_page(
    QUESTION,
    (
        Section("Totals", answered(QUESTION, totals), is_titled=False),
        Section("Paths", answered(QUESTION, paths)),
        Section("Transitions", answered(QUESTION, transitions)),
    ),
    {"by": "page_type", "to_step": "purchase"},
    path="paths",
    title="Paths",
    place=31,
    summary="Which paths sessions take from or to a step, and how often they end in a purchase.",
)
