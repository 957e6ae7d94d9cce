"""What a file of orders comes to by month, to be held beside what the shop's own admin shows."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import ibis

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.files.mapping import LEFT_OUT
from ecom_assets.ingestion.sources.reading import FileReading
from ecom_assets.ingestion.uploads.landed import COPIES
from ecom_assets.ingestion.uploads.look import UploadLook
from ecom_assets.ingestion.uploads.packed import beginning_of
from ecom_assets.ingestion.uploads.store import Uploads

PENNIES: Final = Decimal("0.05")
"""Amounts that differ by no more are the same: each line was rounded."""
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True)
class MonthOfFile:
    """The money of one month of a file, in the shop's zone.

    Attributes:
        month: Such as `2026-03`.
        currency: Of all amounts; empty if none is said, or several are.
        order_count: Orders that count.
        sold_amount: What was sold, before what was paid back.
        refunded_amount: What was paid back in the month.
        tax_amount: Taxes of these sales, less those of refunds.
        shipping_amount: Shipping of them, the same way.
        discount_amount: Discounts of them, the same way.
        left_out_amount: What is no sale, such as cancelled orders.
        refused_amount: What cannot be read as it should.
        utc_amount: Sold less paid back of the month by UTC.
    """

    month: str
    currency: str
    order_count: int
    sold_amount: Decimal
    refunded_amount: Decimal
    tax_amount: Decimal
    shipping_amount: Decimal
    discount_amount: Decimal
    left_out_amount: Decimal
    refused_amount: Decimal
    utc_amount: Decimal

    @property
    def counted_amount(self) -> Decimal:
        """Return what counts: sold less paid back."""
        return self.sold_amount - self.refunded_amount

    @property
    def reasons(self) -> Mapping[str, Decimal]:
        """Return what a shop's admin may have in its number beside what counts here, by its name;
        only what comes to something.
        """
        every = {
            "refunds": self.refunded_amount,
            "taxes": self.tax_amount,
            "shipping": self.shipping_amount,
            "discounts": self.discount_amount,
            "cancelled": self.left_out_amount,
            "refused": self.refused_amount,
            "zone": self.utc_amount - self.counted_amount,
        }
        return {name: amount for name, amount in every.items() if amount}

    def explained(self, shown: Decimal) -> tuple[str, ...] | None:
        """Return the reasons that together are the difference to what an admin shows, as few as
        possible; none if there is no difference, None if nothing explains it.
        """
        difference = shown - self.counted_amount
        for count in range(len(self.reasons) + 1):
            for names in combinations(self.reasons, count):
                total = sum((self.reasons[name] for name in names), _NOTHING)
                if abs(total - difference) <= PENNIES:
                    return names
        return None


def months_of(uploads: Uploads, look: UploadLook, settings: Settings) -> list[MonthOfFile]:
    """Return the months of a file of orders, as a look reads it, the newest first; of a large file
    those of its beginning.

    Raises:
        EcomError: It cannot be read so.
    """
    original = uploads.original(look.upload)
    copies = original.parent / COPIES
    copies.mkdir(mode=0o700, exist_ok=True)
    with copies_in(copies), tempfile.TemporaryDirectory(dir=copies) as folder:
        mapping = Path(folder) / "look.yaml"
        mapping.write_text(look.text, encoding="utf-8")
        path, _ = beginning_of(original, copies)
        reading = FileReading.open([str(path)], str(mapping), is_events=False, settings=settings)
        return list(_months(reading))


def _months(reading: FileReading) -> Iterator[MonthOfFile]:
    lines = reading.files.classified()
    counts = lines.reject_reason.isnull()
    # A copy of a line counts once.
    clean = lines.filter(counts).distinct(on="uniq_id")
    rows = clean.union(lines.filter(~counts))
    zero = ibis.literal(_NOTHING).cast("decimal(24, 4)")

    def amount(column: Any, where: Any, times: Any = 1) -> Any:  # noqa: ANN401 (expressions)
        value = column.cast("decimal(24, 4)") * times
        return where.ifelse(value, zero).sum().fill_null(zero)

    rows = rows.mutate(
        month=rows.order_date.strftime("%Y-%m"), utc_month=rows.ordered_at.strftime("%Y-%m")
    )
    rows = rows.filter(rows.month.notnull())
    counts, left_out = rows.reject_reason.isnull(), rows.reject_reason == LEFT_OUT
    is_refund = rows.status == "refunded"
    sign = is_refund.ifelse(-1, 1)
    by_month = rows.group_by("month").agg(
        order_count=counts.ifelse(rows.order_id, ibis.null("string")).nunique(),
        sold_amount=amount(rows.payment_amount, counts & ~is_refund),
        refunded_amount=amount(rows.payment_amount, counts & is_refund),
        tax_amount=amount(rows.tax_amount, counts, sign),
        shipping_amount=amount(rows.shipping_amount, counts, sign),
        discount_amount=amount(rows.discount_amount, counts, sign),
        left_out_amount=amount(rows.payment_amount, left_out),
        refused_amount=amount(rows.payment_amount, ~counts & ~left_out),
        first_currency=rows.currency.min(),
        last_currency=rows.currency.max(),
    )
    by_utc = rows.group_by("utc_month").agg(utc_amount=amount(rows.payment_amount, counts, sign))
    utc = {row["utc_month"]: row["utc_amount"] for row in rows_of(by_utc)}
    months = rows_of(by_month)
    for row in sorted(months, key=lambda row: str(row["month"]), reverse=True):
        first, last = row.pop("first_currency") or "", row.pop("last_currency") or ""
        currency = first if first == last else ""
        yield MonthOfFile(**row, currency=currency, utc_amount=utc.get(row["month"], _NOTHING))
