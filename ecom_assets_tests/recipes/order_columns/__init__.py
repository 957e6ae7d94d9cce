"""Two texts and a flag more of order lines, from files to a page: CONTRIBUTING's recipe.

`LINES` are the lines that files of the package get, and `NEW` names the file that each text here is
added to the end of.
"""

from typing import Final, NamedTuple


class AddedLines(NamedTuple):
    """Lines that a file of the package gets below each line like `after`."""

    file: str
    after: str
    lines: tuple[str, ...]


LINES: Final = (
    AddedLines(
        "ingestion/sources/files/mapping.py",
        '"sales_channel",',
        ('"coupon_code",', '"delivery_method",', '"is_gift",'),
    ),
    AddedLines("commerce/orders/orders.py", '"is_renewal",', ('"is_gift",',)),
    AddedLines(
        "ingestion/sources/order_mappings/user_order_log.yaml",
        "sales_channel: sales_channel",
        ("coupon_code: coupon_code", "delivery_method: delivery_method", "is_gift: is_gift"),
    ),
    AddedLines(
        "commerce/orders/contracts.py",
        'city_name = text("The city\'s name", nullable=True)',
        (
            'coupon_code = text("The coupon, as received", "Coupon", nullable=True)',
            'delivery_method = text("How it is delivered, as received", "Delivery", nullable=True)',
        ),
    ),
    AddedLines(
        "commerce/orders/contracts.py",
        'is_renewal = flag("What received_is_renewal says", nullable=True)',
        (
            'received_is_gift = text("Whether it is a gift, as received", nullable=True)',
            'is_gift = flag("What received_is_gift says", nullable=True)',
        ),
    ),
    AddedLines(
        "commerce/orders/contracts.py",
        'payment_method = text("How it was paid, where the source says it", nullable=True)',
        ('is_gift = flag("Whether it is a gift", "Gift", nullable=True, chooses_rows=False)',),
    ),
    AddedLines(
        "commerce/sales/contracts.py",
        'status = text("Whether it was shipped, or paid back", one_of=STATUSES)',
        (
            "coupon_code = UserOrderLog.coupon_code",
            "delivery_method = UserOrderLog.delivery_method",
            "is_gift = UserOrderLog.is_gift",
        ),
    ),
)
NEW: Final = {
    "query.txt": "commerce/sales/queries.py",
    "route.txt": "interfaces/api/routes/sales.py",
    "page.txt": "interfaces/dashboard/pages/coupons.py",
}
"""The file of the package that each file here is added to."""
