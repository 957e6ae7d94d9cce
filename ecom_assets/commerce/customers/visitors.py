"""Which visitors are which customer: those in whose visits orders of the customer were placed.

The visitor of an event stays what identity says (ADR 30, 59); what asks for the visits of a
customer reads these pairs. Who is too many people at once joins nobody.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.commerce.attribution.order_sums import BY_ORDER_ID
from ecom_assets.commerce.customers.contracts import CustomerVisitors
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import first_of_each, union_all


def customer_visitors(order_visits: ir.Table, identity_rule: IdentityRule) -> ir.Table:
    """Return rows of `CustomerVisitors`, from all rows of `OrderVisits`.

    A visitor of as many customers as a device may have users joins nobody: a till, or a device that
    many use. Nor does a customer of as many visitors as a user may have devices within some days:
    an agency's address.
    """
    pairs = order_visits.filter(
        order_visits.visitor_id != order_visits.customer_id,
        order_visits.customer_id != UNKNOWN_CUSTOMER,
    )
    # What names the order is more certain than who bought for as much at the time.
    named_first = [pairs.event_date, (pairs.matched_by == BY_ORDER_ID).ifelse(0, 1), pairs.event_id]
    first = first_of_each(pairs, ["customer_id", "visitor_id"], named_first)
    first = first.select("customer_id", "visitor_id", "matched_by", since_date="event_date")
    shared = first.group_by("visitor_id").agg(reached=first.customer_id.nunique())
    shared = shared.filter(shared.reached >= identity_rule.device_users)
    days = ibis.interval(days=identity_rule.user_devices_days)
    later = first.select(of_customer="customer_id", later_date="since_date")
    near = first.join(
        later,
        [
            first.customer_id == later.of_customer,
            later.later_date >= first.since_date,
            later.later_date < (first.since_date + days).cast("date"),
        ],
    )
    many = near.group_by("customer_id", "visitor_id").agg(reached=near.count())
    many = many.filter(many.reached >= identity_rule.user_devices)
    joined = first.anti_join(shared, "visitor_id").anti_join(many, "customer_id")
    return joined.select(*CustomerVisitors.columns)


def with_customers(rows: ir.Table, pairs: ir.Table) -> ir.Table:
    """Return rows of visitors for each customer that the visitor is, in place of the visitor: of
    the visitor with the customer's id, and of those in `pairs`, rows of `CustomerVisitors`.
    """
    known = pairs.select("customer_id", came_as="visitor_id")
    joined = rows.join(known, rows.visitor_id == known.came_as)
    columns = [name for name in rows.columns if name != "visitor_id"]
    return union_all(
        rows.select(*columns, "visitor_id"), joined.select(*columns, visitor_id="customer_id")
    )
