"""A month of a file beside what a shop's admin shows: which reasons are the difference."""

from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.look import UploadLook
from ecom_assets.ingestion.uploads.months import months_of
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets_tests.ingestion.uploads.shop_exports import Order, export, sent

# February: 50. March: 100, and 80 that were paid back. All of them at 10:00 UTC.
ORDERS = (
    Order(1, "2026-02-27", 50),
    Order(2, "2026-03-02", 100),
    Order(3, "2026-03-03", 80, refunded=80),
)


@pytest.mark.slow
def test_a_month_is_what_was_sold_less_what_was_paid_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, timezone="Europe/Berlin")
    path = export(tmp_path / "orders.csv", ORDERS)
    # Shipping of 7 on one order, and an order at 23:30 UTC on 28 February: in Berlin it is March.
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace(",0.00,0.00,100.00,", ",7.00,0.00,107.00,", 1)
    late = Order(4, "2026-02-28", 30).line.replace("10:00:00", "23:30:00")
    path.write_text("\n".join([*lines, late, ""]))
    uploads = Uploads(tmp_path)
    look = UploadLook(sent(tmp_path, path), kind="orders", text="extends: shopify\n")
    march, february = months_of(uploads, look, settings)
    assert (march.month, march.order_count, march.currency) == ("2026-03", 3, "EUR")
    assert march.sold_amount == 100 + 80 + 30
    assert march.refunded_amount == 80
    assert march.counted_amount == 130
    assert february.month == "2026-02"
    assert february.counted_amount == 50
    assert march.reasons == {"refunds": 80, "shipping": 7, "zone": -30}
    assert march.explained(Decimal(130)) == ()
    assert march.explained(Decimal("210.00")) == ("refunds",)
    assert march.explained(Decimal(137)) == ("shipping",)
    assert march.explained(Decimal(187)) == ("refunds", "shipping", "zone")
    assert march.explained(Decimal(100)) == ("zone",), "by UTC"
    assert march.explained(Decimal(999)) is None
