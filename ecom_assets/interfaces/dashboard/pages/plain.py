"""The pages of questions that have none of their own: the form,
and the answer as tiles and a table.
"""

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any, Final, get_args

from ecom_assets.behaviour.questions.answer import Kind
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.all_questions import all_questions
from ecom_assets.interfaces.api.parameters import declared_lists
from ecom_assets.interfaces.dashboard.blocks import Block, DataTable, TableColumn, Tiles, format_of
from ecom_assets.interfaces.dashboard.formats import in_words
from ecom_assets.interfaces.dashboard.forms import Builder, answered, question_page
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, csv_address


def _page_of(kind: Kind[Any, Any]) -> DashboardPage:
    def totals(answer: Answer) -> Block:
        return Tiles.from_fields(kind.answer, answer, names)

    def rows(answer: Answer) -> Block:
        return DataTable(
            answer[kind.lists[0]], columns, csv=csv_address(answer, *declared_lists(kind.answer))
        )

    builder, names, columns = Builder(kind), _numbers(kind), _columns(kind)
    sections = [Section("Totals", answered(builder, totals), is_titled=False)] if names else []
    sections += (
        [Section(kind.lists[0].replace("_", " ").capitalize(), answered(builder, rows))]
        if columns
        else []
    )
    return question_page(
        builder, sections, path=kind.name, title=in_words(kind.name), summary=f"{kind.summary}."
    )


def _numbers(kind: Kind[Any, Any]) -> list[str]:
    """Return the numbers of an answer that are not in a list."""
    fields = kind.answer.model_fields.items()
    return [
        name
        for name, field in fields
        if format_of(field) and not str(field.annotation).startswith("list[")
    ]


def _columns(kind: Kind[Any, Any]) -> list[TableColumn]:
    """Return the columns of the first list of an answer, as the model of its rows declares them."""
    if not kind.lists:
        return []
    (row,) = get_args(kind.answer.model_fields[kind.lists[0]].annotation)
    return [TableColumn.from_field(row, name) for name in row.model_fields]


def _pages() -> tuple[DashboardPage, ...]:
    """Return a page for each question that no other file here draws."""
    drawn: set[str] = set()
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if info.name == Path(__file__).stem:
            continue
        builder = getattr(import_module(f"{__package__}.{info.name}"), "BUILDER", None)
        if isinstance(builder, Builder):
            drawn.add(builder.kind.name)
    return tuple(
        _page_of(kind) for kind in all_questions() if kind.has_route and kind.name not in drawn
    )


PAGES: Final = _pages()
