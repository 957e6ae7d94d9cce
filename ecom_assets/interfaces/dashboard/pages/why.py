"""Why a number: what it means, what made it,
and the way down to the received rows that give it again.
"""

from datetime import date
from decimal import Decimal
from typing import Final

from pydantic import ConfigDict, Field

from ecom_assets.core.rows import Row
from ecom_assets.core.tables.conditions import where_from
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.trace import Computed
from ecom_assets.interfaces.api.auth.callers import may_see_costs, may_see_people
from ecom_assets.interfaces.api.routes.explain import explain_in
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Custom,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
)
from ecom_assets.interfaces.dashboard.formats import Kind, day_range, in_words
from ecom_assets.interfaces.dashboard.page import (
    WHY,
    DashboardPage,
    PageParameters,
    Section,
    View,
    address_of,
)
from ecom_assets.interfaces.explain.answer import how_of
from ecom_assets.interfaces.explain.question import (
    SIGN_IN_COLUMNS,
    TRACES,
    RowsQuestion,
    table_named,
)
from ecom_assets.orchestration.automation.ui_address import dagster_address

KINDS: Final[dict[str | None, Kind]] = {
    "money": "money",
    "share": "rate",
    "s": "seconds",
    "items": "quantity",
}
MOST_LENGTH: Final = 36
"""The most characters of a cell of received rows."""
NOT_NOTED: Final = "Which runs wrote these rows was not noted."
NO_NUMBER: Final = "Choose a number of the list."


class NumberParameters(PageParameters):
    """Which number, of which rows:
    every further parameter is a column of the table with its value.
    """

    model_config = ConfigDict(extra="allow")

    table: str = Field("", max_length=100)
    column: str = Field("", max_length=100)
    start_date: date | None = None
    end_date: date | None = None
    offset: int = Field(0, ge=0, le=10_000_000)
    limit: int = Field(20, ge=1, le=1_000)


def question_of(view: View) -> RowsQuestion:
    """Return the question of an address."""
    parameters: NumberParameters = view.filters
    contract = table_named(parameters.table)
    where: list[Row] = [
        {"column": name, "operator": "equals", "value": _typed(contract, name, str(value))}
        for name, value in (parameters.model_extra or {}).items()
    ]
    ends = [
        parameters.start_date or parameters.end_date,
        parameters.end_date or parameters.start_date,
    ]
    if contract.day_column and all(ends):
        days = [end.isoformat() for end in ends if end]
        where.append({"column": contract.day_column, "operator": "between", "value": days})
    is_personal = may_see_people(view.request.scope)
    return RowsQuestion(
        contract,
        where_from(where),
        parameters.column,
        parameters.limit,
        parameters.offset,
        is_personal,
        with_costs=may_see_costs(view.request.scope),
    )


def answer_of(view: View) -> Row:
    """Return the explanation, which the sections share."""
    if not hasattr(view.request.state, "why"):
        view.request.state.why = explain_in(view.context, question_of(view))
    values: Row = view.request.state.why
    return values


def _typed(contract: Contract, name: str, value: str) -> str | int | float | bool:
    kind = contract.columns[name].type if name in contract.columns else "string"
    if kind == "boolean":
        return value.lower() == "true"
    if kind == "int64" and value.lstrip("-").isdigit():
        return int(value)
    return value


def number(view: View) -> Block:
    """Return the number with its meaning, or the numbers that there are."""
    if not view.filters.table:
        return _every_number()
    answer = answer_of(view)
    result = answer.get("number")
    if result is None:
        return _numbers(view, answer)
    unit, value, kind = result["unit"], result["value"], _kind_of(result)
    rows = Decimal(value) if isinstance(value, str) else value
    meaning = (
        f"{result['description']} ({unit or 'number'}). How it is made: {result['how']}. "
        f"{_table_line(answer)}"
    )
    tile = Tile(result["column"], rows, kind, meaning)
    return Several([Tiles([tile], compared=False), *_check_results(view, result)])


def _title(view: View) -> str:
    """Return the number that is explained, and which rows of its table are meant."""
    parameters: NumberParameters = view.filters
    if not (parameters.table and parameters.column):
        return "Why a number"
    first, last = (
        parameters.start_date or parameters.end_date,
        parameters.end_date or parameters.start_date,
    )
    days = [day_range(first, last)] if first and last else []
    where = [*days, *(f"{name} {value}" for name, value in (parameters.model_extra or {}).items())]
    return ", ".join([f"Why this number: {_name_of(parameters)}", *where])


def _name_of(parameters: NumberParameters) -> str:
    """Return what people call a number: its label, or its name in words."""
    contract = next((table for table in TRACES if table.qualified_name() == parameters.table), None)
    column = contract.columns.get(parameters.column or "") if contract else None
    words = (column.label if column else "") or in_words(parameters.column or "")
    is_abbreviation = words[:2].isupper()  # ROAS
    return words if is_abbreviation else f"{words[:1].lower()}{words[1:]}"


def _check_results(view: View, values: Row) -> list[Block]:
    """Return whether the received rows give the number again, and where else to go down from."""
    blocks: list[Block] = []
    if values["adds_up"]:
        blocks.append(Notice("The received rows below give this number again.", "good"))
    elif values["adds_up"] is False:
        blocks.append(
            Notice(
                "The received rows below do not give this number: they came after it was made.",
                "bad",
            )
        )
    if values["note"]:
        blocks.append(Notice(values["note"], "info"))
    if values["from_columns"]:
        links = [{"name": name, "href": view.here(column=name)} for name in values["from_columns"]]
        blocks.append(DataTable(links, [TableColumn("name", "Computed from", href="href")]))
    return blocks


def _kind_of(number: Row) -> Kind:
    return KINDS.get(number["unit"], "count" if isinstance(number["value"], int) else "score")


def _table_line(answer: Row) -> str:
    page = answer["table"]["definition"]
    return f"{answer['table']['name']}: {answer['table']['grain']}" + (
        f" Defined in {page}." if page else ""
    )


def way_down(view: View) -> Block:
    """Return each table on the way down, with the sum of its rows."""
    result = _number_of(view)
    if not result or not result["down"]:
        return Notice(
            "This number has no rows of its own to add up: go down from what it is computed from."
        )
    blocks: list[Block] = []
    for part in result["down"]:
        is_exact = any("." in str(level["gives"]) for level in part["levels"])
        sum_kind: Kind = "quantity" if part["of"] == "quantity" else "money"
        kind: Kind = sum_kind if is_exact else "count"
        columns = [
            TableColumn("table", "Table"),
            TableColumn("row_count", "Rows", "count"),
            TableColumn("gives", part["of"], kind),
        ]
        blocks.append(DataTable(part["levels"], columns))
        if part["ends"]:
            blocks.append(Notice(part["ends"], "info"))
    return Several(blocks)


def received(view: View) -> Block:
    """Return a page of the received rows of each part of the number."""
    result = _number_of(view)
    parts = [part["received"] for part in result["down"] if part["received"]] if result else []
    if not parts:
        return Notice("There are no received rows to show here.")
    return Several([block for part in parts for block in _received_page(view, part)])


def _received_page(view: View, part: Row) -> list[Block]:
    first, count = part["offset"] + 1, part["row_count"]
    last = part["offset"] + len(part["rows"])
    pages = {"before": "", "after": ""}
    if part["offset"]:
        pages["before"] = view.here(offset=max(part["offset"] - part["limit"], 0) or None)
    if last < count:
        pages["after"] = view.here(offset=last)
    note = f"Rows {first:,} to {last:,} of {count:,} of {part['table']}." if part["rows"] else ""
    blocks: list[Block] = [_table_of(part["rows"], note), Custom("why_pages.html", pages)]
    if part["sign_ins"]:
        columns = [
            TableColumn(name, label, is_on_one_line=True) for name, label in SIGN_IN_COLUMNS.items()
        ]
        note = (
            "Events that belong to a user by another event: a sign-in on their device, or an "
            "alias of their user."
        )
        blocks.append(DataTable(part["sign_ins"], columns, note=note))
    return blocks


def own_rows(view: View) -> Block:
    """Return the rows of the table itself, each with a link to itself."""
    if not view.filters.table:
        return Notice(NO_NUMBER)
    answer = answer_of(view)
    table, column = answer["table"], view.filters.column
    keys = table["key"]
    rows = [
        {
            **row,
            "href": address_of(
                WHY, {"table": table["name"], "column": column, **{key: row[key] for key in keys}}
            ),
        }
        for row in answer["rows"]
    ]
    names = list(answer["rows"][0]) if answer["rows"] else []
    if column:
        names = [*keys, column]
    kinds = {column: _kind_of(answer["number"])} if column else {}
    columns = [
        TableColumn(
            name,
            name,
            kinds.get(name, "text"),
            href="href" if name == (column or (keys[:1] and keys[0])) else "",
        )
        for name in names
    ]
    note = (
        f"The first {len(rows)} of {answer['row_count']:,} rows."
        if answer["row_count"] > len(rows)
        else ""
    )
    return DataTable(rows, columns, note=note, empty="No row meets the conditions of this address.")


def made_of(view: View) -> Block:
    """Return the runs that wrote the rows, the tables that the newest run read, and its SQL."""
    if not view.filters.table:
        return Notice(NO_NUMBER)
    answer = answer_of(view)
    made = answer["made_of"]
    runs = [
        TableColumn("run_id", "Dagster run", href="href"),
        TableColumn("written_at", "At (UTC)", "instant"),
        TableColumn("code_version", "Code"),
        TableColumn("data_version", "Data version"),
        TableColumn("day_count", "Days", "count"),
    ]
    address = dagster_address(view.context.settings)
    written = [
        {**run, "href": f"{address}/runs/{run['run_id']}" if run["run_id"] else ""}
        for run in made["runs"]
    ]
    upstream = [{**table, "columns": ", ".join(table["columns"])} for table in made["upstream"]]
    return Several(
        [
            DataTable(
                written, runs, empty=NOT_NOTED if answer["row_count"] else "There are no such rows."
            ),
            DataTable(
                upstream,
                [TableColumn("table", "Read from"), TableColumn("columns", "Columns")],
                empty="Not noted.",
            ),
            Custom("why_sql.html", {"sql": made["sql"] or ""}),
        ]
    )


def restatements(view: View) -> Block:
    """Return what the number was before."""
    result = _number_of(view)
    rows = result["restatements"] if result else []
    columns = [
        TableColumn("restated_date", "Day"),
        TableColumn("before_value", "Was", "score"),
        TableColumn("after_value", "Became", "score"),
        TableColumn("cause", "Cause"),
        TableColumn("restated_at", "At (UTC)", "instant"),
        TableColumn("run_id", "Dagster run"),
    ]
    return DataTable(rows, columns, empty="This number was not changed after it was published.")


def _number_of(view: View) -> Row | None:
    values: Row | None = answer_of(view).get("number") if view.filters.table else None
    return values


def _table_of(rows: list[Row], note: str) -> DataTable:
    """Return rows without the columns that are empty in all of them."""
    names = [
        name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)
    ]
    cut_rows = [{name: _cut(row[name]) for name in names} for row in rows]
    columns = [TableColumn(name, name, is_on_one_line=True) for name in names]
    return DataTable(cut_rows, columns, note=note, empty="No received row is behind it.")


def _cut(value: object) -> object:
    """Return a value shortened to fit into a cell; `ecom explain --json` has the whole value."""
    return (
        f"{value[:MOST_LENGTH]}…" if isinstance(value, str) and len(value) > MOST_LENGTH else value
    )


def _numbers(view: View, answer: Row) -> Block:
    rows = [{**number, "href": view.here(column=number["column"])} for number in answer["numbers"]]
    columns = [
        TableColumn("column", "Number", href="href"),
        TableColumn("description", "Meaning"),
        TableColumn("how", "How it is made"),
    ]
    return DataTable(rows, columns, empty="This table has no numbers.")


def _every_number() -> Block:
    rows = [
        {
            "table": contract.qualified_name(),
            "column": name,
            "how": how_of(derivation, contract.columns[name].unit or "rows"),
            "href": address_of(WHY, {"table": contract.qualified_name(), "column": name}),
        }
        for contract, trace in TRACES.items()
        for name, derivation in trace.numbers.items()
        if not isinstance(derivation, Computed)
    ]
    return DataTable(
        rows,
        [
            TableColumn("table", "Table"),
            TableColumn("column", "Number", href="href"),
            TableColumn("how", "Made of"),
        ],
    )


PAGE = DashboardPage(
    WHY,
    "Why a number",
    group="Operation",
    position=90,
    summary="What a number means, what made it, and the received rows that it was counted from.",
    asks=NumberParameters,
    is_listed=False,
    is_ad_hoc=True,
    title_of=_title,
    sections=(
        Section("The number", number, is_titled=False),
        Section("The way down", way_down),
        Section("Rows of the table", own_rows),
        Section("Received rows", received),
        Section("What made it", made_of),
        Section("Restatements", restatements),
    ),
)
