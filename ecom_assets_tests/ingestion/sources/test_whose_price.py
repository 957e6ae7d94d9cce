"""A column `price` beside a quantity: that of one piece or of all, which the rows themselves say.

Amazon's "All orders" report has the price of all pieces of a line in `item-price`.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets_tests.ingestion.sources.test_proposed_exports import ANSWERS, money, searched

AMAZON = "order-id,purchase-date,buyer,sku,quantity,item-price"
GROWS = [
    "1,2026-03-01 10:00:00,K1,LAMP,1,40.00",
    "2,2026-03-02 10:00:00,K2,LAMP,3,120.00",
    "3,2026-03-03 10:00:00,K1,CHAIR,1,15.00",
    "4,2026-03-03 11:00:00,K3,CHAIR,2,30.00",
]
STAYS = [
    "1,2026-03-01 10:00:00,K1,LAMP,1,40.00",
    "2,2026-03-02 10:00:00,K2,LAMP,3,40.00",
    "3,2026-03-03 10:00:00,K1,CHAIR,1,15.00",
    "4,2026-03-03 11:00:00,K3,CHAIR,2,15.00",
]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "worth"), [(GROWS, "205.00"), (STAYS, "205.00")])
def test_items_in_several_quantities_say_whose_price_it_is(
    tmp_path: Path, rows: list[str], worth: str
) -> None:
    # 40 + 3 lamps for 120 + 15 + 2 chairs for 30, however the price is written.
    search = searched(tmp_path / "orders.csv", [AMAZON, *rows])
    assert money(search, search.proposal(ANSWERS))["counted"] == Decimal(worth)


@pytest.mark.slow
@pytest.mark.parametrize("total", [15, 25])
def test_totals_of_orders_say_it_too(tmp_path: Path, total: int) -> None:
    # Two pieces for 10 and one for 5 come to 15; two for 10 each and one for 5 to 25.
    rows = [
        f"1,2026-03-01 10:00:00,K1,A,2,10.00,{total}.00",
        f"1,2026-03-01 10:00:00,K1,B,1,5.00,{total}.00",
    ]
    search = searched(tmp_path / "orders.csv", [f"{AMAZON},order-total", *rows])
    assert money(search, search.proposal(ANSWERS))["counted"] == total


@pytest.mark.slow
def test_where_nothing_says_it_the_guess_is_said(tmp_path: Path) -> None:
    rows = ["1,2026-03-01 10:00:00,K1,A,2,10.00", "2,2026-03-02 10:00:00,K2,B,1,5.00"]
    said = " ".join(searched(tmp_path / "orders.csv", [AMAZON, *rows]).proposal(ANSWERS).why)
    assert (
        "item-price is taken for the price of one piece, times quantity, in 1 row of several"
        in said
    )
    named = AMAZON.replace("item-price", "unit price")
    said = " ".join(searched(tmp_path / "named.csv", [named, *rows]).proposal(ANSWERS).why)
    assert "is taken for the price of one piece" not in said
