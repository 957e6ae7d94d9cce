"""The newest line of a product says its stock, whatever is in it:
in catalogues of several days, in any order.

The reference knows nothing of tables: of the newest day, the last line of a product counts, or none
if it is not valid.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.products.stock import newest_stock
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.stock import stock_rows
from ecom_assets.ingestion.sources.stock_reading import FileStock
from ecom_assets_tests.hypothesis_settings import examples

FIRST = date(2026, 3, 10)
Lines = Sequence[tuple[str, str]]
LINES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(("5", "0", "-2", "many", ""))), max_size=6
)
"""Lines of a catalogue: a product and its stock, which is not a number now and then."""


def stock_of(catalogues: Mapping[int, Lines]) -> dict[str, int]:
    """Return the stock of each product by the newest of catalogues,
    each of a day and loaded in their order.
    """
    con = connect()
    days = [
        stock_rows(
            [{"product_id": product, "stock": stock} for product, stock in lines],
            FIRST + timedelta(days=day),
            "test",
        ).to_pyarrow()
        for day, lines in catalogues.items()
    ]
    con.con.register("raw", pa.concat_tables(days))
    rows = (
        newest_stock(con.table("raw")).select("product_id", "stock_count").to_pyarrow().to_pylist()
    )
    return {row["product_id"]: row["stock_count"] for row in rows}


def by_hand(catalogues: Mapping[int, Lines]) -> dict[str, int]:
    """Return the same, by nothing but the last line of each product on the
    newest day that has lines.
    """
    newest = max((day for day, lines in catalogues.items() if lines), default=None)
    last = dict(catalogues[newest]) if newest is not None else {}
    return {product: int(stock) for product, stock in last.items() if stock.lstrip("-").isdecimal()}


@examples(80)
@given(catalogues=st.dictionaries(st.integers(0, 3), LINES, min_size=1))
def test_the_last_line_of_the_newest_day_counts_in_any_order_of_arrival(
    catalogues: dict[int, Lines],
) -> None:
    assert stock_of(catalogues) == by_hand(catalogues)
    assert stock_of(dict(reversed(catalogues.items()))) == by_hand(catalogues)


@pytest.mark.parametrize(
    ("second", "stock"),
    [("9", {"hat": 9}), ("many", {}), ("0", {"hat": 0})],
    ids=["newer", "refused", "none left"],
)
def test_of_a_file_the_last_line_counts_and_none_if_it_is_not_valid(
    tmp_path: Path, second: str, stock: dict[str, int]
) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text(f"product_id,stock\nhat,5\nhat,{second}\n")
    rows = FileStock(Settings(home=tmp_path, catalogue=file)).received(Days((FIRST,))).rows
    con = connect()
    con.con.register("raw", rows.to_pyarrow())
    actual = (
        newest_stock(con.table("raw")).select("product_id", "stock_count").to_pyarrow().to_pylist()
    )
    assert {row["product_id"]: row["stock_count"] for row in actual} == stock
