"""Putting rows of several tables under one another, where Ibis is stricter than any engine. Not here: joins."""

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir


def stacked(*tables: ir.Table) -> ir.Table:
    """Return the rows of all tables, repeats included, in the column order of the first.

    Ibis refuses to unite columns that differ in width, or in whether they can be null; here the wider kind is taken.
    """
    kinds = {
        name: dt.highest_precedence(table[name].type() for table in tables).copy(nullable=True)
        for name in tables[0].columns
    }
    return ibis.union(
        *(table.select(**{name: table[name].cast(kind) for name, kind in kinds.items()}) for table in tables)
    )
