"""Copies of an order line that arrived together: which one counts does not
depend on the order of rows.
"""

from datetime import date, datetime

import ibis
import pytest

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.commerce.orders.versions import decided, with_record
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import as_table, order_line

MONDAY = date(2026, 3, 9)
PLACED = datetime(2026, 3, 9, 10)  # noqa: DTZ001 (UTC, as tables have it)
TEXTS = [name for name, column in RawUserOrderLog.columns.items() if column.type == "string"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", [name for name in TEXTS if name not in {"uniq_id", "record_id"}])
def test_copies_that_differ_in_one_text_are_decided_the_same_whatever_their_order(
    name: str,
) -> None:
    line = order_line("l1", MONDAY) | {"received_at": PLACED, "source_file": "a"}
    copies = [line, line | {name: "refunded" if name == "status" else "zzz"}]
    kept = []
    for rows in (copies, copies[::-1]):
        con = connect()
        con.con.register("lines", as_table(rows, RawUserOrderLog))
        lines = with_record(con.table("lines")).mutate(reject_reason=ibis.null("string"))
        result = decided(lines)
        kept.append(con.to_pyarrow(result.filter(result.is_counted)).to_pylist())
    # A line that is sold and refunded has both.
    assert len(kept[0]) == (2 if name == "status" else 1)
    assert sorted(kept[0], key=str) == sorted(kept[1], key=str)
