"""What a builder has to save its question: a name, a description,
and the board that it goes onto.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.interfaces.boards.model import Board, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion
from ecom_assets.interfaces.dashboard.blocks import Block
from ecom_assets.interfaces.dashboard.page import View, address_of

OF_SAVED: Final = ("saved", "saved_version")
"""The parameters of an address that name the saved question, which are no part of the question."""


@dataclass(frozen=True)
class SaveForm(Block):
    """The form that saves a question, as a new one or in place of the one that was opened."""

    template: ClassVar[str] = "save_question.html"
    kind: str
    form: str
    """The query of the builder's address."""
    opened: KeptVersion[SavedQuestion] | None
    opened_version: str
    boards: Sequence[KeptVersion[Board]]


def saving(view: View, kind: str) -> list[Block]:
    """Return the form for an answered question; nothing for callers who may not write."""
    if not view.outcome.answer or not view.may(Scope.WRITE):
        return []
    store, filters = BoardStore(view.context.settings), view.filters
    opened = store.find(SavedQuestion, filters.saved) if filters.saved else None
    return [SaveForm(kind, query_of(filters), opened, filters.saved_version, store.newest(Board))]


def query_of(filters: Any) -> str:  # noqa: ANN401 (the choices of a builder are made from its form)
    """Return the choices of a builder's address as its query, without those that are empty."""
    choices = {
        name: value
        for name, value in filters.model_dump(mode="json").items()
        if name not in OF_SAVED
    }
    return urlencode({name: value for name, value in choices.items() if value not in {"", None}})


def builder_address(path: str, form: str, version: KeptVersion[SavedQuestion]) -> str:
    """Return the address of a builder with a saved question in its form."""
    separator = "&" if form else ""
    query = urlencode({"saved": version.slug, "saved_version": version.number})
    return f"{address_of(path, {})}?{form}{separator}{query}"
