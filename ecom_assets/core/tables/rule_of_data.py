"""Rules that stored rows decide, beside those that settings decide."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import ibis.expr.types as ir

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.contract import Contract

TableOf = Callable[[Contract], ir.Table]
"""Returns a whole table, lazily."""
RowsOf = Callable[[ir.Table], Sequence[NamedValues]]
"""Returns the rows of a small result."""


class RuleOfData(ABC):
    """A rule whose value depends on the rows that are stored when it is used."""

    @abstractmethod
    def value(self, table: TableOf, rows: RowsOf) -> Any:  # noqa: ANN401 (whatever the rule is)
        """Return the rule that the stored rows decide."""


def resolved_rule(rule: Any, table: TableOf, rows: RowsOf) -> Any:  # noqa: ANN401 (rules are of any type)
    """Return the value of a rule; one that does not depend on stored rows is its own value."""
    return rule.value(table, rows) if isinstance(rule, RuleOfData) else rule
