"""Renewals: orders that subscriptions made by themselves, which no ad brought.

Terms: docs/glossary.md#renewal; docs/metrics/marketing.md.
"""

import ibis.expr.types as ir

from ecom_assets.core.tables.portable import NO


def renewal_orders(rows: ir.Table, order: str) -> ir.Table:
    """Return the ids of renewals, in a column `renewal_id`.

    An order is a renewal where any of its lines says so, as a refund may not repeat it.

    Args:
        rows: All rows of a table of orders with `is_renewal`, such as `Conversions` or `Sales`.
        order: The column with the order's id.
    """
    said = rows.filter(rows.is_renewal.fill_null(NO))
    return said.select(renewal_id=order).distinct()


def only_renewals(credit: ir.Table, conversions: ir.Table) -> ir.Table:
    """Return the credit of renewals and of their refunds.

    Args:
        credit: Rows with a `conversion_id`, such as those of `CampaignCredit`.
        conversions: All rows of `Conversions`.
    """
    renewals = renewal_orders(conversions, "conversion_id")
    return credit.semi_join(renewals, credit.conversion_id == renewals.renewal_id)


def without_renewals(credit: ir.Table, conversions: ir.Table) -> ir.Table:
    """Return the credit of all other orders and refunds; the arguments are as above."""
    renewals = renewal_orders(conversions, "conversion_id")
    return credit.anti_join(renewals, credit.conversion_id == renewals.renewal_id)
