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
from ecom_assets.behaviour.trends.question import ADDITIVE
from ecom_assets.commerce.costs.contracts import ProfitDaily
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.tables.contract import Format, Table
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.api.routes import behaviour, funnels, profit, sales
from ecom_assets.interfaces.api.visible_saved import require_readable
from ecom_assets.interfaces.boards.model import (
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
    Why,
    compared_tile,
    meaning,
    sparkline,
    with_missing_days,
)
from ecom_assets.interfaces.dashboard.forms import Answer, outcome_of, unknown_notice
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View, all_pages

MOST_SERIES: Final = 4
"""The most series of a trend whose numbers a tile shows."""
TABLES: Final[Mapping[Subject, type[Table]]] = {
    "sales": RevenueDaily,
    "profit": ProfitDaily,
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
            _numbers(saved.kind, answer)
            or _first(own, sections, Tiles)
            or _as_table(sections[0].build(own))
        )
    if tile.section:
        named = next((section for section in sections if section.title == tile.section), None)
        if named is None:
            return Notice(
                f"This question has no section {tile.section!r}; choose another one.", "info"
            )
        block = named.build(own)
    else:
        block = _first(own, sections, Chart) or sections[0].build(own)
    return _as_table(block) if tile.show == "table" else block


def _first(view: View, sections: Sequence[Section], kind: type[Block]) -> Block | None:
    """Return the first section that is a block of a kind, such as a chart."""
    for section in sections:
        block = section.build(view)
        if isinstance(block, kind):
            return block
    return None


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


def _numbers(kind: str, answer: Answer) -> Block | None:
    """Return the numbers of a trend: what a series comes to over the days,
    or its last whole period.
    """
    if kind != "trend" or answer.get("stickiness") or answer.get("lifecycle"):
        return None
    return Tiles(
        tuple(_series_tile(answer, line) for line in answer["series"][:MOST_SERIES]), compared=False
    )


def _series_tile(answer: Answer, line: Mapping[str, Any]) -> Tile:
    values = [value for value in line["values"] if value is not None]
    is_sum = line["measure"] in {*ADDITIVE} - {"visitors"}
    whole = [
        value
        for value, over in zip(line["values"], answer["complete"], strict=True)
        if over and value is not None
    ]
    number = None
    if values:
        number = sum(values) if is_sum else (whole or values)[-1]
    note = "Added up over the days." if is_sum else "Of the newest period that is over."
    breakdown = f", {line['breakdown']}" if line["breakdown"] is not None else ""
    label = f"{line['event_type'] or 'anything'} ({line['measure']}){breakdown}"
    kind: Format = "count" if isinstance(number, int) else "decimal"
    return Tile(label, number, kind, note, trend=sparkline(line["values"]))


def measure_tile(view: View, tile: BoardTile) -> Block:
    """Return a number of the shop for the days of the view.

    Raises:
        EcomError: Its source is missing.
    """
    name = str(tile.measure)
    number = shop_numbers()[name]
    made, rows, x, csv = OF_SUBJECT[number.subject](view, name)
    has_days = bool(rows) and name in rows[0]
    if tile.show == "number" or not has_days:
        return Tiles((made,))
    column = TableColumn(name, number.measure.label, number.measure.shown_as)
    columns = (TableColumn(x, "Day", "date"), column)
    if tile.show == "table":
        return DataTable(rows, columns, csv=csv, definition=made.definition, why=made.why)
    spec = charts.line(
        x, name, kind=column.kind, area=column.kind in {"money", "count"}, title=column.label
    )
    description = f"{column.label} of each day as a line."
    return Chart(
        spec, rows, columns, description, csv=csv, definition=made.definition, why=made.why
    )


TileSource = tuple[Tile, Sequence[Mapping[str, Any]], str, str]
"""The tile of a number, its days, the name of their day, and the address of their CSV."""


def _sales(view: View, name: str) -> TileSource:
    answer, points = view.answer(sales.sales), view.answer(sales.revenue_trend)["points"]
    tile = compared_tile(
        answer, "sales", sales.SalesNumbers, name, table=TABLES["sales"], points=points
    )
    return tile, points, "start_date", view.csv("/analytics/revenue/trend")


def _profit(view: View, name: str) -> TileSource:
    answer = view.answer(profit.profit, dimension="day")
    sold = [{**part, "event_date": date.fromisoformat(part["value"])} for part in answer["parts"]]
    days = with_missing_days(sold, answer["range"])
    tile = compared_tile(
        answer, "profit", profit.ProfitNumbers, name, table=TABLES["profit"], points=days
    )
    return tile, days, "event_date", view.csv("/analytics/profit", dimension="day")


def _sessions(view: View, name: str) -> TileSource:
    answer = view.answer(behaviour.engagement, limit=1000)
    days = with_missing_days(answer["days"], answer["range"])
    numbers = behaviour.EngagementNumbers
    tile = compared_tile(answer, "engagement", numbers, name, table=TABLES["sessions"], points=days)
    return tile, days, "event_date", view.csv("/analytics/engagement")


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
    tile = Tile(
        measure.label,
        answer[name] if is_rate else answer["abandonment"][name],
        "rate",
        meaning(answer, name),
        previous=before.get(name) if is_rate else (before.get("abandonment") or {}).get(name),
        change=answer["change"][name],
        better=measure.better,
        trend=sparkline([day[name] for day in days]),
        why=Why(ConversionFunnel, "unit_count", last_step)
        if is_rate
        else Why(TABLES["conversion"], name),
    )
    return tile, days, "event_date", view.csv("/analytics/conversion")


OF_SUBJECT: Final[Mapping[Subject, Callable[[View, str], TileSource]]] = {
    "sales": _sales,
    "profit": _profit,
    "sessions": _sessions,
    "conversion": _conversion,
}
