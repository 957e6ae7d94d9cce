"""The cache of SQL by the shape of a question: Ibis takes longer to write a statement than DuckDB to answer it.

Questions about days name them by the parameters of `tables/queries.py`, so that one statement serves all days.
"""

import re
from datetime import date
from typing import Final

import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.tables.queries import LAST_DATE, PARAMETERS, Period

MOST: Final = 256
"""Statements that are kept; those of products' own pages would be without end."""
STANDS_FOR: Final = {one: date(LAST_DATE.year + 1, 1, place) for place, one in enumerate(PARAMETERS, start=1)}
"""A day for each parameter that nobody can ask about."""
PLACE: Final = re.compile(rf"MAKE_DATE\({LAST_DATE.year + 1}, 1, (\d+)\)")
"""How DuckDB and Postgres are told such a day."""


class Compiled:
    """Statements of one engine; may be shared by threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._templates: dict[ops.Node, str] = {}

    def __len__(self) -> int:
        """Return how many statements are kept."""
        return len(self._templates)

    def sql(self, con: SQLBackend, question: ir.Table, period: Period | None) -> str:
        """Return the statement that asks a question, about some days where it names any."""
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
    """Tell whether somebody asks for a text that looks like the place of a day."""
    texts = (one.value for one in shape.find(ops.Literal))
    return any(isinstance(text, str) and PLACE.search(text) for text in texts)


def _as_sql(day: date) -> str:
    return f"MAKE_DATE({day.year}, {day.month}, {day.day})"
