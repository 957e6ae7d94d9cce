"""How complex a query is: as Ibis itself says."""

import ibis
import ibis.expr.types as ir
import pytest

from ecom_assets.events.contracts import CleanEvents
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sessions.sessions import session_events
from ecom_assets.tables.schema import schema_of
from ecom_assets.warehouse.local import OF_IBIS, complexity

LINES = ibis.table({"id": "int64", "amount": "float64"}, name="lines")
DOUBLED = LINES.mutate(double=LINES.amount * 2)
QUERIES: dict[str, tuple[ir.Table, int | None]] = {
    "a table": (LINES, 1),
    "a random number": (LINES.mutate(chance=ibis.random()), None),
    "a value that is used twice": (DOUBLED.mutate(sum=DOUBLED.double + DOUBLED.double), None),
    "a self join": (DOUBLED.join(LINES.view(), "id"), None),
    "an asset": (session_events(ibis.table(schema_of(CleanEvents), name="events"), SessionRule()), None),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_as_complex_as_ibis_says(name: str) -> None:
    query, expected = QUERIES[name]
    assert complexity(query.op()) == OF_IBIS(query.op())
    assert expected is None or complexity(query.op()) == expected
