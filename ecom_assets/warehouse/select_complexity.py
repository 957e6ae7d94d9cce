"""The complexity by which Ibis decides whether to merge two selects, computed without sorting the query.

Ibis 12 sorts all of a query topologically for each pair of selects, a quarter of the time in which it writes SQL.
"""

import sys
from typing import Any

import ibis.expr.operations as ops
from ibis.backends.sql import rewrites

OF_IBIS = rewrites.complexity
"""The function of Ibis itself."""


def complexity(node: Any) -> int:  # noqa: ANN401 (Ibis ships no types)
    """Return the result of `OF_IBIS`: the number of values in a node, where a column of another table counts one."""
    counts: dict[Any, int] = {}
    left = [node]
    while left:
        one = left[-1]
        if isinstance(one, ops.Field | ops.Impure):
            counts[one] = 1 if isinstance(one, ops.Field) else sys.maxsize
        else:
            children = one.__children__
            unknown = [child for child in children if child not in counts]
            if unknown:
                left += unknown
                continue
            counts[one] = 1 + sum(counts[child] for child in children)
        left.pop()
    return counts[node]


def count_complexity_once() -> None:
    """Make Ibis use this function from now on."""
    rewrites.complexity = complexity
