"""Clean order lines: the reasons to reject a received line, and the rows that count.

A line can arrive again at any time, changed or not; `orders/versions.py` decides which copy counts.
On its arrival day, every received line is counted as clean, quarantined, surplus, held
(`orders/held_days.py`) or waiting (`orders/waiting_days.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.journeys.journeys import page_of
from ecom_assets.commerce.orders.contracts import (
    STATUSES,
    CustomerResearch,
    PriceLog,
    UserActivityLog,
    UserOrderLog,
)
from ecom_assets.commerce.orders.versions import (
    claimed_key,
    decided,
    line_key,
    linked,
    with_record,
)
from ecom_assets.core.tables.contract import AMOUNT, MONEY, QUANTITY
from ecom_assets.core.tables.copies import CopyRule, counted_copies
from ecom_assets.core.tables.currencies import SMALL_CURRENCIES, largest_amount
from ecom_assets.core.tables.days import Days, is_implausible
from ecom_assets.core.tables.placeholders import (
    MARKS,
    NO_CUSTOMERS,
    NO_PRODUCTS,
    UNKNOWN_CUSTOMER,
    is_missing,
    is_placeholder,
    known,
    stated,
)
from ecom_assets.core.tables.portable import NO, union_distinct
from ecom_assets.core.tables.received import BROKEN_PROOF, balance, breaks_proof, is_left_out
from ecom_assets.core.tables.values import FIRST_PLAUSIBLE, MAX_AMOUNT, MAX_QUANTITY

NONE = "(none)"
ALL = "(all)"
"""The value of totals; no city or category of a shop may have this name."""
REFUND_ITEM: Final = "refund"
"""The item of an amount that no item earned, which mappings write: no piece goes or comes back."""
WHOLE_ORDERS: Final = ("order", "payment")
"""The items of exports with an order a row, which mappings write: each is of many products."""
WITHOUT_ITEM: Final = (NONE, REFUND_ITEM)
"""The items of refunds of money for no item."""
CHARGES = ("shipping_amount", "tax_amount", "tip_amount")
"""What an order costs beside its items."""
PRICE_PARTS = ("gross_amount", "discount_amount")
"""What the price of a line is made of; it goes back with a refund."""
ORDER_COSTS = ("payment_fee_amount", "shipping_cost_amount")
"""What an order costs the shop, of a sale or a refund, on one of its lines."""
FLAGS = (
    "is_tax_included",
    "is_restocked",
    "is_renewal",
)
"""What a source may say of a line by yes or no."""
PROFIT_NUMBERS = (*PRICE_PARTS, "tax_rate", "unit_cost_amount", *ORDER_COSTS)
PROFIT_FIELDS = (
    *PRICE_PARTS,
    "discount_codes",
    "tax_rate",
    "is_tax_included",
    "unit_cost_amount",
    "payment_method",
    *ORDER_COSTS,
    "is_restocked",
)
"""What a source may say of a line beside what was paid, from which its profit is computed."""


@dataclass(frozen=True)
class OrderRule:
    """Which received order lines are clean.

    `max_amount` (money): the maximum of one line. A typing error beyond it would outweigh all other
    lines of the day; None for the maximum of the line's currency, or of `currency` where the line
    does not say one.
    `max_quantity` (items): a quantity beyond it is not known. `first_day`: the first plausible
    order day.
    """

    max_amount: Decimal | None = None
    max_quantity: int = MAX_QUANTITY
    first_day: date = FIRST_PLAUSIBLE
    currency: str = ""


def classify(raw: ir.Table, rule: OrderRule) -> ir.Table:
    """Add `reject_reason` (null for a clean line) to received order lines;
    a missing status becomes `shipped`.
    """
    raw = raw.mutate(status=raw.status.fill_null("shipped"))
    day_after = (raw.received_date + ibis.interval(days=1)).cast("date")
    has_implausible_date = is_implausible(raw.received_at, rule.first_day) | is_implausible(
        raw.ordered_at, rule.first_day
    )
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (is_left_out(raw), "left_out"),
        (has_implausible_date, "implausible_date"),
        (is_missing(raw.uniq_id), "missing_uniq_id"),
        (raw.ordered_at.isnull(), "unparseable_date_time"),
        (raw.order_date > day_after, "future_date_time"),
        (raw.customer_id.isnull(), "missing_customer"),
        (raw.payment_amount.isnull(), "missing_amount"),
        (raw.payment_amount < 0, "negative_amount"),
        (raw.payment_amount > _largest_amount(raw, rule), "amount_too_large"),
        (raw.status.notin(STATUSES), "unknown_status"),
        (breaks_proof(raw), BROKEN_PROOF),
        else_=ibis.null("string"),
    )
    return raw.mutate(reject_reason=reason)


def _largest_amount(raw: ir.Table, rule: OrderRule) -> ir.DecimalValue:
    """Return the highest amount that a line may have,
    by its currency unless the rule gives one for all.
    """
    if rule.max_amount is not None:
        return ibis.literal(rule.max_amount, AMOUNT)
    usual = largest_amount(rule.currency)
    by_amount: dict[Decimal, list[str]] = {}
    for code in SMALL_CURRENCIES:
        by_amount.setdefault(largest_amount(code), []).append(code)
    cases = [
        (raw.currency.isin(codes), ibis.literal(most, AMOUNT))
        for most, codes in sorted(by_amount.items())
    ]
    others = raw.currency.isnull() if usual != MAX_AMOUNT else NO
    result: ir.DecimalValue = ibis.cases(
        *cases, (others, ibis.literal(usual, AMOUNT)), else_=ibis.literal(MAX_AMOUNT, AMOUNT)
    )
    return result


def known_quantity(raw: ir.Table, rule: OrderRule) -> ir.DecimalValue:
    """Return how much of the item a line is about; null where it is not known, or cannot be.

    A refund may have its quantity below zero, because its status says already that it goes back.
    """
    quantity = (raw.status == "refunded").fill_null(NO).ifelse(raw.quantity.abs(), raw.quantity)
    is_possible = quantity.between(0, rule.max_quantity)
    result: ir.DecimalValue = is_possible.ifelse(quantity, ibis.null(QUANTITY)).cast(QUANTITY)
    return result


def unread_attributes(raw: ir.Table, rule: OrderRule) -> dict[str, ir.BooleanValue]:
    """Return, by its name, whether an attribute of a received line was sent and is not known,
    as a quantity of `some`.

    Such a line counts with its money; only the attribute is unknown.
    """
    unknown = {
        "quantity": known_quantity(raw, rule).isnull(),
        **{name: raw[name].isnull() for name in (*CHARGES, *PROFIT_NUMBERS, *FLAGS)},
    }
    received = {name: raw[f"received_{name}"] for name in unknown}
    return {
        name: received[name].notnull() & is_unknown & ~is_placeholder(received[name], MARKS)
        for name, is_unknown in unknown.items()
    }


def quarantined_orders(raw: ir.Table, order_rule: OrderRule, days: Days) -> ir.Table:
    """Return the lines that arrived on `days` and are not clean, as received,
    each with its first reject reason.
    """
    arrived = raw.filter(days.contain(raw.received_date))
    classified = classify(arrived.mutate(received_status=arrived.status), order_rule)
    refused = classified.filter(classified.reject_reason.notnull())
    return refused.mutate(status=refused.received_status).drop("received_status")


def user_order_log(
    raw: ir.Table,
    held: ir.Table | None,
    waiting: ir.Table | None,
    order_rule: OrderRule,
    days: Days,
) -> ir.Table:
    """Return the clean lines ordered on `days`, each once, without rows that are held or wait.

    Args:
        raw: All rows of `RawUserOrderLog`.
        held: All rows of `HeldOrderDays`; None where no day can be held.
        waiting: All rows of `WaitingOrderDays`; None where no line can wait.
        order_rule: Which lines are clean.
        days: Order days.
    """
    ordered = raw.filter(days.contain(raw.order_date))
    result = counted_rows(raw, held, waiting, order_rule, ordered)
    return as_clean_lines(result.filter(days.contain(result.order_date)), order_rule)


def lone_lines(classified: ir.Table, order_rule: OrderRule, days: Days) -> ir.Table:
    """Return what `user_order_log` does where no row is a copy, or another version, of a record.

    See `has_copies`; nothing is held and nothing waits.
    """
    rows = classified.filter(classified.reject_reason.isnull(), days.contain(classified.order_date))
    first_claim = ibis.literal(1, "int64")
    rows = rows.mutate(claim=first_claim, claim_count=first_claim, is_paid_back=NO)
    return as_clean_lines(rows, order_rule)


def has_copies(classified: ir.Table, *, are_lines: bool = False) -> ir.Table:
    """Return one row that says whether two received rows are of one record or line: `has_copies`.

    Rows that are neither clean nor of a record that the source names take no part. `are_lines` says
    that each row's record is its line, which is counted once then; see `other_records`.
    """
    rows = with_record(classified)
    rows = rows.filter(rows.record_id.notnull() | rows.reject_reason.isnull())
    counts = rows.agg(
        row_count=rows.count(),
        line_count=rows.uniq_id.nunique(),
        unnamed_count=rows.uniq_id.isnull().ifelse(1, 0).sum().fill_null(0),
        **({} if are_lines else {"record_count": rows.record.nunique()}),
    )
    record_count = counts.line_count if are_lines else counts.record_count
    named_count = counts.row_count - counts.unnamed_count
    return counts.select(
        has_copies=(record_count < counts.row_count) | (counts.line_count < named_count)
    )


def other_records(received: ir.Table) -> ir.Table:
    """Return the rows whose record is not their line."""
    return received.filter(
        received.record_id.notnull(), ~received.record_id.identical_to(received.uniq_id)
    )


def counted_rows(
    raw: ir.Table,
    held: ir.Table | None,
    waiting: ir.Table | None,
    rule: OrderRule,
    touched: ir.Table,
) -> ir.Table:
    """Return the received rows that count of each record that has a row in
    `touched`; see `decided`.
    """
    rows = let_in(raw, held, waiting, rule)
    result = decided(linked(rows, with_record(touched)))
    return result.filter(result.is_counted).mutate(status=result.received_status)


def as_clean_lines(lines: ir.Table, rule: OrderRule) -> ir.Table:
    """Return rows of `counted_rows` in the columns of `UserOrderLog`."""
    lines = lines.mutate(status=lines.status.fill_null("shipped"))
    order_id = _order_id(lines)
    lines = lines.mutate(
        customer_id=_is_unknown(lines).ifelse(UNKNOWN_CUSTOMER, lines.customer_id),
        uniq_id=line_key(lines),
        order_id=claimed_key(order_id, lines.claim),
        shared_order_id=(lines.claim_count > 1).ifelse(order_id, ibis.null("string")),
        quantity=known_quantity(lines, rule),
        item_id=_item_id(lines),
        item_name=known(lines.item_name, MARKS),
        vendor=known(lines.vendor, MARKS),
        order_keys=lines.order_keys.strip().nullif(""),
        landing_page=without_query(known(lines.landing_page, MARKS)),
        city_id=lines.city_id.nullif(ALL).fill_null(NONE),
        item_category=lines.item_category.nullif(ALL).fill_null(NONE),
        sales_channel=lines.sales_channel.nullif(ALL).fill_null(NONE),
    )
    return lines.select(*UserOrderLog.columns)


def _order_id(lines: ir.Table) -> ir.StringValue:
    """Return the order of received lines, of those that do not say it their customer and second."""
    # Lines of unknown customers at one instant need not be one order.
    of_customer = _is_unknown(lines).ifelse(lines.uniq_id, _customer_and_second(lines))
    return ibis.coalesce(stated(lines.order_id), of_customer)


def _customer_and_second(lines: ir.Table) -> ir.StringValue:
    second = lines.ordered_at.truncate("s").epoch_seconds().cast("int64").cast("string")
    return lines.customer_id.concat("-").concat(second)


def has_order_of_its_own(lines: ir.Table) -> ir.BooleanValue:
    """Return whether rows of `UserOrderLog` have an order that no source named."""
    return (lines.order_id == lines.uniq_id) | (lines.order_id == _customer_and_second(lines))


def _is_unknown(lines: ir.Table) -> ir.BooleanValue:
    return is_placeholder(lines.customer_id, (*NO_CUSTOMERS, UNKNOWN_CUSTOMER))


def _item_id(lines: ir.Table) -> ir.StringValue:
    return known(lines.item_id, NO_PRODUCTS).fill_null(NONE)


def without_query(page: ir.StringValue) -> ir.StringValue:
    """Return the address of a page without its query and fragment; null where nothing is left."""
    return page.re_extract("^[^?#]*", 0).nullif("")


def landing_page_of(page: ir.StringValue, patterns: Sequence[str]) -> ir.StringValue:
    """Return the address of a page without its query, or the first of some patterns that its path
    matches, such as `/product/*`; null where nothing is left.
    """
    address = without_query(page)
    if not patterns:
        return address
    matched = page_of(address, patterns)
    return matched.isin([*patterns]).ifelse(matched, address)


def is_without_item(lines: ir.Table) -> ir.BooleanValue:
    """Return whether rows of `UserOrderLog` are refunds of money for no item; what goes back of
    shipping, taxes or tips alone is none.
    """
    is_refund = (lines.status == "refunded") & lines.item_id.isin(WITHOUT_ITEM)
    return is_refund & (lines.payment_amount > 0)


def lines_as_events(lines: ir.Table) -> ir.Table:
    """Return rows of `UserOrderLog` with the columns that say who did what when,
    and the `amount` paid.

    Each is a `purchase`, or a `refund` with a negative amount.
    """
    is_refund = lines.status == "refunded"
    return lines.mutate(
        event_type=is_refund.ifelse("refund", "purchase"),
        visitor_id=lines.customer_id,
        event_id=lines.uniq_id,
        event_date=lines.order_date,
        event_at=lines.ordered_at,
        amount=is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY),
    )


def duplicate_orders(
    raw: ir.Table, held: ir.Table, waiting: ir.Table, order_rule: OrderRule, days: Days
) -> ir.Table:
    """Count the surplus copies that arrived on `days`, except those that are held or wait.

    Args:
        raw: All rows of `RawUserOrderLog`.
        held: All rows of `HeldOrderDays`.
        waiting: All rows of `WaitingOrderDays`.
        order_rule: Which lines are clean.
        days: Arrival days.
    """
    surplus = surplus_lines(raw, held, waiting, order_rule, days)
    unit = ("received_date", "order_date", "uniq_id", "kept_received_date", "kept_order_date")
    return surplus.group_by(*unit).agg(surplus_count=surplus.count())


def surplus_lines(
    raw: ir.Table, held: ir.Table, waiting: ir.Table, rule: OrderRule, days: Days
) -> ir.Table:
    """Return the surplus copies that arrived on `days`;
    the arguments are those of `duplicate_orders`.
    """
    rows = let_in(raw, held, waiting, rule)
    result = decided(linked(rows, rows.filter(days.contain(rows.received_date))))
    return result.filter(result.is_clean & ~result.is_counted, days.contain(result.received_date))


def order_key(lines: ir.Table) -> ir.StringValue:
    """Return the key of an order: its id and day,
    so that the counts of days add up to the count of a week.
    """
    return lines.order_date.cast("string").concat(" ").concat(lines.order_id)


def copies_of_arrivals(raw: ir.Table, waiting: ir.Table, rule: OrderRule, days: Days) -> ir.Table:
    """Return all clean rows, of any day,
    of the records of which runs over `days` change versions,
    and of the orders of which they change refunds without an item.
    """
    rows = versioned_rows(raw, rule)
    changed = _changed_records(rows, waiting, days).select("record").distinct()
    clean = _with_order_key(rows)
    refunds = clean.filter(is_without_item(clean)).semi_join(changed, "record")
    of_orders = clean.semi_join(refunds, "order_key").select("record").distinct()
    return clean.semi_join(union_distinct(changed, of_orders), "record")


def _with_order_key(rows: ir.Table) -> ir.Table:
    """Return the clean ones of received lines, with their items and orders as clean lines name
    these, but for which of several orders claims a number.
    """
    rows = rows.filter(rows.reject_reason.isnull())
    return rows.mutate(item_id=_item_id(rows), order_key=_order_id(rows))


def changed_order_days(
    raw: ir.Table, waiting: ir.Table, order_rule: OrderRule, days: Days
) -> ir.Table:
    """Return the arrival days among `days`, each with the order days that its run can change.

    These are the order days of all versions of the records that arrived, or that waited for the
    day, including held ones: holding or releasing a day changes the same order days as its arrival;
    and the days of refunds without an item of the same orders, which are spread over these.

    Args:
        raw: All rows of `RawUserOrderLog`.
        waiting: All rows of `WaitingOrderDays`.
        order_rule: Which lines are clean.
        days: Arrival days.
    """
    rows = versioned_rows(raw, order_rule)
    clean = _with_order_key(rows)
    # The few records of the days come first, so that all others are only looked through.
    changed = _changed_records(rows, waiting, days).rename(changed_record="record")
    copies = clean.select("record", "order_date", "order_key").join(
        changed, [("record", "changed_record")]
    )
    concerned = copies.select("run_date", concerned_key="order_key").distinct()
    refunds = clean.filter(is_without_item(clean)).select("order_key", "order_date")
    spread = refunds.join(concerned, [("order_key", "concerned_key")])
    return union_distinct(
        *(
            part.select(received_date="run_date", order_date="order_date")
            for part in (copies, spread)
        )
    )


def _changed_records(rows: ir.Table, waiting: ir.Table, days: Days) -> ir.Table:
    """Return the records that arrived on `days`, or waited for one of them,
    each with that day in `run_date`.
    """
    arrived = rows.filter(days.contain(rows.received_date)).select(
        "record", "uniq_id", run_date="received_date"
    )
    ended = waiting.filter(days.contain(waiting.waits_for_date)).select(
        "received_date", "order_date", "waits_for_date"
    )
    waited = rows.join(ended, ["received_date", "order_date"]).select(
        "record", "uniq_id", run_date="waits_for_date"
    )
    changed = union_distinct(arrived, waited)
    lines = changed.select("run_date", changed_line="uniq_id")
    of_lines = rows.select("uniq_id", "record").join(lines, [("uniq_id", "changed_line")])
    return union_distinct(
        changed.select("record", "run_date"), of_lines.select("record", "run_date")
    )


def changed_days(changed: ir.Table, days: Days) -> ir.Table:
    """Return the order days that arrivals of `days` can change, in a column `day`.

    Args:
        changed: All rows of `ChangedOrderDays`.
        days: Arrival days.
    """
    return changed.filter(days.contain(changed.received_date)).select(day="order_date").distinct()


def let_in(
    raw: ir.Table, held: ir.Table | None, waiting: ir.Table | None, rule: OrderRule
) -> ir.Table:
    """Return the rows of `versioned_rows` that did not arrive on a held day, and do not wait."""
    rows = versioned_rows(raw, rule)
    if held is not None:
        rows = rows.anti_join(held, rows.received_date == held.held_date)
    if waiting is not None:
        rows = rows.anti_join(
            waiting.filter(waiting.waiting_row_count > 0), ["received_date", "order_date"]
        )
    return rows


def versioned_rows(raw: ir.Table, rule: OrderRule) -> ir.Table:
    """Return received lines with their record, and their reject reason if they are not clean.

    A missing status becomes `shipped`; as received, it is in `received_status`.
    """
    return with_record(classify(raw.mutate(received_status=raw.status), rule))


def clean_lines(raw: ir.Table, rule: OrderRule) -> ir.Table:
    """Return the clean ones of received lines, every copy of each."""
    classified = classify(raw, rule)
    return classified.filter(classified.reject_reason.isnull()).drop("reject_reason")


def order_accounting(  # noqa: PLR0913, PLR0917 (each is a table or the days)
    days: Days | None,
    raw: ir.Table,
    clean: ir.Table,
    quarantined: ir.Table,
    surplus: ir.Table,
    held: ir.Table,
    waiting: ir.Table,
) -> ir.Table:
    """Return one row per day of arrival, in `day`, with the six counts and their `residue`,
    which must be zero.
    """
    return balance(
        days,
        {
            "received_count": (raw, "received_date", None),
            "clean_count": (clean, "received_date", None),
            "quarantined_count": (quarantined, "received_date", None),
            "surplus_count": (surplus, "received_date", "surplus_count"),
            "held_count": (held, "held_date", "held_row_count"),
            "waiting_count": (waiting, "received_date", "waiting_row_count"),
        },
    )


CLEAN = ibis.null("string")


def classified_activities(raw: ir.Table) -> ir.Table:
    """Add `reject_reason` to received activities; null for a clean one."""
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (raw.activity_at.isnull(), "unparseable_date_time"),
        (raw.activity_date != raw.received_date, "implausible_date"),
        (is_missing(raw.uniq_id), "missing_uniq_id"),
        (raw.action_id.isnull(), "missing_action"),
        (raw.customer_id.isnull(), "missing_customer"),
        (raw.received_quantity.notnull() & raw.quantity.isnull(), "unparseable_quantity"),
        (raw.quantity < 0, "negative_quantity"),
        else_=CLEAN,
    )
    return raw.mutate(reject_reason=reason)


def classified_research(raw: ir.Table) -> ir.Table:
    """Add `reject_reason` to received lines of market research; null for a clean one."""
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (raw.research_at.isnull(), "unparseable_date"),
        (raw.research_date != raw.received_date, "implausible_date"),
        (raw.category_id.isnull(), "missing_category"),
        (raw.geo_id.isnull(), "missing_place"),
        (raw.sales_quantity.isnull() | raw.sales_amount.isnull(), "unparseable_sales"),
        ((raw.sales_quantity < 0) | (raw.sales_amount < 0), "negative_sales"),
        else_=CLEAN,
    )
    return raw.mutate(reject_reason=reason)


def _activity_order(rows: ir.Table) -> list[ir.Value]:
    return [rows.activity_at, rows.action_id, rows.customer_id, rows.quantity]


ACTIVITY_COPIES: Final = CopyRule(("activity_date", "uniq_id"), _activity_order)
"""Of activities that differ under one id, the first by what they say counts."""


def _last_line(rows: ir.Table) -> list[ir.Value]:
    return [rows.record_number.desc()]


PRICE_COPIES: Final = CopyRule(("received_date", "item_name"), _last_line)
"""Of the prices of an item on one day, that of the last line counts."""


def user_activity_log(raw: ir.Table) -> ir.Table:
    """Return each clean activity once; of copies that differ, the first by what they say."""
    clean = _clean(classified_activities(raw))
    clean = (
        clean.mutate(quantity=clean.quantity.fill_null(1))
        .select(*UserActivityLog.columns)
        .distinct()
    )
    return counted_copies(clean, ACTIVITY_COPIES)


def customer_research(raw: ir.Table) -> ir.Table:
    """Return each clean line of market research once."""
    return _clean(classified_research(raw)).select(*CustomerResearch.columns).distinct()


def price_log(raw: ir.Table) -> ir.Table:
    """Return the price in the last line of each item and day."""
    return counted_copies(_clean(raw), PRICE_COPIES).select(*PriceLog.columns)


def _clean(classified: ir.Table) -> ir.Table:
    return classified.filter(classified.reject_reason.isnull())
