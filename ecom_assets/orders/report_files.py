"""The other files of an order report: activities, market research and prices; which of their lines are clean.

A line that is not clean stays in its raw table, and a check counts such lines by reason.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.orders.contracts import CustomerResearch, PriceLog, UserActivityLog

CLEAN = ibis.null("string")


def classified_activities(raw: ir.Table) -> ir.Table:
    """Add `reject_reason` to received activities; null for a clean one."""
    reason = ibis.cases(
        (raw.malformed_row.notnull(), "malformed_row"),
        (raw.activity_at.isnull(), "unparseable_date_time"),
        (raw.activity_date != raw.received_date, "implausible_date"),
        (raw.uniq_id.isnull(), "missing_uniq_id"),
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


def user_activity_log(raw: ir.Table) -> ir.Table:
    """Return each clean activity once; of copies that differ, the first by what they say."""
    clean = _clean(classified_activities(raw))
    clean = clean.mutate(quantity=clean.quantity.fill_null(1)).select(*UserActivityLog.columns).distinct()
    order = [clean.activity_at, clean.action_id, clean.customer_id, clean.quantity]
    keyed = clean.mutate(place=ibis.row_number().over(group_by=["activity_date", "uniq_id"], order_by=order))
    return keyed.filter(keyed.place == 0).drop("place")


def customer_research(raw: ir.Table) -> ir.Table:
    """Return each clean line of market research once."""
    return _clean(classified_research(raw)).select(*CustomerResearch.columns).distinct()


def price_log(raw: ir.Table) -> ir.Table:
    """Return the price in the last line of each item and day."""
    clean = _clean(raw)
    order = [clean.record_number.desc()]
    keyed = clean.mutate(place=ibis.row_number().over(group_by=["received_date", "item_name"], order_by=order))
    return keyed.filter(keyed.place == 0).select(*PriceLog.columns)


def _clean(classified: ir.Table) -> ir.Table:
    return classified.filter(classified.reject_reason.isnull())
