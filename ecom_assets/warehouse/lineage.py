"""Column lineage, read from an Ibis expression: which columns of which tables each output column is made of.

Rows that are only filtered or joined by a column are not made of it. Not here: Dagster's classes for lineage.
"""

from collections.abc import Mapping

import ibis.expr.operations as ops
import ibis.expr.types as ir

Source = tuple[str, str, str]
"""Layer, table and column."""


def column_lineage(table: ir.Table) -> dict[str, set[Source]]:
    """Return, for each column of `table`, the stored columns that its values come from."""
    known: dict[ops.Relation, Mapping[str, set[Source]]] = {}
    return dict(_of_relation(table.op(), known))


def _of_relation(op: ops.Relation, known: dict[ops.Relation, Mapping[str, set[Source]]]) -> Mapping[str, set[Source]]:
    if op not in known:
        known[op] = _trace(op, known)
    return known[op]


def _trace(op: ops.Relation, known: dict[ops.Relation, Mapping[str, set[Source]]]) -> Mapping[str, set[Source]]:
    if isinstance(op, ops.DatabaseTable | ops.UnboundTable):
        layer = op.namespace.database or ""
        # Contracts' names are lower case; an engine may store them in upper case.
        return {name: {(layer.lower(), op.name.lower(), name.lower())} for name in op.schema.names}
    if isinstance(op, ops.PhysicalTable):
        return {name: set() for name in op.schema.names}
    if isinstance(op, ops.Set):
        left, right = _of_relation(op.left, known), _of_relation(op.right, known)
        return {name: left[name] | right[name] for name in op.schema.names}
    values = getattr(op, "values", None)
    if isinstance(values, Mapping):
        return {name: _of_value(value, known) for name, value in values.items()}
    parent = getattr(op, "parent", None)
    if isinstance(parent, ops.Relation):
        return _of_relation(parent, known)
    return {name: set() for name in op.schema.names}


def _of_value(value: ops.Node, known: dict[ops.Relation, Mapping[str, set[Source]]]) -> set[Source]:
    fields = value.find(ops.Field, filter=ops.Value)
    return set().union(*(_of_relation(field.rel, known)[field.name] for field in fields))
