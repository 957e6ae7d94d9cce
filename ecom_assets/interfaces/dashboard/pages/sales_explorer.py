"""Sales explorer: any measure of orders by any dimension, over time and compared."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from ecom_assets.behaviour.trends.trend import OTHER
from ecom_assets.commerce.custom_sales.answer import SALES, CustomSalesAnswer
from ecom_assets.commerce.custom_sales.dimensions import DIMENSIONS
from ecom_assets.commerce.custom_sales.measures import MEASURES
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.conditions import EVERYTHING, Where
from ecom_assets.core.tables.coverage import LEAST_COVERAGE
from ecom_assets.interfaces.api.parameters import Paged, declared_lists
from ecom_assets.interfaces.api.routes import ad_hoc
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    Custom,
    DataTable,
    TableColumn,
    Tile,
    Tiles,
)
from ecom_assets.interfaces.dashboard.form_inputs import FormInput
from ecom_assets.interfaces.dashboard.forms import (
    Builder,
    answered,
    answered_in,
    context,
    correct_first,
    question_page,
    unknown_notice,
)
from ecom_assets.interfaces.dashboard.list_pages import (
    ROWS_OF_QUESTION,
    file_of_question,
    pages_of_question,
)
from ecom_assets.interfaces.dashboard.page import WHY, Section, View, csv_address
from ecom_assets.interfaces.dashboard.value_names import paths_of

BEHIND: Final = (("", "nothing"), ("who", "customers"), ("lines", "order lines"))
"""What can be listed below the numbers."""
BUILDER: Final = Builder(
    SALES,
    {"measures": "revenue_amount, order_count, average_order_value", "over": "week", "last": "90d"},
    extra={"list": (FormInput("behind", "List", options=BEHIND),)},
)
MOST_LINES: Final = 12
"""The lines of a chart: as many as the theme has colours."""


def totals(answer: Answer) -> Block:
    """Return the total of each measure, and its change if days are compared."""
    total = answer["total"]
    tiles = [
        Tile(
            measure["label"],
            total["numbers"][measure["name"]],
            measure["format"],
            f"{measure['meaning']}.",
            previous=total["previous"].get(measure["name"]),
            change=total["change"].get(measure["name"]),
            better=MEASURES[measure["name"]].better,
        )
        for measure in answer["measures"]
    ]
    return Tiles(tiles, compared=bool(total["previous"]))


def chart(answer: Answer) -> Block:
    """Return the first measure: lines over periods, else bars by value."""
    measure, rows = answer["measures"][0], answer["sales"]
    name, kind, label = measure["name"], measure["format"], measure["label"]
    has_values, has_periods = bool(answer["definition"]["by"]), bool(answer["definition"]["over"])
    paths = paths_of({row["label"] for row in rows})
    shown = [
        {
            "label": paths.get(row["label"], row["label"]) or label,
            "start": charts.day_of(row["start"]) if row["start"] else None,
            "value": _plain(row["numbers"][name]),
        }
        for row in rows
    ]
    columns = (
        *([TableColumn("label", "Value")] if has_values else []),
        *([TableColumn("start", "From")] if has_periods else []),
        TableColumn("value", label, kind, fills=_fills(answer, name)),
    )
    if has_periods:
        names = list(dict.fromkeys(row["label"] for row in shown))[:MOST_LINES]
        spec = charts.lines("start", "value", "label", kind=kind)
        drawn = [row for row in shown if row["label"] in names]
        described = f"A line per value: {label.lower()} over time."
    else:
        spec = charts.ranking("label", "value", kind=kind, title=label, sort=None)
        drawn, described = shown, f"Bars: {label.lower()} by value."
    return Chart(
        spec,
        drawn,
        columns,
        described,
        csv=csv_address(answer, *declared_lists(CustomSalesAnswer)),
        height=340 if has_periods else max(120, 26 * len(drawn)),
        definition=f"{measure['meaning']}.",
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 (a number of any measure)
    return Decimal(value) if isinstance(value, str) else value


def table(view: View, answer: Answer) -> Block:
    """Return all numbers of each value; a value leads to the same question of its order lines."""
    question: SalesQuestion = context(view, BUILDER).question
    rows = [
        {
            "label": row["label"],
            "href": _narrower(view, question, row["by"]),
            "start": row["start"],
            **_cells(row),
        }
        for row in answer["sales"]
    ]
    measures = answer["measures"]
    columns = [
        *([TableColumn("label", _by_label(question), href="href")] if question.by else []),
        *([TableColumn("start", "From")] if question.over else []),
    ]
    for measure in measures:
        name, label, kind = measure["name"], measure["label"], measure["format"]
        columns.append(TableColumn(f"numbers.{name}", label, kind, fills=_fills(answer, name)))
        if question.share:
            columns.append(TableColumn(f"share.{name}", f"Share of {label.lower()}", "rate"))
        if question.compare:
            columns.append(TableColumn(f"previous.{name}", "Before", kind))
            columns.append(TableColumn(f"change.{name}", "Change", "change"))
    several = [measure["label"].lower() for measure in measures if not measure["adds_up"]]
    note = f"Rows of {', '.join(several)} do not add up to the total." if several else ""
    return DataTable(
        rows, columns, csv=csv_address(answer, *declared_lists(CustomSalesAnswer)), note=note
    )


def _fills(answer: Answer, name: str) -> str:
    """Return what a measure is called in `filled_by`; where too few visits are known, as revenue,
    whatever is by them is filled alike.
    """
    met = answer["visit_coverage_rate"]
    return name if met is None or met >= LEAST_COVERAGE else "revenue_amount"


def _by_label(question: SalesQuestion) -> str:
    return " / ".join(DIMENSIONS[name].label for name in question.by)


def _cells(row: Row) -> Answer:
    """Return the numbers of a row in one mapping, with what each is of in front."""
    return {
        f"{part}.{name}": value
        for part in ("numbers", "previous", "change", "share")
        for name, value in row[part].items()
    }


def _narrower(view: View, question: SalesQuestion, by: dict[str, str]) -> str:
    """Return the address of the same question about the order lines of some values; empty for the
    rest of the values, and for those without one.
    """
    if not by or {OTHER, NONE}.intersection(by.values()):
        return ""
    conditions = [*_conditions(question.where), *map(_equals, by.items())]
    return view.here(where=json.dumps(conditions), by=None)


def _conditions(where: Where) -> Sequence[Row]:
    if where == EVERYTHING:
        return ()
    mapping = where.to_mapping()
    parts: Sequence[Row] = mapping.get("all_of", [mapping])
    return parts


def _equals(value_of: tuple[str, str]) -> Answer:
    name, value = value_of
    return {
        "column": name,
        "operator": "equals",
        "value": int(value) if DIMENSIONS[name].is_number else value,
    }


def break_down(view: View) -> Block:
    """Return links that ask the same by each dimension."""
    links = [
        {"label": dimension.label, "href": view.here(by=name)}
        for name, dimension in DIMENSIONS.items()
    ]
    return Custom("links.html", {"words": "Ask the same by:", "links": links})


def behind(view: View) -> Block:
    """Return the customers, or the order lines, of all numbers above, or links to these lists."""
    outcome = context(view, BUILDER)
    if not outcome.answer:
        return correct_first()
    if unknown := unknown_notice(outcome.answer):
        return unknown
    if view.filters.behind == "lines":
        return _lines(view, outcome.question)
    if view.filters.behind != "who":
        links = [
            {"label": f"List the {label}", "href": view.here(behind=name, list_offset=None)}
            for name, label in BEHIND
            if name == "lines" or (name and view.may(Scope.PERSONAL))
        ]
        return Custom("links.html", {"words": "Of all rows above:", "links": links})
    return _customers(view, outcome.question)


def _customers(view: View, question: SalesQuestion) -> Block:
    listed = ad_hoc.sales_who(view.context, _part(view), question)
    answer = listed.model_dump(by_alias=True)
    rows = [
        {**_own(row), "href": view.link("person", visitor=row["customer_id"])}
        for row in answer["who"]
    ]
    columns = (
        TableColumn("customer_id", "Customer", href="href", is_on_one_line=True),
        TableColumn("first_ordered_at", "First (UTC)", "instant"),
        TableColumn("last_ordered_at", "Last (UTC)", "instant"),
        *_numbers_of(answer),
    )
    pages = pages_of_question(view, answer["count"], "customers", BEHIND_NUMBERS.anchor)
    return pages.around(
        DataTable(
            rows,
            columns,
            csv=file_of_question(view, "/analytics/sales/who.csv", question),
            note=pages.note,
            empty="No known customer has such an order line.",
        )
    )


def _part(view: View) -> Paged:
    """Return which rows of a list are shown."""
    return Paged(limit=ROWS_OF_QUESTION, offset=view.filters.list_offset or 0)


def _lines(view: View, question: SalesQuestion) -> Block:
    """Return the newest order lines, each of which leads on to the rows that were received."""
    listed = ad_hoc.sales_lines(view.context, _part(view), question)
    answer = listed.model_dump(by_alias=True)
    rows = [
        {
            **_own(row),
            "item_name": row["item_name"] or row["item_id"],
            "href": _why(view, answer["explained_by"], row["uniq_id"]),
        }
        for row in answer["lines"]
    ]
    columns = (
        TableColumn("uniq_id", "Order line", href="href", is_on_one_line=True),
        TableColumn("ordered_at", "When (UTC)", "instant"),
        TableColumn("item_name", "Product"),
        *_numbers_of(answer),
        TableColumn("quantity", "Quantity", "quantity"),
        TableColumn("status", "Status"),
    )
    pages = pages_of_question(view, answer["count"], "order lines", BEHIND_NUMBERS.anchor)
    return pages.around(
        DataTable(
            rows,
            columns,
            csv=file_of_question(view, "/analytics/sales/lines.csv", question),
            note=f"The newest first. {pages.note} A line leads to where it is from.".replace(
                "  ", " "
            ),
        )
    )


def _why(view: View, explained_by: dict[str, str], line: str) -> str:
    """Return the address of the explanation of a line; empty where there is none."""
    if not explained_by:
        return ""
    why = {name: explained_by[name] for name in ("table", "column")}
    return view.address(WHY, **why, **{explained_by["key"]: line})


def _own(row: Row) -> Answer:
    """Return a row of a list with its numbers beside its other fields."""
    return {**row, **{f"numbers.{name}": value for name, value in row["numbers"].items()}}


def _numbers_of(answer: Answer) -> tuple[TableColumn, ...]:
    return tuple(
        TableColumn(f"numbers.{measure['name']}", measure["label"], measure["format"])
        for measure in answer["measures"]
    )


BEHIND_NUMBERS: Final = Section("Behind the numbers", behind)
PAGE = question_page(
    BUILDER,
    (
        Section("Total", answered(BUILDER, totals), is_titled=False),
        Section("Chart", answered(BUILDER, chart)),
        Section("Rows", answered_in(BUILDER, table)),
        Section("Break down", break_down),
        BEHIND_NUMBERS,
    ),
    path="sales-explorer",
    title="Sales explorer",
    group="Shop",
    position=25,
    summary="Any number of orders by any dimension, over time and compared.",
)
