"""The shop's numbers that a board can show, by name: measures of the marts, as their subjects declare them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from ecom_assets.funnels.measures import CartMeasures, ConversionMeasures
from ecom_assets.sales.measures import SalesMeasures
from ecom_assets.sessions.measures import SessionMeasures
from ecom_assets.tables.contract import Column
from ecom_assets.tables.measures import measures_of, summable

Subject = Literal["sales", "sessions", "conversion"]
RATES: Final = ("cart_abandonment_rate", "checkout_abandonment_rate")


@dataclass(frozen=True)
class ShopNumber:
    """A number of the shop: what it is about, and its measure, with its label, format and meaning."""

    subject: Subject
    measure: Column


@cache
def shop_numbers() -> Mapping[str, ShopNumber]:
    """Return the numbers by name, those of sales first."""
    carts = {name: measures_of(CartMeasures)[name] for name in RATES}
    conversion = {**measures_of(ConversionMeasures), **carts}
    subjects: Mapping[Subject, Mapping[str, Column]] = {
        "sales": summable(SalesMeasures), "sessions": summable(SessionMeasures), "conversion": conversion,
    }  # fmt: skip
    return {
        name: ShopNumber(subject, measure)
        for subject, measures in subjects.items()
        for name, measure in measures.items()
    }
