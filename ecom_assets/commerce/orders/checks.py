"""Checks of orders: gates in front of what is built on them, held days,
and the accounting of lines.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import partial

import dagster as dg
import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.contracts import (
    DuplicateOrders,
    HeldOrderDays,
    QuarantinedOrders,
    RawCustomerResearch,
    RawPriceLog,
    RawUserActivityLog,
    RawUserOrderLog,
    UserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.held_days import held_day_entry, hold_reason
from ecom_assets.commerce.orders.orders import (
    CHARGES,
    FLAGS,
    PROFIT_NUMBERS,
    OrderRule,
    classified_activities,
    classified_research,
    clean_lines,
    has_order_of_its_own,
    order_accounting,
    unread_attributes,
)
from ecom_assets.commerce.orders.versions import linked, with_record
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.check import (
    EXAMPLES,
    HELD_DAYS,
    BrokenRows,
    CheckResult,
    TableCheck,
    check,
    rows_on_days,
    unread_values,
)
from ecom_assets.core.tables.contract import MONEY, Contract
from ecom_assets.core.tables.days import Days, listed_days
from ecom_assets.core.tables.formats import amount, counted
from ecom_assets.core.tables.portable import NO, count_of, rows_of, value_of, values_of
from ecom_assets.core.tables.received import is_left_out
from ecom_assets.core.tables.received_files import OF_UPLOADS

ACCOUNTED = (
    RawUserOrderLog,
    UserOrderLog,
    QuarantinedOrders,
    DuplicateOrders,
    HeldOrderDays,
    WaitingOrderDays,
)
"""The tables of `order_accounting`, in the order of its arguments."""
CENT = ibis.literal("0.01").cast(MONEY)
"""By how much shares of a line may be rounded."""
HIGH_FEE_PERCENT = 20


def order_checks(
    rule: OrderRule,
    customers_over: int,
    *,
    by_day: bool | None,
    uploaded_days: Callable[[], Collection[date]] = frozenset,
) -> list[TableCheck]:
    """Return the checks about what arrived: days that are held back, or gates before everything.

    Args:
        rule: Which lines are clean.
        customers_over: How many customers a report must exceed.
        by_day: Whether each day is evaluated by itself, so that others go on; else a run's lines
            are one report. None where orders come one by one: there is no report that could be
            incomplete.
        uploaded_days: Returns the days of uploads beside the reports: a run over some of them may
            have no line of a report.
    """
    gates = (
        [no_order_day_is_held]
        if by_day
        else []
        if by_day is None
        else _gates_of_a_run(customers_over, uploaded_days)
    )
    of_orders = [
        attributes_check(rule),
        order_numbers_are_unique,
        orders_have_one_customer,
        refunds_are_of_sales,
        refunds_are_no_more_than_sales,
        discounts_are_within_prices,
        discounts_add_up_to_orders,
        fees_are_small,
    ]
    return [*gates, amounts_are_of_one_currency, *of_orders, received_lines_are_accounted_for]


def _gates_of_a_run(
    customers_over: int, uploaded_days: Callable[[], Collection[date]]
) -> list[TableCheck]:
    return [
        TableCheck(
            contract=RawUserOrderLog,
            name="report_was_generated",
            description="The order report is there and holds lines.",
            function=partial(_is_there, uploaded_days),
            tables=(RawUserOrderLog,),
            blocking=True,
        ),
        TableCheck(
            contract=RawUserOrderLog,
            name="report_has_enough_customers",
            description=f"The order report holds more than {customers_over} customers.",
            function=partial(_has_customers, customers_over, uploaded_days),
            tables=(RawUserOrderLog,),
            blocking=True,
        ),
    ]


@check(HeldOrderDays, reads=(HeldOrderDays,))
def no_order_day_is_held(days: Days | None, held: ir.Table) -> CheckResult:
    """No day of the run is held back for a missing order report, or for too few customers in it."""
    listed = rows_of(held.order_by("held_date"))
    of_run = [row for row in listed if days is None or row["held_date"] in days.dates]
    looked_at = len(days.dates) if days else len(listed)
    every = {HELD_DAYS: dg.MetadataValue.json([held_day_entry(row) for row in listed])}
    evidence = every | ({"sentence": _held_sentence(of_run)} if of_run else {})
    return CheckResult(
        len(of_run),
        looked_at,
        [held_day_entry(row) for row in of_run[:EXAMPLES]],
        metadata=evidence,
    )


def _held_sentence(held: Sequence[NamedValues]) -> str:
    first, *later = held
    more = f" (and {counted(len(later), 'more day')}, which `ecom status` lists)" if later else ""
    better = "its report" if first["reason"] == "report_missing" else "a report of more customers"
    remedy = f"load {better}, or let the day in with `ecom release orders {first['held_date']}`"
    if first["reason"] != "report_missing" and first["limit_count"]:
        remedy += "; for a small shop, set ECOM_ORDER_CUSTOMERS_OVER lower"
    why = hold_reason(first)
    return (
        f"The order lines of {first['held_date']}{more} are held back and count nowhere: {why}; "
        f"{remedy}."
    )


@check(
    UserOrderLog,
    reads=ACCOUNTED,
    blocking=True,
)
def received_lines_are_accounted_for(
    days: Days | None, raw: ir.Table, *outcomes: ir.Table
) -> BrokenRows:
    """Per day of arrival, received lines = clean + quarantined + surplus
    copies + held + waiting lines.
    """
    if days is not None:
        # A version that arrives replaces one that arrived on another day, so that day changes too.
        rows = with_record(raw)
        copies = (
            linked(rows, rows_on_days(rows, "received_date", days))
            .select("received_date")
            .distinct()
        )
        days = Days.from_dates([*days.dates, *values_of(copies.received_date)])
    per_day = order_accounting(days, raw, *outcomes)
    return BrokenRows(per_day.filter(per_day.residue != 0), per_day)


def attributes_check(rule: OrderRule) -> TableCheck:
    """Return the check that what lines say beside their money can be read; it warns,
    because the lines count.
    """
    return TableCheck(
        contract=RawUserOrderLog,
        name="attributes_can_be_read",
        description=(
            "Quantities, and amounts of shipping, taxes and tips, can be read; else they are "
            "not known."
        ),
        function=partial(_unread_attributes, rule),
        tables=(RawUserOrderLog,),
        warns=True,
    )


def _unread_attributes(rule: OrderRule, days: Days | None, raw: ir.Table) -> CheckResult:
    lines = clean_lines(rows_on_days(raw, "received_date", days), rule)
    shown = (
        "source_file",
        "received_quantity",
        *(f"received_{name}" for name in (*CHARGES, *PROFIT_NUMBERS, *FLAGS)),
    )
    return unread_values(lines, unread_attributes(lines, rule), shown, _unread_sentence)


def _unread_sentence(received: int, unread: Mapping[str, int], first: NamedValues) -> str:
    del first
    named = ", ".join(f"{name} of {count:,}" for name, count in unread.items())
    return (
        f"Of {received:,} order lines, these values cannot be read, or cannot be: {named}. The "
        "lines count with their money, and the values are not known; correct the source or its "
        "mapping, and run again."
    )


@check(UserOrderLog, reads=(UserOrderLog,), blocking=True)
def amounts_are_of_one_currency(days: Days | None, lines: ir.Table) -> CheckResult:
    """All order lines that say their currency say the same, whenever they were loaded,
    so that sums mean something.
    """
    del days
    counts = lines.group_by("currency").agg(line_count=lines.count())
    rows = rows_of(counts.order_by("currency"))
    currencies = [row for row in rows if row["currency"] is not None]
    return CheckResult(
        max(len(currencies) - 1, 0), sum(row["line_count"] for row in rows), currencies[:EXAMPLES]
    )


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def order_numbers_are_unique(days: Days | None, lines: ir.Table) -> CheckResult:
    """No two orders claim one number: with another customer, time of placing,
    or amount in files of one day.
    """
    shared = lines.filter(lines.shared_order_id.notnull())
    of_run = (
        shared
        if days is None
        else shared.semi_join(rows_on_days(shared, "order_date", days), "shared_order_id")
    )
    orders = of_run.group_by("shared_order_id", "order_id").agg(
        ordered_at=of_run.ordered_at.min(),
        payment_amount=of_run.payment_amount.sum(),
        currency=of_run.currency.max(),
        file=of_run.source_file.min(),
    )
    listed = rows_of(orders.order_by("shared_order_id", "order_id"))
    numbers = {row["shared_order_id"] for row in listed}
    looked_at = value_of(rows_on_days(lines, "order_date", days).order_id.nunique())
    examples = [{**row, "ordered_at": str(row["ordered_at"])} for row in listed[:EXAMPLES]]
    return CheckResult(
        len(numbers), looked_at, examples, metadata=_shared_sentence(listed, len(numbers))
    )


def _shared_sentence(listed: Sequence[NamedValues], number_count: int) -> dict[str, str]:
    if not listed:
        return {}
    claims = [row for row in listed if row["shared_order_id"] == listed[0]["shared_order_id"]]
    each = " and ".join(
        f"{amount(row['payment_amount'], row['currency'] or '')} of {row['ordered_at']} in "
        f"{row['file']}"
        for row in claims
    )
    numbers = counted(number_count, "order number is", "order numbers are")
    sentence = (
        f"{numbers} claimed by several orders, for example {listed[0]['shared_order_id']}: "
        f"{each}; all of them count. If they come from several shops, say which with `shop` in "
        "the mapping; if one order was exported twice, remove the older file."
    )
    return {"sentence": sentence}


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def orders_have_one_customer(days: Days | None, lines: ir.Table) -> CheckResult:
    """No order has lines of several customers: then its number is that of several orders,
    or of something else.
    """
    of_run = (
        lines
        if days is None
        else lines.semi_join(rows_on_days(lines, "order_date", days), "order_id")
    )
    orders = of_run.group_by("order_id").agg(
        customer_count=of_run.customer_id.nunique(),
        line_count=of_run.count(),
        payment_amount=of_run.payment_amount.sum(),
    )
    mixed = orders.filter(orders.customer_count > 1).order_by(
        ibis.desc("customer_count"), "order_id"
    )
    looked_at = count_of(orders)
    broken = count_of(mixed)
    examples = rows_of(mixed.limit(EXAMPLES))
    return CheckResult(
        broken, looked_at, examples, metadata=_mixed_sentence(examples, broken, looked_at)
    )


def _mixed_sentence(mixed: Sequence[NamedValues], count: int, looked_at: int) -> dict[str, str]:
    if not mixed:
        return {}
    most = mixed[0]
    sentence = (
        f"{count:,} of {looked_at:,} orders have lines of several customers, such as "
        f"{most['order_id']} with {most['customer_count']:,} customers and {most['line_count']:,} "
        "lines, so orders are too few and their average too high; see that `order_id` of the "
        "mapping is the number of an order, and that no spreadsheet has shortened it to 5.6E+12."
    )
    return {"sentence": sentence}


@check(UserOrderLog, reads=(RawUserOrderLog, UserOrderLog), warns=True)
def refunds_are_of_sales(days: Days | None, raw: ir.Table, lines: ir.Table) -> CheckResult:
    """No money was paid back for an order that was not sold: one that the mapping leaves out as no
    sale, or of which no sale was received.
    """
    of_run = rows_on_days(lines, "order_date", days)
    refunds = of_run.filter(of_run.status == "refunded")
    left_out = raw.filter(is_left_out(raw) & (raw.status.fill_null("shipped") != "refunded"))
    left_out_orders = left_out.select(left_out_id="order_id").distinct()
    sold = lines.filter(lines.status != "refunded")
    # A line that names no order is one of its own, which no sale can have.
    unsold = refunds.filter(~has_order_of_its_own(refunds)).anti_join(sold, "order_id")
    unsold = unsold.left_join(left_out_orders, unsold.order_id == left_out_orders.left_out_id)
    orders = unsold.group_by("order_id").agg(
        is_left_out=unsold.left_out_id.notnull().ifelse(1, 0).max(),
        payment_amount=unsold.payment_amount.sum(),
        currency=unsold.currency.max(),
    )
    causes = orders.group_by("is_left_out").agg(
        order_count=orders.count(),
        payment_amount=orders.payment_amount.sum(),
        currency=orders.currency.max(),
        example=orders.order_id.min(),
    )
    looked_at = value_of(refunds.order_id.nunique())
    found = sorted(rows_of(causes), key=lambda row: -row["is_left_out"])
    if not found:
        return CheckResult(0, looked_at)
    examples = rows_of(
        orders.select("order_id", "payment_amount").order_by("order_id").limit(EXAMPLES)
    )
    return CheckResult(
        sum(int(row["order_count"]) for row in found),
        looked_at,
        examples,
        metadata={"sentence": " ".join(map(_unsold_sentence, found))},
    )


def _unsold_sentence(cause: NamedValues) -> str:
    """Return what was paid back for orders that were not sold, of one cause, and what to do."""
    paid_back = amount(cause["payment_amount"], cause["currency"] or "")
    if cause["is_left_out"]:
        orders_named = (
            "1 order that counts as no sale"
            if cause["order_count"] == 1
            else f"{cause['order_count']:,} orders that count as no sales"
        )
        return (
            f"{paid_back} were paid back for {orders_named}, such as {cause['example']}, so that "
            "revenue lacks them twice; leave such orders in a state that is a sale, or leave their "
            "refunds out in the mapping, and run again."
        )
    return (
        f"{paid_back} were paid back for {counted(int(cause['order_count']), 'order')} of which no "
        f"sale was received, such as {cause['example']}, so that revenue is too low by as much; "
        "load the days on which they were sold, too."
    )


@check(UserOrderLog, reads=(RawUserOrderLog, UserOrderLog), warns=True)
def refunds_are_no_more_than_sales(
    days: Days | None, raw: ir.Table, lines: ir.Table
) -> CheckResult:
    """No order pays back more than was paid for its goods; else amounts of refunds have something
    in them that those of sales have not, such as a tax. Goods and refunds of one moment, as of an
    exchange at a till, and amounts in a foreign currency, whose rates change, are left out.
    """
    refunds = rows_on_days(lines, "order_date", days)
    refunds = refunds.filter(refunds.status == "refunded")
    converted = raw.filter(raw.received_currency.upper() != raw.currency)
    of_orders = lines.semi_join(refunds, "order_id").anti_join(converted, "order_id")
    is_refund = of_orders.status == "refunded"
    orders = of_orders.group_by("order_id").agg(
        sold_amount=of_orders.payment_amount.sum(where=~is_refund).cast(MONEY),
        refunded_amount=of_orders.payment_amount.sum(where=is_refund).cast(MONEY),
        sold_at=of_orders.ordered_at.min(where=~is_refund),
        refunded_at=of_orders.ordered_at.max(where=is_refund),
        currency=of_orders.currency.max(),
    )
    orders = orders.filter(orders.sold_at < orders.refunded_at)
    wrong = orders.filter(orders.refunded_amount > orders.sold_amount + CENT)
    sums = rows_of(
        wrong.agg(
            order_count=wrong.count(),
            sold_amount=wrong.sold_amount.sum(),
            refunded_amount=wrong.refunded_amount.sum(),
            currency=wrong.currency.max(),
        )
    )[0]
    looked_at = count_of(orders)
    if not sums["order_count"]:
        return CheckResult(0, looked_at)
    shown = wrong.select("order_id", "sold_amount", "refunded_amount").order_by("order_id")
    examples = rows_of(shown.limit(EXAMPLES))
    sentence = _excess_sentence(sums, str(examples[0]["order_id"]))
    return CheckResult(
        int(sums["order_count"]), looked_at, examples, metadata={"sentence": sentence}
    )


def _excess_sentence(sums: NamedValues, example: str) -> str:
    """Return how much more was paid back than was paid, and what to do."""
    sold, refunded = (
        amount(sums[name], sums["currency"] or "") for name in ("sold_amount", "refunded_amount")
    )
    return (
        f"{refunded} were paid back for {counted(int(sums['order_count']), 'order')} whose goods "
        f"were sold for {sold}, such as {example}; see whether amounts of refunds have tax or "
        "postage in them that those of sales have not (`payment_amount` of the mapping), and run "
        "again. What a shop gave beyond the price is right as it is."
    )


def _shipped(days: Days | None, lines: ir.Table) -> ir.Table:
    of_run = rows_on_days(lines, "order_date", days)
    return of_run.filter(of_run.status == "shipped")


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def discounts_are_within_prices(days: Days | None, lines: ir.Table) -> BrokenRows:
    """No line's discount is above its price before discounts; else one of the two is another
    column.
    """
    shipped = _shipped(days, lines)
    stated = shipped.filter(shipped.discount_amount.notnull(), shipped.gross_amount.notnull())
    wrong = stated.filter(stated.discount_amount > stated.gross_amount)
    return BrokenRows(
        wrong.select("order_id", "item_id", "gross_amount", "discount_amount").order_by(
            "order_id", "item_id"
        ),
        stated,
    )


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def discounts_add_up_to_orders(days: Days | None, lines: ir.Table) -> BrokenRows:
    """The discounts of an order's lines add up to what was paid less than its prices; else a
    discount of the whole order is on no line, or on several.
    """
    shipped = _shipped(days, lines)
    has_both = (shipped.discount_amount.notnull() & shipped.gross_amount.notnull()).fill_null(NO)
    orders = shipped.group_by("order_date", "order_id").agg(
        line_count=shipped.count(),
        stated_count=has_both.ifelse(1, 0).sum(),
        gross_amount=shipped.gross_amount.sum().cast(MONEY),
        discount_amount=shipped.discount_amount.sum().cast(MONEY),
        payment_amount=shipped.payment_amount.sum().cast(MONEY),
    )
    orders = orders.filter(orders.line_count == orders.stated_count)
    unstated = orders.gross_amount - orders.discount_amount - orders.payment_amount
    most_by_rounding = orders.line_count * CENT
    # What is paid above the prices is a fee, such as for wrapping; but where it is no more than the
    # discounts, some were not taken off, such as that of the order, which each of its lines states.
    surplus = -unstated
    is_twice = (surplus > most_by_rounding) & (surplus <= orders.discount_amount)
    wrong = orders.filter((unstated > most_by_rounding) | is_twice)
    shown = ("order_id", "gross_amount", "discount_amount", "payment_amount")
    return BrokenRows(wrong.select(*shown).order_by("order_id"), orders)


@check(UserOrderLog, reads=(UserOrderLog,), warns=True)
def fees_are_small(days: Days | None, lines: ir.Table) -> BrokenRows:
    """No order's payment costs more than 20 % of what was paid; else fees are in another unit."""
    shipped = _shipped(days, lines)
    orders = shipped.group_by("order_date", "order_id").agg(
        payment_fee_amount=shipped.payment_fee_amount.sum().cast(MONEY),
        paid_amount=(
            shipped.payment_amount
            + shipped.shipping_amount.fill_null(0)
            + shipped.tax_amount.fill_null(0)
        )
        .sum()
        .cast(MONEY),
    )
    orders = orders.filter(orders.payment_fee_amount.notnull(), orders.paid_amount > 0)
    wrong = orders.filter(orders.payment_fee_amount * 100 > orders.paid_amount * HIGH_FEE_PERCENT)
    return BrokenRows(
        wrong.select("order_id", "payment_fee_amount", "paid_amount").order_by("order_id"), orders
    )


def report_checks(refused_share: float) -> list[TableCheck]:
    """Return the checks that most lines of the report's other files are clean;
    a failure blocks the clean tables.
    """
    return [
        TableCheck(
            contract=raw,
            name="most_lines_are_clean",
            description=(
                f"No more than a share of {refused_share:g} of {raw.qualified_name()} is refused."
            ),
            function=partial(_mostly_clean, refused_share, raw, classify),
            tables=(raw,),
            blocking=True,
        )
        for raw, classify in REPORT_FILES
    ]


REPORT_FILES: tuple[tuple[Contract, Callable[[ir.Table], ir.Table]], ...] = (
    (RawUserActivityLog, classified_activities),
    (RawCustomerResearch, classified_research),
    (RawPriceLog, lambda raw: raw),
)
"""The raw tables, each with the function that adds the reason to refuse a line."""


def _mostly_clean(
    share: float,
    contract: Contract,
    classify: Callable[[ir.Table], ir.Table],
    days: Days | None,
    raw: ir.Table,
) -> CheckResult:
    lines = classify(rows_on_days(raw, "received_date", days))
    counts = rows_of(lines.group_by("reject_reason").agg(line_count=lines.count()))
    total = sum(row["line_count"] for row in counts)
    refused = {row["reject_reason"]: row["line_count"] for row in counts if row["reject_reason"]}
    number, limit = sum(refused.values()), int(total * share)
    examples: list[dict[str, object]] = [
        {"reject_reason": name, "lines": n} for name, n in sorted(refused.items())
    ]
    if number <= limit:
        return CheckResult(0, total, examples[:EXAMPLES], observed=number, limit=limit)
    reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(refused.items()))
    sentence = (
        f"Of {total:,} lines in {contract.qualified_name()}, {number:,} were refused ({reasons}), "
        f"more than ECOM_GATE_REFUSED_SHARE={share:g} allows; look at the report's file, and load "
        "it again with `ecom run --orders api`."
    )
    return CheckResult(
        1, total, examples[:EXAMPLES], observed=number, limit=limit, metadata={"sentence": sentence}
    )


def _is_there(
    uploaded_days: Callable[[], Collection[date]], days: Days | None, raw: ir.Table
) -> CheckResult:
    result = count_of(rows_on_days(raw, "received_date", days))
    if result or _is_of_uploads(uploaded_days, days, raw):
        return CheckResult(0, result, observed=result, limit=1)
    sentence = (
        f"No order line arrived{_on(days)}, so that nothing is built on orders; load the orders "
        "of these days, or run other days (`--from`, `--to`)."
    )
    metadata: dict[str, object] = {"sentence": sentence}
    return CheckResult(1, result, _missing(days), observed=result, limit=1, metadata=metadata)


def _is_of_uploads(
    uploaded_days: Callable[[], Collection[date]], days: Days | None, raw: ir.Table
) -> bool:
    """Return whether a run is over days of uploads, and none of its lines is of a report."""
    if days is None or set(days.dates).isdisjoint(uploaded_days()):
        return False
    lines = rows_on_days(raw, "received_date", days)
    is_uploaded = lines.source_file.startswith(OF_UPLOADS).fill_null(NO)
    return not count_of(lines.filter(~is_uploaded))


def _has_customers(
    over: int, uploaded_days: Callable[[], Collection[date]], days: Days | None, raw: ir.Table
) -> CheckResult:
    lines = rows_on_days(raw, "received_date", days)
    counts = lines.agg(customer_count=lines.customer_id.nunique(), line_count=lines.count())
    ((customers, line_count),) = (row.values() for row in rows_of(counts))
    if customers > over or _is_of_uploads(uploaded_days, days, raw):
        return CheckResult(0, customers, observed=customers, limit=over)
    remedy = (
        "load a report of more customers, or set ECOM_ORDER_GATE=day, which holds back such days "
        "only"
    )
    if over:
        remedy += f"; for a small shop, set ECOM_ORDER_CUSTOMERS_OVER lower than {customers:,}"
    sentence = (
        f"The {line_count:,} order lines{_on(days)} have "
        f"{counted(customers, 'customer')}, and {over:,} or fewer are too few, so that "
        f"nothing is built on orders; {remedy}."
    )
    metadata: dict[str, object] = {"sentence": sentence}
    return CheckResult(
        1, customers, _missing(days), observed=customers, limit=over, metadata=metadata
    )


def _on(days: Days | None) -> str:
    """Return the days of a run as a part of a sentence; nothing for all days."""
    return f" on {listed_days(days)}" if days else ""


def _missing(days: Days | None) -> list[dict[str, object]]:
    return [{"newest_day": days.dates[-1].isoformat()}] if days else []
