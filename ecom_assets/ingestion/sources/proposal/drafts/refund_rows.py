"""What was paid back, and which rows say so."""

from collections.abc import Sequence

from ecom_assets.core.tables import formats
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.proposal.drafts.amount_options import (
    hundredth_of,
    less_and_plus,
    multiplied,
)
from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    IN_CENTS,
    NO_AMOUNT,
    ORDER_ID,
    Draft,
    options_of,
)
from ecom_assets.ingestion.sources.proposal.drafts.goods_of_refunds import (
    are_pieces_worth_it,
    back_by_part,
    back_without_tax,
    goods_of_order,
    is_of_order,
    is_of_row,
)
from ecom_assets.ingestion.sources.proposal.event_amounts import FEWEST_ORDERS
from ecom_assets.ingestion.sources.proposal.fields import (
    ORDER_TOTAL,
    REFUNDED_AMOUNT,
    REFUNDED_AT,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    candidates,
)
from ecom_assets.ingestion.sources.proposal.questions import quoted, quoted_list, shown
from ecom_assets.ingestion.sources.proposal.rows import DISCOUNT_LINES, REFUND_LINES, OrderRows
from ecom_assets.ingestion.sources.proposal.state_words import Meaning, says_no_sale_or_refund
from ecom_assets.ingestion.sources.proposal.states import OrderStates
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value


def lines_below_zero(draft: Draft) -> list[str]:
    """Return the line that says what lines below zero are; none where no line is."""
    draft.sign = OrderRows(draft.values, draft.found, draft.payment()).below_zero()
    if not draft.sign:
        return []
    why = {
        REFUND_LINES: "lines below zero went back",
        DISCOUNT_LINES: "amounts below zero beside goods lower what these cost",
    }
    return [f"below_zero: {draft.sign}  # {why[draft.sign]}; check this"]


def condition_of_refunds(draft: Draft, states: OrderStates | None) -> str:
    """Return the condition of rows that are a sale and a refund; empty if no row is both."""
    order = draft.found.get("order_id")
    if order and not order.value.is_column:
        return ""
    if _are_pieces_refunded(draft, states):
        draft.refunds_pieces = True
        return f"if_any: {quoted_list([draft.column(REFUNDED_QUANTITY)])}"
    if states and (states.of(Meaning.REFUND) or states.of(Meaning.PART_REFUND)):
        draft.refunded_states = states.refunded
        if states.is_final and _are_paid_back_beyond(draft, states):
            return f"if_any: {quoted_list([draft.column(REFUNDED_AMOUNT)])}"
        return _refund_of_states(draft, states) if states.is_final else ""
    return _refund_of_columns(draft)


def _refund_of_columns(draft: Draft) -> str:
    """Return the condition of rows that other columns than that of the state say went back."""
    if draft.left_of_total and _can_repeat_rows_of_orders(draft):
        return f"if_differ: {quoted_list(draft.left_of_total)}"
    columns = [
        draft.found[name].value for name in (REFUNDED_AMOUNT, REFUNDED_AT) if name in draft.found
    ]
    named = [value for value in columns if value.is_column and not value.joined]
    if named:
        return f"if_any: {quoted_list([named[0].path[0]])}"
    flags = [flag for flag in draft.flags if flag.meaning is Meaning.REFUND and flag.marked]
    if not flags:
        beside = [states for states in draft.other_states if states.is_of_refunds]
        return beside[0].refund_kind if beside and _can_repeat_rows(draft) else ""
    name, cells = flags[0].value.path[0], flags[0].marked
    return f"where: {{{quoted(name)}: {quoted_list(cells)}}}"


def _are_paid_back_beyond(draft: Draft, states: OrderStates) -> bool:
    """Return whether each row whose state says that it went back says how much did, and others
    that were sold do, too; note those others where some of the first do not.
    """
    back = draft.found.get(REFUNDED_AMOUNT)
    if back is None or not back.value.is_column or not states.value.is_column:
        return False
    money = f"coalesce(abs({draft.values.number_sql(back.value)}), 0)"
    state = states.value.column
    is_back, is_sold = (
        f"coalesce(list_contains({texts(named)}, {state}), false)"
        for named in (states.refunded, states.of(Meaning.SALE))
    )
    unsaid, others = (
        int(draft.values.scalar(f"count(*) FILTER ({condition})"))
        for condition in (f"{is_back} AND {money} = 0", f"{is_sold} AND {money} > 0")
    )
    if others and unsaid:
        draft.notes.append(
            f"{shown(back.value.name)} says in {formats.counted(others, 'row')} that something "
            f"went back, of which {shown(states.value.name)} does not: it is not counted, as "
            "other rows went back as a whole and do not say how much"
        )
    return bool(others) and not unsaid


def _can_repeat_rows_of_orders(draft: Draft) -> bool:
    """Return whether rows are orders, of which each can be a sale and a refund."""
    payment = draft.payment()
    is_plain = payment is None or not hundredth_of(draft, payment)
    return draft.has_row_per_order() and not draft.is_shared and is_plain


def _can_repeat_rows(draft: Draft) -> bool:
    """Return whether a row can be a sale and a refund: its state is a column of the file."""
    status = draft.found.get("status")
    return status is not None and status.value.is_column


def _are_pieces_refunded(draft: Draft, states: OrderStates | None) -> bool:
    """Return whether lines say how many of their pieces went back, at the price of a piece;
    each order whose state says that money went back has such a line.
    """
    back, quantity = draft.found.get(REFUNDED_QUANTITY), draft.found.get("quantity")
    price, order = draft.found.get(UNIT_PRICE), draft.found.get("order_id")
    amount = draft.found.get("payment_amount")
    if not (back and quantity and order) or not (price or amount):
        return False
    if not all(match.value.is_column for match in (back, quantity, order)):
        return False
    if amount and not (draft.can_count_pieces() and (price or "item_id" in draft.found)):
        return False
    if not amount and price and not price.value.is_column:
        return False
    pieces, count = map(draft.values.number_sql, (back.value, quantity.value))
    more = draft.values.scalar(f"count(*) FILTER ({pieces} > {count})")
    some = draft.values.scalar(f"count(*) FILTER ({pieces} > 0)")
    is_said = bool(some) and not more
    is_said = is_said and are_pieces_worth_it(draft, f"{pieces} / nullif({count}, 0)")
    if not is_said or not states or not states.refunded:
        return is_said
    is_refund = f"bool_or(list_contains({texts(states.refunded)}, {states.value.column}))"
    measured = f"{is_refund} AS is_refund, coalesce(sum({pieces}), 0) AS pieces"
    by_order = select(measured, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
    unsaid = select("count(*) FILTER (is_refund AND pieces = 0)", f"({by_order})")
    return not draft.values.rows(unsaid)[0][0]


def _refund_of_states(draft: Draft, states: OrderStates) -> str:
    """Return the condition of rows whose state says that they went back.

    Where the state is carried down to all lines of an order, and what was paid back stands on
    one, that line alone has the refund.
    """
    rows = OrderRows(draft.values, draft.found)
    is_carried = states.column in draft.carried
    if is_carried and rows.is_paid_back_on_one_line(states.refunded):
        return f"{states.refund_kind}, if_any: {quoted_list([draft.column(REFUNDED_AMOUNT)])}"
    return states.refund_kind


def note_pieces_that_went_back(draft: Draft) -> None:
    """Note that pieces went back where nothing says at which price."""
    back = draft.found.get(REFUNDED_QUANTITY)
    if back is None or draft.refunds_pieces or REFUNDED_AMOUNT in draft.found:
        return
    number = draft.values.number_sql(back.value)
    rows = int(draft.values.scalar(f"count(*) FILTER ({number} > 0)"))
    if rows:
        draft.notes.append(
            f"{shown(back.value.name)} says in {formats.counted(rows, 'row')} that pieces went "
            "back, and no price of one says for how much: nothing is counted as paid back"
        )


def ask_for_list_of_refunds(draft: Draft) -> None:
    """Ask for the column of what was paid back, where records have a list of refunds, which a draft
    does not read.
    """
    lists = [
        item_list for item_list in draft.values.lists.items if item_list.path != draft.values.spread
    ]
    named = [item_list.path for item_list in lists if says_no_sale_or_refund(item_list.path)]
    if not named or {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & draft.found.keys():
        return
    value = next((column for column in draft.values.values if column.name == named[0]), None)
    rows = int(draft.values.scalar(f"count(*) FILTER (length({value.column}) > 2)")) if value else 0
    if rows:
        sentence = (
            f"the column of what was paid back, as a draft does not read the list "
            f"{shown(named[0])} in {formats.counted(rows, 'row')}, or {NO_AMOUNT}: then what went "
            "back of a part is not counted (a kind of `rows` with the path of the list reads it, "
            "as in the mapping `woocommerce`)"
        )
        choices = (*candidates(draft.values, REFUNDED_AMOUNT, draft.found), NO_AMOUNT)
        draft.ask(REFUNDED_AMOUNT, sentence, choices, NO_AMOUNT)


def share_what_was_paid_back(draft: Draft) -> None:
    """Share what was paid back of a whole order among its lines, where all of them say the
    same; leave it out where they do not.
    """
    refunded = draft.found.get(REFUNDED_AMOUNT)
    if not refunded or draft.has_row_per_order() or _is_of_lines(draft, refunded.value):
        return
    order = draft.found.get(ORDER_ID)
    cells = [refunded.value, *([order.value] if order else [])]
    if order and all(cell.is_column for cell in cells):
        draft.is_back_shared = True
        draft.notes.append(
            f"{shown(refunded.value.name)} is of whole orders, and is shared among their lines"
        )
    else:
        del draft.found[REFUNDED_AMOUNT]
        draft.notes.append(
            f"{refunded.value.name} is of whole orders, and is not used: rows are lines"
        )


def _is_of_lines(draft: Draft, value: Value) -> bool:
    if draft.values.spread:
        return value.name.startswith(f"{draft.values.spread}.")
    return "order_id" not in draft.found or draft.varies(value)


def refund_of_amount(draft: Draft, value: Value) -> str:
    """Return the line of an amount that rows of refunds have from another column;
    empty without such.
    """
    refunded = draft.found.get(REFUNDED_AMOUNT)
    amount = quoted(value.path[0])
    units = in_cents(draft, value)
    sale = f"{{{', '.join([f'column: {amount}', *less_and_plus(draft), *units])}}}"
    if draft.left_of_total and draft.refund:
        whole, left = map(quoted, draft.left_of_total)
        most = _at_most_goods(draft, [value])
        by_part = back_by_part(draft, None, sale)
        difference = f"{{{', '.join([f'column: {whole}, less: [{left}]', *units])}{most}}}"
        return amount_by_row(sale, by_part or difference)
    if not draft.refund or not refunded or not value.is_column or not refunded.value.is_column:
        return ""
    back = quoted(refunded.value.path[0])
    if by_part := back_by_part(draft, refunded.value, sale):
        return amount_by_row(sale, by_part)
    if shared := shared_back(draft, amount):
        return amount_by_row(sale, shared)
    zeros = ", skip_zeros: true" if _has_zeros(draft, refunded.value) else ""
    most = f"{''.join(f', {unit}' for unit in units)}{_at_most_goods(draft, [value])}"
    options = f"{_less_of_refund(draft)}{zeros}{_without_sign(draft, refunded.value)}{most}"
    refund = f"{{first_of: [{back}, {amount}]{options}}}"
    return amount_by_row(sale, refund)


def _less_of_refund(draft: Draft) -> str:
    """Return the option of the postage and the tax that went back with the goods."""
    names = [value.path[0] for value in draft.back.less]
    return f", less: {quoted_list(names)}" if names else ""


def amount_by_row(sale: str, refund: str) -> str:
    """Return the line of the amount of sales and of refunds, each with its origin."""
    return f"  payment_amount: {{by_row: {{sale: {sale}, refund: {refund}}}}}  # check this"


def shared_back(draft: Draft, by: str) -> str:
    """Return the origin of what was paid back of an order, shared among its lines by another
    origin; empty where it is of lines, or nothing was.
    """
    if not draft.is_back_shared or not draft.refund:
        return ""
    back = draft.found[REFUNDED_AMOUNT].value
    sign = _without_sign(draft, back).removeprefix(", ")
    most = _at_most_goods_of_order(draft).removeprefix(", ")
    less = _less_of_refund(draft).removeprefix(", ")
    options = filter(None, (less, *in_cents(draft, back), sign, most))
    return f"{{{', '.join([f'column: {quoted(back.path[0])}', *options, f'shared_by: {by}'])}}}"


def _at_most_goods(draft: Draft, cells: Sequence[Value]) -> str:
    """Return the option by which no more than the goods is paid back, where rows are orders: a
    refund of a whole order has its tax and its postage in it, too.
    """
    back = draft.found.get(REFUNDED_AMOUNT)
    is_whole = back is not None and not is_of_row(draft) and is_of_order(draft, back.value)
    if is_whole or draft.is_shared:
        return _at_most_goods_of_order(draft)
    column, *times = (quoted(value.path[0]) for value in cells)
    options = [f"column: {column}", *(f"times: {name}" for name in times)]
    options += [*less_and_plus(draft), *in_cents(draft, cells[0])]
    return f", at_most: {{{', '.join(options)}}}"


def _at_most_goods_of_order(draft: Draft) -> str:
    """Return the option by which no more than the goods of an order is paid back on one of its
    lines, where a sum shows which amounts of the order come to them.
    """
    back = draft.found.get(REFUNDED_AMOUNT)
    if back is None or ORDER_ID not in draft.found or not draft.is_one_per_order(back.value):
        return ""
    goods = goods_of_order(draft)
    if goods is None:
        return _at_most_total(draft)
    options = [f"column: {quoted(goods.name)}", *options_of(goods)]
    options += in_cents(draft, back.value)  # what comes to each other is in one unit
    return f", at_most: {{{', '.join(options)}}}"


def _at_most_total(draft: Draft) -> str:
    """Return the option of no more than the total of an order where its lines alone add up to
    it: an amount that was paid back beyond it is of postage and tax.
    """
    equal, orders = OrderRows(draft.values, draft.found, draft.payment()).equal_totals()
    total = draft.found.get(ORDER_TOTAL)
    if total is None or not total.value.is_column or equal < FEWEST_ORDERS or equal < orders:
        return ""
    options = [f"column: {quoted(total.value.path[0])}", *in_cents(draft, total.value)]
    return f", at_most: {{{', '.join(options)}}}"


def _without_sign(draft: Draft, value: Value) -> str:
    """Return the option of what was paid back where it is written below zero."""
    below = draft.values.scalar(f"count(*) FILTER ({draft.values.is_below_zero(value)})")
    return ", absolute: true" if below else ""


def _has_zeros(draft: Draft, value: Value) -> bool:
    """Return whether some rows of refunds say 0.00 for what was paid back: of these all was."""
    if not draft.refund.startswith("where"):
        return False
    return bool(draft.values.scalar(f"count(*) FILTER ({draft.values.number_sql(value)} = 0)"))


def paid_back_of_each(draft: Draft) -> str:
    """Return the column of what was paid back, if each row of a refund has it; else empty."""
    refunded = draft.found.get(REFUNDED_AMOUNT)
    if not draft.refund or refunded is None or not refunded.value.is_column:
        return ""
    back = refunded.value
    if draft.refunded_states:
        is_refund = (
            f"list_contains({texts(draft.refunded_states)}, {draft.found['status'].value.column})"
        )
        if draft.values.scalar(f"count(*) FILTER ({is_refund} AND {back.column} IS NULL)"):
            return ""
    cells = draft.line_columns()
    columns = [quoted(cell.path[0]) for cell in cells]
    times = "".join(f", times: {name}" for name in columns[1:])
    options = [*less_and_plus(draft), *in_cents(draft, cells[0])]
    sale = f"{{{', '.join([f'column: {columns[0]}{times}', *options])}}}"
    reading = draft.reading()
    is_multiplied = reading is not None and reading.factor is not None and reading.factor.is_of_tax
    if reading and is_multiplied:
        sale = multiplied(draft, reading)
    if by_part := back_by_part(draft, back, sale) or back_without_tax(draft, back, sale):
        return by_part
    if shared := shared_back(draft, sale if is_multiplied else f"{{column: {columns[0]}{times}}}"):
        return shared
    sign = _without_sign(draft, back).removeprefix(", ")
    less = _less_of_refund(draft).removeprefix(", ")
    most = _at_most_goods(draft, cells).removeprefix(", ")
    options = [option for option in (less, *in_cents(draft, back), sign, most) if option]
    return (
        f"{{{', '.join([f'column: {quoted(back.path[0])}', *options])}}}"
        if options
        else quoted(back.path[0])
    )


def time_of_refund(draft: Draft, value: Value) -> str:
    """Return the origin of a time that rows of refunds have from another column;
    empty without such.
    """
    match = draft.found.get(REFUNDED_AT)
    if not draft.refund or match is None or not (value.is_column and match.value.is_column):
        return ""
    if value.joined or match.value.joined or not _are_written_alike(draft, value, match.value):
        return ""
    time, back = quoted(value.path[0]), quoted(match.value.path[0])
    return f"by_row: {{sale: {time}, refund: {{first_of: [{back}, {time}]}}}}"


def _are_written_alike(draft: Draft, value: Value, other: Value) -> bool:
    forms = draft.values.time_formats(value)
    return bool(set(forms) & set(draft.values.time_formats(other)))


def hundredth_of_kinds(draft: Draft, hundredth: str) -> str:
    """Return the line of an amount in cents, of refunds by what was paid back."""
    match = draft.found.get(REFUNDED_AMOUNT)
    if match is None or not draft.refund:
        return f"  payment_amount: {hundredth}"
    sale = hundredth.removesuffix(IN_CENTS)
    if by_part := back_by_part(draft, match.value, sale):
        return amount_by_row(sale, by_part)
    back = hundredth_of(draft, match.value).removesuffix(IN_CENTS) or quoted(match.value.path[0])
    if draft.has_row_per_order() and back.endswith("}"):
        back = f"{back.removesuffix('}')}, at_most: {sale}}}"
    elif draft.is_back_shared and back.endswith("}"):
        back = f"{back.removesuffix('}')}, shared_by: {sale}}}"
    elif draft.is_back_shared:
        back = f"{{column: {back}, shared_by: {sale}}}"
    return amount_by_row(sale, back)
