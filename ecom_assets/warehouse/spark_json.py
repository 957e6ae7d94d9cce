"""How Ibis' compiler reads values inside JSON on Spark: by Spark's VARIANT, which knows the types of JSON.

Ibis itself hands each value to Python, which takes a text for a document. Not here: other rules (`spark_sql.py`).
"""

from typing import Any

import ibis.expr.operations as ops
import sqlglot.expressions as sge

NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL")


class JsonReading:
    """Methods of a compiler of Ibis'. Ibis finds them by their names."""

    __slots__ = ()

    f: Any
    if_: Any

    def visit_JSONGetItem(self, op: ops.JSONGetItem, *, arg: Any, index: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Give the value of a key, as a VARIANT."""
        document = arg if isinstance(op.arg, ops.JSONGetItem) else self.f.anon.try_parse_json(arg)
        path = self.f.concat(sge.convert("$."), index)
        return self.f.anon.variant_get(document, path, sge.convert("variant"))

    def visit_UnwrapJSONString(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (likewise)
        """Give a text, or null."""
        return self._of_kind(arg, ("STRING",), "string")

    def visit_UnwrapJSONInt64(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (likewise)
        """Give a whole number, or null."""
        return self._of_kind(arg, ("BIGINT",), "bigint")

    def visit_UnwrapJSONFloat64(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (likewise)
        """Give a number, or null."""
        return self._of_kind(arg, NUMBERS, "double")

    def visit_UnwrapJSONBoolean(self, _op: ops.Value, *, arg: Any) -> Any:  # noqa: ANN401, N802 (likewise)
        """Give a truth value, or null."""
        return self._of_kind(arg, ("BOOLEAN",), "boolean")

    def _of_kind(self, variant: Any, kinds: tuple[str, ...], target: str) -> Any:  # noqa: ANN401 (likewise)
        kind = self.f.anon.split_part(self.f.anon.schema_of_variant(variant), sge.convert("("), sge.convert(1))
        value = self.f.anon.try_variant_get(variant, sge.convert("$"), sge.convert(target))
        return self.if_(kind.isin(*(sge.convert(name) for name in kinds)), value, sge.Null())
