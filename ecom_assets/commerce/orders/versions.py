"""Which version of a record counts, whatever is in it:
one decision for all that is made of received order lines.

A record is an order where the source gives all of it at once, else a line. All of its rows that
arrived together are a version, and the newest replaces every row of the older ones, also if it is
shorter, left out or refused. Two orders that claim one number are a conflict instead: both count,
the later one under its number with ` (2)`. A line that comes again as refunded was sold before:
its sale stays, and the refund counts beside it, under its id with ` (refund)`.

Terms: docs/glossary.md#record and #version.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.tables.copies import COPY_NUMBER, CopyRule, numbered_copies
from ecom_assets.core.tables.placeholders import stated
from ecom_assets.core.tables.portable import NO, union_distinct

LONG_AGO: Final = ibis.timestamp("1970-01-01 00:00:00")
NO_DAY: Final = ibis.date("1970-01-01")
NOBODY: Final = ""
ARRIVED_BY: Final = ("uniq_id", "record_id", "source_file")
"""Texts that copies which are compared have in common, or are compared by before."""
RARE: Final = (
    "received_gross_amount",
    "received_discount_amount",
    "received_discount_codes",
    "discount_codes",
    "received_tax_rate",
    "received_is_tax_included",
    "received_unit_cost_amount",
    "payment_method",
    "received_payment_fee_amount",
    "received_shipping_cost_amount",
    "received_is_restocked",
    "vendor",
    "landing_page",
    "order_keys",
    "received_is_renewal",
)
"""Texts that most sources do not have: they are compared as one, as each sort key takes time."""
CONTENT: Final = tuple(
    name
    for name, column in RawUserOrderLog.columns.items()
    if column.type == "string" and name not in (*ARRIVED_BY, *RARE, "id")
)
"""What decides between copies that arrived together, in this order: every text of the contract,
then the rare ones and `id`, which says nothing about the order. All other columns are read from
these, or are compared before.
"""


def with_record(raw: ir.Table) -> ir.Table:
    """Add `record`: the record of each row;
    rows from before there were records, or of a record without a number, are lines of their own.
    """
    return raw.mutate(record=ibis.coalesce(stated(raw.record_id), raw.uniq_id))


def linked(rows: ir.Table, touched: ir.Table) -> ir.Table:
    """Return the rows of each record that has a row in `touched`, or a line of one.

    A line is in two records only if one of its rows was received before there were records.

    Args:
        rows: All rows, of `with_record`.
        touched: Some of them.
    """
    records = union_distinct(
        rows.semi_join(touched, "uniq_id").select("record"), touched.select("record")
    )
    return rows.semi_join(records, "record")


def decided(classified: ir.Table) -> ir.Table:
    """Return rows of whole records with what becomes of them.

    Added are `is_counted`, `claim` (the number, from 1, of the order among those that claim the
    record's id), `claim_count` and `is_paid_back` (whether it is the refund of a line that is sold
    under the same id); `kept_received_date` and `kept_order_date` are the days of the
    row that stays in place of the line, the former of its record where the line is in no version
    that stays.

    Args:
        classified: All rows of some records as of `with_record`, with `reject_reason`.
    """
    takes_part = stated(classified.record_id).notnull() | classified.reject_reason.isnull()
    rows = _with_claims(_with_units(classified.filter(takes_part)))
    rows = _with_sale_of_refund(_with_newest(rows))
    rows = _numbered(rows)
    line, record = ibis.window(group_by="uniq_id"), ibis.window(group_by="record")
    no_day = ibis.null("date")
    of_line = rows.is_counted.ifelse(rows.received_date, no_day).max().over(line)
    of_record = rows.is_newest.ifelse(rows.received_date, no_day).max().over(record)
    return rows.mutate(
        kept_received_date=ibis.coalesce(of_line, of_record),
        kept_order_date=rows.is_counted.ifelse(rows.order_date, no_day).max().over(line),
    )


def _with_units(rows: ir.Table) -> ir.Table:
    """Add what the rows of a record that arrived together have in common: day, instant,
    position and customer.
    """
    rows = rows.mutate(
        position=rows.record_number.fill_null(-1),
        is_clean=rows.reject_reason.isnull(),
    )
    unit = ibis.window(group_by=["record", "source_file", "position"])
    record = ibis.window(group_by="record")
    rows = rows.mutate(
        unit_date=rows.received_date.max().over(unit),
        unit_at=rows.received_at.max().over(unit).fill_null(LONG_AGO),
        unit_customer=rows.customer_id.max().over(unit),
        any_customer=rows.customer_id.min().over(record),
        first_placed_at=rows.placed_at.min().over(record),
        is_versioned=rows.changed_at.max().over(record).notnull(),
        changed=rows.changed_at.fill_null(LONG_AGO),
    )
    return rows.mutate(is_order=rows.first_placed_at.notnull())


def _with_claims(rows: ir.Table) -> ir.Table:
    """Add who claims the record's id: an order by its time,
    and by its customer where no version says its time.
    """
    who = ibis.coalesce(
        rows.customer_id, rows.unit_customer, rows.any_customer, ibis.literal(NOBODY)
    )
    has_customer = rows.is_order & ~rows.is_versioned
    return rows.mutate(
        placed=ibis.coalesce(rows.placed_at, rows.first_placed_at, LONG_AGO),
        who=has_customer.ifelse(who, NOBODY),
    )


CLAIM = ("record", "placed", "who")
MOMENT = ("changed", "moment_date", "moment_at", "moment_own_date")
"""When a version was made, and when it arrived."""


def _with_newest(rows: ir.Table) -> ir.Table:
    """Add `is_newest`: whether a row is of the newest version of its claim; and `file_key`,
    a claim of a file only.
    """
    # Lines of an order in a plain file say by their time of change alone that they are one version.
    is_loose = rows.is_order & (rows.position < 0) & rows.changed_at.notnull()
    # What was uploaded lies on its own days, and arrived when it was sent.
    arrived_date = ibis.greatest(rows.unit_date, rows.unit_at.date())
    rows = rows.mutate(
        is_loose=is_loose,
        moment_date=is_loose.ifelse(NO_DAY, arrived_date),
        moment_at=is_loose.ifelse(LONG_AGO, rows.unit_at),
        moment_own_date=is_loose.ifelse(NO_DAY, rows.unit_date),
        line_number=rows.is_order.ifelse(ibis.literal(-1, "int64"), rows.id_number.fill_null(-1)),
    )
    latest = [ibis.desc(rows[name]) for name in MOMENT]
    rows = rows.mutate(
        is_current=ibis.rank().over(ibis.window(group_by=CLAIM, order_by=latest)) == 0
    )
    in_file = ibis.window(
        group_by=[*CLAIM, "is_current", "source_file"],
        order_by=[ibis.desc(rows.line_number), ibis.desc(rows.position)],
    )
    rows = rows.mutate(is_last=rows.is_current & (ibis.rank().over(in_file) == 0))
    file = ibis.window(group_by=[*CLAIM, "is_last", "source_file"])
    amount = rows.payment_amount.cast("decimal(38, 4)")
    counts = rows.is_clean & rows.is_last
    shipped = (counts & (rows.status != "refunded")).ifelse(amount, 0).sum().over(file)
    refunded = (counts & (rows.status == "refunded")).ifelse(amount, 0).sum().over(file)
    amounts = shipped.cast("string").concat(" ").concat(refunded.cast("string"))
    says_amounts = rows.is_order & ~rows.is_versioned
    rows = rows.mutate(amounts=says_amounts.ifelse(amounts, ""))
    alike = ibis.window(group_by=[*CLAIM, "is_last", "amounts"])
    is_last_file = rows.source_file == rows.source_file.max().over(alike)
    rows = rows.mutate(
        is_newest=rows.is_last & (rows.is_loose | is_last_file),
        file_key=says_amounts.ifelse(rows.source_file, ""),
    )
    claim = ibis.window(group_by=[*CLAIM, "file_key", "is_newest"])
    return rows.mutate(has_clean=(rows.is_newest & rows.is_clean).ifelse(1, 0).max().over(claim))


def _with_sale_of_refund(rows: ir.Table) -> ir.Table:
    """Add `is_paid_back`, and count the newest sale of a line whose newest version is its refund.

    Such sources have a row for each state of a line, and write the newest only.
    """
    of_line = ~rows.is_order & rows.record.identical_to(rows.uniq_id) & rows.is_clean
    is_refunded = (rows.status == "refunded").fill_null(NO)
    rows = rows.mutate(
        is_refund=of_line & rows.is_newest & is_refunded, is_sale=of_line & ~is_refunded
    )
    has_refund = rows.is_refund.ifelse(1, 0).max().over(ibis.window(group_by="record")) == 1
    newest_first = [
        *(ibis.desc(rows[name]) for name in MOMENT),
        *(ibis.desc(key) for key in _file_keys(rows)),
    ]
    of_sales = ibis.window(group_by=["record", "is_sale"], order_by=newest_first)
    is_newest_sale = rows.is_sale & (ibis.rank().over(of_sales) == 0)
    is_sale_of_refund = has_refund & is_newest_sale
    rows = rows.mutate(
        is_newest=rows.is_newest | is_sale_of_refund,
        has_clean=is_sale_of_refund.ifelse(1, rows.has_clean),
    )
    has_sale = (rows.is_newest & rows.is_sale).ifelse(1, 0).max()
    return rows.mutate(
        is_paid_back=rows.is_refund & (has_sale.over(ibis.window(group_by="record")) == 1)
    ).drop("is_refund", "is_sale")


def _numbered(rows: ir.Table) -> ir.Table:
    """Add `claim` and `claim_count`, of which those that are not the first have another key;
    and `is_counted`.
    """
    in_record = ibis.window(
        group_by=["record", "is_newest"],
        order_by=[ibis.desc(rows.has_clean), rows.placed, rows.who, rows.file_key],
    )
    rows = rows.mutate(
        claim=rows.is_newest.ifelse(ibis.dense_rank().over(in_record) + 1, 1).cast("int64")
    )
    claims = (rows.is_newest & (rows.has_clean == 1)).ifelse(rows.claim, 1)
    rows = rows.mutate(claim_count=claims.max().over(ibis.window(group_by="record")).cast("int64"))
    rows = numbered_copies(rows, LINE_COPIES)
    is_counted = rows.is_newest & rows.is_clean & (rows[COPY_NUMBER] == 0)
    return rows.mutate(is_counted=is_counted).drop(COPY_NUMBER)


def _copy_order(rows: ir.Table) -> list[ir.Value]:
    """Return the sort keys of copies: those of the newest version, then the last to arrive."""
    is_newest = ibis.desc(rows.is_newest.ifelse(1, 0))
    return [is_newest, *(key.desc() for key in _arrival_keys(rows))]


LINE_COPIES: Final = CopyRule(("uniq_id", "claim", "is_paid_back"), _copy_order)
"""Which of the rows of `_numbered` counts of an order line."""


def _arrival_keys(copies: ir.Table) -> list[ir.Value]:
    # Engines sort nulls differently, so nulls are replaced. Copies that tie are equal in every
    # column.
    received_at = copies.received_at.fill_null(LONG_AGO)
    content = [copies[name].fill_null("") for name in CONTENT]
    rare = copies[RARE[0]].fill_null("")
    for name in RARE[1:]:
        rare = rare.concat("\t").concat(copies[name].fill_null(""))
    return [
        copies.received_date,
        received_at,
        *_file_keys(copies),
        copies.ordered_at.fill_null(LONG_AGO),
        *content,
        rare,
        copies.id.fill_null(""),
    ]


def _file_keys(copies: ir.Table) -> list[ir.Value]:
    """Return where a row stands among those that arrived together."""
    return [copies.source_file, copies.id_number.fill_null(-1), copies.position]


REFUND_MARK: Final = " (refund)"


def line_key(lines: ir.Table) -> ir.StringValue:
    """Return the id of rows of `decided` as clean lines have it."""
    key = claimed_key(lines.uniq_id, lines.claim)
    return lines.is_paid_back.ifelse(key.concat(REFUND_MARK), key)


def received_line_key(lines: ir.Table) -> ir.StringValue:
    """Return the id that clean lines were received with, from `line_key`."""
    return received_key(lines.uniq_id.re_replace(r" \(refund\)$", ""), lines.shared_order_id)


def claimed_key(key: ir.StringValue, claim: ir.IntegerValue) -> ir.StringValue:
    """Return an id as orders that claim it have it: the first as it is, the second with ` (2)`."""
    return (claim > 1).ifelse(key.concat(" (").concat(claim.cast("string")).concat(")"), key)


def received_key(key: ir.StringValue, shared_id: ir.StringValue) -> ir.StringValue:
    """Return an id as it was received, from `claimed_key`;
    `shared_id` is null where the record is its order's own.
    """
    return shared_id.notnull().ifelse(key.re_replace(r" \([0-9]+\)$", ""), key)
