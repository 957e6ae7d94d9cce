"""Copies of an order line that arrived together: which one counts does not
depend on the order of rows.
"""

from collections import defaultdict
from datetime import date, datetime

import ibis
import pytest

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.commerce.orders.versions import decided, with_record
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import Row, as_table, order_line

MONDAY = date(2026, 3, 9)
PLACED = datetime(2026, 3, 9, 10)  # noqa: DTZ001 (UTC, as tables have it)
OF_THE_LINE = {"uniq_id", "record_id"}
"""What says which line it is: copies have the same."""
TEXTS = [
    name
    for name, column in RawUserOrderLog.columns.items()
    if column.type == "string" and name not in OF_THE_LINE
]


def counted(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the copies that count, by the id of their line."""
    con = connect()
    con.con.register("lines", as_table(rows, RawUserOrderLog))
    lines = with_record(con.table("lines")).mutate(reject_reason=ibis.null("string"))
    result = decided(lines)
    kept: dict[str, list[Row]] = defaultdict(list)
    for row in con.to_pyarrow(result.filter(result.is_counted)).to_pylist():
        kept[row["uniq_id"]].append(row)
    return {line: sorted(copies, key=str) for line, copies in kept.items()}


def test_copies_that_differ_in_one_text_are_decided_the_same_whatever_their_order(
    subtests: pytest.Subtests,
) -> None:
    """Each line has two copies that differ in the text whose name is its id."""
    rows = []
    for name in TEXTS:
        line = order_line(name, MONDAY) | {"received_at": PLACED, "source_file": "a"}
        rows += [line, line | {name: "refunded" if name == "status" else "zzz"}]
    kept, of_the_other_order = counted(rows), counted(rows[::-1])
    for name in TEXTS:
        with subtests.test(name):
            # A line that is sold and refunded has both.
            assert len(kept[name]) == (2 if name == "status" else 1)
            assert kept[name] == of_the_other_order[name]
