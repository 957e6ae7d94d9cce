"""What a draft of events or orders writes below `fields:`, a line of YAML per field.

`field_line` writes a field: most by the column that was found for it; amounts, quantities and
customers, which may take more than a column, by functions of their own. A field that is asked gets
a marked line with what may be written there.
"""

from dataclasses import replace
from typing import Final

from ecom_assets.core.warehouse.sql_text import ident, text
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.proposal.drafts.amount_options import (
    amount_with_parts,
    hundredth_of,
    less_and_plus,
    multiplied,
)
from ecom_assets.ingestion.sources.proposal.drafts.cancelled_pieces import amount_of_pieces_left
from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.cost_of_lines import cost_of_piece
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    AMOUNTS,
    COST,
    IN_CENTS,
    NO_AMOUNT,
    ONE_PER_ORDER,
    AmountReading,
    Draft,
    options_of,
)
from ecom_assets.ingestion.sources.proposal.drafts.goods_of_refunds import back_by_part
from ecom_assets.ingestion.sources.proposal.drafts.proven_claims import unique_columns
from ecom_assets.ingestion.sources.proposal.drafts.refund_rows import (
    amount_by_row,
    hundredth_of_kinds,
    paid_back_of_each,
    refund_of_amount,
    shared_back,
    time_of_refund,
)
from ecom_assets.ingestion.sources.proposal.event_type_words import STANDARD_TYPES
from ecom_assets.ingestion.sources.proposal.fields import (
    CHANGED_AT,
    REFUNDED_AMOUNT,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    MappingKind,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    AMOUNT_OF,
    BACK,
    BY_ORDER,
    FORMAT,
    NO_CUSTOMER,
    NOBODY,
    PARTS,
    PIECES,
    UNITS,
    ZONE,
    quoted,
    quoted_list,
)
from ecom_assets.ingestion.sources.proposal.values import EMAIL, Value
from ecom_assets.ingestion.sources.record_feed import feeds

NOT_SET: Final = "(not set)"
"""A placeholder, which the platform counts as nobody."""
ORDER_NAME: Final = "#+ ?[A-Za-z0-9-]+"
"""The name of an order, whose # is decoration."""


def id_line(draft: Draft, name: str) -> str:
    """Return the line of the id of a row: its column, or a hash of those that tell rows apart."""
    kinds = ["_row"] if draft.refund else []  # the sale and the refund of a line
    if name in draft.found and not kinds:
        return field_line(draft, name)
    if draft.values.spread and "order_id" in draft.found:
        columns = [draft.found["order_id"].value.path[0], "_position", *kinds]
        return f"  {name}: {{hash_of: {quoted_list(columns)}}}  # the place within its order"
    keys = unique_columns(draft, name)
    named = dict.fromkeys(value.path[0] for value in keys or draft.values.values)
    # The position in the file would make another event of the same one in the next file.
    columns = [*(column for column in named if column not in ADDED), *kinds]
    why = "a line keeps its id when its state changes" if keys else "no column is unique"
    return f"  {name}: {{hash_of: {quoted_list(columns)}, optional: ['*']}}  # {why}"


def field_line(draft: Draft, name: str) -> str:
    """Return the line of a field, with a mark and its question where it is not known."""
    if name not in draft.found:
        return _field_without_column(draft, name)
    value = _as_column(draft, draft.found[name].value)
    if name == "event_type" and value.joined:
        return f"  {name}: {{first_of: {quoted_list([value.path[0], value.joined])}}}"
    if name in {feeds()[draft.kind].model.kind.time, CHANGED_AT}:
        return _changed_at(draft, value) if name == CHANGED_AT else _time(draft, name)
    if line := _unusual_field(draft, name, value):
        return line
    is_email = name in {"user_id", "customer_id"} and draft.values.are_emails(value)
    if value.is_column:
        options = _key(draft, name, value) or ", ".join(in_cents(draft, value))
        return f"  {name}: {_origin(draft, name, value, options)}"
    sql = f"lower(trim({value.sql}))" if is_email else value.sql
    return f"  {name}: {{expression: {quoted(sql)}, optional: true}}"


def _as_column(draft: Draft, value: Value) -> Value:
    """Return a member of an object as the column that it is where records have rows."""
    has_rows = draft.refund and not draft.is_text and not draft.values.spread
    if not has_rows or value.is_column or value.is_computed or value.joined:
        return value
    return replace(value, path=(value.name,), sql=ident(value.name))


def _unusual_field(draft: Draft, name: str, value: Value) -> str:
    """Return the line of an amount, a quantity or a customer that is more than its column; else
    empty.
    """
    if name == COST and draft.kind is MappingKind.ORDERS:
        return cost_of_piece(draft, value)
    if name in AMOUNTS:
        return _amount(draft, name, value)
    if name == "quantity":
        return _quantity(draft, value)
    return _customer(draft, value) if name == "customer_id" else ""


def _quantity(draft: Draft, value: Value) -> str:
    sale = quoted(value.path[0])
    if draft.cancelled_pieces is not None and value.is_column:
        sale = f"{{column: {sale}, less: [{quoted(draft.cancelled_pieces.path[0])}]}}"
    if draft.refunds_pieces:
        back = quoted(draft.column(REFUNDED_QUANTITY))
        return f"  quantity: {{by_row: {{sale: {sale}, refund: {back}}}}}"
    if draft.cancelled_pieces is not None and value.is_column:
        return f"  quantity: {sale}"
    if draft.are_kinds and value.is_column:
        sql = quoted(f"coalesce({draft.values.plain_sql(value)}, '0')")
        return f"  quantity: {{expression: {sql}}}  # rows of money alone have none"
    return ""


def _customer(draft: Draft, value: Value) -> str:
    """Return the line of a customer that some rows do not have; else empty."""
    name, answer = "customer_id", draft.answers.get(NO_CUSTOMER)
    if draft.guest_address:
        address = _as_column(draft, draft.guest_address).sql
        sql = quoted(f"coalesce(nullif({value.sql}, '0'), lower(trim({address})))")
        return f"  {name}: {{expression: {sql}}}  # 0 is no customer"
    if draft.is_open(NO_CUSTOMER):
        line = draft.marked(f'  {name}: "{OPEN}"', NO_CUSTOMER)
        return f"{line}: write {_of_nobody(draft, value)} or {quoted(value.path[0])}"
    if answer == NOBODY:
        return f"  {name}: {_of_nobody(draft, value)}  # without one, it is nobody's"
    if answer == BY_ORDER:
        columns = quoted_list([value.path[0], draft.column("order_id")])
        options = ", ".join(filter(None, [f"first_of: {columns}", _key(draft, name, value)]))
        return f"  {name}: {{{options}}}  # without one, each order is of its own"
    return ""


def _of_nobody(draft: Draft, value: Value) -> str:
    """Return the origin of customers whose empty ones are nobody."""
    sql = quoted(f"coalesce({value.sql}, {text(NOT_SET)})")
    key = _key(draft, "customer_id", value)
    return f"{{{', '.join(filter(None, [f'expression: {sql}', key]))}}}"


def _key(draft: Draft, name: str, value: Value) -> str:
    """Return the option that says what a key is;
    empty where its values are plain numbers or texts.
    """
    if name in {"user_id", "customer_id"} and draft.values.matching(value, EMAIL):
        return "key: address"
    is_name = name == "order_id" and draft.values.matching(value, ORDER_NAME)
    return "key: order_name" if is_name else ""


def _changed_at(draft: Draft, value: Value) -> str:
    """Return the line of the time at which an order was changed;
    a comment where its lines have several.

    The newest version of an order replaces all of its rows, so that lines with other times
    would be lost.
    """
    if "order_id" in draft.found and not draft.has_row_per_order() and draft.varies(value):
        return (
            f"  # changed_at: {quoted(value.path[0])} differs among the lines of an order; "
            "name it here with `record: line`, if a file has only the lines that changed"
        )
    if not value.is_column:
        return (
            f"  # changed_at: {quoted(value.name)} says when an order changed; see docs/mappings.md"
        )
    options = ", ".join(
        [f"column: {quoted(value.path[0])}", "optional: true", *draft.time_options(value)]
    )
    return draft.marked(f"  {CHANGED_AT}: {{{options}}}", FORMAT, ZONE)


def _amount(draft: Draft, name: str, value: Value) -> str:
    """Return the line of an amount that is more than its column; else empty."""
    if name == "payment_amount" and (line := _amount_of_kinds(draft, value)):
        return line
    times = draft.times if name == "cart_value" else None
    if hundredth := hundredth_of(draft, value, times, is_of_goods=name == "payment_amount"):
        of_kinds = name == "payment_amount"
        return hundredth_of_kinds(draft, hundredth) if of_kinds else f"  {name}: {hundredth}"
    if name == "cart_value":
        return _amount_of_event(draft, value)
    parts = less_and_plus(draft)
    if name == "payment_amount" and parts and value.is_column:
        parts = [f"column: {quoted(value.path[0])}", *parts, *in_cents(draft, value)]
        return f"  {name}: {{{', '.join(parts)}}}  # check this"
    if name == "payment_amount" and parts:
        sql = quoted(amount_with_parts(draft, f"({value.sql})::DECIMAL(30, 4)"))
        options = ", ".join([f"expression: {sql}", *_less_shared(draft)])
        return f"  {name}: {{{options}}}  # check this"
    return ""


def _amount_of_event(draft: Draft, value: Value) -> str:
    """Return the line of an amount of events that is more than its column; else empty."""
    column, of_purchases, times = quoted(value.path[0]), draft.amount_of_purchases, draft.times
    if of_purchases and not (of_purchases.is_column and value.is_column):
        sql = quoted(f"coalesce({of_purchases.sql}, {value.sql})")
        return f"  cart_value: {{expression: {sql}, optional: true}}"
    if of_purchases:
        names = f"{quoted(of_purchases.path[0])}, {column}"
        return f"  cart_value: {{first_of: [{names}], optional: true}}"
    if times and not (times.is_column and value.is_column):
        sql = quoted(f"({value.sql})::DECIMAL(30, 4) * ({times.sql})::DECIMAL(30, 4)")
        return f"  cart_value: {{expression: {sql}, optional: true}}"
    if times:
        options = ", ".join([f"times: {quoted(times.path[0])}", *in_cents(draft, value)])
        return f"  cart_value: {{column: {column}, {options}, optional: true}}"
    return ""


def _amount_of_kinds(draft: Draft, value: Value) -> str:
    """Return the line of an amount that is asked, shared among lines,
    or another one in refunds; else empty.
    """
    if any(map(draft.is_open, (UNITS, PARTS, PIECES, REFUNDED_AMOUNT, BACK))):
        return _open_amount(draft)
    if line := amount_of_pieces_left(draft):
        return line
    if draft.is_shared:
        return _shared_amount(draft, value)
    return _by_factor(draft) or refund_of_amount(draft, value)


def _share_weight(draft: Draft) -> str:
    """Return the origin of the number by which the amount of an order is shared."""
    quantity = draft.found.get("quantity")
    is_known = quantity is not None and quantity.value.is_column
    of_pieces = quoted(quantity.value.path[0]) if quantity and is_known else "{constant: 1}"
    return draft.shared_by or of_pieces


def _sharing(draft: Draft) -> list[str]:
    """Return the option of an amount that is shared among the lines of its order."""
    return [f"shared_by: {_share_weight(draft)}"] if draft.is_shared else []


def _shared_amount(draft: Draft, value: Value) -> str:
    """Return the line of an amount that is that of the order,
    and stands on each of its rows.
    """
    if (
        any(question.key == AMOUNT_OF for question in draft.questions)
        and AMOUNT_OF not in draft.answers
    ):
        return draft.marked(f'  payment_amount: "{OPEN}"', AMOUNT_OF)
    whole = [*less_and_plus(draft), *in_cents(draft, value), *_sharing(draft)]
    sale = f"{{{', '.join([f'column: {quoted(value.path[0])}', *whole])}}}"
    if (reading := draft.reading()) and reading.factor:
        sale = _multiplied(draft, reading)
    refunded = draft.found.get(REFUNDED_AMOUNT)
    by_part = refunded and back_by_part(draft, refunded.value, _share_weight(draft))
    back = by_part or shared_back(draft, _share_weight(draft))
    return amount_by_row(sale, back) if back else f"  payment_amount: {sale}"


def _field_without_column(draft: Draft, name: str) -> str:
    if name == "payment_amount" and UNIT_PRICE in draft.found:
        if any(map(draft.is_open, (UNITS, PARTS, PIECES, REFUNDED_AMOUNT, BACK))):
            return _open_amount(draft)
        lowered = amount_of_pieces_left(draft) if draft.cancelled_pieces else ""
        return lowered or _by_factor(draft) or _price_times_quantity(draft)
    if name == "quantity" and draft.values.spread and not draft.is_open(name):
        return f"  {name}: {{constant: 1}}  # one piece each"
    if name in ONE_PER_ORDER and not draft.values.spread and not draft.is_open(name):
        return f"  {name}: {{constant: {ONE_PER_ORDER[name]}}}  # a row per order"
    answer = draft.answers.get(name)
    if answer is not None and (line := _said_without_column(draft, name, answer)):
        return line
    return draft.marked(f'  {name}: "{OPEN}"', name, *([UNITS] if name == "payment_amount" else []))


def _said_without_column(draft: Draft, name: str, answer: str) -> str:
    """Return the line of a field by an answer that names no column of its own; else empty."""
    if name == "customer_id" and answer == NOBODY:
        return f"  {name}: {{constant: {quoted(NOT_SET)}}}  # nobody"
    if name == "customer_id":
        return f"  {name}: {quoted(draft.column('order_id'))}  # each order is of its own"
    if name == "event_type" and answer in STANDARD_TYPES:
        return f"  {name}: {{constant: {answer}}}  # no column says it"
    if answer != NO_AMOUNT:
        return ""
    if name == "payment_amount":
        return f"  {name}: {{constant: 0}}  # the file has none"
    return f"  # {name}: there is none"


def _less_shared(draft: Draft) -> list[str]:
    """Return the option of an amount that is less its part of a discount of its order."""
    return [option for option in less_and_plus(draft) if option.startswith("less_shared")]


def _origin(draft: Draft, name: str, value: Value, operations: str) -> str:
    kind = feeds()[draft.kind].model.kind
    is_needed = name in {*kind.required, kind.id}
    options = [part for part in (operations, "" if is_needed else "optional: true") if part]
    return (
        f"{{column: {quoted(value.path[0])}, {', '.join(options)}}}"
        if options
        else quoted(value.path[0])
    )


def _time(draft: Draft, name: str) -> str:
    value = draft.found[name].value
    parts = [f"column: {quoted(value.path[0])}"]
    if refund := time_of_refund(draft, value):
        parts = [refund]
    elif value.joined:
        parts = [f"join: {quoted_list([value.path[0], value.joined])}"]
    elif not value.is_column:
        parts = [f"expression: {quoted(value.sql)}"]
    parts += draft.time_options(value)
    return draft.marked(f"  {name}: {{{', '.join(parts)}}}", FORMAT, ZONE)


def _by_factor(draft: Draft) -> str:
    """Return the line of an amount that is multiplied, as less a discount in percent or without a
    tax in it; empty for others. Of a refund, a column says the amount, or the same is paid back.
    """
    reading = draft.reading()
    if reading is None or reading.factor is None:
        return ""
    sale, back = _multiplied(draft, reading), paid_back_of_each(draft)
    return amount_by_row(sale, back) if back else f"  payment_amount: {sale}"


def _multiplied(draft: Draft, reading: AmountReading) -> str:
    """Return the origin of an amount that is multiplied, and perhaps shared among lines."""
    return multiplied(draft, reading, *_sharing(draft))


def _price_times_quantity(draft: Draft) -> str:
    price = draft.found[UNIT_PRICE].value
    quantity = draft.found["quantity"].value if "quantity" in draft.found else None
    if hundredth := hundredth_of(draft, price, quantity, is_of_goods=True):
        return hundredth_of_kinds(draft, hundredth)
    if quantity is None:
        origin = _origin(draft, "payment_amount", price, ", ".join(in_cents(draft, price)))
        back = paid_back_of_each(draft) if price.is_column else ""
        return (
            amount_by_row(origin, back) if back else f"  payment_amount: {origin}  # one item a row"
        )
    if price.is_column and quantity.is_column:
        options = ", ".join(
            [
                f"times: {quoted(quantity.path[0])}",
                *less_and_plus(draft),
                *in_cents(draft, price),
            ]
        )
        sale = f"{{column: {quoted(price.path[0])}, {options}}}"
        if draft.refunds_pieces:
            times = f"times: {quoted(draft.column(REFUNDED_QUANTITY))}"
            options = ", ".join([times, *in_cents(draft, price)])
            back = f"{{column: {quoted(price.path[0])}, {options}}}"
            return amount_by_row(sale, back)
        back = paid_back_of_each(draft)
        return amount_by_row(sale, back) if back else f"  payment_amount: {sale}"
    product = f"({price.sql})::DECIMAL(30, 4) * ({quantity.sql})::DECIMAL(30, 4)"
    parts = [f"expression: {quoted(amount_with_parts(draft, product))}", *_less_shared(draft)]
    origin = f"{{{', '.join(parts)}}}"
    if back := shared_back(draft, origin):
        return amount_by_row(origin, back)
    return f"  payment_amount: {origin}  # price and quantity"


def _open_amount(draft: Draft) -> str:
    """Return the line of an amount that is asked, with what may be written in its place."""
    line = draft.marked(f'  payment_amount: "{OPEN}"', UNITS, PARTS, PIECES, REFUNDED_AMOUNT, BACK)
    if not draft.is_open(PARTS) and draft.is_open(REFUNDED_AMOUNT):
        base, *times = (quoted(value.path[0]) for value in draft.line_columns())
        options = [f"column: {base}", *(f"times: {name}" for name in times)]
        sale = f"{{{', '.join([*options, *less_and_plus(draft), *_sharing(draft)])}}}"
        return f"{line}: write {sale} if none was, else --answer {REFUNDED_AMOUNT}=NAME"
    if not draft.is_open(PARTS):
        return line
    price, quantity = draft.found.get(UNIT_PRICE), draft.found.get("quantity")
    written = []
    for reading in draft.readings:
        if reading.factor is not None:
            written.append(_multiplied(draft, reading))
            continue
        column = [f"column: {quoted(reading.name)}"]
        of_pieces = price and quantity and f"{price.value.name} times {quantity.value.name}"
        if price and quantity and reading.name == of_pieces:
            column = [
                f"column: {quoted(price.value.path[0])}",
                f"times: {quoted(quantity.value.path[0])}",
            ]
        first, *factors = draft.line_columns()
        options = [*options_of(reading), *_sharing(draft), *in_cents(draft, first)]
        hundredth = hundredth_of(draft, first, *factors[:1]) if not options else ""
        plain = f"{{{', '.join([*column, *options])}}}"
        written.append(hundredth.removesuffix(IN_CENTS) or plain)
    return f"{line}: write {' or '.join(written)}"
