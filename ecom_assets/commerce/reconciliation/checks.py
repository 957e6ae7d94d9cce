"""Checks of reconciliation: causes add up to the difference, each restatement begins where the last
ended, and no day of ad spend lost much.
"""

import json
from datetime import date
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.marketing.account_zones import ACCOUNT
from ecom_assets.commerce.marketing.checks import OF_ACCOUNT, shown
from ecom_assets.commerce.marketing.contracts import ALL, AdSpend, AdSpendDaily, RawAdSpend
from ecom_assets.commerce.marketing.spend import totals_of_loads
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.contracts import (
    CAUSES,
    SUM_OF_MANY,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    PublishedDays,
    Restatements,
)
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.check import EXAMPLES, BrokenRows, CheckResult, check, rows_on_days
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.coverage import LEAST_COVERAGE
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import (
    NO,
    count_of,
    rows_of,
    union_all,
    union_distinct,
    value_of,
)
from ecom_assets.core.tables.received import NO_DAYS


@check(
    OrderEventReconciliationDaily,
    reads=(CleanEvents, UserOrderLog, OrderEventReconciliation, OrderEventReconciliationDaily),
)
def causes_add_up_to_the_difference(
    days: Days | None, events: ir.Table, lines: ir.Table, rows: ir.Table, daily: ir.Table
) -> BrokenRows:
    """Per day, orders less events are the differences by cause, exactly;
    each term is counted again.
    """
    events = events.filter(events.event_type.isin(("purchase", "refund")))
    # With events that record no purchases nothing is compared: `have_purchases`.
    is_compared = (daily.count().as_scalar() > 0) | (events.count().as_scalar() > 0)
    lines = lines.filter(is_compared)
    ordered = lines.payment_amount
    paid = events.cart_amount.fill_null(ibis.literal(0, MONEY))
    daily = daily.mutate(
        causes_amount=sum(
            (daily[f"{cause}_amount"] for cause in CAUSES), ibis.literal(0, MONEY)
        ).cast(MONEY)
    )
    terms = union_all(
        _term(
            lines, "order_date", "orders", (lines.status == "refunded").ifelse(-ordered, ordered)
        ),
        _term(events, "event_date", "events", (events.event_type == "refund").ifelse(-paid, paid)),
        _term(rows, "reconciled_date", "differences", rows.difference_amount),
        _term(daily, "reconciled_date", "orders", -daily.order_amount),
        _term(daily, "reconciled_date", "events", -daily.event_amount),
        _term(daily, "reconciled_date", "differences", -daily.difference_amount),
        _term(daily, "reconciled_date", "causes", daily.causes_amount - daily.difference_amount),
    )
    sums = (
        rows_on_days(terms, "day", days)
        .group_by("day", "term")
        .agg(residue=lambda t: t.money.sum().cast(MONEY))
    )
    return BrokenRows(sums.filter(sums.residue != 0), sums)


@check(Restatements, reads=(Restatements,))
def each_restatement_begins_where_the_last_ended(days: Days | None, logged: ir.Table) -> BrokenRows:
    """What a number was before a restatement is what the restatement before it left, but of tables
    whose small changes are logged as sums only, and where a day's sums were logged in between.
    """
    logged = rows_on_days(logged, "restated_date", days)
    logged = logged.filter(logged.table_name != AdSpendDaily.qualified_name())
    logged = _with_sums_before(logged)
    number = ["restated_date", "table_name", "row_key", "column_name", "sums_before"]
    in_order = ibis.window(group_by=number, order_by="restatement_number")
    # A null value means that there was no number, so only `is_first` shows that there is no earlier
    # entry.
    logged = logged.mutate(
        is_first=logged.restatement_number.lag().over(in_order).isnull(),
        left=logged.after_value.lag().over(in_order),
    )
    is_same = (logged.left == logged.before_value) | (
        logged.left.isnull() & logged.before_value.isnull()
    )
    return BrokenRows(logged.filter(~logged.is_first, ~is_same.fill_null(NO)), logged)


def _with_sums_before(logged: ir.Table) -> ir.Table:
    """Add how many writes before, or an entry's own, logged only the sums of a table's day."""
    write = ["restated_date", "table_name", "restatement_number"]
    has_sums = logged.row_key.contains(f'"{SUM_OF_MANY}"').ifelse(1, 0).max()
    writes = logged.group_by(*write).agg(has_sums=has_sums)
    in_order = ibis.cumulative_window(
        group_by=["restated_date", "table_name"], order_by="restatement_number"
    )
    writes = writes.select(*write, sums_before=writes.has_sums.sum().over(in_order))
    return logged.join(writes, write)


FEWEST = 10
"""Fewer customers or orders say nothing of how ids are spelled."""
SHOWN = 3


@check(OrderEventReconciliationDaily, reads=(CleanEvents, UserOrderLog, OrderVisits), warns=True)
def customers_are_visitors(
    _days: Days | None, events: ir.Table, lines: ir.Table, order_visits: ir.Table
) -> CheckResult:
    """Customers of the orders are users of the events, or their orders have visits, over all days
    that both know: if few are, the two spell ids differently, or nobody signs in to buy.
    """
    both = _days_of_both((lines, lines.order_date), (events, events.event_date))
    lines = rows_on_days(lines, "order_date", both)
    customers = (
        lines.filter(lines.customer_id != UNKNOWN_CUSTOMER).select(id="customer_id").distinct()
    )
    users = rows_on_days(events, "event_date", both)
    users = _buyers_or_users(users.filter(~users.is_bot))
    visitors = union_distinct(events.select(id="visitor_id"), order_visits.select(id="customer_id"))
    return _meeting(
        "customers of the orders is a visitor of the events",
        "no buyer has a user id: send the same id of the customer as orders have, or the number of "
        "the order, with each purchase event",
        _sizes(customers, users, customers.semi_join(visitors, "id")),
        customers.anti_join(visitors, "id"),
        users.anti_join(customers, "id").filter(~users.id.startswith(ANONYMOUS)),
    )


def _days_of_both(*sides: tuple[ir.Table, ir.DateValue]) -> Days:
    """Return the days from the later first day of two tables to the earlier last one."""
    ends = [rows_of(rows.agg(first=day.min(), last=day.max()))[0] for rows, day in sides]
    if any(end["first"] is None for end in ends):
        return NO_DAYS
    first, last = max(end["first"] for end in ends), min(end["last"] for end in ends)
    return Days.through(first, last)


@check(
    OrderEventReconciliationDaily,
    reads=(OrderEventReconciliationDaily, OrderEventReconciliation),
    warns=True,
)
def orders_have_their_events(_days: Days | None, daily: ir.Table, rows: ir.Table) -> CheckResult:
    """Orders have their purchase event, over all days that both know: if few have, the two spell
    the ids of orders differently, or events name none.
    """
    sold, recorded = daily.filter(daily.order_count > 0), daily.filter(daily.event_count > 0)
    both = _days_of_both((sold, sold.reconciled_date), (recorded, recorded.reconciled_date))
    daily = rows_on_days(daily, "reconciled_date", both)
    (sums,) = rows_of(
        daily.agg(
            orders=daily.order_count.sum(),
            events=daily.event_count.sum(),
            without=daily.missing_event_count.sum(),
        )
    )
    orders, told_count, without = (int(sums[name] or 0) for name in ("orders", "events", "without"))
    rows = rows_on_days(rows, "reconciled_date", both)
    left, right = (
        rows.filter(rows.cause == "missing_event"),
        rows.filter(rows.cause == "missing_order"),
    )
    return _meeting(
        "orders has its event",
        "no purchase event names an order: send the number of the order with each, in GA4 as "
        "transaction_id",
        (orders, told_count, orders - without),
        left.select(id="order_id").distinct(),
        right.filter(right.named_order_id.notnull()).select(id="named_order_id").distinct(),
    )


def _buyers_or_users(events: ir.Table) -> ir.Table:
    """Return the visitors who bought, by events;
    all users where events do not say who bought anything.
    """
    bought = events.filter(events.event_type == "purchase")
    is_said = bool(rows_of(bought.select("event_id").limit(1)))
    if is_said:
        return bought.select(id="visitor_id").distinct()
    return events.filter(events.user_id.notnull()).select(id="user_id").distinct()


def _sizes(left: ir.Table, right: ir.Table, both: ir.Table) -> tuple[int, int, int]:
    return count_of(left), count_of(right), count_of(both)


def _meeting(
    what: str, unnamed: str, sizes: tuple[int, int, int], orders: ir.Table, events: ir.Table
) -> CheckResult:
    """Return whether enough of the orders' side is on that of events, with examples if not.

    Args:
        what: What few are.
        unnamed: What is so where events have no id at all, and what to do.
        sizes: How many orders' side has, events' side, and both.
        orders: The ids of orders that are not on the other side.
        events: Those of events.
    """
    left, right, both = sizes
    # Of the smaller side, as events may be of a few visitors only who agreed or signed in.
    if min(left, right) < FEWEST or both >= LEAST_COVERAGE * min(left, right):
        return CheckResult(0, left)
    named = {
        name: [row["id"] for row in rows_of(ids.order_by("id").limit(SHOWN))]
        for name, ids in (("orders", orders), ("events", events))
    }
    examples = "; ".join(f"{name} have {', '.join(map(repr, ids))}" for name, ids in named.items())
    sentence = f"{both:,} of {left:,} {what}, as {unnamed}."
    if named["events"]:
        sentence = (
            f"{both:,} of {left:,} {what}: {examples}. If these are the same, say what the key is "
            "in both mappings (`key: address`, `number` or `text`), or map the columns that have "
            "the same ids."
        )
    rows = [{"side": name, "id": value} for name, ids in named.items() for value in ids]
    return CheckResult(left - both, left, rows, metadata={"sentence": sentence})


def _term(rows: ir.Table, day: str, term: str, money: ir.DecimalValue) -> ir.Table:
    return rows.select(day=day, term=ibis.literal(term), money=money.cast(MONEY))


@check(
    Restatements,
    reads=(AdSpend, RawAdSpend, AdSpendDaily, PublishedDays, Restatements),
    warns=True,
)
def spend_did_not_fall_by_half(
    _days: Days | None,
    spend: ir.Table,
    raw: ir.Table,
    daily: ir.Table,
    published: ir.Table,
    logged: ir.Table,
) -> CheckResult:
    """No account's day costs less than half of what was said of it before: by the load before its
    last one, or, where files are written again, by the run before the last one that changed it.
    """
    fallen, looked_at = _fallen_loads(spend, raw)
    restated, restated_count = _fallen_days(daily, published, logged)
    by_day = {tuple(row[name] for name in OF_ACCOUNT): row for row in [*restated, *fallen]}
    rows = [by_day[key] for key in sorted(by_day)]
    if not rows:
        return CheckResult(0, looked_at + restated_count)
    first = {name: shown(value) for name, value in rows[0].items()}
    sentence = (
        f"Days of accounts that cost less than half of what was said before: {len(rows)}, first "
        "{total} in place of {total_before} on {spend_date} of {platform} {account_id}; see "
        "whether what came last has all campaigns."
    ).format_map(first)
    evidence = {"sentence": sentence}
    return CheckResult(
        len(rows), max(looked_at + restated_count, len(rows)), rows[:EXAMPLES], metadata=evidence
    )


def _has_fallen(total: Decimal, before: Decimal) -> bool:
    return before >= 1 and total * 2 < before


def _fallen_loads(spend: ir.Table, raw: ir.Table) -> tuple[list[Row], int]:
    """Return the days of accounts that cost less than half of what the load before said, among the
    loads that came last, and how many these are.
    """
    newest = value_of(spend.received_date.max())
    if newest is None:
        return [], 0
    loads = totals_of_loads(raw)
    now = loads.filter(loads.place == 0, loads.load_date == newest)
    before = loads.filter(loads.place == 1)
    pairs = now.join(before, [*OF_ACCOUNT, "level"], rname="{name}_before")
    names = (*OF_ACCOUNT, "source_file", "total", "total_before")
    rows = rows_of(pairs.filter(pairs.total * 2 < pairs.total_before).select(*names))
    fallen = [row for row in rows if _has_fallen(row["total"], row["total_before"])]
    return fallen, count_of(now)


def _fallen_days(daily: ir.Table, published: ir.Table, logged: ir.Table) -> tuple[list[Row], int]:
    """Return the days of accounts that the last run with a change left with less than half, and how
    many it changed. Where so many rows changed that only days are logged, accounts are one.
    """
    name = AdSpendDaily.qualified_name()
    runs = published.filter(published.table_name == name)
    runs = runs.order_by([runs.published_at.desc(), runs.run_id.desc()]).select("run_id").limit(1)
    last = [row["run_id"] for row in rows_of(runs)]
    if not last:
        return [], 0
    changes = logged.filter(
        logged.table_name == name,
        logged.run_id == last[0],
        logged.column_name == "account_spend_amount",
    )
    changed: dict[tuple[date, str, str], Decimal] = {}
    for row in rows_of(changes.select("restated_date", "row_key", "before_value", "after_value")):
        account = json.loads(row["row_key"])
        key = (row["restated_date"], *(account.get(part, ALL) for part in ACCOUNT))
        less = Decimal(str(row["after_value"] or 0)) - Decimal(str(row["before_value"] or 0))
        changed[key] = changed.get(key, Decimal(0)) + less
    if not changed:
        return [], 0
    rows = rows_on_days(daily, "spend_date", Days.from_dates(key[0] for key in changed))
    sums = rows.group_by(*OF_ACCOUNT).agg(total=rows.account_spend_amount.sum())
    totals: dict[tuple[date, str, str], Decimal] = {}
    for row in rows_of(sums):
        for account in ((row["platform"], row["account_id"]), (ALL, ALL)):
            key = (row["spend_date"], *account)
            totals[key] = totals.get(key, Decimal(0)) + row["total"]
    fallen = []
    for key, less in changed.items():
        total = totals.get(key, Decimal(0))
        if _has_fallen(total, total - less):
            row = dict(zip(OF_ACCOUNT, key, strict=True))
            fallen.append(row | {"total": total, "total_before": total - less})
    return fallen, len(changed)


RECONCILIATION_CHECKS = [
    causes_add_up_to_the_difference,
    each_restatement_begins_where_the_last_ended,
    customers_are_visitors,
    orders_have_their_events,
    spend_did_not_fall_by_half,
]
"""All checks of reconciliation, in addition to the contracts."""
