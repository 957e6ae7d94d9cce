"""Keys of JSON objects in SQL: sqlglot reads `a.b` and `$browser` as paths, and they are keys."""

from typing import Any

import ibis.expr.operations as ops
import sqlglot.expressions as sge

from ecom_assets.errors import DefinitionError


class WholeKeys:
    """A method of a compiler of Ibis', which finds it by its name: a key is one key, whatever characters it has."""

    __slots__ = ()

    def visit_JSONGetItem(self, op: ops.JSONGetItem, *, arg: Any, index: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return the value of a key, or of a place in a list.

        Raises:
            DefinitionError: The key has a character that sqlglot would not escape.
        """
        if not isinstance(index, sge.Literal) or not index.is_string:
            return super().visit_JSONGetItem(op, arg=arg, index=index)  # type: ignore[misc]  # the compiler's own
        if set(index.this) & set("'\"\\"):
            raise DefinitionError(
                f"The key {index.this!r} of a JSON object has a quote or a backslash; name another key."
            )
        path = sge.JSONPath(expressions=[sge.JSONPathRoot(), sge.JSONPathKey(this=index.this)])
        return sge.JSONExtract(this=arg, expression=path)
