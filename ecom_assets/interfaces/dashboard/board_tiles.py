"""What a tile of a board shows: a number of the shop,
or a saved question by the sections of its page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl

from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.behaviour.funnels.queries import daily_conversion
from ecom_assets.behaviour.questions.answer import Kind
from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.costs.contracts import ProfitDaily
from ecom_assets.commerce.marketing.contracts import MarketingDaily
from ecom_assets.commerce.marketing.measures import SpendMeasures
from ecom_assets.commerce.marketing.queries import marketing_over_time
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, NamedValues
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.api.routes import behaviour, funnels, marketing, profit, sales
from ecom_assets.interfaces.api.visible_saved import require_readable
from ecom_assets.interfaces.boards.model import (
    WAYS,
    Board,
    BoardTile,
    SavedQuestion,
    Subject,
    shop_numbers,
)
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
    Ways,
    Why,
    compared_tile,
    first_tiles,
    is_change,
    meaning,
    sparkline,
    with_missing_days,
)
from ecom_assets.interfaces.dashboard.forms import outcome_of, unknown_notice
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View, all_pages

BREAKDOWN: Final = "Breakdown"
"""The section of a question's page with the values of its breakdown."""
TABLES: Final[Mapping[Subject, Contract]] = {
    "sales": RevenueDaily,
    "profit": ProfitDaily,
    "marketing": MarketingDaily,
    "sessions": EngagementDaily,
    "conversion": CartAbandonment,
}


def offered_numbers(view: View) -> list[tuple[str, str]]:
    """Return the names and labels of the shop's numbers that the caller may see."""
    return [
        (name, number.measure.label)
        for name, number in shop_numbers().items()
        if not number.is_cost or view.may(Scope.COSTS)
    ]


def page_of(kind: Kind[Any, Any]) -> DashboardPage:
    """Return the page of a kind of question."""
    return next(
        page for page in all_pages() if page.builder is not None and page.builder.kind is kind
    )


def sections_of(kind: Kind[Any, Any]) -> Sequence[Section]:
    """Return the sections of a question's page that show its answer:
    those between its form and its definition.
    """
    return page_of(kind).sections[1:-1]


def question_tile(
    view: View, board: Board, tile: BoardTile, saved: SavedQuestion, period: Period
) -> Block:
    """Return a saved question, asked for the days and filters of a board.

    Raises:
        EcomError: It cannot be asked, or is refused.
    """
    for kept in (board, saved):
        require_readable(kept, view.request.scope)
    page = page_of(saved.declared)
    chosen = {
        name: text
        for name, text in parse_qsl(saved.form)
        if name in page.asks.model_fields and name != "last"
    }
    if tile.show in ways_of(saved.declared):
        chosen["chart"] = tile.show
    days = {"start_date": str(period.start_date), "end_date": str(period.end_date)}
    filters = page.asks.model_validate(
        {**chosen, **days}
    )  # what the links of the section go on with
    own = View(
        page,
        filters,
        view.context,
        outcome=outcome_of(view, page.builder, board.asked(saved, period)),
    )
    answer, sections = own.outcome.answer, sections_of(saved.declared)
    view.ranges.append(answer["range"])
    own.ranges.append(answer["range"])
    if unknown := unknown_notice(answer):
        return unknown
    if tile.show == "number":
        return (
            _conversions(answer)
            or _first(own, sections, Tiles)
            or _as_table(_content(own, sections[0]))
        )
    if tile.section:
        named = next((section for section in sections if section.title == tile.section), None)
        if named is None:
            return Notice(
                f"This question has no section {tile.section!r}; choose another one.", "info"
            )
        block = _content(own, named)
    else:
        block = _with_breakdown(own, sections)
    return _as_table(block) if tile.show == "table" else block


def ways_of(kind: Kind[Any, Any]) -> Mapping[str, str]:
    """Return the ways to show the answer to a kind of question, with their labels; none for kinds
    whose sections are as they are.
    """
    return WAYS if "chart" in page_of(kind).asks.model_fields else {}


def _content(view: View, section: Section) -> Block:
    """Return a section without the links to other ways to show it."""
    block = section.block(view)
    return block.inner if isinstance(block, Ways) and block.inner else block


def _with_breakdown(view: View, sections: Sequence[Section]) -> Block:
    """Return the first chart, and below it the breakdown where the chart does not have it."""
    first = _content(view, sections[0]) if "chart" in view.page.asks.model_fields else None
    block = first or _first(view, sections, Chart) or _content(view, sections[0])
    apart = next((section for section in sections if section.title == BREAKDOWN), None)
    if apart is None or not getattr(view.outcome.question, "by", None):
        return block
    parts = _content(view, apart)
    return Several((block, parts)) if isinstance(parts, Chart | DataTable) else block


def _first(view: View, sections: Sequence[Section], kind: type[Block]) -> Block | None:
    """Return the first section that is a block of a kind, such as a chart."""
    for section in sections:
        block = _content(view, section)
        if isinstance(block, kind):
            return block
    return None


def _conversions(answer: Answer) -> Block | None:
    """Return the conversion of each value of a funnel's breakdown; None without one."""
    parts = [part for part in answer.get("breakdown") or () if part.get("steps")]
    if not parts or "conversion_from_start" not in parts[0]["steps"][-1]:
        return None
    tiles = [
        Tile(
            str(part["value"] or "(none)"),
            part["steps"][-1]["conversion_from_start"],
            "rate",
            "Those at the last step among those at step 1.",
            of=part["steps"][0]["count"],
        )
        for part in parts
    ]
    return first_tiles(tiles, compared=False)


def _as_table(block: Block) -> Block:
    if isinstance(block, Several):
        return replace(block, blocks=[_as_table(inner) for inner in block.blocks])
    if not isinstance(block, Chart):
        return block
    return DataTable(
        block.shown_rows,
        block.columns,
        block.csv,
        block.note,
        block.definition,
        block.empty,
        block.why,
    )


OF_TABLE: Final[Mapping[str, tuple[str, str]]] = {
    "products": ("products", "Products"),
    "categories": ("products", "Categories: from looking to buying"),
    "channels": ("sales", "Channels"),
    "customers": ("customers", "Segments"),
}
"""The page and the section that each table of the shop is on."""


def table_tile(view: View, tile: BoardTile) -> Block:
    """Return a table of the shop for the days of the view, as its page has it.

    Raises:
        EcomError: Its source is missing.
    """
    path, title = OF_TABLE[str(tile.table)]
    page = next(page for page in all_pages() if page.path == path)
    section = next(section for section in page.sections if section.title == title)
    own = View(page, page.asks.model_validate(view.filters.days), view.context)
    block = section.block(own)
    view.ranges.extend(own.ranges)
    return _as_table(block)


def measure_tile(view: View, tile: BoardTile) -> Block:
    """Return a number of the shop for the days of the view.

    Raises:
        EcomError: Its source is missing.
    """
    name = str(tile.measure)
    number = shop_numbers()[name]
    made, rows, x, csv, note = OF_SUBJECT[number.subject](view, name)
    has_days = bool(rows) and name in rows[0]
    if tile.show == "number" or not has_days:
        return Several((Tiles((made,)), Notice(note, "info"))) if note else Tiles((made,))
    column = TableColumn(name, number.measure.label, number.measure.shown_as)
    columns = (TableColumn(x, "Day", "date"), column)
    if tile.show == "table":
        return DataTable(
            rows, columns, csv=csv, note=note, definition=made.definition, why=made.why
        )
    spec = charts.line(
        x, name, kind=column.kind, area=column.kind in {"money", "count"}, title=column.label
    )
    description = f"{column.label} of each day as a line."
    return Chart(
        spec,
        rows,
        columns,
        description,
        csv=csv,
        definition=made.definition,
        note=note,
        why=made.why,
    )


TileSource = tuple[Tile, Sequence[NamedValues], str, str, str]
"""The tile of a number, its days, the name of their day, the address of their CSV, and what to keep
in mind.
"""


def _sales(view: View, name: str) -> TileSource:
    answer, points = view.answer(sales.sales), view.answer(sales.revenue_trend)["points"]
    tile = compared_tile(
        answer, "sales", sales.SalesNumbers, name, table=TABLES["sales"], points=points
    )
    return tile, points, "start_date", view.csv("/analytics/revenue/trend"), ""


def _profit(view: View, name: str) -> TileSource:
    answer = view.answer(profit.profit, dimension="day")
    sold = [{**part, "event_date": date.fromisoformat(part["value"])} for part in answer["parts"]]
    days = with_missing_days(sold, answer["range"])
    tile = compared_tile(
        answer, "profit", profit.ProfitNumbers, name, table=TABLES["profit"], points=days
    )
    return tile, days, "event_date", view.csv("/analytics/profit", dimension="day"), ""


def _marketing(view: View, name: str) -> TileSource:
    answer = view.answer(marketing.marketing)
    start, end = (answer["range"][key] for key in ("start_date", "end_date"))
    by_day = marketing_over_time(view.context.reading, Period("custom", start, end), "day")
    days = [{"event_date": day, **row} for day, row in by_day.items()]
    tile = compared_tile(
        answer, "ads", marketing.AdNumbers, name, table=TABLES["marketing"], points=days
    )
    rests_on_visits = name not in measures_of(SpendMeasures)
    met = coverage_sentence(answer["visit_coverage_rate"]) if rests_on_visits else ""
    return tile, days, "event_date", view.csv("/analytics/marketing"), met


def _sessions(view: View, name: str) -> TileSource:
    answer = view.answer(behaviour.engagement, limit=1000)
    days = with_missing_days(answer["days"], answer["range"])
    numbers = behaviour.EngagementNumbers
    tile = compared_tile(answer, "engagement", numbers, name, table=TABLES["sessions"], points=days)
    return tile, days, "event_date", view.csv("/analytics/engagement"), ""


def _conversion(view: View, name: str) -> TileSource:
    answer, days = view.answer(funnels.conversion), []
    before = answer["previous"] or {}
    measure = shop_numbers()[name].measure
    is_rate = name == "conversion_rate"
    if is_rate:
        period = Period("custom", answer["range"]["start_date"], answer["range"]["end_date"])
        days = with_missing_days(daily_conversion(view.context.reading, period), answer["range"])
    last_step = {
        "funnel_name": answer["funnel_name"],
        "unit": answer["unit"],
        "step": str(len(answer["steps"])),
    }
    counts = [
        (steps[-1]["unit_count"], steps[0]["unit_count"])
        for steps in (answer["steps"], before.get("steps") or ())
        if steps and steps[0]["unit_count"]
    ]
    tile = Tile(
        measure.label,
        answer[name] if is_rate else answer["abandonment"][name],
        "rate",
        meaning(answer, name),
        previous=before.get(name) if is_rate else (before.get("abandonment") or {}).get(name),
        change=answer["change"][name],
        better=measure.better,
        of=counts[0][1] if is_rate and answer["steps"] and counts else None,
        is_beyond_chance=is_change(counts) if is_rate else None,
        trend=sparkline([day[name] for day in days]),
        why=Why(ConversionFunnel, "unit_count", last_step)
        if is_rate
        else Why(TABLES["conversion"], name),
    )
    return tile, days, "event_date", view.csv("/analytics/conversion"), ""


OF_SUBJECT: Final[Mapping[Subject, Callable[[View, str], TileSource]]] = {
    "sales": _sales,
    "profit": _profit,
    "marketing": _marketing,
    "sessions": _sessions,
    "conversion": _conversion,
}
