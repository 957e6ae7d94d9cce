"""Boards: the list of boards, saved questions and annotations, what changed,
and earlier versions.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

from ecom_assets.behaviour.questions.model import Question
from ecom_assets.core.errors import EcomError, UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.interfaces.api.visible_saved import lacking_scopes
from ecom_assets.interfaces.boards.files import in_file, yaml_of
from ecom_assets.interfaces.boards.model import (
    KINDS,
    WAYS,
    Annotation,
    Board,
    BoardTile,
    FindingDecision,
    FirstScreen,
    Kept,
    MonthGoal,
    SavedQuestion,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion, differing
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, DataTable, TableColumn
from ecom_assets.interfaces.dashboard.board_tiles import page_of
from ecom_assets.interfaces.dashboard.forms import texts_of
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    PageParameters,
    Section,
    View,
    address_of,
    all_pages,
    read_filters,
)
from ecom_assets.interfaces.dashboard.saving import builder_address, query_of

KIND_OF: Final[Mapping[str, type[Kept]]] = {kind.KIND: kind for kind in KINDS}
WITHHELD: Final = {
    Scope.PERSONAL: "It names people, which this key may not see.",
    Scope.COSTS: "It is about costs, which a key without the scope costs may not see.",
}
NOUNS: Final = {
    "questions": "Question",
    "boards": "Board",
    "annotations": "Annotation",
    "alerts": "Alert",
    "mails": "E-mail",
    "goals": "Goal",
    "decisions": "Decision",
    "settings": "First screen",
}
CHANGES: Final = (
    TableColumn("saved_at", "When (UTC)", "instant"),
    TableColumn("saved_by", "Who"),
    TableColumn("change", "Did"),
    TableColumn("noun", "What"),
    TableColumn("title", "Name", href="href"),
    TableColumn("number", "Version", "count"),
)


def first_screen(store: BoardStore) -> str:
    """Return the id of the board that the dashboard begins with; empty for “Last week”."""
    chosen = store.find(FirstScreen, FirstScreen.SLUG)
    return (chosen.item.board or "") if chosen else ""


def boards(view: View) -> Block:
    """Return the boards, with what makes a new one."""
    store = BoardStore(view.context.settings)
    rows = [
        {
            "version": version,
            "href": address_of("board", {"board": version.slug}),
            "tile_count": len(version.content.get("tiles", ())),
        }
        for version in store.newest(Board)
    ]
    return Custom("board_list.html", {"boards": rows, "first": first_screen(store)})


def questions(view: View) -> Block:
    """Return the saved questions."""
    rows = [
        {
            "version": version,
            "href": "" if is_withheld(view, version) else question_address(version),
        }
        for version in BoardStore(view.context.settings).newest(SavedQuestion)
    ]
    return Custom("question_list.html", {"questions": rows})


def question_address(version: KeptVersion[SavedQuestion]) -> str:
    """Return the address of a saved question in its builder;
    empty where the form cannot hold it.
    """
    saved = version.item
    page = page_of(saved.declared)
    # One that was saved over HTTP or from a file came from no form.
    form = saved.form or urlencode(texts_of(page.builder, saved.question))
    try:
        filters = read_filters(page.asks, parse_qsl(form, keep_blank_values=True))
        asked: Question = page.builder.question(filters)
    except EcomError:
        return ""
    return builder_address(page.path, form, version) if asked == saved.question else ""


def is_withheld(view: View, version: KeptVersion[Any]) -> bool:
    """Return whether a version names people, or is about costs, which the caller may not see."""
    return bool(_withheld(view, version))


def _withheld(view: View, version: KeptVersion[Any]) -> str:
    """Return why a version is not shown to the caller; empty if it is."""
    store = BoardStore(view.context.settings)
    lacking = lacking_scopes(version, view.request.scope, store)
    return WITHHELD[lacking[0]] if lacking else ""


def annotations(view: View) -> Block:
    """Return what is noted on days."""
    versions = BoardStore(view.context.settings).newest(Annotation)
    newest = sorted(versions, key=lambda version: (version.item.day, version.slug), reverse=True)
    return Custom(
        "annotation_list.html", {"annotations": newest, "today": view.context.reading.newest_date}
    )


def changes(view: View) -> Block:
    """Return who changed what, the newest first."""
    rows = [
        {
            "saved_at": version.saved_at.replace(tzinfo=None),
            "saved_by": version.saved_by,
            "change": version.change,
            "noun": NOUNS[version.kind.KIND],
            "title": _title(version),
            "number": version.number,
            "href": address_of("versions", {"kind": version.kind.KIND, "id": version.slug}),
        }
        for version in BoardStore(view.context.settings).changes(50)
    ]
    return DataTable(rows, CHANGES, empty="Nothing was saved yet.")


def _title(version: KeptVersion[Any]) -> str:
    if version.kind in {MonthGoal, FindingDecision} and not version.is_deleted:
        return str(version.item.title)
    content = version.content
    return str(content.get("name") or content.get("text") or NOUNS[version.kind.KIND])


def save_question(request: ActionRequest) -> ActionResult:
    """Save the question of a builder's form, and put it on a board if one is named."""
    form, store = request.form, request.board_store
    builders = (page for page in all_pages() if page.builder is not None)
    page = next((page for page in builders if page.builder.kind.name == form.get("kind")), None)
    if page is None:
        raise UsageError("This form names no question; open the page again, and save once more.")
    filters = read_filters(page.asks, parse_qsl(form.get("form", ""), keep_blank_values=True))
    about = {
        "name": form.get("name", "").strip(),
        "description": form.get("description", "").strip(),
    }
    slug = form.get("saved", "")
    is_new = not slug or form.get("as_new") == "yes"
    owner = request.caller if is_new else store.get(SavedQuestion, slug).content.get("owner", "")
    asked = page.builder.question(filters)
    item = SavedQuestion.from_question(
        page.builder.kind.name, asked, **about, owner=owner, form=query_of(filters)
    )
    if is_new:
        saved = store.save_new(item, request.caller)
    else:
        saved = store.save(slug, item, version_number(form.get("version", "")), request.caller)
    if form.get("board"):
        way = getattr(filters, "chart", "")
        tile = BoardTile(question=saved.slug, **({"show": way} if way in WAYS else {}))
        return _put_on_board(store, saved, tile, form["board"], request.caller)
    return ActionResult(
        f"“{item.name}” is saved. It is in the list of Boards, and can be put on any of them.",
        builder_address(page.path, item.form, saved),
    )


def _put_on_board(
    store: BoardStore,
    saved: KeptVersion[SavedQuestion],
    tile: BoardTile,
    slug: str,
    caller: str,
) -> ActionResult:
    if slug == "+":
        board = store.save_new(Board(name=saved.item.name, owner=caller, tiles=(tile,)), caller)
    else:
        kept_board = store.get(Board, slug)
        has_it = any(board_tile.question == saved.slug for board_tile in kept_board.item.tiles)
        tiles = kept_board.item.tiles if has_it else (*kept_board.item.tiles, tile)
        board = store.save(slug, kept_board.item.changed(tiles=tiles), kept_board.number, caller)
    text = f"“{saved.item.name}” is saved, and on the board “{board.item.name}”."
    return ActionResult(text, address_of("board", {"board": board.slug}))


def version_number(text: str) -> int:
    """Return the number of the version that a form changes.

    Raises:
        UsageError: The form has none.
    """
    if not text.isdecimal():
        raise UsageError(
            "This form does not say which version it changes; open the page again, and try once "
            "more."
        )
    return int(text)


def new_board(request: ActionRequest) -> ActionResult:
    """Make a board without tiles, and open it for changes."""
    name = request.form.get("name", "").strip()
    new = Board.from_mapping({"name": name, "owner": request.caller})
    board = request.board_store.save_new(new, request.caller)
    return ActionResult(
        f"“{name}” is there; add its first tile below.", board_address(board.slug, edit="yes")
    )


def board_address(slug: str, **choices: str) -> str:
    """Return the address of a board."""
    return address_of("board", {"board": slug, **choices})


def note(request: ActionRequest) -> str:
    """Note something on a day."""
    day, text = request.form.get("day", ""), request.form.get("text", "").strip()
    saved = request.board_store.save_new(
        Annotation.from_mapping({"day": day, "text": text}), request.caller
    )
    return f"Noted on {saved.item.day}; charts over time that show the day mark it."


def delete(request: ActionRequest) -> str:
    """Delete what a form names; its versions stay."""
    kind, slug = _named(request)
    version = request.board_store.delete(
        kind, slug, version_number(request.form.get("version", "")), request.caller
    )
    return f"“{_title(version)}” is deleted; its versions stay, and each can be restored."


def restore(request: ActionRequest) -> str:
    """Write an earlier version again."""
    kind, slug = _named(request)
    number = version_number(request.form.get("number", ""))
    version = request.board_store.restore(kind, slug, number, request.caller)
    return f"Version {number} of “{_title(version)}” is restored, as version {version.number}."


def choose_first(request: ActionRequest) -> str:
    """Choose the board that the dashboard begins with, for everybody."""
    store, slug = request.board_store, request.form.get("board", "")
    name = store.get(Board, slug).item.name if slug else "Last week"
    store.replace(FirstScreen.SLUG, FirstScreen(board=slug or None), request.caller)
    return f"The dashboard now begins with “{name}”, for everybody."


def _named(request: ActionRequest) -> tuple[type[Kept], str]:
    kind = KIND_OF.get(request.form.get("kind", ""))
    if kind is None:
        raise UsageError(
            "This form does not say what it changes; open the page again, and try once more."
        )
    return kind, request.form.get("id", "")


class VersionsChoices(PageParameters):
    """Whose versions to list."""

    kind: str = Field("boards", title="What", pattern=f"^({'|'.join(KIND_OF)})$")
    id: str = Field("", title="Id")


def versions(view: View) -> Block:
    """Return all versions of what the address names,
    each with what changed and a way back to it.
    """
    kind = KIND_OF[view.filters.kind]
    saved_versions = BoardStore(view.context.settings).versions(kind, view.filters.id)
    if not saved_versions:
        raise UsageError(
            f"There is nothing of the id {view.filters.id!r}; open it from the list of Boards."
        )
    before = [version.content for version in saved_versions[1:]] + [{}]
    rows = [
        {
            "version": version,
            "changed": differing(in_file(earlier), in_file(version.content)),
            "yaml": _withheld(view, version) or yaml_of(version),
        }
        for version, earlier in zip(saved_versions, before, strict=True)
    ]
    return Custom("version_list.html", {"rows": rows, "kind": kind.KIND, "id": view.filters.id})


def _name_of(view: View) -> str:
    saved_versions = BoardStore(view.context.settings).versions(
        KIND_OF[view.filters.kind], view.filters.id
    )
    return f"Versions of “{_title(saved_versions[0])}”" if saved_versions else "Versions"


WRITE: Final = Scope.WRITE
LIST: Final = DashboardPage(
    "boards",
    "Boards",
    (
        Section("Boards", boards),
        Section("Saved questions", questions),
        Section("Annotations", annotations),
        Section("What changed", changes),
    ),
    position=15,
    summary="Pages of your own from saved questions and the shop's numbers.",
    asks=PageParameters,
    actions=(
        Action("save-question", save_question, WRITE),
        Action("new", new_board, WRITE),
        Action("note", note, WRITE),
        Action("delete", delete, WRITE),
        Action("restore", restore, WRITE),
        Action("first", choose_first, WRITE),
    ),
)
VERSIONS: Final = DashboardPage(
    "versions",
    "Versions",
    (Section("Versions", versions, is_titled=False),),
    asks=VersionsChoices,
    is_listed=False,
    title_of=_name_of,
    summary=(
        "Every change is kept. Restoring writes an earlier version again; nothing is lost by it."
    ),
)
PAGES: Final = (LIST, VERSIONS)
