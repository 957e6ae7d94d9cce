"""What was paid for the goods of orders, by the sums that rows and orders show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ecom_assets.core.tables import formats
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    AMOUNTS,
    CENTS,
    COST,
    MAIN_AMOUNTS,
    MOST_PARTS_ASKED,
    MOST_PRODUCTS,
    NO_AMOUNT,
    OF_ONE_PIECE,
    ORDER_ID,
    AmountReading,
    Draft,
    Factor,
    has_word,
    plain_name,
)
from ecom_assets.ingestion.sources.proposal.fields import (
    ORDER_TOTAL,
    REFUNDED_AMOUNT,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    FoundField,
    named_values,
    numbers_left,
    numbers_of_rows,
    rounded_number,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    GoodsAmount,
    OrderParts,
    Part,
    RowParts,
    can_be_amount,
    is_discount_rate,
    is_of_goods,
    is_rate,
    is_total,
    part_of,
    readings,
    says_cents,
)
from ecom_assets.ingestion.sources.proposal.questions import AMOUNT_OF, PARTS, UNITS, quoted, shown
from ecom_assets.ingestion.sources.proposal.rows import OrderRows
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value

OF_ORDER, OF_ROW = "order", "row"
"""The answers what an amount is of that is the same on each row of an order."""


def _of_one_currency(amounts: Mapping[str, Value], amount: Value) -> dict[str, Value]:
    """Return amounts without those that stand in the file twice, in the currency of an amount by
    its name, and in another one: `tax` and `tax_usd`.
    """
    currencies: dict[str, set[str]] = {}
    for name, value in amounts.items():
        currencies.setdefault(plain_name(name), set()).add(value.currency)
    twice = {name for name, said in currencies.items() if len(said) > 1}
    return {
        name: value
        for name, value in amounts.items()
        if value.currency == amount.currency or plain_name(name) not in twice
    }


def find_amounts(draft: Draft) -> None:
    """Find what the rows are, and take the amounts of lines,
    not of orders that stand beside them.
    """
    _find_whose_price(draft)
    if draft.is_price_of_one() and not draft.products:
        price = draft.found.pop(UNIT_PRICE)
        draft.found["payment_amount"] = replace(price, field="payment_amount")
    payments = named_values(draft.values, draft.kind, "payment_amount", {})
    payments = [value for value in payments if value.is_column and draft.values.number_forms(value)]
    payments = payments or _only_total(draft) or _amount_by_sums(draft)
    _take_amount_before_refunds(draft, payments)
    rows = OrderRows(draft.values, draft.found)
    draft.continued = rows.continued() if draft.can_group() else []
    of_orders = [value for value in payments if value.path[0] in draft.continued]
    lines = [value for value in payments if value not in of_orders and draft.varies(value)]
    for value in payments:
        if value in of_orders or draft.values.spread or draft.has_row_per_order():
            continue
        is_of_order = rows.is_of_order(value, [line for line in lines if line != value])
        if is_of_order is None and ORDER_TOTAL in draft.found:
            is_of_order = value == draft.found[ORDER_TOTAL].value or None
        if is_of_order is None:
            is_of_order = _answered_of_order(draft, value)
        of_orders += [value] if is_of_order else []
    _take_line_amount(draft, payments, of_orders)
    if draft.values.spread:
        _share_amount_beside_list(draft)
    _add_up(draft)
    _add_up_orders(draft)
    rows = OrderRows(draft.values, draft.found, draft.payment())
    draft.order_rows = rows.rows_of_orders()
    draft.carried = rows.carried() if draft.can_group() and not draft.continued else []
    draft.notes += (
        [f"rows of an order itself, beside those of its lines: {draft.order_rows}"]
        if draft.order_rows
        else []
    )
    draft.notes += (
        [f"further lines of an order have no {', '.join(draft.continued)}"]
        if draft.continued
        else []
    )
    draft.notes += (
        [f"only one line of an order has {', '.join(draft.carried)}"] if draft.carried else []
    )
    if rounded := rounded_number(draft.values):
        draft.notes.append(
            f"{rounded} is no order number: a spreadsheet has rounded it, so that several "
            "orders have the same"
        )
    draft.notes += [note] if not draft.is_shared and (note := rows.adds_up()) else []


def _find_whose_price(draft: Draft) -> None:
    """Take a price that is of all pieces of a line for its amount; note where nothing says that
    it is of one, and its name does not either.
    """
    price, quantity = draft.found.get(UNIT_PRICE), draft.found.get("quantity")
    if price is None or quantity is None or "payment_amount" in draft.found:
        return
    if _takes_discount(draft, price.value, quantity.value):
        return
    of_line = OrderRows(draft.values, draft.found).price_is_of_line()
    if of_line:
        del draft.found[UNIT_PRICE]
        why = f"named {price.value.name}; it grows with the quantity, so it is of all pieces"
        draft.found["payment_amount"] = FoundField("payment_amount", price.value, why)
    elif of_line is None and not has_word(price.value, OF_ONE_PIECE):
        many = draft.values.scalar(
            f"count(*) FILTER ({draft.values.number_sql(quantity.value)} > 1)"
        )
        if many:
            draft.notes.append(
                f"{shown(price.value.name)} is taken for the price of one piece, times "
                f"{shown(quantity.value.name)}, in {formats.counted(many, 'row')} of several; "
                "if it is of all pieces, remove `times`"
            )


def _takes_discount(draft: Draft, price: Value, quantity: Value) -> bool:
    """Take the column with price times quantity less the discount, where a discount is given.
    Return whether there is one.
    """
    numbers = numbers_left(draft.values, draft.found)
    discounts = [
        value
        for value in numbers
        if part_of(value) is Part.DISCOUNT
        and draft.values.scalar(f"count(*) FILTER ({draft.values.number_sql(value)} <> 0)")
    ]
    if not discounts:
        return False
    rows = OrderRows(draft.values, draft.found)
    others = [value for value in numbers if value not in discounts]
    amounts = ((value, rows.less_discount(value, others)) for value in discounts)
    for discount, amount in amounts:
        if amount is not None:
            why = (
                f"named {amount.name}; it is {price.name} times {quantity.name} less "
                f"{discount.name}"
            )
            draft.found["payment_amount"] = FoundField("payment_amount", amount, why)
            draft.taken_off.append(discount.path[0])
            return True
    return False


def _take_amount_before_refunds(draft: Draft, payments: Sequence[Value]) -> None:
    """Take the amount before refunds, where the one that was found is what is left."""
    payment = draft.found.get("payment_amount")
    if payment is None or "payment_amount" in draft.answers:
        return
    totals = [draft.found[ORDER_TOTAL].value] if ORDER_TOTAL in draft.found else []
    others = [value for value in (*payments, *totals) if value != payment.value]
    before = OrderRows(draft.values, draft.found, payment.value).before_refunds(others)
    if before is not None:
        why = f"named {before.name}; {payment.value.name} is what was left of it"
        draft.found["payment_amount"] = FoundField("payment_amount", before, why)


def _only_total(draft: Draft) -> list[Value]:
    """Return the amount of the order where rows have no other amount,
    and take it for theirs.
    """
    total = draft.found.get(ORDER_TOTAL)
    is_known = {"payment_amount", UNIT_PRICE} & draft.found.keys()
    if total is None or draft.values.spread or is_known:
        return []
    draft.found["payment_amount"] = FoundField("payment_amount", total.value, total.why)
    return [total.value]


def _amount_by_sums(draft: Draft) -> list[Value]:
    """Return the amount of the goods by sums with named parts, such as a tax or postage, where
    no name says the amount, and take it; none where no sum shows one.
    """
    known = {"payment_amount", UNIT_PRICE, ORDER_TOTAL} & draft.found.keys()
    if known or draft.values.spread or "payment_amount" in draft.answers:
        return []
    others = {match.value for name, match in draft.found.items() if name not in AMOUNTS}
    amounts = draft.amounts_of_sales()
    by_name = {value.name: value for value in amounts if value not in others}
    rows = RowParts(draft.values, by_name).once
    named = {name for name, part in rows.parts.items() if part is not Part.OTHER}
    shown = [row_sum for row_sum in rows.sums if named & {name for name, _ in row_sum.parts}]
    if not shown:
        return []
    begin = shown[0].whole
    if any(not rows.leads_to(begin, row_sum.whole) for row_sum in shown):
        return []  # amounts of two kinds, such as with and without tax
    value = by_name[rows.goods(begin).name]
    why = f"by adding up: {shown[0].text}"
    draft.found["payment_amount"] = FoundField("payment_amount", value, why)
    draft.is_by_sums = True
    return [value]


def _answered_of_order(draft: Draft, value: Value) -> bool:
    sentence = (
        f"whether {value.name}, which is the same on each row of an order, is the amount of "
        "the order or of the row"
    )
    draft.ask(AMOUNT_OF, sentence, (OF_ORDER, OF_ROW), OF_ORDER)
    return draft.answers.get(AMOUNT_OF, OF_ORDER) == OF_ORDER


def _take_line_amount(draft: Draft, payments: Sequence[Value], of_orders: Sequence[Value]) -> None:
    for value in of_orders:
        draft.found.setdefault(ORDER_TOTAL, FoundField(ORDER_TOTAL, value, f"named {value.name}"))
    found = draft.found.get("payment_amount")
    if found is None or found.value not in of_orders or "payment_amount" in draft.answers:
        return
    of_lines = [value for value in payments if value not in of_orders]
    total = found.value
    del draft.found["payment_amount"]
    if of_lines:
        why = f"named {of_lines[0].name}; {total.name} is that of the order"
        draft.found["payment_amount"] = FoundField("payment_amount", of_lines[0], why)
    elif UNIT_PRICE not in draft.found:
        draft.is_shared = True
        why = f"named {total.name}, that of the order, shared among its lines"
        draft.found["payment_amount"] = FoundField("payment_amount", total, why)


def _share_amount_beside_list(draft: Draft) -> None:
    """Take the amount of the order where the elements of its list have none."""
    payment = draft.payment()
    inside = f"{draft.values.spread}."  # what a line has itself is not shared
    is_beside = payment and payment.is_column and not payment.name.startswith(inside)
    if is_beside and "payment_amount" in draft.answers:
        draft.is_shared = True
    if {"payment_amount", UNIT_PRICE} & draft.found.keys():
        return
    named = named_values(draft.values, draft.kind, "payment_amount", draft.found)
    total = draft.found.get(ORDER_TOTAL)
    beside = [
        value
        for value in (*named, *([total.value] if total else []))
        if value.is_column and draft.values.number_forms(value)
    ]
    if beside:
        draft.is_shared = True
        why = f"named {beside[0].name}, that of the order, shared among its lines"
        draft.found["payment_amount"] = FoundField("payment_amount", beside[0], why)


def _add_up_orders(draft: Draft) -> None:
    """Take what lines come to after the discounts of their orders, where a sum shows it, and
    of several amounts of lines the one that comes to an amount of the order.
    """
    if draft.is_shared or draft.has_row_per_order():
        return
    draft.of_orders = _amounts_of_orders(draft)
    order = draft.found.get(ORDER_ID)
    if draft.of_orders is None or order is None:
        return
    begin, parts = draft.of_orders
    of_orders = [name for name in parts.amounts if name not in parts.lines]
    of_lines = {name: parts.amounts[name] for name in parts.lines if name in parts.amounts}
    _ask_for_paid_back(draft, GoodsAmount(begin), parts)
    goods = parts.after_discounts(begin, parts.lines)
    # A proof adds up all rows of an order: what went back of it, below zero, would break it.
    is_one_way = not any(
        np.any(parts.numbers[name] < 0) and np.any(parts.numbers[name] > 0) for name in of_orders
    )
    if order.value.is_column and is_one_way and draft.is_cell(*draft.line_columns()):
        draft.order_sums = parts.sums_of_lines(begin)
        draft.lines_of_sums = begin, tuple(draft.line_columns())
    _drop_readings_without_tax(draft, begin, parts)
    if len(draft.readings) > 1 or "payment_amount" in draft.answers:
        return  # a person says it
    if goods is None:
        _take_lines_that_add_up(draft, begin, parts, of_lines)
        _ask_for_discounts_of_orders(draft, begin, parts)
    elif goods.name in of_lines:
        _take_sum(draft, goods, of_lines[goods.name])
    elif goods.name in of_orders:
        draft.shared_by = _written_begin(draft)
        draft.is_shared = True
        draft.readings = (AmountReading(goods.name, goods.less, goods.plus),)
        _take_sum(draft, goods, parts.amounts[goods.name])
        draft.notes.append(
            f"{shown(draft.readings[0].text)} is what was paid for the goods of an order, "
            f"shared among its lines by {shown(begin)}"
        )


def _amounts_of_orders(draft: Draft) -> tuple[str, OrderParts] | None:
    """Return what the amount of a line is called, and the amounts of whole orders with what their
    lines come to; None where nothing of a whole order says anything of its lines.
    """
    order = draft.found.get(ORDER_ID)
    own = OrderRows(draft.values, draft.found, draft.payment()).amount_sql()
    begin = _begin_of_lines(draft)
    if order is None or not own or not begin:
        return None
    numbers = draft.amounts_of_sales()
    of_lines = {value.name: value for value in numbers if _is_of_lines_alone(draft, value)}
    of_orders = {value.name: value for value in numbers if value.name not in of_lines}
    lines = {name: draft.values.number_sql(value) for name, value in of_lines.items()}
    parts = OrderParts(
        draft.values,
        {**of_orders, **of_lines},
        order=order.value,
        lines={**lines, begin: own},
    ).once
    return (begin, parts) if of_orders else None


def _ask_for_discounts_of_orders(draft: Draft, begin: str, parts: OrderParts) -> None:
    """Ask whether a discount of whole orders is to be taken off their lines, where no sum shows
    what these come to; note others.
    """
    in_sums = {end for each in parts.sums for end in (each.whole, each.base)}
    shown_parts = {name for row_sum in parts.sums for name, _ in row_sum.parts}
    off = [
        name
        for name, part in parts.parts.items()
        if part is Part.DISCOUNT and name not in {*shown_parts, *parts.lines}
    ]
    columns = {value.name for value in draft.values.values if value.is_column}
    if off and begin not in in_sums and off[0] in columns and parts.is_within(off[0], begin):
        plain = draft.reading() or AmountReading(begin)
        less = replace(plain, less_shared=off[0], is_below_zero=parts.is_below_zero(off[0]))
        draft.readings = (less, plain)
        ask_for_parts(draft, parts)
        off = off[1:]
    for name in off:
        draft.notes.append(
            f"{shown(name)} ({formats.amount(parts.total(name))}) is a discount of whole "
            "orders, and is not taken off their lines: no sum shows that they are before it"
        )


def _begin_of_lines(draft: Draft) -> str:
    """Return the name of the amount of a line; empty where parts of the row are taken off it,
    or no column has it.
    """
    cells = draft.line_columns()
    has_parts = draft.goods is not None and bool(draft.goods.less or draft.goods.plus)
    is_cell = draft.is_cell(*cells) and not has_parts
    return " times ".join(value.name for value in cells) if is_cell else ""


def _drop_readings_without_tax(draft: Draft, begin: str, parts: OrderParts) -> None:
    """Ask no more whether a tax is in the amount of a line, where lines and a tax come to an
    amount of the order.
    """
    taxes = {name for name, part in parts.parts.items() if part is Part.TAX}
    is_beside = any(
        name in taxes and way * (1 if row_sum.base == begin else -1) > 0
        for row_sum in parts.sums
        if begin in {row_sum.whole, row_sum.base}
        for name, way in row_sum.parts
    )
    if is_beside:
        draft.readings = tuple(reading for reading in draft.readings if not taxes & {*reading.less})
    if len(draft.readings) == 1:
        draft.questions = [question for question in draft.questions if question.key != PARTS]


def _written_begin(draft: Draft) -> str:
    """Return the origin of the amount of a line, by which one of its order is shared."""
    column, *times = (quoted(value.path[0]) for value in draft.line_columns())
    return f"{{column: {column}, times: {times[0]}}}" if times else column


def _is_of_lines_alone(draft: Draft, value: Value) -> bool:
    """Return whether an amount is of a line, not of its whole order."""
    if draft.values.spread:
        return value.name.startswith(f"{draft.values.spread}.")
    return not draft.is_one_per_order(value)


def _take_sum(draft: Draft, goods: GoodsAmount, value: Value) -> None:
    why = f"by adding up: {'; '.join(row_sum.text for row_sum in goods.shown_by)}"
    draft.found["payment_amount"] = FoundField("payment_amount", value, why)


def _take_lines_that_add_up(
    draft: Draft, begin: str, parts: OrderParts, of_lines: Mapping[str, Value]
) -> None:
    """Take another amount of lines where it comes to one of the order, and this one not."""
    if parts.reaches(begin, parts.lines):
        return
    for name, value in of_lines.items():
        if part_of(value) is None and parts.reaches(name, parts.lines):
            if parts.is_without_tax(begin, name):
                draft.notes.append(f"{shown(begin)} is {shown(name)} without tax")
                return
            draft.found["payment_amount"] = FoundField(
                "payment_amount", value, f"named {name}; lines add up to an amount of the order"
            )
            draft.readings = ()
            return


def _add_up(draft: Draft) -> None:
    """Take the amount of the goods by the sums that rows show, and ask what is part of it where
    no sum shows it.
    """
    begin, rows = amount_to_explain(draft)
    if rows is None:
        return
    is_said = "payment_amount" in draft.answers
    goods = rows.goods(begin, is_said=is_said, off=draft.product_less, beside=draft.product_plus)
    unproven = {name: part for name, part in goods.unproven.items() if name not in draft.taken_off}
    goods = replace(goods, unproven=unproven, others=() if is_said else goods.others)
    draft.goods = goods
    if goods.name != begin:
        _take_goods(draft, goods, rows)
    _ask_for_paid_back(draft, goods, rows)
    asked = _parts_to_ask(draft, goods, rows)
    likely = [name for name in asked if _is_likely_off(draft, goods, rows, name)]
    ways = sorted(readings(asked), key=lambda less: list(less) != likely)
    below = {name for name in asked if rows.is_below_zero(name)}
    draft.readings = tuple(
        AmountReading(
            goods.name,
            (*goods.less, *(name for name in way if name not in below)),
            (*goods.plus, *(name for name in way if name in below)),
        )
        for way in ways
    )
    draft.readings += tuple(AmountReading(name, rows.taxes_inside(name)) for name in goods.others)
    draft.readings += tuple(AmountReading(name) for name in _without_tax(draft, goods, rows))
    if "payment_amount" not in draft.answers:
        before = tuple(AmountReading(name) for name in rows.before_fees(goods))
        draft.readings = (*before, *draft.readings)
    _add_rate_of_discount(draft, goods, rows)
    if len(draft.readings) > 1:
        ask_for_parts(draft, rows)
    _take_answered_amount(draft, goods, rows)
    _note_parts(draft, goods, asked)
    _note_what_is_left(draft, goods, rows)


def _without_tax(draft: Draft, goods: GoodsAmount, rows: RowParts) -> tuple[str, ...]:
    """Return amounts of the goods without their tax, where one with it may have been found by
    its name; none where a person has said it, or where it is less some parts.
    """
    has_parts = goods.less or goods.plus or len(draft.readings) > 1
    is_said = "payment_amount" in draft.answers
    return () if has_parts or is_said else rows.without_tax(goods)


def _take_answered_amount(draft: Draft, goods: GoodsAmount, rows: RowParts) -> None:
    """Take the amount of the answer what was paid for the goods, where it is another column."""
    reading = draft.reading()
    if reading is None or PARTS not in draft.answers or reading.name == goods.name:
        return
    draft.found.pop("payment_amount", None)
    if value := rows.amounts.get(reading.name):  # else a price times a quantity
        draft.found["payment_amount"] = FoundField("payment_amount", value, "as answered")


def _add_rate_of_discount(draft: Draft, goods: GoodsAmount, rows: RowParts) -> None:
    """Add the amount less a discount in percent, where nothing shows that it is after it."""
    rates = [
        value
        for value in rows.rates
        if is_discount_rate(value)
        and draft.values.scalar(f"count(*) FILTER ({draft.values.number_sql(value)} <> 0)")
    ]
    if not rates or goods.less or goods.plus or draft.taken_off:
        return
    others = [name for name in rows.numbers if name != goods.name and name not in rows.parts]
    found = [rows.takes_rate(goods.name, other, rates[0]) for other in others]
    lower = [name for name in others if rows.takes_rate(name, goods.name, rates[0])]
    if lower and lower[0] in rows.amounts and "payment_amount" not in draft.answers:
        text = f"{lower[0]} = {goods.name} - {rates[0].name} of it"
        why = f"named {lower[0]}, and by adding up: {text}"
        draft.found["payment_amount"] = FoundField("payment_amount", rows.amounts[lower[0]], why)
        draft.readings = (AmountReading(lower[0]),)
    elif True not in found:
        reading = AmountReading(goods.name, factor=Factor.less_rate(rates[0]))
        draft.readings = (reading, *draft.readings)


def amount_to_explain(draft: Draft) -> tuple[str, RowParts | None]:
    """Return the amount that was found by its name, and the amounts of rows beside it."""
    payment, price = draft.payment(), draft.found.get(UNIT_PRICE)
    quantity, item = draft.found.get("quantity"), draft.found.get("item_id")
    of_pieces = price and quantity and draft.is_cell(price.value, quantity.value)
    others = {
        match.value
        for name, match in draft.found.items()
        if name not in AMOUNTS or name in {UNIT_PRICE, COST}
    }
    amounts = {
        value.name: value
        for value in (numbers_left if draft.is_shared else numbers_of_rows)(draft.values, {})
        if value not in others and can_be_amount(value) and _is_of_rows(draft, value)
    }
    if payment is not None and draft.is_cell(payment):
        amounts[payment.name] = payment
        amounts = _of_one_currency(amounts, payment)
    elif payment is not None or not of_pieces:
        return "", None
    product = ("", "")
    if price and quantity and of_pieces:
        each, count = map(draft.values.number_sql, (price.value, quantity.value))
        product = f"{price.value.name} times {quantity.value.name}", f"{each} * {count}"
    begin = payment.name if payment else product[0]
    order = draft.found.get(ORDER_ID)
    if draft.is_shared and order is not None:  # of each order once, however many rows it has
        return begin, OrderParts(draft.values, amounts, order=order.value).once
    return begin, RowParts(
        draft.values,
        amounts,
        product,
        item.value if item else None,
        quantity.value if quantity else None,
        [value for value in numbers_of_rows(draft.values, {}) if is_rate(value)],
        f"{order.value.column} IS NOT NULL" if order and draft.are_kinds else "",
    ).once


def _is_of_rows(draft: Draft, value: Value) -> bool:
    """Return whether a number can be a part of the amount of a row, not of its whole order."""
    if draft.values.spread:
        return value.name.startswith(f"{draft.values.spread}.") is not draft.is_shared
    if draft.is_shared or draft.has_row_per_order():
        return True
    return draft.varies(value) or not _is_repeated(draft, value)


def _is_repeated(draft: Draft, value: Value) -> bool:
    """Return whether all rows of an order with several have the same number above zero. Rows that
    name no goods, and do not even differ in their amounts, may be a sale and its refund.
    """
    order = draft.found.get("order_id")
    if order is None:
        return False
    number = draft.values.number_sql(value)
    is_alike = "false"
    payment = draft.payment()
    if payment and "item_id" not in draft.found:
        money = draft.values.number_sql(payment)
        is_alike = f"coalesce(min({money}) = max({money}) AND count({money}) > 1, false)"
    measured = [
        *("count(*) AS row_count", f"min({number}) AS least", f"max({number}) AS most"),
        f"{is_alike} AS is_alike",
    ]
    by_order = select(measured, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
    repeated = "count(*) FILTER (row_count > 1 AND least = most AND most <> 0 AND NOT is_alike)"
    return bool(draft.values.rows(select(repeated, f"({by_order})"))[0][0])


def _take_goods(draft: Draft, goods: GoodsAmount, rows: RowParts) -> None:
    why = "; ".join(row_sum.text for row_sum in goods.shown_by)
    if goods.name == rows.product[0]:
        del draft.found["payment_amount"]
        draft.notes.append(f"the amount is {goods.name}: {why}")
        return
    value = rows.amounts[goods.name]
    why = f"named {goods.name}, and by adding up: {why}"
    draft.found["payment_amount"] = FoundField("payment_amount", value, why)


def _parts_to_ask(draft: Draft, goods: GoodsAmount, rows: RowParts) -> list[str]:
    """Return the parts that may have to be taken off the amount, where no sum shows it."""
    may_have_all = _may_have_all(draft, rows.amounts.get(goods.name))
    asked = [
        name
        for name, part in goods.unproven.items()
        if (part in {Part.SHIPPING, Part.TAX, Part.TIP} and may_have_all)
        or (part is Part.TAX and rows.may_be_inside(name, goods))
        or (part is Part.TAX and rows.may_be_either(name, goods))
        or (
            part is Part.DISCOUNT
            and rows.is_within(name, goods.name)
            and not rows.is_taken_off(name, goods.name)
        )
    ]
    back = _paid_back_columns(draft)
    unnamed = [name for name in rows.unexplained(goods) if name not in back]
    taxes = [name for name in unnamed if may_have_all and rows.may_be_inside(name, goods)]
    first = [name for name in asked if goods.unproven[name] is not Part.DISCOUNT]
    return [*dict.fromkeys([*first, *taxes, *asked, *goods.optional, *unnamed])][:MOST_PARTS_ASKED]


def _ask_for_paid_back(draft: Draft, goods: GoodsAmount, rows: RowParts) -> None:
    """Ask which amount was paid back, where some may be and no name says so; not where rows of
    their own, or pieces, say what went back.
    """
    known = draft.found_without_answer(REFUNDED_AMOUNT)
    is_known = {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & known.keys() or draft.are_kinds
    if is_known or np.any(rows.numbers[goods.name] < 0):
        return
    is_said = "payment_amount" in draft.answers
    of_lines = rows.lines if isinstance(rows, OrderParts) else ()
    names = [
        name for name in rows.may_be_paid_back(goods, is_said=is_said) if name not in of_lines
    ][:MOST_PRODUCTS]
    left = {} if isinstance(rows, OrderParts) else _totals_left(goods, rows)
    if not names and not left:
        return
    noun = "order" if isinstance(rows, OrderParts) else "row"
    some = [
        f"{shown(name)} ({formats.amount(rows.total(name))} in "
        f"{formats.counted(int(np.count_nonzero(rows.filled(name))), noun)})"
        for name in names
    ]
    some += [
        f"{shown(text)} ({formats.amount(money)} in {formats.counted(count, noun)})"
        for text, (_, money, count) in left.items()
    ]
    sentence = (
        f"the column of what was paid back, or {NO_AMOUNT}: "
        f"{', '.join(some)} of {formats.counted(len(rows.filled(goods.name)), noun)}, never "
        "more than was paid"
    )
    draft.ask(REFUNDED_AMOUNT, sentence, (*names, *left, NO_AMOUNT), NO_AMOUNT)
    said = left.get(draft.answers.get(REFUNDED_AMOUNT, ""))
    draft.left_of_total = said[0] if said else ()


def _totals_left(
    goods: GoodsAmount, rows: RowParts
) -> dict[str, tuple[tuple[str, str], float, int]]:
    """Return the totals that are less than another one on some rows, such as that of an order
    after what went back, each as a difference: of which columns, how much, on how many rows.
    """
    totals = {name for name, value in rows.amounts.items() if is_total(value)}
    return {
        f"{whole} less {name}": ((whole, name), money, count)
        for name, (whole, money, count) in rows.left_of(goods).items()
        if {whole, name} <= totals and np.any(rows.filled(name) == 0)
    }


def _paid_back_columns(draft: Draft) -> set[str]:
    """Return the columns that are what was paid back, or may be as long as nobody says it."""
    if REFUNDED_AMOUNT in draft.found:
        return {draft.found[REFUNDED_AMOUNT].value.name}
    asked = [question for question in draft.questions if question.key == REFUNDED_AMOUNT]
    is_open = REFUNDED_AMOUNT not in draft.answers
    return {name for question in asked for name in question.choices} if is_open else set()


def _may_have_all(draft: Draft, amount: Value | None) -> bool:
    """Return whether an amount may have all in it that was paid: by its name, or as a person
    or a sum has said it and its name says nothing.
    """
    is_unnamed = "payment_amount" in draft.answers or draft.is_by_sums
    total = draft.found.get(ORDER_TOTAL)
    if draft.is_shared and amount is not None and total and total.value == amount:
        return True
    return amount is not None and (is_total(amount) or (is_unnamed and not is_of_goods(amount)))


def _is_likely_off(draft: Draft, goods: GoodsAmount, rows: RowParts, name: str) -> bool:
    """Return whether a part is probably to be taken off, by the name of the amount alone: of a
    total what is charged beside the goods, of a price the discount, unless it comes to a total
    without that.
    """
    may_have_all = _may_have_all(draft, rows.amounts.get(goods.name))
    part = goods.unproven.get(name)
    if part is Part.DISCOUNT:
        return not (may_have_all or rows.is_in_total(goods.name, without=name))
    return part is not None and may_have_all


def ask_for_parts(draft: Draft, rows: RowParts) -> None:
    """Ask what was paid for the goods, with what each reading of the amount comes to."""
    texts_of = {reading.text: reading for reading in draft.readings}
    units = 100 if draft.answers.get(UNITS) == CENTS or _named_in_cents(draft) else 1
    sums = [
        f"{shown(words)} ({formats.amount(_comes_to(draft, each, rows) / units)})"
        for words, each in texts_of.items()
    ]
    sentence = (
        "what was paid for the goods, as no sum of the file shows what is in "
        f"{shown(draft.readings[0].name)}: {' or '.join(sums)}"
    )
    draft.ask(PARTS, sentence, tuple(texts_of), draft.readings[0].text)


def _named_in_cents(draft: Draft) -> bool:
    """Return whether the amount counts cents by its name."""
    cells = [draft.found[name].value for name in MAIN_AMOUNTS if name in draft.found]
    return bool(cells) and says_cents(cells[0])


def _comes_to(draft: Draft, reading: AmountReading, rows: RowParts) -> float:
    if reading.factor is not None:
        return _multiplied_total(draft, reading, rows)
    off = float(np.sum(np.abs(rows.filled(reading.less_shared)))) if reading.less_shared else 0
    return rows.total(reading.name, reading.less, reading.plus) - off


def _multiplied_total(draft: Draft, reading: AmountReading, rows: RowParts) -> float:
    """Return what an amount that is multiplied comes to, over all rows; of one that is shared among
    the lines of its order over all orders.
    """
    factor, order = reading.factor, draft.found.get(ORDER_ID)
    assert factor is not None  # noqa: S101 (of such a reading)
    number = draft.values.number_sql
    by_name = {value.name: value for value in draft.values.values}
    is_product = reading.name == rows.product[0]
    sql = rows.product[1] if is_product else number(by_name[reading.name])
    for sign, names in (("-", reading.less), ("+", reading.plus)):
        sql += "".join(f" {sign} coalesce({number(by_name[name])}, 0)" for name in names)

    def of_order(value: Value) -> str:
        if order is None or value.path[0] not in (*draft.carried, *draft.continued):
            return number(value)
        return f"max({number(value)}) OVER (PARTITION BY {order.value.column})"

    money = f"round(({sql}) * {factor.sql(of_order)}, {factor.digits}) AS money"
    of_rows = select([money, *([order.value.column] if order else [])], TABLE)
    if draft.is_shared and order is not None:
        of_rows = select("max(money) AS money", of_rows, group_by=order.value.column)
    return float(draft.values.rows(select("coalesce(sum(money), 0)::DOUBLE", of_rows))[0][0])


def _note_what_is_left(draft: Draft, goods: GoodsAmount, rows: RowParts) -> None:
    """Note the amounts that are less than another one on some rows, as what is left of an order
    once something was paid back, where no column says what was.
    """
    if REFUNDED_AMOUNT in draft.found or draft.left_of_total or _paid_back_columns(draft):
        return
    for name, (whole, money, count) in rows.left_of(goods).items():
        draft.notes.append(
            f"{shown(name)} is {shown(whole)} but for {formats.counted(count, 'row')}, where "
            f"it is less, by {formats.amount(money)} in all: nothing of that is paid back"
        )


def _note_parts(draft: Draft, goods: GoodsAmount, asked: Sequence[str]) -> None:
    """Note what is taken off by which sum, and what is not."""
    sums = "; ".join(f"{row_sum.text} ({row_sum.row_count:,} rows)" for row_sum in goods.shown_by)
    by_orders = [name for name in goods.less if name == draft.product_less and not sums]
    others = [name for name in (*goods.less, *goods.plus) if name not in by_orders]
    for names, proof in (
        (by_orders, "the totals of orders show it"),
        (others, sums or "it is a rate of what is left"),
    ):
        if names:
            off = " and ".join(map(shown, names))
            draft.notes.append(f"{off} is taken off {shown(goods.name)}: {proof}")
    left = [
        name
        for name, part in goods.unproven.items()
        if name not in asked and part in {Part.SHIPPING, Part.TAX, Part.DISCOUNT, Part.TIP}
    ]
    if left:
        draft.notes.append(
            f"{' and '.join(map(shown, left))} is not taken off {shown(goods.name)}: no sum of "
            "the file shows that it is in it"
        )
