"""Renewals: orders that subscriptions made by themselves, which no ad brought.

Terms: docs/glossary.md#renewal; docs/metrics/marketing.md.
"""

import ibis.expr.types as ir

from ecom_assets.commerce.orders.new_customers import renewal_orders


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
