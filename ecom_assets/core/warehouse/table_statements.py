"""Statements of tables and checks, found again before their expression is built.

Building an expression and writing its statement takes Ibis several times longer than an engine
takes to run it on a small shop. `computed` (see `core/tables/computed.py`) asks here first. The key
of a statement is known before anything is built: the source of this package and what it was made
with, the engine, the function, the values of its rules, the shapes of the tables that it is given,
and the form of its days. What the function asked of its days beside conditions is kept too, with
the answers.

These are built each time:

- what is computed from a table that is filtered by more than days: a question's values may name a
  person;
- the result of a function with an argument that cannot be written as text, such as a function or an
  open connection;
- the result of a function that reads data before it returns, or that is not of this package;
- an expression with rows or functions of this process.

The file is the user's own, in the user's cache folder: a new home has no statements to write. It is
opened for its owner only, and no link is followed, as what it holds is executed. `ECOM_CACHE=off`
keeps nothing.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, cached_property, partial
from hashlib import blake2b
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any, Final

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from platformdirs import user_cache_path
from pydantic import BaseModel

import ecom_assets
from ecom_assets.core.errors import ContractError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.building import BUILDING, ReadsDataError
from ecom_assets.core.tables.computed import OWN_FUNCTIONS, KeptRows, Statement
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.open_days import Edge, OpenDays, Question, Slots, answers
from ecom_assets.core.tables.portable import Build, conform, schema_of
from ecom_assets.core.warehouse.lineage import column_lineage, stored_columns
from ecom_assets.core.warehouse.statements import (
    NoShapeError,
    Shape,
    Statements,
    filled,
    key_of,
    with_literals,
)

PACKAGE: Final = "ecom_assets"
SOURCE: Final = frozenset((".py", ".csv", ".yaml", ".sql"))
FILE: Final = "table_statements.sqlite"
PLAIN: Final = (str, bytes, bool, int, float, Decimal, date, datetime, time, timedelta, type(None))
MOST_TEXTS: Final = 1_024
READS_DATA: Final = "reads data"
"""What is kept in place of a statement where a function reads data before it returns one."""


@cache
def source_digest() -> str:
    """Return a digest of this package's source: whatever a function uses of it is in this.

    It is made once in a process, as soon as a warehouse is opened: a process that goes on while the
    package is installed again has loaded what it read.
    """
    root = Path(ecom_assets.__file__).parent
    digest = blake2b(digest_size=16)
    for folder in ("behaviour", "commerce", "core", "ingestion", "orchestration", "outputs"):
        # A `Path` for each of 750 files takes as long as to read them all.
        for where, folders, names in os.walk(root / folder):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                if os.path.splitext(name)[1] in SOURCE:  # noqa: PTH122 (as above)
                    path = f"{where}/{name}"
                    with open(path, "rb") as file:  # noqa: PTH123 (as above)
                        digest.update(f"{path.removeprefix(str(root))} ".encode() + file.read())
    return digest.hexdigest()


class _Texts:
    """The values of rules as text; that of an object that cannot change is made once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, value: Any) -> str:  # noqa: ANN401 (rules are of any type)
        """Return a value as text: other values have other texts.

        Raises:
            NoShapeError: It cannot be written as text.
        """
        if isinstance(value, PLAIN) and not isinstance(value, Enum):
            return repr(value)
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        text = self._written(value)
        if _never_changes(value):
            if len(self._known) >= MOST_TEXTS:
                self._known.clear()
            self._known[id(value)] = (value, text)
        return text

    def _written(self, value: Any) -> str:  # noqa: ANN401, PLR0911 (as `of`; each kind has its form)
        kind = type(value)
        if isinstance(value, Enum):
            return f"{_name_of(kind)}.{value.name}"
        if isinstance(value, Mapping):
            pairs = [f"{self.of(key)}: {self.of(part)}" for key, part in value.items()]
            return f"{kind.__name__}{{{', '.join(pairs)}}}"
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(map(self.of, value)))}}}"
        if kind in {list, tuple}:
            return f"{kind.__name__}({', '.join(map(self.of, value))})"
        if isclass(value):
            return _name_of(value)
        if isinstance(value, re.Pattern):
            return repr((value.pattern, value.flags))
        return f"{_name_of(kind)}({self.of(_parts_of(value))})"

    def of_function(self, function: Any) -> str:  # noqa: ANN401 (a function, or one with arguments)
        """Return where a function of this package is, with the values that it was made with.

        A function among the values of a rule is none of these: it may read a file.

        Raises:
            NoShapeError: It is not of this package, or a value cannot be written as text.
        """
        if isinstance(function, partial):
            first, *more = function.args or (None,)
            is_function = isfunction(first) or isinstance(first, partial)
            text = self.of_function(first) if is_function else self.of(first)
            further = self.of([*more, function.keywords])
            return f"{self.of_function(function.func)}({text}, {further})"
        if not isfunction(function) or not _is_ours(function):
            raise NoShapeError(type(function))
        code = function.__code__
        if code.co_name == "<lambda>":
            raise NoShapeError(function.__qualname__)
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        made_with = [*cells, function.__defaults__, function.__kwdefaults__]
        address = f"{function.__module__}:{function.__qualname__}:{code.co_firstlineno}"
        return f"{address}({self.of(made_with)})"


def _never_changes(value: Any) -> bool:  # noqa: ANN401 (as `_Texts.of`)
    if isinstance(value, BaseModel):
        return bool(value.model_config.get("frozen"))
    if is_dataclass(value):
        parameters: Any = getattr(value, "__dataclass_params__")  # noqa: B009 (no stub knows it)
        return bool(parameters.frozen)
    return isclass(value)


def _parts_of(value: Any) -> NamedValues:  # noqa: ANN401 (as `_Texts.of`)
    """Return the values that an object is made of.

    Raises:
        NoShapeError: It is no dataclass and no model, or has more than their fields.
    """
    if isinstance(value, BaseModel) and not (value.model_extra or value.__pydantic_private__):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if not is_dataclass(value):
        raise NoShapeError(type(value))
    parts = {entry.name: getattr(value, entry.name) for entry in fields(value)}
    others = getattr(value, "__dict__", {}).keys() - parts.keys()
    if any(not isinstance(getattr(type(value), name, None), cached_property) for name in others):
        raise NoShapeError(type(value), others)
    return parts


def _is_ours(definition: Any) -> bool:  # noqa: ANN401 (a class or a function)
    return str(definition.__module__).partition(".")[0] == PACKAGE


def _name_of(kind: type) -> str:
    """Return the name of a class of this package, which its source defines.

    Raises:
        NoShapeError: It is of another package, or made by a function, whose name is not enough.
    """
    defined: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        defined = getattr(defined, part, None)
    if not _is_ours(kind) or defined is not kind:
        raise NoShapeError(kind)
    return f"{kind.__module__}:{kind.__qualname__}"


@dataclass
class _Call:
    """A call of a function, with its key and the dates that its statement leaves open."""

    function: Build
    arguments: NamedValues
    key: bytes = b""
    dates: dict[date, int] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def number(self, day: date) -> int:
        """Return the number that stands for a date, from 0 by first use."""
        return self.dates.setdefault(day, len(self.dates))


class TableStatements:
    """The statements of one process, and of a file that a user's processes share."""

    def __init__(self) -> None:
        """Begin with none."""
        self.store = Statements()
        self._texts = _Texts()
        self._known: dict[bytes, Statement] = {}
        self.is_on = True

    def keep_statements(self, *, is_on: bool) -> None:
        """Keep statements from now on, in the user's file too, or none."""
        self.is_on = is_on
        if is_on:
            source_digest()
        path = user_file() if is_on else None
        if path is not None:
            with suppress(OSError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.store.keep_in(path)

    def rows(
        self,
        con: Any,  # noqa: ANN401 (`KeepsStatements`, which imports this)
        function: Build,
        arguments: NamedValues,
        contract: Contract | None,
    ) -> Any:  # noqa: ANN401 (as the function)
        """Return what a function returns, by its kept statement if there is one."""
        if not self.is_on:
            return function(**arguments)
        try:
            call = self._call(function, arguments, contract, con.name)
        except NoShapeError:
            return function(**arguments)
        try:
            statement = self._read(call, contract) or self._build(con, call, contract)
        except ReadsDataError:
            self.store.keep_text(call.key, json.dumps(READS_DATA))
            return function(**arguments)
        except NoShapeError:
            return function(**arguments)
        for name in statement.functions:
            OWN_FUNCTIONS[name](con.con)
        return _as_rows(con, statement, call)

    def key(self, function: Build, arguments: NamedValues) -> tuple[bytes, list[date]]:
        """Return the key of a call, and its dates: calls that have both alike return alike rows of
        alike tables.

        Raises:
            NoShapeError: An argument cannot be written as text, or the function is not of this
                package.
        """
        call = self._call(function, arguments, None, "")
        return call.key, [*call.dates]

    def _call(
        self,
        function: Build,
        arguments: NamedValues,
        contract: Contract | None,
        backend: str,
    ) -> _Call:
        call = _Call(function, arguments)
        name_of_contract = contract and _name_of(contract)
        parts: list[object] = [backend, self._texts.of_function(function), name_of_contract]
        for name, value in arguments.items():
            if isinstance(value, ir.Table):
                shape = call.shapes[name] = Shape(value.op(), {})
                if shape.has_values:
                    raise NoShapeError(name)
                numbers = [call.number(day) for day in shape.dates]
                parts += [name, shape.text, numbers]
            elif isinstance(value, Days):
                runs = [(call.number(first), call.number(end)) for first, end in value.runs()]
                parts += [name, "days", runs]
            else:
                parts += [name, self._texts.of(value)]
        call.key = key_of(source_digest(), *parts)
        return call

    def _read(self, call: _Call, contract: Contract | None) -> Statement | None:
        """Return the statement of a call; None if none is kept.

        Raises:
            NoShapeError: None can be: the function reads data, or a function that the statement
                calls is not loaded.
        """
        text = self.store.read(call.key)
        if text is None:
            return None
        asked = json.loads(text)
        if asked == READS_DATA:
            raise NoShapeError(READS_DATA)
        key = _key_of_answers(call, [_question(entry) for entry in asked])
        if key not in self._known:
            entry = self.store.read(key)
            if entry is None:
                return None
            self._known[key] = _statement_of(json.loads(entry), contract)
        if self._known[key].functions - OWN_FUNCTIONS.keys():
            raise NoShapeError(self._known[key].functions)
        return self._known[key]

    def _build(self, con: Any, call: _Call, contract: Contract | None) -> Statement:  # noqa: ANN401 (as `rows`)
        """Call a function with open dates, and keep the statement of what it returns.

        Raises:
            NoShapeError: The expression has something in it that cannot be kept.
            ReadsDataError: The function runs an expression before it returns one.
        """
        slots = Slots.of(len(call.dates))
        opened = {name: _opened(call, name, value, slots) for name, value in call.arguments.items()}
        with BUILDING.going_on():
            rows = call.function(**opened)
            if not isinstance(rows, ir.Table):
                raise NoShapeError(type(rows))
            if contract:
                rows = _conforming(rows, contract)
            _require_statement(rows, opened.values())
            template = con.write_streaming(rows)
        statement = Statement(
            template,
            tuple(slots.apart),
            schema_of(contract) if contract else rows.schema(),
            {name: frozenset(sources) for name, sources in column_lineage(rows).items()},
            stored_columns(rows),
            _own_functions(rows),
        )
        asked = [*slots.answers]
        key = _key_of_answers(call, asked)
        self.store.keep_text(call.key, json.dumps(asked))
        self.store.keep_text(key, json.dumps(_entry_of(statement)))
        self._known[key] = statement
        return statement


def _opened(call: _Call, name: str, value: Any, slots: Slots) -> Any:  # noqa: ANN401 (an argument)
    """Return an argument with slots in place of its dates."""
    if isinstance(value, Days):
        runs = [(Edge(call.number(first)), Edge(call.number(end))) for first, end in value.runs()]
        return OpenDays(value.dates, name, slots, tuple(runs))
    if isinstance(value, ir.Table):
        return with_literals(value, call.shapes[name].slots_of(call.dates))
    return value


def _conforming(rows: ir.Table, contract: Contract) -> ir.Table:
    try:
        return conform(rows, contract)
    except ContractError as error:  # the writer of the rows reports it
        raise NoShapeError(contract) from error


def _require_statement(rows: ir.Table, arguments: Iterable[Any]) -> None:
    """Refuse an expression whose statement is not for other calls.

    Raises:
        NoShapeError: It has rows or functions of this process in it, or reads a table that it was
            not given, such as a temporary one.
    """
    argument_tables = {
        table
        for value in arguments
        if isinstance(value, ir.Table)
        for table in value.op().find(ops.PhysicalTable)
    }
    read = set(rows.op().find(ops.PhysicalTable))
    if read - argument_tables:
        raise NoShapeError(read - argument_tables)
    Shape(rows.op(), {}, has_slots=True)  # raises for what no shape shows


def _own_functions(rows: ir.Table) -> frozenset[str]:
    """Return which functions of Python an expression calls."""
    called = {call.__func_name__ for call in rows.op().find(ops.ScalarUDF)}
    return frozenset(called & OWN_FUNCTIONS.keys())


def _as_rows(con: Any, statement: Statement, call: _Call) -> ir.Table:  # noqa: ANN401 (as `rows`)
    """Return the rows of a statement, with the dates of a call."""
    dates = Slots([*statement.apart]).filled([*call.dates])
    rows: ir.Table = KeptRows(
        query=filled(statement.template, dates, con.date_function),
        schema=statement.schema,
        source=con,
        statement=statement,
    ).to_expr()
    return rows


def numbered_statements(tables: Sequence[ir.Table]) -> ir.Table | None:
    """Return the rows of kept statements with the place of each in `number`; None if one is not
    kept.
    """
    kept = [table.op() for table in tables]
    if not all(isinstance(op, KeptRows) for op in kept):
        return None
    columns = ", ".join(f'"{name}"' for name in kept[0].schema.names)
    query = "\nUNION ALL\n".join(
        f'SELECT {columns}, {number}::BIGINT AS "number" FROM (\n{op.query}\n)'  # noqa: S608 (written by Ibis)
        for number, op in enumerate(kept)
    )
    schema = ibis.schema({**kept[0].schema, "number": "int64"})
    statement = Statement(query, (), schema)
    rows: ir.Table = KeptRows(
        query=query, schema=schema, source=kept[0].source, statement=statement
    ).to_expr()
    return rows


def _key_of_answers(call: _Call, asked: Sequence[Question]) -> bytes:
    return key_of(call.key, asked, answers(call.arguments, asked))


def _question(entry: Sequence[Any]) -> Question:
    name, widenings, method, arguments = entry
    return name, tuple((before, after) for before, after in widenings), method, tuple(arguments)


def _entry_of(statement: Statement) -> dict[str, Any]:
    return {
        "template": statement.template,
        "apart": statement.apart,
        "schema": [(name, str(kind)) for name, kind in statement.schema.items()],
        "lineage": {name: sorted(sources) for name, sources in statement.lineage.items()},
        "read_columns": statement.read_columns,
        "functions": sorted(statement.functions),
    }


def _statement_of(entry: NamedValues, contract: Contract | None) -> Statement:
    return Statement(
        entry["template"],
        tuple((number, days) for number, days in entry["apart"]),
        schema_of(contract) if contract else ibis.schema(dict(entry["schema"])),
        {
            name: frozenset((layer, table, column) for layer, table, column in sources)
            for name, sources in entry["lineage"].items()
        },
        entry["read_columns"],
        frozenset(entry["functions"]),
    )


TABLE_STATEMENTS: Final = TableStatements()
"""The statements of tables and checks of this process."""


def user_file() -> Path | None:
    """Return the file of this user; None if the folder of the user's caches is not known."""
    folder = user_cache_path("ecom_assets", appauthor=False)
    return folder / FILE if folder.is_absolute() else None


def forget_user_statements() -> list[Path]:
    """Remove the user's file, with SQLite's journal; return the paths of what was removed."""
    path = user_file()
    paths = sorted(path.parent.glob(f"{path.name}*")) if path else []
    for removed in paths:
        removed.unlink(missing_ok=True)
    return paths
