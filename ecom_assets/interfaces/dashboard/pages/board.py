"""A board: its tiles for the days and filters of the address, and the form that changes it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, takewhile
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

from ecom_assets.behaviour.questions.fields import lines_of
from ecom_assets.commerce.sales.coverage import known_days
from ecom_assets.core.errors import DefinitionError, EcomError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.boards.model import (
    TABLES,
    Board,
    BoardTile,
    SavedQuestion,
    shop_numbers,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion, NotKeptError
from ecom_assets.interfaces.dashboard.blocks import Block, Notice
from ecom_assets.interfaces.dashboard.board_tiles import (
    OF_TABLE,
    measure_tile,
    offered_numbers,
    question_tile,
    sections_of,
    table_tile,
    ways_of,
)
from ecom_assets.interfaces.dashboard.forms import offered_by
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    Filters,
    Section,
    View,
    address_of,
)
from ecom_assets.interfaces.dashboard.pages.boards import (
    board_address,
    first_screen,
    is_withheld,
    question_address,
    version_number,
)
from ecom_assets.interfaces.dashboard.rendering import sentence_of

SHOWN: Final = {"chart": "Chart", "number": "Number", "table": "Table"}
"""What a tile can be shown as, with its label."""
NOT_NARROWED: Final = "Of all visitors: the filters narrow saved questions only."


class BoardChoices(Filters):
    """Which board, its days, and what must hold of the events of its questions."""

    board: str = Field("", title="Board", max_length=80)
    where: str | None = Field(None, title="Only events where", max_length=4_000)
    segment: str | None = Field(None, title="Visitor segment", max_length=500)
    edit: str | None = Field(None, title="Edit", max_length=3)


@dataclass(frozen=True)
class ShownTile:
    """A tile with its position, name and content;
    `later` is the address of a content that is asked for afterwards.
    """

    position: int
    tile: BoardTile
    name: str
    block: Block | None
    href: str = ""
    later: str = ""
    note: str = ""
    sections: Sequence[str] = ()
    shows: Mapping[str, str] = field(default_factory=lambda: SHOWN)
    """What it can be shown as, with its label."""


@dataclass(frozen=True)
class BoardGrid(Block):
    """The tiles of a board; in the form that changes it if `is_edited`."""

    template: ClassVar[str] = "board.html"
    version: KeptVersion[Board]
    board: Board
    tiles: Sequence[ShownTile]
    is_edited: bool
    is_first: bool
    questions: Sequence[KeptVersion[SavedQuestion]]
    numbers: Sequence[tuple[str, str]]
    tables: Sequence[tuple[str, str]]
    narrowed: str
    """What the filters say, as a text; empty for none."""
    fault: str
    """What is wrong with the filters of the address; empty if nothing."""

    offered: NamedValues
    """What its forms offer to choose from, by the kind of field."""

    @property
    def blocks(self) -> list[Block]:
        """Return the blocks that are there already."""
        return [tile.block for tile in self.tiles if tile.block]

    @property
    def later(self) -> list[str]:
        """Return the templates of tiles that are still to come."""
        return ["chart.html"] if any(tile.later for tile in self.tiles) else []


@dataclass(frozen=True)
class TileBody(Block):
    """The content of one tile, whose ids are those of its position."""

    template: ClassVar[str] = "board_tile.html"
    position: int
    inner: Block

    @property
    def blocks(self) -> list[Block]:
        """Return the block inside."""
        return [self.inner]


def opened(view: View) -> tuple[KeptVersion[Board], Board]:
    """Return the board of an address, and give the view its days where the address has none.

    Raises:
        NotKeptError: There is no such board.
    """
    version = BoardStore(view.context.settings).get(Board, view.filters.board)
    board = version.item
    if not view.filters.days:
        names = ("time_range", "start_date", "end_date")
        days = {
            name: getattr(board, name)
            for name in names
            if board.time_range == "custom" or name == "time_range"
        }
        view.filters = view.filters.model_copy(update=days)
    return version, board


def narrowed(board: Board, filters: BoardChoices) -> Board:
    """Return a board with the filters of an address beside its own.

    Raises:
        DefinitionError: They are no conditions.
    """
    more = lines_of(filters.where or "")
    parse_where(more)
    return board.changed(where=(*board.where, *more), segment=filters.segment or board.segment)


def grid(view: View) -> Block:
    """Return the tiles: numbers of the shop at once,
    saved questions by addresses that are asked afterwards.
    """
    version, board = opened(view)
    fault, store = "", BoardStore(view.context.settings)
    try:
        board = narrowed(board, view.filters)
    except DefinitionError as error:
        fault = str(error)
    saved = {question.slug: question for question in store.newest(SavedQuestion)}
    is_hidden = is_withheld(view, version)
    is_edited = bool(view.filters.edit) and view.may(Scope.WRITE) and not is_hidden
    numbers = offered_numbers(view)
    conditions = [*board.where, *([f"segment {board.segment}"] if board.segment else [])]
    tiles = [_shown_tile(view, board, position, saved) for position in range(len(board.tiles))]
    is_first = first_screen(store) == version.slug
    questions = list(saved.values())
    text = "the board's own conditions hold" if is_hidden else "; ".join(conditions)
    return BoardGrid(
        version,
        board,
        tiles,
        is_edited,
        is_first,
        questions,
        numbers,
        list(TABLES.items()),
        text,
        fault,
        offered_by(view),
    )


def _shown_tile(
    view: View, board: Board, position: int, saved: dict[str, KeptVersion[SavedQuestion]]
) -> ShownTile:
    tile = board.tiles[position]
    note = NOT_NARROWED if board.where or board.segment else ""
    if tile.measure:
        name = tile.name or shop_numbers()[tile.measure].measure.label
        return ShownTile(position, tile, name, _built(lambda: measure_tile(view, tile)), note=note)
    if tile.table:
        name = tile.name or TABLES[tile.table]
        block = _built(lambda: table_tile(view, tile))
        href = view.link(OF_TABLE[tile.table][0])
        return ShownTile(position, tile, name, block, href, note=note, shows={"chart": "Table"})
    version = saved.get(str(tile.question))
    if version is None:
        lost = f"The question {tile.question!r} was deleted; restore it, or remove this tile."
        href = address_of("versions", {"kind": SavedQuestion.KIND, "id": tile.question})
        return ShownTile(
            position, tile, tile.name or str(tile.question), Notice(lost, "info"), href
        )
    try:
        href = "" if is_withheld(view, version) else question_address(version)
        titles = [section.title for section in sections_of(version.item.declared)]
        ways = ways_of(version.item.declared)
        if href and tile.show in ways:
            href = _shown_as(href, tile.show)
    except EcomError as error:
        return ShownTile(
            position, tile, tile.name or version.slug, Notice(sentence_of(error), "bad")
        )
    choices: dict[str, Any] = {**view.filters.days, "board": view.filters.board, "tile": position}
    choices |= {name: getattr(view.filters, name) for name in ("where", "segment")}
    later = address_of("board-tile", choices)
    return ShownTile(
        position,
        tile,
        tile.name or version.item.name,
        None,
        href,
        later,
        sections=titles,
        shows={"chart": "As it was saved", **ways} if ways else SHOWN,
    )


def _shown_as(address: str, way: str) -> str:
    """Return the address of a builder that shows its answer in a way."""
    path, _, query = address.partition("?")
    return f"{path}?{urlencode({**dict(parse_qsl(query)), 'chart': way})}"


def _built(build: Any) -> Block:  # noqa: ANN401 (returns a block)
    try:
        block: Block = build()
    except EcomError as error:
        return Notice(sentence_of(error))
    return block


class TileChoices(BoardChoices):
    """Which tile of a board."""

    tile: int = Field(0, title="Tile", ge=0)


def tile_body(view: View) -> Block:
    """Return the content of a tile that is a saved question."""
    board = narrowed(opened(view)[1], view.filters)
    if view.filters.tile >= len(board.tiles):
        raise NotKeptError(
            f"The board has {len(board.tiles)} tiles, and no tile {view.filters.tile}; open it "
            "again."
        )
    tile = board.tiles[view.filters.tile]
    if tile.measure:
        return TileBody(view.filters.tile, measure_tile(view, tile))
    if tile.table:
        return TileBody(view.filters.tile, table_tile(view, tile))
    saved = BoardStore(view.context.settings).get(SavedQuestion, str(tile.question)).item
    return TileBody(view.filters.tile, question_tile(view, board, tile, saved, _period(view)))


def contents_of(view: View) -> Iterator[tuple[str, Block]]:
    """Yield the name and the content of each tile of the board that a view names;
    a refusal is a notice.
    """
    _, board = opened(view)
    saved = {
        version.slug: version.item
        for version in BoardStore(view.context.settings).newest(SavedQuestion)
    }
    for tile in board.tiles:
        if tile.measure:
            yield (
                tile.name or shop_numbers()[tile.measure].measure.label,
                _built(partial(measure_tile, view, tile)),
            )
        elif tile.table:
            yield tile.name or TABLES[tile.table], _built(partial(table_tile, view, tile))
        elif (question := saved.get(str(tile.question))) is not None:
            build = partial(question_tile, view, board, tile, question, _period(view))
            yield tile.name or question.name, _built(build)


def _period(view: View) -> Period:
    """Return the days of the board; a named range ends on the newest day of events."""
    filters, days_by_source = view.filters, known_days(view.context.reading, ["events"])
    newest = next(
        (days.last for days in days_by_source.values() if days.last),
        view.context.reading.newest_date,
    )
    return Period.from_range(newest, filters.time_range, filters.start_date, filters.end_date)


def save(request: ActionRequest) -> ActionResult:
    """Save a board as its form says, with a tile more if one was chosen."""
    form, store = request.form, request.board_store
    slug = form.get("id", "")
    number = version_number(form.get("version", ""))
    own = {
        name: form.get(name, "").strip()
        for name in ("name", "description", "owner", "segment", "time_range")
    }
    days = (
        {name: form.get(name) or None for name in ("start_date", "end_date")}
        if form.get("time_range") == "custom"
        else {}
    )
    where = lines_of(form.get("where", ""))
    tiles = [*_tiles_of(form), *_added(form)]
    filled = {name: value for name, value in own.items() if value}
    board = Board.from_mapping(
        {**filled, **days, "name": own["name"], "where": where, "tiles": tiles}
    )
    saved = store.save(slug, board, number, request.caller)
    edit = {"edit": "yes"} if _added(form) else {}
    return ActionResult(
        f"“{board.name}” is saved as version {saved.number}.", board_address(slug, **edit)
    )


def _tiles_of(form: Any) -> Iterator[Row]:  # noqa: ANN401 (as above)
    """Yield the tiles of the form in the order of their places;
    those marked as removed are left out.
    """
    numbers = takewhile(lambda number: f"of-{number}" in form, count())
    remaining = [number for number in numbers if form.get(f"remove-{number}") != "yes"]
    places = {number: form.get(f"place-{number}", "") for number in remaining}
    for number in sorted(
        remaining, key=lambda number: int(places[number]) if places[number].isdecimal() else 0
    ):
        kind, _, name = form.get(f"of-{number}", "").partition(":")
        fields = {
            field: form.get(f"{field}-{number}", "").strip()
            for field in ("name", "show", "section", "width")
        }
        yield {kind: name, **{field: value for field, value in fields.items() if value}}


def _added(form: Any) -> list[dict[str, str]]:  # noqa: ANN401 (as above)
    kind, _, name = form.get("add", "").partition(":")
    if not name:
        return []
    if kind == "table":
        return [{kind: name, "width": "full"}]
    return [
        {kind: name, "show": "number", "width": "third"}
        if form.get("add_as") == "number"
        else {kind: name}
    ]


def undo(request: ActionRequest) -> ActionResult:
    """Restore the version before the newest one."""
    slug = request.form.get("id", "")
    version = request.board_store.undo(Board, slug, request.caller)
    return ActionResult(
        f"The last change is undone, by version {version.number}.", board_address(slug)
    )


def _heading(view: View) -> str:
    version = BoardStore(view.context.settings).find(Board, view.filters.board)
    return version.item.name if version else "Board"


BOARD: Final = DashboardPage(
    "board",
    "Board",
    (Section("Tiles", grid, is_titled=False),),
    asks=BoardChoices,
    is_listed=False,
    title_of=_heading,
    has_lists=True,
    actions=(Action("save", save, Scope.WRITE), Action("undo", undo, Scope.WRITE)),
)
TILE: Final = DashboardPage(
    "board-tile",
    "Tile of a board",
    (Section("Tile", tile_body, is_titled=False),),
    asks=TileChoices,
    is_listed=False,
    is_ad_hoc=True,
)
PAGES: Final = (BOARD, TILE)
