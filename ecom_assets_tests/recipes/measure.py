"""A measure: how many order lines were sold. It stands at the end of `SalesMeasures`."""

from ecom_assets.commerce.sales.measures import SHIPPED
from ecom_assets.core.tables.contract import Aggregate, Ratio, count, per_unit


class SalesMeasures:
    """What was sold and paid back."""

    line_count = count(
        "How many order lines were sold", "Lines", Aggregate(where=SHIPPED), unit="lines"
    )
    items_per_line = per_unit(
        "Items sold divided by lines",
        "Items per line",
        Ratio("sold_item_count", "line_count"),
        unit="items",
    )
