"""Which stored columns an expression is computed from."""

from collections.abc import Mapping, Set
from weakref import WeakKeyDictionary

import ibis.expr.operations as ops
import ibis.expr.types as ir

from ecom_assets.core.tables.computed import KeptRows

LAYERS = ("raw", "staging", "mart", "export")
"""The schemas of the platform's tables."""
Source = tuple[str, str, str]
"""Layer, table and column."""
Sources = Mapping[str, Set[Source]]
_traced: WeakKeyDictionary[ops.Node, Sources] = WeakKeyDictionary()
"""The sources of relations: two functions ask, and what is upstream is traced for each table."""
_traced_values: WeakKeyDictionary[ops.Node, Set[Source]] = WeakKeyDictionary()
"""The sources of values, which others are made of."""


def column_lineage(table: ir.Table) -> dict[str, Set[Source]]:
    """Return the stored columns that each column of `table` is computed from."""
    return {name: frozenset(sources) for name, sources in _of_relation(table.op()).items()}


def _of_relation(op: ops.Relation) -> Sources:
    result = _traced.get(op)
    if result is None:
        result = _traced[op] = op.statement.lineage if isinstance(op, KeptRows) else _trace(op)
    return result


def _trace(op: ops.Relation) -> Sources:
    if isinstance(op, ops.DatabaseTable | ops.UnboundTable):
        layer = op.namespace.database or ""
        # Names in contracts are lower case, but an engine may store them in upper case.
        return {name: {(layer.lower(), op.name.lower(), name.lower())} for name in op.schema.names}
    if isinstance(op, ops.PhysicalTable):
        return {name: set() for name in op.schema.names}
    if isinstance(op, ops.Set):
        left, right = _of_relation(op.left), _of_relation(op.right)
        return {name: left[name] | right[name] for name in op.schema.names}
    # A table that stands a second time in a query is its parent, whatever its empty `values` say.
    values = None if isinstance(op, ops.SelfReference) else getattr(op, "values", None)
    if isinstance(values, Mapping):
        return {name: _of_value(value) for name, value in values.items()}
    parent = getattr(op, "parent", None)
    if isinstance(parent, ops.Relation):
        return _of_relation(parent)
    return {name: set() for name in op.schema.names}


def _of_value(value: ops.Node) -> Set[Source]:
    result = _traced_values.get(value)
    if result is None:
        if isinstance(value, ops.Field):
            result = _of_relation(value.rel)[value.name]
        else:
            parts = (_of_value(part) for part in value.__children__ if isinstance(part, ops.Value))
            result = set().union(*parts)
        _traced_values[value] = result
    return result


def stored_columns(table: ir.Table) -> dict[str, list[str]]:
    """Return the stored columns that `table` reads in any way, by table;
    `column_lineage` has those of its values.
    """
    reads = table.op().find((ops.DatabaseTable, ops.Field))
    result = {
        f"{(table.namespace.database or '').lower()}.{table.name.lower()}": set[str]()
        for table in reads
        if isinstance(table, ops.DatabaseTable)
    }
    for kept in table.op().find(KeptRows):
        for name, columns in kept.statement.read_columns.items():
            result.setdefault(name, set()).update(columns)
    for read in (read for read in reads if isinstance(read, ops.Field)):
        for layer, name, column in _of_value(read):
            result.setdefault(f"{layer}.{name}", set()).add(column)
    return {
        name: sorted(columns)
        for name, columns in sorted(result.items())
        if name.partition(".")[0] in LAYERS
    }
