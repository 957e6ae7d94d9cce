"""What the rows of a file of orders are, found by adding up: lines, orders, further lines,
discounts, returns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ecom_assets.core.warehouse.sql_text import ident, select, texts
from ecom_assets.ingestion.sources.proposal.fields import (
    ORDER_TOTAL,
    REFUNDED_AMOUNT,
    UNIT_PRICE,
    Found,
    state_columns,
)
from ecom_assets.ingestion.sources.proposal.parts import is_of_whole_order
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value

REFUND_LINES, DISCOUNT_LINES = "refund", "discount"
FEWEST_ORDERS: Final = 2
"""Orders of several rows by which an amount that is the same on each of them
can be that of the order.
"""
_LINE_FIELDS: Final = ("item_id", "quantity", UNIT_PRICE)
_OF_WHOLE_ORDERS: Final = (
    "status",
    "cancelled_at",
    "changed_at",
    "currency",
    "country",
    "region",
    "city_name",
    "sales_channel",
    "payment_method",
    "is_renewal",
)
"""Fields that hold for all lines of an order, where its first line has them."""
_OF_ORDERS: Final = ("date_time", "customer_id", "order_id")
_NEAR: Final = "0.005"


@dataclass(frozen=True)
class OrderRows:
    """The rows of orders in a file, by the columns that were found for some fields.

    `payment` is the amount of a line, if a column of its own has it.
    """

    values: FileValues
    found: Found
    payment: Value | None = None

    def _value(self, name: str) -> Value | None:
        match = self.found.get(name)
        return match.value if match else None

    @property
    def order(self) -> Value | None:
        """Return the number of the order."""
        return self._value("order_id")

    def _line_values(self) -> list[Value]:
        return [value for name in _LINE_FIELDS if (value := self._value(name)) is not None]

    def _has_line(self, joint: str = "OR") -> str:
        """Return the SQL that says whether a row has something that only lines have."""
        values = self._line_values()
        return (
            f"({f' {joint} '.join(f'{value.column} IS NOT NULL' for value in values)})"
            if values
            else "false"
        )

    def amount_sql(self) -> str:
        """Return the SQL of the amount of a row; empty if no column says it."""
        if self.payment is not None:
            return self.values.number_sql(self.payment)
        price, quantity = self._value(UNIT_PRICE), self._value("quantity")
        if price is None:
            return ""
        number = self.values.number_sql(price)
        return f"({number} * {self.values.number_sql(quantity)})" if quantity else number

    def before_refunds(self, others: Sequence[Value]) -> Value | None:
        """Return the amount that the payment was before something of it was paid back; None where
        it is that already, or no column has it.

        On each row, what the payment says and what was paid back add up to it.
        """
        back = self._value(REFUNDED_AMOUNT)
        if self.payment is None or back is None:
            return None
        refunded = f"coalesce(abs({self.values.number_sql(back)}), 0)"
        (refunds,) = self._counts(f"count(*) FILTER ({refunded} > 0)")
        before = f"{self.values.number_sql(self.payment)} + {refunded}"
        return self._column_with(before, others) if refunds else None

    def less_discount(self, discount: Value, others: Sequence[Value]) -> Value | None:
        """Return the column with price times quantity less a discount on each row;
        None without such.
        """
        price, quantity = self._value(UNIT_PRICE), self._value("quantity")
        if price is None or quantity is None:
            return None
        price_sql, count_sql = map(self.values.number_sql, (price, quantity))
        less = f"coalesce(abs({self.values.number_sql(discount)}), 0)"
        return self._column_with(f"{price_sql} * {count_sql} - sign({count_sql}) * {less}", others)

    def _column_with(self, number: str, columns: Sequence[Value]) -> Value | None:
        """Return the first column that has a number on all rows that have the number;
        None without such.
        """
        for column in columns:
            is_near = f"abs({self.values.number_sql(column)} - ({number})) < {_NEAR}"
            rows, equal = self._counts(f"count({number})", f"count(*) FILTER ({is_near})")
            if rows == equal > 0:
                return column
        return None

    def price_is_of_line(self) -> bool | None:
        """Return whether the price on a row is that of all its pieces, not of one; None if nothing
        says it.

        Totals of orders say it, else items that were sold in several quantities: the price of one
        piece stays about the same, that of a line grows with the quantity.
        """
        price, quantity = self._value(UNIT_PRICE), self._value("quantity")
        if price is None or quantity is None:
            return None
        price_sql, count_sql = map(self.values.number_sql, (price, quantity))
        of_line, of_piece = self._totals_of_prices(price_sql, count_sql)
        if of_line == of_piece:
            of_line, of_piece = self._items_in_several_quantities(price_sql, count_sql)
        return None if of_line == of_piece else of_line > of_piece

    def _totals_of_prices(self, price_sql: str, count_sql: str) -> Sequence[int]:
        """Return in how many orders prices add up to the total, and in how many prices times
        quantities do; orders of single pieces say nothing.
        """
        total, order = self._value(ORDER_TOTAL), self.order
        if total is None or order is None or not total.is_column:
            return (0, 0)
        measured = (
            f"sum({price_sql}) AS lines, sum({price_sql} * {count_sql}) AS pieces, "
            f"max({self.values.number_sql(total)}) AS total"
        )
        by_order = select(measured, TABLE, f"{order.column} IS NOT NULL", order.column)
        is_near = "count(*) FILTER (abs({} - total) < {} AND lines <> pieces)"
        counts = [is_near.format(name, _NEAR) for name in ("lines", "pieces")]
        return self._counts(*counts, of=by_order)

    def _items_in_several_quantities(self, price_sql: str, count_sql: str) -> Sequence[int]:
        """Return of how many items the price grows with the quantity, and of how many it stays."""
        item = self._value("item_id") or self._value("item_name")
        if item is None:
            return (0, 0)
        measured = (
            f"count(DISTINCT {count_sql}) AS quantities, count(DISTINCT {price_sql}) AS prices, "
            f"count(DISTINCT round({price_sql} / nullif({count_sql}, 0), 2)) AS each"
        )
        is_known = f"{price_sql} > 0 AND {count_sql} > 0"
        by_item = select(measured, TABLE, f"{item.column} IS NOT NULL AND {is_known}", item.column)
        return self._counts(
            "count(*) FILTER (quantities > 1 AND each < prices)",
            "count(*) FILTER (quantities > 1 AND prices < each)",
            of=by_item,
        )

    def continued(self) -> list[str]:
        """Return the columns that further lines of an order do not have, its number among them;
        none without such.
        """
        order, time = self.order, self._value("date_time")
        if order is None or time is None or not order.is_column or not self._line_values():
            return []
        is_further = f"{order.column} IS NULL AND {self._has_line('AND')}"
        further, with_time = self._counts(
            f"count(*) FILTER ({is_further})", f"count({time.column}) FILTER ({is_further})"
        )
        if not further or with_time:
            return []
        columns = [match.value for match in self.found.values() if match.value.is_column]
        filled = self._counts(
            *(f"count({value.column}) FILTER ({is_further})" for value in columns)
        )
        return [value.path[0] for value, count in zip(columns, filled, strict=True) if not count]

    def carried(self) -> list[str]:
        """Return the columns that only one line of each order has, where all have its number."""
        if self.order is None or not self.order.is_column:
            return []
        time, customer = (self._value(name) for name in _OF_ORDERS[:-1])
        values = [value for value in (time, customer) if value and value.is_column]
        # Each order has a time; that of a buyer at a till has no customer.
        carried = [
            value
            for value in values
            if self._is_on_one_line(self.order, value, of_every=value is not customer)
        ]
        if not carried:
            return []
        of_whole = [
            value for name in _OF_WHOLE_ORDERS if (value := self._value(name)) and value.is_column
        ]
        others = (*of_whole, *state_columns(self.values, self.found))
        carried += [
            value for value in others if self._is_on_one_line(self.order, value, of_every=False)
        ]
        names = (name for value in carried for name in (value.path[0], value.joined) if name)
        return [*dict.fromkeys(names)]

    def is_paid_back_on_one_line(self, states: Sequence[str]) -> bool:
        """Return whether one line of each order in some states says what was paid back of it."""
        order, status, back = self.order, self._value("status"), self._value(REFUNDED_AMOUNT)
        if order is None or status is None or back is None:
            return False
        is_refund = f"bool_or(list_contains({texts(states)}, {status.column}))"
        back_sql = self.values.number_sql(back)
        measured = (
            f"{is_refund} AS is_refund, count(*) FILTER ({back_sql} <> 0) AS filled, count(*) AS "
            "row_count"
        )
        by_order = select(measured, TABLE, f"{order.column} IS NOT NULL", order.column)
        refunds, said, several = self._counts(
            "count(*) FILTER (is_refund)",
            "count(*) FILTER (is_refund AND filled = 1)",
            "count(*) FILTER (row_count > 1)",
            of=by_order,
        )
        return bool(several) and refunds == said > 0

    def _is_on_one_line(self, order: Value, value: Value, *, of_every: bool = True) -> bool:
        """Return whether one line of an order has a value that is the order's, of every order or of
        those that have it.
        """
        counts = (
            f"count(*) AS row_count, count({value.column}) AS filled, count(DISTINCT "
            f"{value.column}) AS different"
        )
        by_order = select(
            f"{counts}, {self._belong_together(value)} AS is_together",
            TABLE,
            f"{order.column} IS NOT NULL",
            order.column,
        )
        is_partly = "filled > 0 AND filled < row_count AND different = 1 AND is_together"
        partly, empty, several = self._counts(
            f"count(*) FILTER ({is_partly})",
            "count(*) FILTER (filled = 0)",
            "count(*) FILTER (different > 1)",
            of=by_order,
        )
        return bool(partly) and not (empty if of_every else several)

    def _belong_together(self, value: Value) -> str:
        """Return the SQL that says whether rows of an order without a value belong to the one that
        has it: all are of one time, or the others pay something back.

        A line of pieces that were lost, under a number that an order has, too, is of no buyer.
        """
        time = self._value("date_time")
        if time is None or not time.is_column:
            return "true"
        amount = self.amount_sql() or "NULL::DECIMAL(24, 6)"
        is_back = f"bool_or({value.column} IS NULL AND {amount} < 0)"
        return f"coalesce(count(DISTINCT {time.column}) < 2 OR {is_back}, false)"

    def rows_of_orders(self) -> str:
        """Return the SQL, over the columns of the file,
        of rows that repeat an order beside its lines; empty if none.

        They have nothing of a line, and no amount or the sum of the amounts of their order's lines.
        """
        order, item = self.order, self._value("item_id")
        lines = self._line_values()
        if (
            order is not None
            and item is not None
            and item.is_column
            and not self.values.spread
            and self._sums_beside_items(order, item)
        ):
            return f"{ident(item.path[0])} IS NULL"
        if (
            order is None
            or not lines
            or not all(value.is_column for value in lines)
            or self.values.spread
        ):
            return ""
        is_row = f"NOT {self._has_line()}"
        amount = self.amount_sql() or "NULL::DECIMAL(24, 6)"
        of_lines = f"sum({amount}) FILTER (NOT ({is_row}))"
        own = f"max({amount}) FILTER ({is_row})"
        measured = (
            f"count(*) FILTER ({is_row}) AS own_rows, count(*) FILTER (NOT ({is_row})) AS "
            f"line_rows, {own} AS own, {of_lines} AS of_lines"
        )
        by_order = select(measured, TABLE, f"{order.column} IS NOT NULL", order.column)
        is_said = f"own IS NULL OR abs(own - of_lines) < {_NEAR}"
        rows, fitting = self.values.rows(
            select(
                "count(*) FILTER (own_rows > 0),"
                f" count(*) FILTER (own_rows = 1 AND line_rows > 0 AND ({is_said}))",
                f"({by_order})",
            )
        )[0]
        if not rows or rows != fitting:
            return ""
        return " AND ".join(f"{ident(value.path[0])} IS NULL" for value in lines)

    def _sums_beside_items(self, order: Value, item: Value) -> bool:
        """Return whether each row without an item is the sum of those of its order that have one:
        of its prices, or of its amounts, whatever its quantity says.
        """
        amount, price = self.amount_sql(), self._value(UNIT_PRICE)
        if not amount:
            return False
        is_row = f"{item.column} IS NULL"
        own = self.values.number_sql(price) if price else amount
        measured = (
            f"count(*) FILTER ({is_row}) AS own_rows, count(*) FILTER (NOT ({is_row})) AS "
            f"line_rows, max({amount}) FILTER ({is_row}) AS own, max({own}) FILTER ({is_row}) AS "
            f"own_price, sum({amount}) FILTER (NOT ({is_row})) AS of_lines"
        )
        by_order = select(measured, TABLE, f"{order.column} IS NOT NULL", order.column)
        is_sum = f"abs(own - of_lines) < {_NEAR} OR abs(own_price - of_lines) < {_NEAR}"
        rows, fitting = self._counts(
            "count(*) FILTER (own_rows > 0)",
            f"count(*) FILTER (own_rows = 1 AND line_rows > 1 AND ({is_sum}))",
            of=by_order,
        )
        return rows == fitting > 0

    def is_of_order(self, amount: Value, lines: Sequence[Value]) -> bool | None:
        """Return whether an amount stands on each row of an order and is the order's;
        None if nothing proves it.

        It is if it is the same on all rows of each order, and the lines' own amounts, or their
        prices and quantities, add up to it rather than to so many times it; and if it stands on one
        row of each order, while each has a price.
        """
        order = self.order
        if order is None or not order.is_column:
            return False
        number = self.values.number_sql(amount)
        pieces = OrderRows(self.values, self.found).amount_sql()
        own = next((self.values.number_sql(value) for value in lines if value != amount), pieces)
        proof = f"sum({own})" if own else "NULL::DECIMAL(24, 6)"
        is_line = self._has_line() if self._line_values() else "true"
        measured = [
            "count(*) AS row_count",
            f"count(DISTINCT {number}) AS different",
            f"count({number}) AS filled",
            f"count({pieces or 'NULL'}) AS priced",
            f"max({number}) AS amount",
            f"{proof} AS proof",
            f"count(DISTINCT {own or '0'}) AS different_lines",
        ]
        # What went back is written below zero, under the number of the order that was sold.
        group = f"{order.column}, coalesce({number} < 0, false)"
        by_order = select(measured, TABLE, f"{order.column} IS NOT NULL AND {is_line}", group)
        several = "row_count > 1 AND filled > 0"
        conditions = [
            several,
            f"{several} AND filled = 1 AND priced = row_count",
            f"{several} AND different = 1 AND filled = row_count",
            f"{several} AND abs(proof - amount) < abs(proof - amount * row_count)",
            f"{several} AND proof IS NOT NULL",
        ]
        counts = [f"count(*) FILTER ({condition})" for condition in conditions]
        total, on_one_row, same, nearer, proved = self._counts(*counts, of=by_order)
        if 0 < total == on_one_row:
            return True
        if total == same == 1 and not own and is_of_whole_order(amount):
            return None  # one order shows nothing
        if same < total or (total < FEWEST_ORDERS and not proved):
            return False
        return nearer * 2 > proved if proved else None

    def below_zero(self) -> str:
        """Return what lines below zero are: refunds,
        or discounts where only their amount is below zero.

        A discount is beside lines above zero in its order, and of nothing that is sold elsewhere.
        Empty if no line is below zero.
        """
        amount, quantity, order, item = (
            self.amount_sql(),
            self._value("quantity"),
            self.order,
            self._value("item_id"),
        )
        is_less = f"coalesce({amount} < 0, false)" if amount else "false"
        is_fewer = (
            f"coalesce({self.values.number_sql(quantity)} < 0, false)" if quantity else "false"
        )
        below, of_amount = self._counts(
            f"count(*) FILTER ({is_less} OR {is_fewer})",
            f"count(*) FILTER ({is_less} AND NOT {is_fewer})",
        )
        if not below:
            return ""
        if not of_amount or order is None or item is None:
            return REFUND_LINES
        sold = f"list(DISTINCT {item.column}) FILTER (NOT {is_less})"
        ((sold_items,),) = self.values.rows(select(sold, TABLE))
        has_goods = f"max({amount}) OVER (PARTITION BY {order.column}) > 0"
        marked = select(
            f"{is_less} AND NOT {is_fewer} AS is_less, {has_goods} AS has_goods, {item.column} AS "
            "item",
            TABLE,
        )
        names = {name for name in sold_items or () if name is not None}
        candidates = self.values.rows(select("item", f"({marked})", "is_less AND has_goods"))
        discounts = sum(name not in names for (name,) in candidates)
        return DISCOUNT_LINES if discounts and discounts == len(candidates) else REFUND_LINES

    def adds_up(self) -> str:
        """Return how lines compare with the totals of their orders, in a sentence;
        empty if no column has totals.
        """
        total = self._value(ORDER_TOTAL)
        equal, orders = self.equal_totals()
        return (
            f"lines add up to {total.name} in {equal:,} of {orders:,} orders"
            if total and equal
            else ""
        )

    def equal_totals(self) -> tuple[int, int]:
        """Return in how many orders lines add up to the total of the order, and of how many;
        of none if no column has totals.
        """
        total, order, amount = self._value(ORDER_TOTAL), self.order, self.amount_sql()
        if total is None or order is None or not amount or total == self.payment:
            return 0, 0
        measured = f"sum({amount}) AS lines, max({self.values.number_sql(total)}) AS total"
        by_order = select(measured, TABLE, f"{order.column} IS NOT NULL", order.column)
        orders, equal = self.values.rows(
            select(f"count(*), count(*) FILTER (abs(lines - total) < {_NEAR})", f"({by_order})")
        )[0]
        return int(equal), int(orders)

    def _counts(self, *aggregates: str, of: str = "") -> Sequence[int]:
        """Return aggregates of all rows, or of those of a statement."""
        statement = select(list(aggregates), f"({of})" if of else TABLE)
        result: Sequence[int] = self.values.rows(statement)[0]
        return result
