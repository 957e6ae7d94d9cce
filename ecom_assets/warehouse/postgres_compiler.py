"""Ibis' compiler for Postgres, with the text inside JSON put right. Not here: the engine (`postgres.py`)."""

from typing import Any

import ibis.expr.operations as ops
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.postgres import PostgresCompiler


class Compiler(PostgresCompiler):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' compiler. Ibis finds methods by their names."""

    def json_extract_path_text(self, op: ops.Value, arg: Any, *rest: Any) -> Any:  # noqa: ANN401 (as Ibis has it)
        """Read a JSON value as text, in the order of its bytes: Ibis writes an empty path as no Postgres reads it."""
        if rest:
            return super().json_extract_path_text(op, arg, *rest)
        text = sge.Paren(this=sge.JSONBExtractScalar(this=arg, expression=sge.convert("{}")))
        return sge.Collate(this=text, expression=sge.to_identifier("C", quoted=True))
