"""One name is one number: what ads are credited with by a model, what the whole shop comes to, and
what customers are counted by have names of their own.
"""

from pydantic import BaseModel

from ecom_assets.commerce.customers.measures import CustomerMeasures
from ecom_assets.commerce.sales.measures import DiscountMeasures, SalesMeasures
from ecom_assets.core.tables.measures import measures_of
from ecom_assets.interfaces.api.routes.marketing import AdNumbers, ShopNumbers

SAME = {"Ad spend", "Revenue", "Customers", "New customers"}
"""What is the same number wherever it stands."""


def names_of(model: type[BaseModel]) -> dict[str, str]:
    """Return the names for people of a model's numbers, each with its field."""
    return {str(field.title): name for name, field in model.model_fields.items()}


def labels_of(measures: type) -> dict[str, str]:
    return {column.label: name for name, column in measures_of(measures).items()}


def test_numbers_of_ads_and_of_the_shop_share_no_name() -> None:
    """A new customer by ads is one whom a model credits to them; the shop has more."""
    kinds = [
        names_of(AdNumbers),
        names_of(ShopNumbers),
        labels_of(CustomerMeasures),
        labels_of(SalesMeasures),
    ]
    assert {"New customers by ads", "Cost per new customer by ads"} <= kinds[0].keys()
    assert {"New customers", "Cost per new customer"} <= kinds[1].keys()
    for place, names in enumerate(kinds):
        for others in kinds[place + 1 :]:
            assert names.keys() & others.keys() <= SAME


def test_numbers_of_discounted_lines_are_not_called_as_those_of_all() -> None:
    assert not labels_of(DiscountMeasures).keys() & labels_of(SalesMeasures).keys()
