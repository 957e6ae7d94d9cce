"""Checks of events: the accounting of received rows, new event types, and amounts.

Each term is counted in the table that holds it, so that no table vouches for itself.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.clean import CleaningRule, accounting, has_unread_amount
from ecom_assets.behaviour.events.contracts import (
    EVENT_TYPES,
    IDENTITY_TYPES,
    CleanEvents,
    DuplicateEvents,
    QuarantinedEvents,
    RawEvents,
)
from ecom_assets.behaviour.events.queries import conflict_rows, event_text, shared_ids, unrated_text
from ecom_assets.behaviour.events.same_order import order_of
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.check import (
    EXAMPLES,
    BrokenRows,
    CheckResult,
    TableCheck,
    check,
    rows_on_days,
    unread_values,
)
from ecom_assets.core.tables.contract import AMOUNT
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.tables.portable import NO, count_of, rows_of


def accounting_check(late_days: int) -> TableCheck:
    """Return the check that every received row is clean, quarantined or surplus.

    It is blocking: the marts are not computed if it fails.
    """
    return TableCheck(
        contract=CleanEvents,
        name="received_is_clean_plus_quarantined_plus_surplus",
        description="Per day, received rows = clean events + quarantined rows + surplus copies.",
        function=partial(_evaluate, late_days),
        tables=(RawEvents, CleanEvents, QuarantinedEvents, DuplicateEvents),
        blocking=True,
    )


def _evaluate(late_days: int, days: Days | None, *tables: ir.Table) -> BrokenRows:
    per_day = accounting(days, late_days, *tables)
    return BrokenRows(per_day.filter(per_day.residue != 0), per_day)


def amounts_check(rule: CleaningRule) -> TableCheck:
    """Return the check that the amounts of events can be read.

    It warns only, because events without an amount still count.
    """
    return TableCheck(
        contract=RawEvents,
        name="amounts_can_be_read",
        description=(
            "Amounts of events are numbers, and no larger than an amount may be; else they "
            "are not known."
        ),
        function=partial(_unread_amounts, rule),
        tables=(RawEvents,),
        warns=True,
    )


def _unread_amounts(rule: CleaningRule, days: Days | None, raw: ir.Table) -> CheckResult:
    rows = rows_on_days(raw, "received_date", days)
    unread = {"cart_value": has_unread_amount(rows, rule)}
    return unread_values(
        rows, unread, ("source_file", "event_type", "cart_value"), _unread_sentence
    )


def _unread_sentence(received: int, unread: Mapping[str, int], first: NamedValues) -> str:
    return (
        f"Of {received:,} received events, {unread['cart_value']:,} have an amount that cannot be "
        f"read, or cannot be, such as {first['cart_value']!r} of a {first['event_type']}; the "
        "events count, and their amounts are not known, so that sums lack them. Correct the "
        "source or its mapping (or ECOM_MAX_AMOUNT), and run again."
    )


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def no_event_type_is_new(days: Days | None, clean: ir.Table) -> BrokenRows:
    """No type beyond the platform's own appears for the first time in the run's days."""
    events = rows_on_days(clean, "event_date", days)
    types = events.group_by("event_type").agg(event_count=events.count())
    earlier = clean.filter(clean.event_date < min(days.dates) if days else NO)
    if not count_of(earlier.limit(1)):
        return BrokenRows(types.filter(NO), types)
    own = types.filter(types.event_type.notin((*EVENT_TYPES, *IDENTITY_TYPES)))
    return BrokenRows(own.anti_join(earlier.select("event_type").distinct(), "event_type"), types)


def standard_type(event_type: str) -> str | None:
    """Return the standard type that an event type misspells by case, blanks or hyphens, or None."""
    spelled = re.sub(r"[\s\-]+", "_", event_type.strip().lower())
    return spelled if spelled in EVENT_TYPES and spelled != event_type else None


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def standard_types_are_spelled_so(days: Days | None, clean: ir.Table) -> CheckResult:
    """No event type differs from a standard one by case, blanks or hyphens only, as `Purchase`."""
    events = rows_on_days(clean, "event_date", days)
    types = events.group_by("event_type").agg(event_count=events.count())
    rows = rows_of(types.order_by(types.event_count.desc(), "event_type"))
    spelled = {
        row["event_type"]: standard
        for row in rows
        if (standard := standard_type(row["event_type"]))
    }
    found = [row for row in rows if row["event_type"] in spelled]
    if not found:
        return CheckResult(0, len(rows))
    named = ", ".join(
        f"{row['event_type']} ({row['event_count']:,} events; did you mean "
        f"{spelled[row['event_type']]}?)"
        for row in found[:EXAMPLES]
    )
    mapping = ", ".join(
        f"{row['event_type']}: {spelled[row['event_type']]}" for row in found[:EXAMPLES]
    )
    sentence = (
        "Event types are the shop's own, and count in no funnel, cart or sale of the standard "
        f"types: {named}. If they are these, say event_types: {{{mapping}}} in the mapping of the "
        "events (--events-mapping), and run again."
    )
    return CheckResult(len(found), len(rows), found[:EXAMPLES], metadata={"sentence": sentence})


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def purchases_have_amounts(days: Days | None, clean: ir.Table) -> BrokenRows:
    """Some purchases have an amount; if none has, map its column to `cart_value`."""
    purchases = rows_on_days(clean, "event_date", days).filter(
        lambda event: event.event_type == "purchase"
    )
    counts = purchases.group_by("event_type").agg(
        purchase_count=purchases.count(), amount_count=purchases.cart_amount.count()
    )
    return BrokenRows(counts.filter(counts.amount_count == 0), counts)


@check(CleanEvents, reads=(DuplicateEvents, CleanEvents), warns=True)
def rows_of_an_id_agree(days: Days | None, duplicates: ir.Table, clean: ir.Table) -> CheckResult:
    """Rows of one event id agree in who, what and amount; others are different events."""
    looked_at = count_of(rows_on_days(duplicates, "event_date", days))
    events = rows_on_days(shared_ids(duplicates), "event_date", days)
    (counts,) = rows_of(
        events.agg(event_count=events.count(), id_count=events.source_event_id.nunique())
    )
    if not counts["event_count"]:
        return CheckResult(0, looked_at)
    order = ["event_date", "source_event_id", "event_id"]
    shown = conflict_rows(
        rows_on_days(clean, "event_date", days), events.order_by(order).limit(EXAMPLES)
    )
    # Without who they are of: examples are in logs and in messages.
    examples = rows_of(shown.select(*order, "event_type", "cart_amount", "sent_by").order_by(order))
    same_id = [row for row in examples if row["source_event_id"] == examples[0]["source_event_id"]]
    sentence = (
        f"{counts['event_count']:,} events share {counted(counts['id_count'], 'id')} and disagree "
        f"in who, what or amount, such as {'; '.join(map(event_text, same_id))}. All of them "
        "count, the later ones under their id, ~ and a hash. If one is not yours, look at who sent "
        "it; else give each event an id of its own."
    )
    return CheckResult(counts["event_count"], looked_at, examples, metadata={"sentence": sentence})


@check(CleanEvents, reads=(CleanEvents,), warns=True)
def purchases_of_an_order_agree(days: Days | None, clean: ir.Table) -> CheckResult:
    """Purchases that name one order are of one visitor; those of one product have one amount."""
    events = rows_on_days(clean, "event_date", days).filter(
        lambda event: event.event_type == "purchase"
    )
    named = events.mutate(order=order_of(events)).filter(lambda event: event.order.notnull())
    amounts = named.group_by("order", product=named.product_id.fill_null("")).agg(
        visitor_count=named.visitor_id.nunique(), amount_count=named.cart_amount.nunique()
    )
    orders = amounts.group_by("order").agg(
        visitor_count=amounts.visitor_count.max(), amount_count=amounts.amount_count.max()
    )
    orders = orders.filter((orders.visitor_count > 1) | (orders.amount_count > 1))
    broken = named.semi_join(orders, "order")
    order_count, looked_at = count_of(orders), count_of(named)
    if not order_count:
        return CheckResult(0, looked_at)
    shown = broken.order_by(["order", "event_at", "event_id"]).limit(EXAMPLES)
    # Without the order and who it is of: examples are in logs and in messages.
    columns = ["event_date", "event_id", "event_type", "cart_amount", "sent_by"]
    rows = rows_of(shown.select("order", *columns))
    examples = [{name: row[name] for name in columns} for row in rows]
    same = [row for row in rows if row["order"] == rows[0]["order"]]
    sentence = (
        f"{counted(order_count, 'order is', 'orders are')} named by purchases of several visitors "
        f"or of different amounts, such as {'; '.join(map(event_text, same))}. All of them count. "
        "If one is not yours, look at who sent it; else send each order's number once."
    )
    return CheckResult(count_of(broken), looked_at, examples, metadata={"sentence": sentence})


PLAIN_NUMBER: Final = r"^[+-]?[0-9]{1,13}([.][0-9]{1,9})?$"
"""Numbers that every engine casts to an amount."""


@check(RawEvents, reads=(RawEvents,), warns=True)
def amounts_have_a_rate(days: Days | None, raw: ir.Table) -> CheckResult:
    """Amounts are in the shop's currency or in one with a rate; others are not known."""
    rows = rows_on_days(raw, "received_date", days)
    unrated = rows.filter(rows.unrated_currency.notnull())
    is_sale = (unrated.event_type == "purchase") & unrated.cart_value.re_search(PLAIN_NUMBER)
    sold = is_sale.fill_null(NO).ifelse(unrated.cart_value, ibis.null("string")).cast(AMOUNT)
    counts = unrated.mutate(sold_amount=sold).group_by("unrated_currency")
    counts = counts.agg(
        event_count=lambda event: event.count(),
        purchase_amount=lambda event: event.sold_amount.sum(),
    )
    by_currency = rows_of(counts.order_by(counts.event_count.desc(), "unrated_currency"))
    if not by_currency:
        return CheckResult(0, count_of(rows))
    total = sum(row["event_count"] for row in by_currency)
    sentence = (
        f"The amounts of {total:,} events are not known, for want of a rate: "
        f"{unrated_text(by_currency)}. The events count; add the rates to the file of ECOM_RATES "
        "and set ECOM_CURRENCY, then run these days again."
    )
    evidence = {"sentence": sentence}
    return CheckResult(total, count_of(rows), by_currency[:EXAMPLES], metadata=evidence)
