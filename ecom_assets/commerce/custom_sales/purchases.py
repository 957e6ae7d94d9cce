"""Purchase events in place of order lines, where there is not a single order line: each is an order
of one item, as in `mart.purchase_revenue_daily`.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.new_customers import with_first_paid
from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.commerce.sales.contracts import City, Customer, Sales
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.commerce.sales.sales import PLACE_NAMES, purchases_and_refunds, sales_of_events
from ecom_assets.core.tables.contract import AMOUNT, QUANTITY, Contract
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.core.tables.places import UNKNOWN, Places
from ecom_assets.core.tables.portable import schema_of

MEASURES_OF_PURCHASES: Final = frozenset(measures_of(SalesMeasures))
"""The measures that purchase events have."""
COLUMNS_OF_PURCHASES: Final = frozenset(
    {
        "uniq_id",
        "order_id",
        "ordered_at",
        "order_date",
        "customer_id",
        "item_id",
        "item_category",
        "status",
        "quantity",
        "revenue_amount",
    }
)
"""The columns of `Sales` that purchase events have values of."""


PLACE: Final = tuple(PLACE_NAMES)
"""The columns of a place."""


def sales_of_purchases(events: ir.Table, places: Places | None) -> ir.Table:
    """Return the purchases and refunds of `CleanEvents` as rows of `Sales`; what events do not say
    is null, or `(none)`.

    With `places`, `city_id` names the place of the event, and its columns are `PLACE`, too: names
    are found in properties, which takes time.
    """
    nothing = ibis.literal(NONE)
    if places is None:
        return _sales(sales_of_events(events), nothing)
    sold = sales_of_events(purchases_and_refunds(events, places))
    is_known = ibis.or_(*(sold[name] != UNKNOWN for name in PLACE))
    city_id = is_known.ifelse(ibis.literal(" / ").join([sold[name] for name in PLACE]), nothing)
    return _sales(sold, city_id, PLACE)


def cities_of_purchases(sold: ir.Table) -> ir.Table:
    """Return the places of `sales_of_purchases` as rows of `City` without the rest."""
    return _filled(sold.select("city_id", *PLACE).distinct(), City)


def _sales(sold: ir.Table, city_id: ir.StringValue, more: tuple[str, ...] = ()) -> ir.Table:
    """Return purchases and refunds as rows of `Sales`, with more of their columns."""
    nothing = ibis.literal(NONE)
    return _filled(
        sold.select(
            "customer_id",
            "status",
            *more,
            uniq_id="event_id",
            order_id="event_id",
            ordered_at="event_at",
            order_date="event_date",
            item_id=sold.product_id.fill_null(NONE),
            item_category=sold.product_category.fill_null(NONE),
            city_id=city_id,
            quantity=sold.quantity.cast(QUANTITY),
            revenue_amount=sold.revenue_amount.cast(AMOUNT),
            **dict.fromkeys(("channel", "sales_channel"), nothing),
        ),
        Sales,
        more,
    )


def customers_of_purchases(sold: ir.Table) -> ir.Table:
    """Return the days of each customer's first purchase and of the first one that was paid for, as
    rows of `Customer` without the rest.

    Args:
        sold: Rows of `sales_of_purchases`.
    """
    is_shipped = sold.status == "shipped"
    first = sold.group_by("customer_id").agg(first_order_date=sold.order_date.min(where=is_shipped))
    return _filled(with_first_paid(first, sold.mutate(is_refund=~is_shipped)), Customer)


def _filled(rows: ir.Table, contract: Contract, more: tuple[str, ...] = ()) -> ir.Table:
    """Return rows with all columns of a contract, null where they have none, and some more."""
    missing = {
        name: ibis.null(kind.copy(nullable=True))
        for name, kind in schema_of(contract).items()
        if name not in rows.columns
    }
    return rows.mutate(**missing).select(*contract.columns, *more)
