"""The question to `ecom explain` and `/explain`: a table, the rows of interest,
and one of their numbers.

Which numbers can be explained is collected from the subjects' `trace.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import cost_columns, is_about_costs
from ecom_assets.commerce.reconciliation.contracts import Restatements
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.tables.columns import holds
from ecom_assets.core.tables.conditions import NEGATED, Condition, Group, Where, columns_of
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import NO
from ecom_assets.core.tables.trace import TableTrace, UpstreamRows
from ecom_assets.core.tables.values import Scalar
from ecom_assets.orchestration.registry import ALL, SUBJECTS

# Subjects are listed in one file, the registry: a `trace.py` there is read without a line here.
_TRACE_NAMES: Final = [f"{subject}.trace" for subject in SUBJECTS]
_MODULES: Final = [import_module(name) for name in _TRACE_NAMES if find_spec(name)]
TRACES: Final[dict[Contract, TableTrace]] = {
    trace.contract: trace for module in _MODULES for trace in module.TRACES
}
"""How the numbers of each mart are traced down."""
UPSTREAM: Final[dict[Contract, UpstreamRows]] = {
    table: upstream
    for module in _MODULES
    for table, upstream in getattr(module, "UPSTREAM", {}).items()
}
"""The next table below each table on the path."""
_NUMBERS: Final = {
    (table.qualified_name(), name) for table, trace in TRACES.items() for name in trace.numbers
}


def is_explained(table: str, column: str) -> bool:
    """Return whether a column of a table, by its qualified name,
    is a number that can be explained.
    """
    return (table, column) in _NUMBERS


NAMES: Final = {contract.qualified_name(): contract for contract in ALL}
SIGN_IN_COLUMNS: Final = {
    "event_id": "Event",
    "user_id": "Belongs to",
    "why": "Who",
    "sign_in_event_id": "By event",
    "sign_in_at": "At (UTC)",
    "device_id": "On device",
}
"""What is shown of the sign-ins that decided to whom events belong, with the headings for people.
"""
MOST_ADDED: Final = 31
"""The most rows of a table whose numbers are added up: a month of days."""


@dataclass(frozen=True)
class RowsQuestion:
    """A question about the rows of a table that meet conditions.

    Attributes:
        column: The number to go down from; empty to show what there is.
        limit: The most received rows to show.
        offset: How many to leave out at the start.
        is_personal: Whether personal data are shown.
        with_costs: Whether costs are shown.
    """

    contract: Contract
    where: Where = field(default_factory=lambda: Group("all_of", ()))
    column: str = ""
    limit: int = 20
    offset: int = 0
    is_personal: bool = False
    with_costs: bool = False

    def __post_init__(self) -> None:
        """Reject columns that the table lacks, and a column that is not numeric.

        Raises:
            DefinitionError: It names the column, and the nearest that there is.
        """
        name, columns = self.contract.qualified_name(), self.contract.columns
        for column in columns_of(self.where):
            if column not in columns:
                raise DefinitionError(
                    f"{name} has no column {column!r}; {did_you_mean(column, columns)}."
                )
        numbers = self.contract.numbers()
        if self.column and self.column not in columns:
            raise DefinitionError(
                f"{name} has no column {self.column!r}; {did_you_mean(self.column, numbers)}."
            )
        if self.column and self.column not in numbers:
            raise DefinitionError(
                f"{name}.{self.column} is not a number; {did_you_mean(self.column, numbers)}."
            )

    @property
    def is_about_costs(self) -> bool:
        """Return whether its table, its number or a condition is about costs."""
        named = {self.column, *columns_of(self.where)}
        return is_about_costs(self.contract) or not named.isdisjoint(cost_columns(self.contract))

    def rows(self, table: ir.Table) -> ir.Table:
        """Return the rows of the table that the question is about."""
        rows = table.filter(_met(table, self.where))
        if self.contract is Restatements and not self.with_costs:
            rows = rows.filter(~_is_of_costs(rows))
        return rows


def table_named(name: str) -> Contract:
    """Return a table by its name, as `mart.revenue_daily`, `mart/revenue_daily` or `revenue_daily`.

    Raises:
        DefinitionError: There is none of that name; the message names the nearest.
    """
    plain = name.strip().lower().replace("/", ".")
    if plain in NAMES:
        return NAMES[plain]
    short = [contract for contract in ALL if contract.name == plain]
    marts = [contract for contract in short if contract in TRACES]
    if len(short) == 1 or marts:
        return (marts or short)[0]
    raise DefinitionError(f"There is no table {name!r}; {did_you_mean(plain, NAMES)}.")


def _is_of_costs(restated: ir.Table) -> ir.BooleanValue:
    """Return whether the number that changed is a cost."""
    costs = {table.qualified_name(): cost_columns(table) for table in ALL}
    return ibis.or_(
        *(
            (restated.table_name == name) & restated.column_name.isin(sorted(columns))
            for name, columns in costs.items()
            if columns
        )
    )


def _met(table: ir.Table, where: Where) -> ir.BooleanValue:
    """Return whether a row meets the conditions,
    of which those on days and instants are read as such.
    """
    if isinstance(where, Group):
        parts = [_met(table, part) for part in where.parts]
        joined = ibis.and_ if where.kind == "all_of" else ibis.or_
        return joined(*parts) if parts else ibis.literal(value=where.kind == "all_of")
    kind = table[where.column].type()
    if not (kind.is_date() or kind.is_timestamp()) or where.operator in {"is_set", "is_not_set"}:
        return holds(table, where)
    return _compared(table, where, _as_day if kind.is_date() else _as_instant)


def _compared(
    table: ir.Table, where: Condition, read: Callable[[str, Scalar], date]
) -> ir.BooleanValue:
    column, values = table[where.column], [read(where.column, value) for value in where.values]
    first, last = values[0], values[-1]
    tests: dict[str, Callable[[], ir.BooleanValue]] = {
        "equals": lambda: column == first,
        "one_of": lambda: column.isin(values),
        "greater": lambda: column > first,
        "greater_or_equal": lambda: column >= first,
        "less": lambda: column < first,
        "less_or_equal": lambda: column <= first,
        "between": lambda: (column >= first) & (column <= last),
    }
    operator = NEGATED.get(where.operator, where.operator)
    if operator not in tests:
        raise DefinitionError(
            f"{where.operator} looks into text, and {where.column} holds days or instants; "
            f"compare it as in '{where.column} >= 2026-01-31'."
        )
    met = tests[operator]().fill_null(NO)
    return ~met if where.operator in NEGATED else met


def _as_day(column: str, value: Scalar) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise DefinitionError(
            f"{value!r} is not a date for {column}; use YYYY-MM-DD, such as 2026-01-31."
        ) from error


def _as_instant(column: str, value: Scalar) -> datetime:
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError as error:
        raise DefinitionError(
            f"{value!r} is not an instant for {column}; write it in UTC, such as "
            "2026-01-31T12:00:00."
        ) from error
