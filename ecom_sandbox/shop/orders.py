"""The order report and the refunds of the simulated shop.

The report has one row per order line, with the columns of `user_order_log`. An order is the lines
of one customer at one instant. `uniq_id` is the order id of the purchase event, a dash and the line
number, then `-r` for a refund.
"""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.catalogue import CATEGORIES, FIRST_PRODUCT_ID, Catalogue, Stock
from ecom_sandbox.shop.files import Columns, write_parquet
from ecom_sandbox.shop.people import Schedule, known_customer_id
from ecom_sandbox.shop.profit import Costs, OrderProfits
from ecom_sandbox.shop.rows import Dice, Flags, Ints, Rows, total_cents
from ecom_sandbox.shop.visits import World, city_of

REFUND_RATE = 0.07
_MONEY = pa.decimal128(18, 2)
_FIRST_NAMES = (
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Elena",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Liam",
    "Marta",
    "Noah",
    "Olga",
    "Pablo",
    "Rosa",
    "Sven",
    "Tara",
    "Viktor",
    "Wanda",
    "Yara",
)
_LAST_NAMES = (
    "Adler",
    "Bauer",
    "Costa",
    "Dubois",
    "Evans",
    "Fischer",
    "Garcia",
    "Hansen",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lopez",
    "Meyer",
    "Novak",
    "Okafor",
    "Petrov",
    "Rossi",
    "Sato",
    "Taylor",
    "Urban",
    "Weber",
    "Zhang",
)
ORDER_LINES = pa.schema(
    {
        "id": pa.int64(),
        "uniq_id": pa.string(),
        "date_time": pa.timestamp("us"),
        "city_id": pa.int64(),
        "city_name": pa.string(),
        "country": pa.string(),
        "customer_id": pa.int64(),
        "first_name": pa.string(),
        "last_name": pa.string(),
        "item_id": pa.int64(),
        "item_name": pa.string(),
        "quantity": pa.int64(),
        "payment_amount": _MONEY,
        "status": pa.string(),
        "sales_channel": pa.string(),
        "shipping_amount": _MONEY,
        "gross_amount": _MONEY,
        "discount_amount": _MONEY,
        "discount_codes": pa.string(),
        "unit_cost_amount": _MONEY,
        "payment_method": pa.string(),
        "payment_fee_amount": _MONEY,
        "shipping_cost_amount": _MONEY,
        "is_restocked": pa.bool_(),
    }
)


class Refunds:
    """Decides which orders are refunded and when: at most one per person,
    never close to one of the person's visits.

    So each refund event is a session of its own, and the number of sessions is known.
    """

    def __init__(self, world: World, schedule: Schedule) -> None:
        self._world, self._schedule = world, schedule
        self._refunded: Ints = np.zeros(0, np.int64)
        self._due: dict[int, list[Rows]] = {}

    def plan(self, orders: Rows) -> None:
        """Choose which new orders are refunded."""
        dice, number = self._world.dice, orders["number"]
        at = orders["at"] + (2 + dice.below(18, "refund day", number)) * r.DAY
        at = (
            at // r.DAY * r.DAY
            + (8 * 3600 + dice.below(10 * 3600, "refund second", number)) * r.SECOND
        )
        wants = dice.chance(REFUND_RATE, "refund", number) & (at < self._world.end_us)
        wants &= self._schedule.is_away(orders["visitor"], (at - self._world.first_us) // r.SECOND)
        wants &= ~np.isin(orders["visitor"], self._refunded) & (total_cents(orders) > 0)
        wants &= _is_first_of(orders["visitor"], wants)
        refunds = orders[wants]
        refunds["placed"] = refunds["at"]
        refunds["at"], refunds["is_refund"] = at[wants], True
        self._refunded = np.concatenate([self._refunded, refunds["visitor"]])
        day = (refunds["at"] - self._world.first_us) // r.DAY
        for due in np.unique(day).tolist():
            self._due.setdefault(due, []).append(refunds[day == due])

    def of_day(self, day: int) -> Rows:
        """Return the refunds of a day, and remove them from the plan."""
        return r.joined(self._due.pop(day, []), r.ORDER)


def _is_first_of(visitor: Ints, wanted: Flags) -> Flags:
    """Return which rows are the first wanted row of a person."""
    positions = np.flatnonzero(wanted)
    first: Flags = np.zeros(len(visitor), np.bool_)
    first[positions[np.unique(visitor[positions], return_index=True)[1]]] = True
    return first


def refund_events(world: World, refunds: Rows, first_number: int) -> Rows:
    """Return the refund events; the shop's staff makes them,
    so they have a user but no session and no page.
    """
    rows = r.blank(len(refunds))
    rows["number"] = first_number + np.arange(len(refunds))
    rows["type"], rows["is_known"] = r.REFUND, True
    rows["visitor"], rows["at"], rows["order"] = (
        refunds["visitor"],
        refunds["at"],
        refunds["number"],
    )
    rows["properties"], rows["product"] = refunds["properties"], refunds["products"][:, 0]
    rows["category"] = world.catalogue.category[refunds["products"][:, 0]]
    rows["cents"] = total_cents(refunds)
    return rows


class OrderLineBuilder:
    """Turns orders into lines, numbered in the order in which they are added."""

    def __init__(self, world: World, columns: Columns, rows_before: int = 0) -> None:
        self._world, self._columns, self.rows = world, columns, rows_before
        self._costs = Costs.of_shop(world.dice, world.catalogue)

    def lines(self, orders: Rows) -> pa.Table:
        """Return the lines of orders and refunds, in the columns of `user_order_log`."""
        orders = orders[np.lexsort((orders["number"], orders["at"]))]
        whole = np.repeat(np.arange(len(orders)), orders["lines"])
        nth = np.arange(len(whole)) - np.repeat(
            np.cumsum(orders["lines"]) - orders["lines"], orders["lines"]
        )
        product, quantity = orders["products"][whole, nth], orders["quantities"][whole, nth]
        order, visitor = orders[whole], orders["visitor"][whole]
        dice, catalogue = self._world.dice, self._world.catalogue
        city, names = city_of(dice, visitor), names_of(dice, visitor)
        ids = zip(
            self._columns.order_ids(order["number"]), nth + 1, order["is_refund"], strict=True
        )
        first, self.rows = self.rows + 1, self.rows + len(whole)
        said = OrderProfits.of_orders(dice, orders)
        is_first, is_refund = nth == 0, order["is_refund"]
        discount = said.discounts(orders, catalogue)[whole, nth]
        price = orders["prices"][whole, nth]
        is_off = ~is_refund & ((said.percent[whole] > 0) | (price == 0))
        # A gift needs no code.
        has_code = is_off & ((price > 0) | said.is_free[whole])
        # The cost of what comes back is that of the day on which it was sold.
        cost = self._costs.on(product, order["placed"] // r.DAY)
        methods = said.methods()
        paid = price * quantity
        return pa.table(
            {
                "id": first + np.arange(len(whole)),
                "uniq_id": [
                    f"{order_id}-{line}{'-r' if is_refund else ''}"
                    for order_id, line, is_refund in ids
                ],
                "date_time": pa.array(order["at"]).cast(pa.timestamp("us")),
                "city_id": city + 1,
                "city_name": [t.CITIES[i][0] for i in city],
                "country": [t.CITIES[i][1] for i in city],
                "customer_id": known_customer_id(visitor),
                "first_name": [first for first, _ in names],
                "last_name": [last for _, last in names],
                "item_id": FIRST_PRODUCT_ID + product,
                "item_name": [catalogue.names[i] for i in product],
                "quantity": quantity,
                "payment_amount": euros(paid),
                "status": np.where(order["is_refund"], "refunded", "shipped").tolist(),
                "sales_channel": [r.SALES_CHANNELS[i] for i in order["channel"]],
                "shipping_amount": euros(said.shipping[whole], is_first & ~is_refund),
                "gross_amount": euros(paid + discount, ~is_refund),
                "discount_amount": euros(discount, is_off),
                "discount_codes": [
                    said.codes[i] if has else None
                    for i, has in zip(whole.tolist(), has_code.tolist(), strict=True)
                ],
                "unit_cost_amount": euros(cost, is_refund & self._costs.is_known[product]),
                "payment_method": [
                    methods[i] if has else None
                    for i, has in zip(
                        whole.tolist(), (~is_refund & ~said.is_free[whole]).tolist(), strict=True
                    )
                ],
                "payment_fee_amount": euros(said.fee[whole], is_first & ~is_refund),
                "shipping_cost_amount": euros(said.shipping_cost[whole], is_first),
                "is_restocked": pa.array(said.is_restocked[whole], mask=~is_refund),
            },
            schema=ORDER_LINES,
        )


def names_of(dice: Dice, visitor: Ints) -> list[tuple[str, str]]:
    """Return each person's first and last name."""
    first = dice.below(len(_FIRST_NAMES), "first name", visitor).tolist()
    last = dice.below(len(_LAST_NAMES), "last name", visitor).tolist()
    return [(_FIRST_NAMES[i], _LAST_NAMES[j]) for i, j in zip(first, last, strict=True)]


def write_catalogue(catalogue: Catalogue, stock: Stock, day: date, path: Path) -> None:
    """Write `catalogue.parquet`, one row per product, with its price on a day."""
    size = len(catalogue.names)
    columns = {
        "product_id": [str(FIRST_PRODUCT_ID + i) for i in range(size)],
        "name": catalogue.names,
        "category": [CATEGORIES[i] for i in catalogue.category],
        "vendor": catalogue.vendors,
        "price": euros(catalogue.prices_on(day)),
        "cost": euros(catalogue.cost_cents),
        "stock": stock.count,
        "reorder_point": stock.reorder_point,
        "lead_time_days": stock.lead_time_days,
    }
    write_parquet(pa.table(columns), path)


def write_costs(costs: Costs, first: date, last: date, path: Path) -> None:
    """Write `costs.csv`, the costs of products that are known from a day to another."""
    csv.write_csv(costs.table(first, last), path)


def euros(cents: Ints, is_known: Flags | None = None) -> pa.Array:
    """Return cents as euros, in exact decimals; null where they are not known."""
    texts = [r.money_text(c) for c in cents.tolist()]
    mask = None if is_known is None else ~is_known
    return pa.array(texts, pa.string(), mask=mask).cast(_MONEY)
