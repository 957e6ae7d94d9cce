"""Pages of a long list: which rows are shown, of how many, and the links to the others."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ecom_assets.behaviour.questions.model import Question
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, Several
from ecom_assets.interfaces.dashboard.page import View

ROWS_OF_QUESTION: Final = 100
"""How many rows the list of a question shows at a time."""


@dataclass(frozen=True)
class ListPages:
    """Which part of a list a section shows.

    Attributes:
        view: The request.
        parameter: The name of the page's filter that says how many rows are before these.
        size: How many rows a page has.
        count: How many rows there are.
        what: What a row is, in the plural.
        anchor: The section, as the end of an address.
    """

    view: View
    parameter: str
    size: int
    count: int
    what: str
    anchor: str = ""

    @classmethod
    def asked(  # noqa: PLR0913, PLR0917 (as its attributes)
        cls,
        view: View,
        route: Callable[..., Answer],
        parameter: str,
        size: int,
        what: str,
        anchor: str = "",
        **asked: Any,  # noqa: ANN401 (any parameter of a route)
    ) -> "tuple[Answer, ListPages]":
        """Return the part of a route's list that the page shows, and which it is."""
        offset = getattr(view.filters, parameter) or 0
        answer = view.answer(route, limit=size, offset=offset, **asked)
        return answer, cls(view, parameter, size, answer["total_count"] or 0, what, anchor)

    @property
    def first(self) -> int:
        """Return how many rows are before these."""
        return getattr(self.view.filters, self.parameter) or 0

    @property
    def note(self) -> str:
        """Return which rows these are; empty where they are all there are."""
        if self.first >= self.count:
            return f"There are {self.count:,} {self.what} only." if self.count else ""
        last = min(self.first + self.size, self.count)
        if not self.first and last == self.count:
            return ""
        return f"{self.first + 1:,} to {last:,} of {self.count:,} {self.what}."

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Return the links to the pages before and after."""
        what, first = self.what.capitalize(), self.first
        before, after = max(0, first - self.size) or None, first + self.size
        earlier = ((f"{what} before", self._at(before)),)
        later = ((f"{what} after", self._at(after)),)
        return (*(earlier if first else ()), *(later if after < self.count else ()))

    def _at(self, offset: int | None) -> str:
        return self.view.here(**{self.parameter: offset}) + self.anchor

    def around(self, block: Block, *links: tuple[str, str]) -> Block:
        """Return a block with these links, and others, below it."""
        onward = (*self.links, *links)
        return Several((block, Custom("onward.html", {"links": onward}))) if onward else block


def pages_of_question(view: View, count: int, what: str, anchor: str) -> ListPages:
    """Return the pages of the list of a question, of which a builder's page has one."""
    return ListPages(view, "list_offset", ROWS_OF_QUESTION, count, what, anchor)


def file_of_question(view: View, path: str, question: Question, **asked: Any) -> str:  # noqa: ANN401 (any parameter of a route)
    """Return the address of the file with every row of a list of a question."""
    definition = question.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return view.csv(path, with_days=False, definition=json.dumps(definition), **asked)
