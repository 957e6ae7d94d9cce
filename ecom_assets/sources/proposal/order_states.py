"""What the states of orders mean for a mapping: which are sales, which were paid back, and which never were orders."""

from dataclasses import dataclass
from typing import Final

from ecom_assets.sources.proposal.fields import Found
from ecom_assets.sources.proposal.questions import quoted, quoted_list
from ecom_assets.sources.proposal.values import FileValues
from ecom_assets.warehouse.sql_text import texts

REFUNDED: Final = ("refund", "return", "retour", "erstattet", "gutschrift", "rembours", "devuel", "reembols")
NO_SALE: Final = (
    "cancel", "storn", "annul", "abgebrochen", "fail", "fehlgeschlagen", "pending", "unpaid", "draft", "entwurf",
    "checkout-draft", "trash", "voided", "expired", "declined", "abgelehnt", "échou", "impay",
)  # fmt: skip
"""Parts of words for what was paid back, and for what never was a sale, as shops' own reports leave it out."""


@dataclass(frozen=True)
class OrderStates:
    """The column of the state and its values with their rows, by what they mean.

    `are_final` if a line that was paid back has one row, whose state was that of a sale before: it is a sale and a
    refund then. Otherwise the refund is a row of its own.
    """

    column: str
    group: str
    spread: str
    refunded: dict[str, int]
    no_sale: dict[str, int]
    sold: dict[str, int]
    are_final: bool
    is_text: bool

    @property
    def shape_lines(self) -> list[str]:
        """Return the lines about the kinds of rows, and about those that are left out."""
        lines = []
        if self.are_final:
            rows = self.spread or ("lines" if self.is_text else ".")
            states = quoted_list(list(self.refunded))
            lines += [f"group_by: {quoted_list([self.group])}"] if self.is_text else []
            lines += [
                "rows:",
                f"  sale: {quoted(rows)}",
                f"  refund: {{list: {quoted(rows)}, where: {{{quoted(self.column)}: {states}}}}}  # check this",
            ]
        elif self.spread:
            lines += ["rows:", f"  line: {quoted(self.spread)}"]
        if self.no_sale:
            states = quoted_list(list(self.no_sale))
            condition = f"{{column: {quoted(self.column)}, in: {states}, optional: true}}"
            lines += ["leave_out:", f"  not_a_sale: {condition}  # {sum(self.no_sale.values()):,} rows; check this"]
        return lines

    @property
    def field_lines(self) -> list[str]:
        """Return the lines of the state, which follow those of the other fields."""
        if self.are_final:
            return ["  status: {by_row: {sale: {constant: shipped}, refund: {constant: refunded}}}"]
        lines = [f"  {quoted(name)}: refunded  # {count:,} rows; check this" for name, count in self.refunded.items()]
        lines += [f"  {quoted(name)}: shipped  # {count:,} rows" for name, count in (self.sold | self.no_sale).items()]
        return ["statuses:", *lines]


def rows_lines(values: FileValues) -> list[str]:
    """Return the lines that say which list has the rows; none where each record is one."""
    return ["rows:", f"  line: {quoted(values.spread)}"] if values.spread else []


def order_states(values: FileValues, matches: Found) -> OrderStates | None:
    """Return the states of orders; None if no column has them."""
    if "status" not in matches:
        return None
    status = matches["status"].value
    counts = dict(values.counts(status, 50))
    refunded = {name: count for name, count in counts.items() if _has(name, REFUNDED)}
    no_sale = {name: count for name, count in counts.items() if name not in refunded and _has(name, NO_SALE)}
    sold = {name: count for name, count in counts.items() if name not in refunded | no_sale}
    order = matches.get("order_id") or matches[next(iter(matches))]
    can_shape = values.format != "parquet" and status.is_column and order.value.is_column
    return OrderStates(
        status.path[0],
        order.value.path[0],
        values.spread,
        refunded,
        no_sale,
        sold,
        are_final=can_shape and bool(refunded) and not _has_rows_of_refunds(values, matches, list(refunded)),
        is_text=values.format == "csv",
    )


def _has(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name.casefold() for part in parts)


def _has_rows_of_refunds(values: FileValues, matches: Found, refunded: list[str]) -> bool:
    """Return whether refunds are rows of their own: their amounts are below zero, or stand beside those of sales."""
    is_refund = f"list_contains({texts(refunded)}, {matches['status'].value.column})"
    amount = matches.get("payment_amount") or matches.get("unit_price")
    is_below = f"{amount.value.column} LIKE '-%'" if amount else "false"
    line = [matches[name].value.column for name in ("order_id", "item_id") if name in matches]
    if values.scalar(f"count(*) FILTER ({is_refund} AND {is_below})"):
        return True
    if not line:
        return False
    lines = f"count(DISTINCT ({', '.join(line)}))"
    refunds = f"{lines} FILTER ({is_refund})"
    sales = f"{lines} FILTER (NOT coalesce({is_refund}, false))"
    # Some lines can be twice in an order; refunds are rows of their own if most of them have a sale beside them.
    return bool(values.scalar(f"2 * ({refunds} + {sales} - {lines}) >= {refunds}"))
