"""Journey builder: the paths and transitions of sessions, from or to a step, with every choice of the command."""

from dataclasses import replace
from typing import Final

from ecom_assets.dashboard.blocks import Block, DataTable, TableColumn, Tile, Tiles
from ecom_assets.dashboard.forms import Answer, Builder, answered, question_page
from ecom_assets.dashboard.page import Section, csv_address
from ecom_assets.journeys.answer import JOURNEYS, CountedPath, CountedTransition, OwnJourneysAnswer

LISTS: Final = (("top_paths", "All sessions"), ("converting_paths", "With a purchase"), ("other_paths", "Without one"))
PATHS: Final = (
    TableColumn("of", "Sessions"),
    TableColumn("steps", "Path"),
    TableColumn.from_field(CountedPath, "sessions", bar="share"),
    *TableColumn.from_fields(CountedPath, "share", "conversion_rate"),
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
    share = Tile("Conversion", converted / count if count else None, "rate", "The share of these.")
    counts = Tiles.from_fields(OwnJourneysAnswer, answer, ("sessions", "converted_sessions"))
    return replace(counts, tiles=(*counts.tiles, share))


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


BUILDER: Final = Builder(JOURNEYS, {"to_step": "purchase"})
PAGE = question_page(
    BUILDER,
    (
        Section("Totals", answered(BUILDER, totals), is_titled=False),
        Section("Paths", answered(BUILDER, paths)),
        Section("Transitions", answered(BUILDER, transitions)),
    ),
    path="paths",
    title="Paths",
    position=31,
    summary="Which paths sessions take from or to a step, and how often they end in a purchase.",
)
