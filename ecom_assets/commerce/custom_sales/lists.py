"""Lists of what is behind the numbers of a question about sales: their typed models, and how they
are made.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import (
    InUtc,
    Kind,
    Quantity,
    QuestionAnswer,
)
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.questions.whole_lists import Take, take_rows
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.custom_sales.answer import (
    SALES,
    MeasureInfo,
    Numbers,
    measure_info,
)
from ecom_assets.commerce.custom_sales.behind import (
    CUSTOMER,
    LINE,
    customers,
    in_order,
    lines_in_order,
    order_lines,
)
from ecom_assets.commerce.custom_sales.counting import numbers_of
from ecom_assets.commerce.custom_sales.lines import OF_PROFIT, columns_counted
from ecom_assets.commerce.custom_sales.query import SalesQuery
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.portable import count_of, rows_of, stored


class CustomerOfSales(BaseModel):
    """A customer with the numbers of their own order lines."""

    customer_id: str = Field(title="Customer", description="The customer")
    first_ordered_at: InUtc = Field(
        title="First (UTC)", description="When the first of these lines was ordered, or paid back"
    )
    last_ordered_at: InUtc = Field(title="Last (UTC)", description="When the last one was")
    numbers: Numbers = Field(description="The measures of these lines, by name")


class SalesWhoAnswer(QuestionAnswer):
    """The customers who are behind the numbers of a question about sales."""

    count: int | None = Field(description="How many customers there are")
    who: list[CustomerOfSales] = Field(
        description="Those with most of the first measure first, then by id"
    )
    measures: list[MeasureInfo] = Field(description="The measures that were asked for")


class LineOfSales(BaseModel):
    """An order line with its own numbers."""

    uniq_id: str = Field(title="Order line", description="The line, as in mart.sales")
    order_id: str | None = Field(
        title="Order", description="The order; null without the scope `personal`"
    )
    ordered_at: InUtc = Field(title="When (UTC)", description="When it was ordered, or paid back")
    customer_id: str | None = Field(
        title="Customer", description="The customer; null without the scope `personal`"
    )
    item_id: str = Field(title="Product", description="The item")
    item_name: str | None = Field(description="Its name; null if not known")
    status: str = Field(title="Status", description="Whether it was shipped, or paid back")
    quantity: Quantity | None = Field(
        title="Quantity", description="How many, negative for refunds; null if not known"
    )
    numbers: Numbers = Field(description="The measures of this line alone, by name")


class SalesLinesAnswer(QuestionAnswer):
    """The order lines that are behind the numbers of a question about sales."""

    count: int | None = Field(description="How many lines there are")
    lines: list[LineOfSales] = Field(description="The newest first, then by id")
    measures: list[MeasureInfo] = Field(description="The measures that were asked for")
    explained_by: dict[str, str] = Field(
        description="The `table` whose row of a line `/explain` goes on from, down to what was "
        "received, the `column` of its number, and the `key` that has the `uniq_id`; empty of "
        "purchase events, which were received as they are",
        examples=[{"table": "mart.sales", "column": "revenue_amount", "key": "uniq_id"}],
    )


def _query(question: SalesQuestion, data: QuestionData) -> SalesQuery:
    query = SalesQuery(question, data)
    query.check()
    return query


def _listed(row: Row, columns: Sequence[str], query: SalesQuery) -> Row:
    """Return some columns of a row with its measures."""
    numbers = numbers_of(row, query.question.measures)
    return {**{name: row[name] for name in columns}, "numbers": numbers}


def _head(query: SalesQuery, count: int) -> Row:
    measures = [measure_info(name, query.question) for name in query.question.measures]
    return {
        "definition": query.definition,
        "count": count,
        "total_count": count,
        "measures": measures,
    }


def _compute_who(most: int, question: SalesQuestion, data: QuestionData) -> Row:
    query = _query(question, data)
    found = stored(data.con, "customers_of_sales", customers(query))
    rows = rows_of(in_order(found, question.measures).limit(most))
    return {
        **_head(query, count_of(found)),
        "who": [_listed(row, CUSTOMER, query) for row in rows],
    }


def _compute_all_who(take: Take, question: SalesQuestion, data: QuestionData) -> Row:
    query = _query(question, data)
    found = stored(data.con, "customers_of_sales", customers(query))
    count = take_rows(
        take,
        in_order(found, question.measures),
        CustomerOfSales,
        currency=data.source.facts()["currency"] or "",
        completed=lambda row: _listed(row, CUSTOMER, query),
    )
    return {**_head(query, count), "who": []}


def _compute_lines(most: int, question: SalesQuestion, data: QuestionData) -> Row:
    query = _query(question, data)
    found = stored(data.con, "lines_of_sales", order_lines(query))
    listed = rows_of(lines_in_order(found).limit(most))
    line = _line(query, {row["item_id"] for row in listed})
    explained_by = {} if query.tables.of_purchases else _explained_by(query)
    head = _head(query, count_of(found))
    return {**head, "lines": [line(row) for row in listed], "explained_by": explained_by}


def _compute_all_lines(take: Take, question: SalesQuestion, data: QuestionData) -> Row:
    query = _query(question, data)
    found = stored(data.con, "lines_of_sales", order_lines(query))
    items = {row["item_id"] for row in rows_of(found.select("item_id").distinct())}
    count = take_rows(
        take,
        lines_in_order(found),
        LineOfSales,
        currency=data.source.facts()["currency"] or "",
        completed=_line(query, items),
    )
    return {**_head(query, count), "lines": [], "explained_by": {}}


def _line(query: SalesQuery, items: set[str]) -> Callable[[Row], Row]:
    """Return what makes a row of an answer of an order line, of one of some items."""
    names = query.names("product", items)
    hidden = {} if query.data.source.may_see_people else {"order_id": None, "customer_id": None}

    def line(row: Row) -> Row:
        own = _listed(row, LINE, query)
        return own | {"item_name": names.get(row["item_id"])} | hidden

    return line


def _explained_by(query: SalesQuery) -> dict[str, str]:
    """Return the number of a line that a question's measures are counted from, the first one."""
    counted = columns_counted(query.parts)
    of_profit = [name for name in ProfitLines.columns if name in counted & OF_PROFIT]
    of_sales = [name for name in Sales.numbers() if name in counted]
    return {
        "table": (ProfitLines if of_profit else Sales).qualified_name(),
        "column": next(iter([*of_profit, *of_sales]), "revenue_amount"),
        "key": "uniq_id",
    }


def who_of(most: int) -> Kind[SalesQuestion, SalesWhoAnswer]:
    """Return the kind of question that asks for the first customers of order lines."""
    return _kind("sales_who", SalesWhoAnswer, partial(_compute_who, most), "who")


def all_of(take: Take) -> Kind[SalesQuestion, SalesWhoAnswer]:
    """Return the kind of question that has all customers of order lines taken block by block; its
    answer lists none.
    """
    return _kind("sales_who", SalesWhoAnswer, partial(_compute_all_who, take), "who")


def lines_of(most: int) -> Kind[SalesQuestion, SalesLinesAnswer]:
    """Return the kind of question that asks for the newest order lines."""
    return _kind("sales_lines", SalesLinesAnswer, partial(_compute_lines, most), "lines")


def all_lines_of(take: Take) -> Kind[SalesQuestion, SalesLinesAnswer]:
    """Return the kind of question that has all order lines taken block by block; its answer lists
    none.
    """
    return _kind("sales_lines", SalesLinesAnswer, partial(_compute_all_lines, take), "lines")


def _kind(name: str, answer: type[Any], compute: Callable[..., Row], listed: str) -> Kind[Any, Any]:
    return Kind(
        name,
        SalesQuestion,
        answer,
        compute,
        answer.__doc__ or "",
        lists=(listed,),
        without=SALES.without,
        only_orders=True,
        compares_itself=True,
    )
