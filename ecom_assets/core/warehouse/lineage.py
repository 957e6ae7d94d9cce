"""Which stored columns an expression is computed from."""

from collections.abc import Mapping, Set

import ibis.expr.operations as ops
import ibis.expr.types as ir

from ecom_assets.core.tables.computed import KeptRows

Source = tuple[str, str, str]
"""Layer, table and column."""
Sources = Mapping[str, Set[Source]]
SourcesByRelation = dict[ops.Relation, Sources]


def column_lineage(table: ir.Table) -> dict[str, Set[Source]]:
    """Return the stored columns that each column of `table` is computed from."""
    return dict(_of_relation(table.op(), {}))


def _of_relation(op: ops.Relation, traced: SourcesByRelation) -> Sources:
    if op not in traced:
        traced[op] = op.statement.lineage if isinstance(op, KeptRows) else _trace(op, traced)
    return traced[op]


def _trace(op: ops.Relation, traced: SourcesByRelation) -> Sources:
    if isinstance(op, ops.DatabaseTable | ops.UnboundTable):
        layer = op.namespace.database or ""
        # Names in contracts are lower case, but an engine may store them in upper case.
        return {name: {(layer.lower(), op.name.lower(), name.lower())} for name in op.schema.names}
    if isinstance(op, ops.PhysicalTable):
        return {name: set() for name in op.schema.names}
    if isinstance(op, ops.Set):
        left, right = _of_relation(op.left, traced), _of_relation(op.right, traced)
        return {name: left[name] | right[name] for name in op.schema.names}
    # A table that stands a second time in a query is its parent, whatever its empty `values` say.
    values = None if isinstance(op, ops.SelfReference) else getattr(op, "values", None)
    if isinstance(values, Mapping):
        return {name: _of_value(value, traced) for name, value in values.items()}
    parent = getattr(op, "parent", None)
    if isinstance(parent, ops.Relation):
        return _of_relation(parent, traced)
    return {name: set() for name in op.schema.names}


def _of_value(value: ops.Node, traced: SourcesByRelation) -> set[Source]:
    reads = value.find(ops.Field, filter=ops.Value)
    return set().union(*(_of_relation(read.rel, traced)[read.name] for read in reads))


LAYERS = ("raw", "staging", "mart", "export")


def stored_columns(table: ir.Table) -> dict[str, list[str]]:
    """Return the stored columns that `table` reads in any way, by table;
    `column_lineage` has those of its values.
    """
    traced: SourcesByRelation = {}
    stored = table.op().find(ops.DatabaseTable)
    result = {
        f"{(table.namespace.database or '').lower()}.{table.name.lower()}": set[str]()
        for table in stored
    }
    for kept in table.op().find(KeptRows):
        for name, columns in kept.statement.read_columns.items():
            result.setdefault(name, set()).update(columns)
    for read in table.op().find(ops.Field):
        for layer, name, column in _of_relation(read.rel, traced)[read.name]:
            result.setdefault(f"{layer}.{name}", set()).add(column)
    return {
        name: sorted(columns)
        for name, columns in sorted(result.items())
        if name.partition(".")[0] in LAYERS
    }
