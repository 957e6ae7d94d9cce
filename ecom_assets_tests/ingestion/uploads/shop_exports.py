"""A shop's weekly exports of orders in Shopify's layout, and what they come to in plain Python."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.ingestion.uploads.look import Chosen, keep_choices, look_at
from ecom_assets.ingestion.uploads.store import Upload, Uploads

HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,"
    "Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem sku,Refunded Amount,Id,Cancelled at,Lineitem discount"
)
MOST_BYTES = 500_000_000


@dataclass(frozen=True)
class Order:
    """An order of one item, of the day on which it was made, and what was paid back of it."""

    number: int
    day: str
    amount: int
    refunded: int = 0

    @property
    def line(self) -> str:
        """Return its line in the export."""
        state = "refunded" if self.refunded else "paid"
        at = f"{self.day} 10:00:00 +0000"
        return (
            f"#{self.number},c{self.number}@shop.example,{state},{at},fulfilled,EUR,{self.amount}.00,"
            f"0.00,0.00,{self.amount}.00,,0.00,{at},1,Lamp,{self.amount}.00,L1,{self.refunded}.00,"
            f"{self.number}9,,0.00"
        )


WEEK_1 = (
    Order(1001, "2026-03-02", 100),
    Order(1002, "2026-03-03", 80),
    Order(1003, "2026-03-08", 30),
)
WEEK_2 = (Order(1003, "2026-03-08", 30, refunded=30), Order(1004, "2026-03-10", 70))
"""The second week has the last order of the first one again, which was paid back meanwhile."""
WEEK_3 = (Order(1005, "2026-03-17", 60),)


def export(path: Path, orders: Iterable[Order]) -> Path:
    """Write an export."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADER, *(order.line for order in orders)]) + "\n")
    return path


def revenue_of(*exports: Iterable[Order]) -> Mapping[str, int]:
    """Return what was sold less what was paid back, by day: of each order, what the last export
    that has it says. Days that come to nothing are left out.
    """
    newest = {order.number: order for orders in exports for order in orders}
    result: dict[str, int] = {}
    for order in newest.values():
        result[order.day] = result.get(order.day, 0) + order.amount - order.refunded
    return {day: amount for day, amount in sorted(result.items()) if amount}


def sent(home: Path, path: Path, owner: str = "ann") -> Upload:
    """Send a file, in blocks of a few bytes."""
    content = path.read_bytes()
    with Uploads(home).begin(path.name, owner, most_bytes=MOST_BYTES) as writer:
        for start in range(0, len(content), 100):
            writer.write(content[start : start + 100])
        return writer.finish()


def chosen(home: Path, path: Path, choices: Chosen | None = None) -> Upload:
    """Send a file and keep how it is read."""
    upload = sent(home, path)
    uploads = Uploads(home)
    return keep_choices(uploads, look_at(uploads, upload, settings_of(home), choices))


def settings_of(home: Path) -> Settings:
    """Return the settings of a home."""
    return load_settings(home=home)
