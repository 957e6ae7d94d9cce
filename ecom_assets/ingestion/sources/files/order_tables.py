"""The tables of orders that follow from the order lines of files, as a run would make them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.contracts import NO_CHANNEL
from ecom_assets.commerce.costs.contracts import ItemCosts, ProfitLines
from ecom_assets.commerce.costs.contribution import CostRules
from ecom_assets.commerce.costs.profit import profit_lines
from ecom_assets.commerce.custom_sales.purchases import customers_of_purchases
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.refunds import refund_parts
from ecom_assets.commerce.sales import dimensions
from ecom_assets.commerce.sales.contracts import City, Customer, Item, Sales
from ecom_assets.commerce.sales.sales import sales_of_lines
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import no_rows, rows_of, stored
from ecom_assets.ingestion.sources.files.places import known_places


@dataclass(frozen=True)
class FileOrderTables:
    """The tables of order lines in files; see `OrderTables`.

    There are no channels, and the only costs are those that lines state.
    """

    lines: ir.Table
    """Rows of `UserOrderLog`, of all days."""
    settings: Settings
    remedy: ClassVar[str] = (
        "give `ecom run` these files with what has them, and ask the API or the dashboard"
    )

    def has(self, contract: Contract) -> bool:
        """Return whether order lines alone make a table."""
        return contract in self._made

    def table(self, contract: Contract) -> ir.Table:
        """Return a whole table, lazily."""
        return self._made[contract]()

    def rows(self, question: ir.Table) -> list[Row]:
        """Return the rows of a small result."""
        return rows_of(question)

    of_purchases: ClassVar[bool] = False

    @property
    def _made(self) -> Mapping[Contract, Callable[[], ir.Table]]:
        return {
            Sales: self._sales,
            Customer: self._customers,
            City: self._cities,
            Item: self._items,
            ProfitLines: self._profit_lines,
        }

    @property
    def _log(self) -> ir.Table:
        return self.lines.select(*UserOrderLog.columns)

    def _sales(self) -> ir.Table:
        log = self._log
        parts = refund_parts(log, log, self.settings.set_currency)
        return sales_of_lines(log.mutate(channel=ibis.literal(NO_CHANNEL)), parts)

    def _customers(self) -> ir.Table:
        """Return the first days of each customer, as questions need no more of them."""
        log = self._log
        return customers_of_purchases(log.mutate(revenue_amount=log.payment_amount))

    def _cities(self) -> ir.Table:
        return dimensions.city(self._log, known_places(self.settings.cities))

    def _items(self) -> ir.Table:
        return dimensions.item_names(self._log)

    def _profit_lines(self) -> ir.Table:
        """Return what lines cost and left; no row where no line states a cost."""
        # Read a dozen times below: computed each time, three lines took gigabytes.
        sold = stored(self.lines.get_backend(), "sold_lines", self._sales())
        has_costs = bool(rows_of(sold.filter(sold.unit_cost_amount.notnull()).limit(1)))
        if not has_costs:
            return no_rows(ProfitLines, self._log)
        settings = self.settings
        rules = CostRules(
            settings.payment_fee_rules, settings.shipping_cost_rules, settings.commission_rules
        )
        item_costs, customers = no_rows(ItemCosts, self._log), self._customers()
        return profit_lines(sold, item_costs, customers, self._cities(), cost_rules=rules)
