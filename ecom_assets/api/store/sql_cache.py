"""The cache of compiled SQL by query expression: Ibis takes longer to compile a query than DuckDB to run it.

Queries with a period use the parameters of `tables/queries.py`, so that one statement serves all periods.
"""

import re
from datetime import date
from typing import Final

import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.tables.queries import LAST_DATE, PARAMETERS, Period

MOST: Final = 256
"""The maximum number of statements; without it, queries about single products would fill the memory."""
STANDS_FOR: Final = {one: date(LAST_DATE.year + 1, 1, place) for place, one in enumerate(PARAMETERS, start=1)}
"""A placeholder date for each parameter, later than any date that a request may use."""
PLACE: Final = re.compile(rf"MAKE_DATE\({LAST_DATE.year + 1}, 1, (\d+)\)")
"""A placeholder date in the SQL of DuckDB and Postgres."""


class Compiled:
    """The compiled statements of one engine; threads may share it."""

    def __init__(self) -> None:
        """Start without statements."""
        self._templates: dict[ops.Node, str] = {}

    def __len__(self) -> int:
        """Return the number of statements."""
        return len(self._templates)

    def sql(self, con: SQLBackend, question: ir.Table, period: Period | None) -> str:
        """Return the SQL of a query, with the days of a period if it uses them."""
        shape = question.op()
        template = self._templates.get(shape)
        if template is None:
            if _has_place(shape):
                return str(con.compile(question, params=period.parameters if period else {}))
            template = self._keep(shape, str(con.compile(question, params=STANDS_FOR if period else {})))
        if period is None:
            return template
        days = list(period.parameters.values())
        return PLACE.sub(lambda place: _as_sql(days[int(place[1]) - 1]), template)

    def _keep(self, shape: ops.Node, template: str) -> str:
        if len(self._templates) >= MOST:
            self._templates.clear()
        self._templates[shape] = template
        return template


def _has_place(shape: ops.Node) -> bool:
    """Return whether a text in the query looks like a placeholder date."""
    texts = (one.value for one in shape.find(ops.Literal))
    return any(isinstance(text, str) and PLACE.search(text) for text in texts)


def _as_sql(day: date) -> str:
    return f"MAKE_DATE({day.year}, {day.month}, {day.day})"
