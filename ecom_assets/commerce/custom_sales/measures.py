"""The measures that can be asked of sales: those of sales, charges, discounts and profit."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from ecom_assets.commerce.costs.measures import ProfitMeasures
from ecom_assets.commerce.sales.measures import ChargeMeasures, DiscountMeasures, SalesMeasures
from ecom_assets.core.tables.contract import Aggregate, Column, Ratio
from ecom_assets.core.tables.measures import measures_added, measures_of


class CustomSalesMeasures(SalesMeasures, ChargeMeasures, ProfitMeasures):
    """What order lines say of sales; where two subjects declare one, that of sales counts.

    Revenue is that of `mart.revenue_daily`, and net sales are those of `mart.profit_daily`, which
    take off returns and no goodwill: gross sales - discounts - returns = net sales, and net sales -
    goodwill = revenue.
    """

    discount_rate = DiscountMeasures.discount_rate
    net_sales_amount = replace(
        ProfitMeasures.revenue_amount,
        description="What customers paid, less returns; goodwill is taken off revenue only",
        counted_as=Aggregate("net_sales_amount", is_sum=True),
    )
    shipping_amount = replace(
        ChargeMeasures.shipping_amount,
        description="What customers paid for shipping, less what was paid back, by the line that "
        "says it",
    )


MEASURES: Final[Mapping[str, Column]] = {
    name: measures_of(CustomSalesMeasures)[name]
    for declared in (SalesMeasures, ChargeMeasures, CustomSalesMeasures)
    for name in measures_of(declared)
}
"""The measures, those of sales first."""


def parts_of(names: Iterable[str]) -> list[str]:
    """Return the measures that some follow from: themselves, or the two that each is the ratio of.

    They are in the order in which measures are declared.
    """
    needed = {part for name in names for part in measures_added(name, MEASURES[name])}
    return [name for name in MEASURES if name in needed]


def is_sum(name: str) -> bool:
    """Return whether a measure adds up a column of order lines."""
    aggregate = MEASURES[name].counted_as
    return isinstance(aggregate, Aggregate) and aggregate.is_sum


def is_ratio(name: str) -> bool:
    """Return whether a measure is the ratio of two others."""
    return isinstance(MEASURES[name].counted_as, Ratio)


def is_about_costs(name: str) -> bool:
    """Return whether a measure says what the shop pays or what its sales leave, or follows from
    one that does: margin and revenue give the cost away.
    """
    return any(MEASURES[part].is_cost for part in (name, *parts_of([name])))


COST_MEASURES: Final = frozenset(name for name in MEASURES if is_about_costs(name))
"""The measures that only those see who may see costs."""
