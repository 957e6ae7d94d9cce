"""The answer to why a number is what it is: definition, what made it, restatements,
and the way down to its rows.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import IdentityAliases, MergedUsers, SharedIds
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.sign_ins import (
    ALIASED,
    STEPS,
    deciding_aliases,
    deciding_sign_ins,
)
from ecom_assets.behaviour.questions.source import StoredTables
from ecom_assets.commerce.costs.contracts import cost_columns
from ecom_assets.commerce.reconciliation.contracts import Restatements
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.conditions import columns_of
from ecom_assets.core.tables.contract import HIDDEN, Column, Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import needs_all, sum_of
from ecom_assets.core.tables.portable import dialect_of, union_all
from ecom_assets.core.tables.queries import ALL, NoSourceError
from ecom_assets.core.tables.trace import (
    COUNTED_AS,
    PART,
    ByRow,
    Computed,
    Count,
    Derivation,
    Keep,
    Sum,
    TraceContext,
)
from ecom_assets.interfaces.explain.notes import Notes
from ecom_assets.interfaces.explain.question import MOST_ADDED, TRACES, RowsQuestion
from ecom_assets.interfaces.explain.walk import Level, Number, as_number, walk

FREE_TEXT: Final = ("properties", "payload", "malformed_row")
"""Columns in which a shop can put anything, including personal data."""
SHOWN_ROWS: Final = 20
"""The most rows of the table itself that an answer shows."""


class NotHereError(NoSourceError):
    """A table that the answer needs is not where it is looked for."""


@dataclass(frozen=True)
class ExplainReader:
    """Where an answer is looked up: the tables, the notes of what made them,
    and the rules of the assets by name.

    `keep` stores the rows of a table on the way down, so that they are computed once, and returns
    them.
    """

    reading: StoredTables
    notes: Notes
    has: Callable[[Contract], bool]
    rules: NamedValues
    keep: Keep = lambda rows: rows

    def table(self, contract: Contract) -> ir.Table:
        """Return a table.

        Raises:
            NotHereError: It is not there.
        """
        if not self.has(contract):
            raise NotHereError(
                f"{contract.qualified_name()} is not here, so the explanation ends above it; run "
                "`ecom run`, or ask `ecom explain` where the warehouse is."
            )
        return self.reading.table(contract)

    def ask(self, question: ir.Table) -> list[Row]:
        """Return the rows of a small result."""
        return [dict(row) for row in self.reading.rows(question)]


def keeper_on(con: SQLBackend) -> Keep:
    """Return what keeps rows in temporary tables of a connection, if it has cheap ones.

    The tables are numbered, so that the statements of the next answer of this kind are written
    already.
    """
    numbers = itertools.count(1)
    return lambda rows: dialect_of(con).kept(con, f"kept_{next(numbers)}", rows)


def explain(question: RowsQuestion, reader: ExplainReader) -> Row:
    """Return why the rows, or one number of them, are what they are.

    Raises:
        DefinitionError: A number is asked of no row, or of more rows than can be added up.
        NotHereError: The table is not there.
    """
    contract = question.contract
    rows = _asked_rows(question, reader)
    if question.column:
        rows = _totals(question, rows, reader)
    (total,) = reader.ask(rows.agg(n=rows.count()))
    sample = reader.ask(rows.order_by(list(contract.key) or rows.columns).limit(MOST_ADDED))
    answer: Row = {
        "table": _table(contract),
        "where": question.where.to_mapping(),
        "row_count": int(total["n"]),
        "rows": [shown_row(row, contract, question) for row in sample[:SHOWN_ROWS]],
        "numbers": [_described(contract, name) for name in contract.numbers()],
        "made_of": _made_of(contract, sample, reader),
    }
    if question.column:
        answer["number"] = _explained_number(question, rows, sample, int(total["n"]), reader)
    return answer


def _asked_rows(question: RowsQuestion, reader: ExplainReader) -> ir.Table:
    """Return the rows that a question is about, with those that answers show by an id that it
    names: a product's views are stored by the id that events have.
    """
    table = reader.table(question.contract)
    rows = question.rows(table)
    trace = TRACES.get(question.contract)
    shown = trace.shown_ids if trace else None
    if shown is None or shown.column not in columns_of(question.where):
        return rows
    if not all(map(reader.has, shown.reads)):
        return rows
    names = shown.names(*map(reader.table, shown.reads))
    joined = table.join(names, table[shown.column] == names.stored_id)
    others = question.rows(joined.mutate(**{shown.column: joined.shown_id}))
    others = others.mutate(**{shown.column: others.stored_id}).select(*table.columns)
    others = others.anti_join(rows, list(question.contract.key))
    if not reader.ask(others.limit(1)):
        return rows
    every = union_all(rows, others)
    if not question.column:
        return every
    # Nothing comes down of a row without any, and only few rows go down together.
    number = every[question.column]
    some = every.filter(number.isnull() | (number != 0))
    return some if reader.ask(some.limit(1)) else every


def _totals(question: RowsQuestion, rows: ir.Table, reader: ExplainReader) -> ir.Table:
    """Return only the rows of totals,
    where the table has some in key columns that no condition names.
    """
    named = columns_of(question.where)
    columns = [
        name
        for name in question.contract.key
        if name not in named and rows[name].type().is_string()
    ]
    for name in columns:
        totals = rows.filter(rows[name] == ALL)
        rows = totals if reader.ask(totals.limit(1)) else rows
    return rows


def _table(contract: Contract) -> Row:
    trace = TRACES.get(contract)
    return {
        "name": contract.qualified_name(),
        "grain": contract.description(),
        "key": list(contract.key),
        "day_column": contract.day_column,
        "definition": f"docs/metrics/{contract.group}.md#{trace.anchor}" if trace else None,
        "other_columns": [
            _column(column)
            for name, column in contract.columns.items()
            if name not in contract.numbers()
        ],
    }


def _column(column: Column) -> Row:
    """Return what the contract says about a column that is not a number to go down from."""
    return {
        "column": column.name,
        "type": column.type,
        "description": column.description,
        "is_nullable": column.nullable,
        "limits": list(column.limits),
    }


def _described(contract: Contract, name: str) -> Row:
    """Return a number's column: what it is, its unit, and how it goes down."""
    column = contract.columns[name]
    how = how_of(_derivation_of(contract, name), column.unit or "rows")
    return {"column": name, "description": column.description, "unit": column.unit, "how": how}


def _derivation_of(contract: Contract, name: str) -> Derivation | None:
    trace = TRACES.get(contract)
    return trace.numbers.get(name) if trace else None


def how_of(derivation: Derivation | None, unit: str) -> str | None:
    """Return a short description of how a number is computed; `unit` is what is counted."""
    if isinstance(derivation, Computed):
        return derivation.how
    if isinstance(derivation, Count):
        return f"{unit} counted in {derivation.to.qualified_name()}"
    if isinstance(derivation, Sum):
        return f"{derivation.of} of {derivation.to.qualified_name()} added up"
    if isinstance(derivation, tuple):
        return " plus ".join(str(how_of(part, unit)) for part in derivation)
    return None if derivation is None else "counted from different tables, by the row"


NOT_KNOWN = "This number is not known: its events do not have what it counts."


def _made_of(contract: Contract, rows: list[Row], reader: ExplainReader) -> Row:
    """Return the runs that wrote the rows' days, the SQL, and the tables that it reads."""
    result = reader.notes.computation(contract)
    days = sorted({row[contract.day_column] for row in rows}) if contract.day_column else []
    return {
        "runs": [write.to_mapping() for write in reader.notes.writes(contract, days)],
        "upstream": [
            {"table": name, "columns": columns} for name, columns in result.upstream.items()
        ],
        "sql": result.sql,
    }


def _explained_number(
    question: RowsQuestion, rows: ir.Table, sample: list[Row], count: int, reader: ExplainReader
) -> Row:
    """Return the value of the question's number over `count` rows, how it is computed, and what it
    is made of on the way down; `sample` are the first of the rows.

    Raises:
        DefinitionError: There are no rows.
    """
    contract, name = question.contract, question.column
    column = contract.columns[name]
    if count == 0:
        raise DefinitionError(
            f"No row of {contract.qualified_name()} meets the conditions; choose others."
        )
    contexts = [
        TraceContext(row, reader.table, reader.rules, reader.ask, reader.keep, contract.key)
        for row in sample
    ]
    derivations = [_derivation_of_row(contract, name, context) for context in contexts]
    # Where one row is no count of received rows, the sum of all is none.
    derivation = next((each for each in derivations if not _is_counted(each)), derivations[0])
    adds_up = adds_up_over_rows(derivation, column)
    value = sample[0][name] if count == 1 else None
    if count > 1 and adds_up:
        value = _sum_over(rows, column, reader)
    note = "" if count == 1 else _why_not(contract, count, adds_up=adds_up)
    if value is None and not note and needs_all(column):
        note = NOT_KNOWN
    down = [] if note else [_down(part, contexts, question, reader) for part in _parts(derivation)]
    return _described(contract, name) | {
        "how": how_of(derivation, column.unit or "rows"),
        "value": json_value(value),
        "note": note or None,
        "from_columns": list(derivation.columns) if isinstance(derivation, Computed) else [],
        "adds_up": None if note or not _is_counted(derivation) else _adds_up(value, down),
        "down": [part | {"levels": _levels_as_json(part["levels"])} for part in down],
        "restatements": _restatements(question, sample, reader),
    }


def _sum_over(rows: ir.Table, column: Column, reader: ExplainReader) -> Number:
    """Return the sum of a column; None if a row has none and the column needs all."""
    values = rows[column.name]
    total = sum_of(rows, column.name, column) if needs_all(column) else values.sum()
    (summed,) = reader.ask(rows.agg(value=total))
    return as_number(summed["value"])


def _levels_as_json(levels: list[Row]) -> list[Row]:
    return [level | {"gives": json_value(level["gives"])} for level in levels]


def _why_not(contract: Contract, count: int, *, adds_up: bool) -> str:
    """Return why a number of several rows cannot be traced down; empty if it can."""
    if adds_up and count <= MOST_ADDED:
        return ""
    most = (
        f"those of {MOST_ADDED} rows at most go down together" if adds_up else "they do not add up"
    )
    keys = ", ".join(contract.key)
    return f"These are the numbers of {count:,} rows, and {most}; choose one row by {keys}."


def _is_counted(derivation: Derivation | None) -> bool:
    """Return whether a number is counted or added up from received rows."""
    return derivation is not None and not isinstance(derivation, Computed)


def adds_up_over_rows(derivation: Derivation | None, column: Column) -> bool:
    """Return whether the numbers of several rows of a table are added up.

    Those that are counted are, and those that say so. A sum that a column says does not add up,
    such as the cost of one piece, is a value that is read from below: each row has its own.
    """
    if isinstance(derivation, Computed):
        return derivation.adds_up
    is_value = not column.is_additive and any(isinstance(part, Sum) for part in _parts(derivation))
    return _is_counted(derivation) and not is_value


def _derivation_of_row(contract: Contract, name: str, context: TraceContext) -> Derivation | None:
    derivation = _derivation_of(contract, name)
    while isinstance(derivation, ByRow):
        derivation = derivation.choose(context)
    return derivation


def _parts(derivation: Derivation | None) -> tuple[Count | Sum, ...]:
    if isinstance(derivation, Computed):
        inputs = derivation.inputs or ()
        return inputs if isinstance(inputs, tuple) else (inputs,)
    if isinstance(derivation, Count | Sum):
        return (derivation,)
    return derivation if isinstance(derivation, tuple) else ()


def _down(
    derivation: Count | Sum,
    context: list[TraceContext],
    question: RowsQuestion,
    reader: ExplainReader,
) -> Row:
    """Return the result of each table on the path down, and a page of the received rows."""
    counted = (
        derivation.of
        if isinstance(derivation, Sum)
        else question.contract.columns[question.column].unit or "rows"
    )
    levels: list[Row] = []
    last: Level | None = None
    try:
        for level in walk(derivation, context):
            totals = level.totals(reader.ask)
            levels.append(
                {
                    "table": level.contract.qualified_name(),
                    "row_count": int(totals["row_count"]),
                    "gives": as_number(totals["gives"]),
                }
            )
            last = level
    except NotHereError as error:
        return {"of": counted, "levels": levels, "ends": str(error), "received": None}
    page_rows = last.page(question.limit, question.offset) if last else None
    page = [] if page_rows is None else reader.ask(page_rows)
    received = {
        "table": levels[-1]["table"],
        "row_count": levels[-1]["row_count"],
        "limit": question.limit,
        "offset": question.offset,
        "rows": _received(page, last, question) if last else [],
        "sign_ins": [] if page_rows is None else _sign_ins(page_rows, page, question, reader),
    }
    return {"of": counted, "levels": levels, "ends": None, "received": received}


def _received(page: list[Row], level: Level, question: RowsQuestion) -> list[Row]:
    """Return received rows; those that count as one have the same `counted_as`,
    which is not an id of a person.
    """
    numbers: dict[str, int] = {}
    json_rows = []
    for row in page:
        if row.get(PART, row) is None:
            del row[PART]
        if COUNTED_AS in row:
            row[COUNTED_AS] = numbers.setdefault(row[COUNTED_AS], len(numbers) + 1)
        json_rows.append(shown_row(row, level.contract, question))
    return json_rows


def _sign_ins(
    page_rows: ir.Table, page: list[Row], question: RowsQuestion, reader: ExplainReader
) -> list[Row]:
    """Return the events that decided to whom those of the received events belong that
    do not say it themselves.
    """
    is_of_events = {"event_id", "event_date"} <= set(page_rows.columns)
    if not (page and is_of_events and reader.has(CleanEvents) and reader.has(SharedIds)):
        return []
    days = Days.from_dates(row["event_date"] for row in page if row["event_date"])
    events = reader.table(CleanEvents)
    found = events.filter(days.contain(events.event_date)).semi_join(
        page_rows, ["event_date", "event_id"]
    )
    found = reader.keep(found)
    decided: list[Row] = []
    if reader.ask(found.filter(found.joined_by.isin(list(STEPS))).limit(1)):
        decided += reader.ask(_deciding_sign_ins(found, days, reader))
    if reader.has(MergedUsers) and reader.ask(reader.table(MergedUsers).limit(1)):
        decided += reader.ask(
            deciding_aliases(found, reader.table(MergedUsers), reader.table(IdentityAliases))
        )
    decided.sort(key=lambda row: (row["event_at"], row["event_id"], row["joined_by"]))
    rows = [shown_row(row, CleanEvents, question) for row in decided]
    return [row | {"why": STEPS.get(row["joined_by"], ALIASED)} for row in rows]


def _deciding_sign_ins(found: ir.Table, days: Days, reader: ExplainReader) -> ir.Table:
    rule: IdentityRule = reader.rules["identity_rule"]
    events = reader.table(CleanEvents)
    if rule.days_around is not None:
        before, after = rule.days_around
        events = events.filter(days.widened(before=before, after=after).contain(events.event_date))
    return deciding_sign_ins(found, events, reader.table(SharedIds), rule)


def _adds_up(value: Any, down: list[Row]) -> bool | None:  # noqa: ANN401 (a number of any type)
    """Return whether the received rows add up to the number; None if they were not reached."""
    if any(part["ends"] for part in down):
        return None
    return bool((value or 0) == sum((part["levels"][-1]["gives"] or 0) for part in down))


def _restatements(question: RowsQuestion, rows: list[Row], reader: ExplainReader) -> list[Row]:
    """Return how the number was restated, oldest first."""
    contract = question.contract
    if not contract.counted_from or not reader.has(Restatements):
        return []
    logged = reader.table(Restatements)
    logged = logged.filter(
        logged.table_name == contract.qualified_name(),
        logged.column_name == question.column,
        logged.restated_date.isin([row[str(contract.day_column)] for row in rows]),
        logged.row_key.isin([_row_key(contract, row) for row in rows]),
    )
    result = reader.ask(logged.order_by(["restated_at", "restatement_number"]).limit(100))
    return [shown_row(row, Restatements, question) for row in result]


def _row_key(contract: Contract, row: Row) -> str:
    """Return a row's key in the format of restatements: JSON of the columns other than the day."""
    named = {name: row[name] for name in contract.key if name != contract.day_column}
    return json.dumps(named, ensure_ascii=False, default=str)


def shown_row(row: Row, contract: Contract, question: RowsQuestion) -> Row:
    """Return a row as JSON values, with personal data and costs hidden unless they may be shown."""
    costs = frozenset() if question.with_costs else cost_columns(contract)
    shown = {name: HIDDEN for name in costs & row.keys() if row[name] is not None}
    return {
        name: json_value(value) if question.is_personal else _shown_value(name, value, contract)
        for name, value in row.items()
    } | shown


def _shown_value(name: str, value: object, contract: Contract) -> Any:  # noqa: ANN401 (as JSON has it)
    column = contract.columns.get(name)
    if value is None or column is None:
        return json_value(value)
    if column.pii or name in FREE_TEXT:
        return HIDDEN
    if name.endswith("_url") and isinstance(value, str):
        return value.partition("?")[0]  # a query string can hold an e-mail address or a token
    return json_value(value)


def json_value(value: object) -> Any:  # noqa: ANN401 (as JSON has it)
    """Return a value as a JSON value: exact decimals as text, days and instants as ISO text.

    Decimals have two digits after the point, as other answers have, or more where they need them.
    """
    if isinstance(value, Decimal):
        whole, point, digits = f"{value:f}".partition(".")
        return whole + point + digits.rstrip("0").ljust(min(2, len(digits)), "0")
    return value.isoformat() if isinstance(value, date | datetime) else value
