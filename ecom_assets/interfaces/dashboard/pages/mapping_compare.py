"""A month of a file of orders beside what the shop's own admin shows for it, and what the
difference is.
"""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from pydantic import Field

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer
from ecom_assets.ingestion.uploads.months import MonthOfFile
from ecom_assets.ingestion.uploads.sight import sight_of
from ecom_assets.ingestion.uploads.store import Upload
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard.blocks import Block, Custom
from ecom_assets.interfaces.dashboard.formats import money
from ecom_assets.interfaces.dashboard.looking import kept_months
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View, address_of
from ecom_assets.interfaces.dashboard.pages.mapping import COMPARED, FILES
from ecom_assets.interfaces.dashboard.pages.mapping_files import (
    FilesParameters,
    chosen_uploads,
    looks_of,
    settings_as_said,
)

WORDS: Final = {
    "refunds": "what was paid back in the month",
    "taxes": "taxes",
    "shipping": "shipping",
    "discounts": "discounts",
    "cancelled": "orders that are no sales, such as cancelled ones",
    "refused": "rows that cannot be counted",
    "zone": "orders around midnight at the ends of the month, by another time zone",
}
"""Why an admin may show another number."""
AMOUNTS: Final = ("payment_amount", "tax_amount", "shipping_amount", "discount_amount")
"""The columns of order lines that the amounts of a month are sums of."""
DECIMALS: Final = 2


class CompareParameters(FilesParameters):
    """The files, which month, and what the shop's admin shows for it."""

    month: str | None = Field(None, pattern=r"^\d{4}-\d{2}$")
    amount: str | None = Field(None, max_length=40)


def compared(view: View) -> Block:
    """Return the form that asks what the admin shows, and the difference by reason."""
    uploads = chosen_uploads(view.request, view.filters.files)
    settings = settings_as_said(view.request, uploads)
    caller = caller_of(view.request.scope)
    uploads = [sent for sent in uploads if sight_of(sent, caller, "orders").shows(*AMOUNTS)]
    looks = looks_of(view.request, uploads)  # months are added up after a look, which this begins
    found = [(upload, kept_months(settings, upload)) for upload in uploads]
    known = [(upload, month) for upload, months in found for month in months or ()]
    is_coming = any(
        months is None and (look is None or (look.kind == "orders" and look.is_ready))
        for (_, months), look in zip(found, looks, strict=True)
    )
    if not known and is_coming:
        return Custom("upload_adding.html", {})
    named = dict.fromkeys(month.month for _, month in known)
    chosen = view.filters.month if view.filters.month in named else next(iter(named), "")
    shown = amount_of(view.filters.amount or "")
    return Custom(
        "upload_compare.html",
        {
            "files": view.filters.files,
            "months": [(name, _month_words(name)) for name in named],
            "chosen": chosen,
            "amount": view.filters.amount or "",
            "found": [
                _found(upload, month, shown) for upload, month in known if month.month == chosen
            ],
            "back": address_of(FILES, {"files": view.filters.files}),
        },
    )


def amount_of(text: str) -> Decimal | None:
    """Return an amount as people write it, such as 1,234.50, 1.234,50 or 1 234,50 €; None for an
    empty text.

    Raises:
        DefinitionError: It is not an amount.
    """
    kept = "".join(sign for sign in text if sign.isdigit() or sign in ",.-")
    if not text.strip():
        return None
    last = max(kept.rfind(","), kept.rfind("."))
    has_decimals = last >= 0 and len(kept) - last - 1 <= DECIMALS
    whole = kept[:last] if has_decimals else kept
    digits = whole.replace(",", "").replace(".", "")
    try:
        return Decimal(f"{digits}.{kept[last + 1 :] or 0}" if has_decimals else digits)
    except InvalidOperation as error:
        raise DefinitionError(f"{text!r} is not an amount; write it as 1234.50.") from error


def _found(upload: Upload, month: MonthOfFile, shown: Decimal | None) -> Answer:
    def words(amount: Decimal) -> str:
        return money(amount, month.currency)

    lines = [("Sold", words(month.sold_amount))]
    if month.refunded_amount:
        lines.append(("Paid back", words(-month.refunded_amount)))
    lines.append(("Counted: sold less paid back", words(month.counted_amount)))
    beside = [
        (f"{WORDS[name][:1].upper()}{WORDS[name][1:]}", words(amount))
        for name, amount in month.reasons.items()
        if name != "refunds"
    ]
    said = (
        None
        if shown is None
        else _explained_difference(month, shown, words(shown - month.counted_amount))
    )
    return {
        "upload": upload,
        "orders": month.order_count,
        "lines": lines,
        "beside": beside,
        "said": said,
    }


def _explained_difference(month: MonthOfFile, shown: Decimal, difference: str) -> tuple[str, str]:
    """Return a tone, and what the difference is."""
    names = month.explained(shown)
    if names is None:
        return "bad", (
            f"The difference is {difference}, and none of the amounts below is that much. See "
            "whether your admin shows the same month, the same kind of number, and all of the "
            "orders of this file."
        )
    if not names:
        return "good", "Your shop's admin shows the same."
    reasons = " and ".join(WORDS[name] for name in names)
    verb = "includes" if shown > month.counted_amount else "leaves out"
    return "good", f"The difference is {difference}: your admin's number {verb} {reasons}."


def _month_words(month: str) -> str:
    return f"{date.fromisoformat(f'{month}-01'):%B %Y}"


PAGE = DashboardPage(
    COMPARED,
    "Is it right?",
    group="Operation",
    is_listed=False,
    summary="Hold a month beside what your shop's own admin shows for it. You may leave this out.",
    asks=CompareParameters,
    needs_published=False,
    scripts=("uploads.js",),
    sections=(
        Section("A month", compared, is_titled=False, needs=(Scope.WRITE, "Looking at a file")),
    ),
)
