"""A shop that has sales, customers and costs, and what is made of these."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ecom_assets.commerce.costs.assets import COST_ASSETS
from ecom_assets.commerce.costs.contracts import ProfitDaily, RawCosts
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.sales.contracts import City, Customer, Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, as_table
from ecom_assets_tests.platform import Platform

ARRIVED = date(2026, 6, 10)
TOTAL = dict.fromkeys(
    ("channel", "city_id", "item_category", "sales_channel", "customer_type"), "(all)"
)
"""The dimensions of the row with the total of a day."""
CITIES = ("(none)", "Germany", "Spain")
"""Cities, each in a country of its own name."""
PLACE = dict.fromkeys(("city_name", "region", "lookup_version"), "(none)")
CUSTOMER = {
    "city_id": "(none)",
    "order_count": 1,
    "sold_item_count": Decimal(1),
    **dict.fromkeys(("shipped_amount", "refunded_amount", "revenue_amount"), Decimal(0)),
    "is_first_paid_renewal": False,
}
"""What of a customer nothing here depends on."""


def day(text: str | None) -> date | None:
    """Return a day that is written as 2026-01-31; None for None."""
    return date.fromisoformat(text) if text else None


def cost(
    item: str | None,
    amount: str | None,
    start: str | None = None,
    until: str | None = None,
    *,
    arrived: date = ARRIVED,
    **more: Any,
) -> Row:
    """Return a received row of costs."""
    return {
        "cost_id": f"{item} {amount} {start} {until}",
        "item_id": item,
        "received_unit_cost_amount": amount,
        "unit_cost_amount": None if amount is None else Decimal(amount),
        "received_valid_from_date": start,
        "valid_from_date": day(start),
        "received_valid_until_date": until,
        "valid_until_date": day(until),
        "received_date": arrived,
        "source": "costs.csv",
        "source_file": "costs.csv",
        **more,
    }


def sale(  # noqa: PLR0913 (each is a column)
    line: str,
    on: str,
    item: str,
    quantity: str | None,
    revenue: str,
    *,
    customer: str = "anna",
    **more: Any,
) -> Row:
    """Return a row of `mart.sales`: line `a-1` is of order `a`; a refund has a negative revenue."""
    is_refund = Decimal(revenue) < 0 or (quantity or "").startswith("-")
    return {
        "uniq_id": line,
        "order_id": line.partition("-")[0],
        "order_date": day(on),
        "ordered_at": datetime.fromisoformat(on),
        "customer_id": customer,
        "city_id": "(none)",
        "item_id": item,
        "item_category": "(none)",
        "channel": "(none)",
        "sales_channel": "(none)",
        "status": "refunded" if is_refund else "shipped",
        "quantity": None if quantity is None else Decimal(quantity),
        "revenue_amount": Decimal(revenue),
        **more,
    }


def stock_of(*lines: tuple[str, date, str | None]) -> list[Row]:
    """Return rows of the catalogue: an item, a day, and what it costs as text, or None."""
    return [
        {
            "record_number": number,
            "product_id": item,
            "received_date": on,
            "received_unit_cost_amount": text,
            "unit_cost_amount": Decimal(text) if text and text[0].isdigit() else None,
            "source": "catalogue",
        }
        for number, (item, on, text) in enumerate(lines, start=1)
    ]


class CostShop(Platform):
    """One warehouse in memory, with every asset of costs and profit after `raw/costs`."""

    raw = RawCosts

    def __init__(self, **settings: Any) -> None:
        """Open an empty warehouse, with some settings."""
        super().__init__(Settings(home=Path("never written"), **settings))
        self.hold(City, [PLACE | {"city_id": name, "country": name} for name in CITIES])

    def assets_of(self, settings: Settings) -> list[TableAsset]:  # noqa: ARG002 (these depend on none)
        """Return every asset after raw, in order."""
        return list(COST_ASSETS[1:])

    def hold(self, contract: type[Table], rows: Iterable[Row], days: Days | None = None) -> None:
        """Let these be the rows of a table, or of some of its days."""
        full = [dict.fromkeys(contract.columns) | dict(row) for row in rows]
        self.engine.con.con.register(f"held_{contract.name}", as_table(full, contract))
        self.engine.replace(contract, self.engine.con.table(f"held_{contract.name}"), days)

    def sell(self, sales: Iterable[Row], days: Days | None = None) -> dict[str, date | None]:
        """Let these be the sales of some days, by default of all; customers follow from all.

        Return the day of the first paid order of each customer; None without one.
        """
        rows = list(sales)
        if days is None:
            days = Days.from_dates(row["order_date"] for row in rows)
        self.hold(Sales, rows, days)
        first: dict[str, date | None] = {}
        for row in self.engine.rows_of(self.engine.table(Sales)):
            earlier = first.setdefault(row["customer_id"], None)
            if row["status"] == "shipped" and row["revenue_amount"] > 0:
                first[row["customer_id"]] = min(earlier or date.max, row["order_date"])
        self.hold(
            Customer,
            [CUSTOMER | {"customer_id": name, "first_paid_date": on} for name, on in first.items()],
        )
        return first

    def cost(self, *rows: Row) -> None:
        """Let these be the costs that arrived."""
        days = Days.from_dates({ARRIVED, *(row["received_date"] for row in rows)})
        self.hold(RawCosts, rows, days)

    def catalogue(self, *lines: tuple[str, date, str | None]) -> None:
        """Let these be the costs in the catalogue."""
        self.hold(RawStock, stock_of(*lines), Days.from_dates(on for _, on, _ in lines))

    def profit(self) -> Row:
        """Return the sums of all days, as far as they are known."""
        totals = [
            row
            for row in self.rows(ProfitDaily)
            if all(row[name] == value for name, value in TOTAL.items())
        ]
        names = [name for name in ProfitDaily.numbers() if not name.endswith("_rate")]
        known = {name: [row[name] for row in totals if row[name] is not None] for name in names}
        sums = {name: sum(values) if values else None for name, values in known.items()}
        costed, shipped = sums["costed_revenue_amount"], sums["shipped_amount"]
        margin = sums["gross_profit_amount"] / costed if costed and costed > 0 else None
        coverage = sums["costed_shipped_amount"] / shipped if shipped else None
        return sums | {"margin": margin, "coverage": coverage}


def shop_of(sales: Iterable[Row], costs: Iterable[Row], **settings: Any) -> CostShop:
    """Return a shop that has run over all its sales at once."""
    shop = CostShop(**settings)
    rows = list(sales)
    shop.cost(*costs)
    shop.sell(rows)
    dates = sorted(row["order_date"] for row in rows)
    shop.run(Days.between(dates[0], dates[-1] + timedelta(days=1)))
    return shop


def profit_of(sales: Iterable[Row], costs: Iterable[Row], **settings: Any) -> Row:
    """Return the profit of sales, all in one run."""
    return shop_of(sales, costs, **settings).profit()
