"""SQL of the value of a field, as text, by what its mapping says of it.

- `_origin_sql`: where it comes from, such as a column or the first one that is filled.
- `value_sql`: what is done with that, such as a pattern, a bound, or its share of an order.
- `field_sql`: the same translated and spelled as keys are, and what it means in a line below zero.
- `instant_sql`: a time, as an instant in UTC.

One more way to get a value is a key of `SourceField` in `mapping.py`, and a case here. The rows of
an order within its file are `OF_ORDER`, over which amounts of the order are shared.
"""

from collections.abc import Collection

from ecom_assets.behaviour.events.same_order import ORDER_KEYS
from ecom_assets.commerce.orders.orders import CHARGES, PRICE_PARTS
from ecom_assets.core.tables.spellings import KEYS, TRIMMED, spelled_sql, trimmed_sql
from ecom_assets.core.warehouse.sql_text import (
    from_wall,
    ident,
    instant,
    text,
)
from ecom_assets.ingestion.sources.files.alternatives import OF_PLACES, first_filled
from ecom_assets.ingestion.sources.files.mapping import (
    FileNameField,
    RecordMapping,
    SourceField,
    TimeField,
)
from ecom_assets.ingestion.sources.files.plain import (
    NUMBER,
    Numerals,
    in_currency_sql,
    replaced_sql,
)
from ecom_assets.ingestion.sources.files.shape import GROUP, KIND, POSITION
from ecom_assets.ingestion.sources.files.sql import NOTHING, Layout, moment_name

OF_ORDER = f"__file, {ident(GROUP)}, {ident(KIND)}"
"""The columns that the rows of one order within a file have in common."""
NAME_OF_FILE = "regexp_extract(__file, '([^/]+?)([.][^/]*)?$', 1)"


def field_sql(mapping: RecordMapping, name: str, exact: Collection[str | None] = ()) -> str:
    """Return the SQL of a field as text, from the columns of a row;
    `exact` are columns of whole numbers.
    """
    value = _translated_sql(mapping, name, exact)
    if mapping.below_zero != "refuse" and (meaning := _BELOW_ZERO.get(name)):
        return meaning(mapping, value)
    return value


def _translated_sql(mapping: RecordMapping, name: str, exact: Collection[str | None] = ()) -> str:
    field: SourceField | None = getattr(mapping.fields, name)
    is_number, is_place = name in mapping.kind.numbers, name in OF_PLACES
    value = value_sql(
        field,
        mapping.numerals,
        is_number=is_number,
        is_place=is_place,
        currency=_currency_sql(mapping),
    )
    if (
        field
        and (key := field.key or KEYS.get(name))
        and not (field.column in exact or field.constant is not None)
    ):
        value = spelled_sql(value, key)
    elif field and name in TRIMMED:
        value = trimmed_sql(value)
    if translations := mapping.translations().get(name):
        return replaced_sql(value, translations)
    if name != "properties":
        return value
    order: SourceField | None = getattr(mapping.fields, "order_ids", None)
    if order:
        value = _with_order(value, value_sql(order, mapping.numerals, is_number=False))
    if mapping.other_columns == "properties":
        return _with_others(value) if field or order else "__other"
    return value


def _number_of(mapping: RecordMapping, name: str) -> str:
    """Return the SQL of an amount or a quantity as a number,
    with the sign that it has in the file.
    """
    return f"TRY_CAST({_translated_sql(mapping, name)} AS {NUMBER})"


def _is_refund(mapping: RecordMapping) -> str:
    """Return the SQL that says whether a line is a refund, as its quantity or amount is below zero.

    Where amounts below zero are discounts, a line of one piece or more is none if its order has
    goods.
    """
    is_below = (
        f"(coalesce({_number_of(mapping, 'payment_amount')} < 0, false) OR {_is_returned(mapping)})"
    )
    return (
        f"({is_below} AND NOT {is_discount(mapping)})"
        if mapping.below_zero == "discount"
        else is_below
    )


def _is_returned(mapping: RecordMapping) -> str:
    return f"coalesce({_number_of(mapping, 'quantity')} < 0, false)"


def _has_goods(mapping: RecordMapping) -> str:
    """Return the SQL that says whether any line of the order is above zero."""
    return f"coalesce(max({_sold_amount(mapping)}) OVER (PARTITION BY {OF_ORDER}) > 0, false)"


def _sold_amount(mapping: RecordMapping) -> str:
    """Return the SQL of the amount of a line that did not go back."""
    return f"CASE WHEN NOT {_is_returned(mapping)} THEN {_number_of(mapping, 'payment_amount')} END"


def is_discount(mapping: RecordMapping) -> str:
    """Return the SQL that says whether a line is a discount of its order: it is below zero, nothing
    went back, and the order has goods.
    """
    return f"(coalesce({_sold_amount(mapping)} < 0, false) AND {_has_goods(mapping)})"


def _status_below_zero(mapping: RecordMapping, status: str) -> str:
    is_refund = _is_refund(mapping)
    if "statuses" in mapping.model_fields_set:  # what nobody has said of a state, no sign says
        is_refund += f" AND coalesce({status}, 'shipped') IN ('shipped', 'refunded')"
    return f"CASE WHEN {is_refund} THEN 'refunded' ELSE {status} END"


def _without_sign(_mapping: RecordMapping, number: str) -> str:
    return (
        f"CASE WHEN TRY_CAST({number} AS {NUMBER}) < 0 THEN abs({number}::{NUMBER})::VARCHAR ELSE "
        f"{number} END"
    )


def _amount_below_zero(mapping: RecordMapping, amount: str) -> str:
    """Return the SQL of an amount without its sign,
    or of what the discounts of its order leave of it.
    """
    if mapping.below_zero == "refund":
        return _without_sign(mapping, amount)
    left_out = _is_left_out(mapping)
    own = f"(CASE WHEN NOT {left_out} THEN {_sold_amount(mapping)} END)"
    goods = f"greatest(coalesce({own}, 0), 0)"
    total = f"sum({own}) OVER (PARTITION BY {OF_ORDER})"
    all_ = f"sum({goods}) OVER (PARTITION BY {OF_ORDER})"
    until = f"sum({goods}) OVER (PARTITION BY {OF_ORDER} ORDER BY {ident(POSITION)}::BIGINT)"
    has_discount = f"min({own}) OVER (PARTITION BY {OF_ORDER}) < 0"
    parts = _parts_sql(total, until, goods, all_, _currency_sql(mapping))
    return (
        f"CASE WHEN {_is_returned(mapping)} OR {left_out} OR NOT {_has_goods(mapping)} THEN "
        f"{_without_sign(mapping, amount)} WHEN {has_discount} THEN ({parts})::VARCHAR ELSE "
        f"{amount} END"
    )


def _is_left_out(mapping: RecordMapping) -> str:
    """Return the SQL that says whether a row is left out: it bears no part of a discount."""
    conditions = [f"coalesce({condition.sql}, false)" for condition in mapping.leave_out.values()]
    return f"({' OR '.join(conditions)})" if conditions else "false"


_BELOW_ZERO = {
    **dict.fromkeys(("quantity", *CHARGES, *PRICE_PARTS), _without_sign),
    "payment_amount": _amount_below_zero,
    "status": _status_below_zero,
}
"""What becomes of fields of a line below zero, where the mapping says what such lines are."""


def _currency_sql(mapping: RecordMapping) -> str:
    """Return the SQL of the currency that a row says; NULL if the mapping has none."""
    return value_sql(getattr(mapping.fields, "currency", None), Numerals(), is_number=False)


def value_sql(
    field: SourceField | None,
    numerals: Numerals,
    *,
    is_number: bool,
    is_place: bool = False,
    currency: str = NOTHING,
) -> str:
    """Return the SQL of a field's value, as text, after what its mapping does with it;
    shares are in the currency.
    """
    if field is None:
        return NOTHING
    if field.by_row:
        values = {
            kind: value_sql(
                origin, numerals, is_number=is_number, is_place=is_place, currency=currency
            )
            for kind, origin in field.by_row.items()
        }
        cases = " ".join(f"WHEN {text(kind)} THEN {value}" for kind, value in values.items())
        value = f"CASE {ident(KIND)} {cases} END"
    else:
        value = _origin_sql(field, is_place=is_place)
    result = field.applied(
        value, numerals, is_number=is_number and not field.expression and not field.by_row
    )
    if field.less_shared:
        off = value_sql(field.less_shared, numerals, is_number=True)
        numbers = [f"TRY_CAST({number} AS {NUMBER})" for number in (result, off)]
        part = f"TRY_CAST({_share_sql(numbers[1], numbers[0], currency)} AS {NUMBER})"
        result = f"({numbers[0]} - coalesce({part}, 0))::VARCHAR"
    if field.at_most:
        most = value_sql(field.at_most, numerals, is_number=True)
        numbers = [f"TRY_CAST({number} AS {NUMBER})" for number in (result, most)]
        result = f"CASE WHEN {numbers[0]} > {numbers[1]} THEN {most} ELSE {result} END"
    if field.shared_by:
        weight = value_sql(field.shared_by, numerals, is_number=True)
        whole = value_sql(field.out_of, numerals, is_number=True) if field.out_of else ""
        return _share_sql(result, weight, currency, whole)
    return result


def _share_sql(whole: str, weight: str, currency: str, out_of: str = "") -> str:
    """Return the SQL of a line's part of an order's number, in the digits of its currency:
    they add up to the whole, or to their part of it if they are some `out_of` a number.
    """
    order = OF_ORDER
    total = f"max(TRY_CAST({whole} AS {NUMBER})) OVER (PARTITION BY {order})"
    own = f"coalesce(TRY_CAST({weight} AS {NUMBER}), 0)"
    until = f"sum({own}) OVER (PARTITION BY {order} ORDER BY {ident(POSITION)}::BIGINT)"
    all_ = f"sum({own}) OVER (PARTITION BY {order})"
    if out_of:
        most = f"max(TRY_CAST({out_of} AS {NUMBER})) OVER (PARTITION BY {order})"
        some = in_currency_sql(f"least({total}, {most}) * {all_} / nullif({most}, 0)", currency)
        total = f"TRY_CAST({some} AS {NUMBER})"
    first = f"CASE WHEN {ident(POSITION)} = '1' THEN {total} ELSE 0 END"
    parts = _parts_sql(total, until, own, all_, currency)
    return f"TRY_CAST(CASE WHEN {all_} = 0 THEN {first} ELSE {parts} END AS {NUMBER})::VARCHAR"


def _parts_sql(total: str, until: str, own: str, all_: str, currency: str) -> str:
    """Return the SQL of a line's part of a total, by the sum of numbers up to its own,
    in its currency's digits.
    """

    def up_to(number: str) -> str:
        # At the end it is the whole, also where that has more digits than the currency.
        part = in_currency_sql(f"{total} * (({number}) / {all_})", currency)
        return f"CASE WHEN ({number}) = {all_} THEN {total} ELSE {part} END"

    return f"{up_to(until)} - {up_to(f'{until} - {own}')}"


def _origin_sql(field: SourceField, *, is_place: bool) -> str:
    if field.column:
        return ident(field.column)
    if field.first_of:
        columns = [*map(ident, field.first_of)]
        if field.skip_zeros:
            filled = (
                f"CASE WHEN {name} SIMILAR TO '.*[1-9].*' THEN {name} END" for name in columns[:-1]
            )
            columns = [*filled, columns[-1]]
        return first_filled(columns, is_place=is_place)
    if field.join:
        return f"nullif(concat_ws(' ', {', '.join(map(ident, field.join))}), '')"
    if isinstance(field, FileNameField) and field.file_name:
        return NAME_OF_FILE
    # A malformed row has no values, so it must not get a constant of the mapping either.
    if field.constant is not None:
        return f"CASE WHEN __malformed IS NULL THEN {text(field.constant)} END"
    return f"CASE WHEN __malformed IS NULL THEN nullif(TRY(({field.expression})::VARCHAR), '') END"


def _with_order(value: str, order: str) -> str:
    """Return the SQL of properties that name the order, under the first name that is looked for;
    of what is no object, as it is.
    """
    named = f"json_object('{ORDER_KEYS[0]}', {order})::VARCHAR"
    is_object = f"CASE WHEN json_valid({value}) THEN json_type({value}) = 'OBJECT' ELSE false END"
    merged = f"json_merge_patch({value}, {named})::VARCHAR"
    return (
        f"CASE WHEN {order} IS NULL THEN {value} WHEN {value} IS NULL THEN {named} "
        f"WHEN {is_object} THEN {merged} ELSE {value} END"
    )


def _with_others(value: str) -> str:
    # A list of one, so that the value, which reads JSON, is computed once.
    is_object = "CASE WHEN json_valid(own) THEN json_type(own) = 'OBJECT' ELSE false END"
    cases = (
        "WHEN own IS NULL THEN __other "
        f"WHEN __other IS NULL OR NOT ({is_object}) THEN own "
        "ELSE json_merge_patch(own, __other)::VARCHAR"
    )
    return f"list_transform([{value}], lambda own: CASE {cases} END)[1]"


def instant_sql(field: TimeField | None, layout: Layout) -> str:
    """Return the SQL of a time as an instant in UTC; NULL without one."""
    if field is None:
        return "NULL::TIMESTAMP"
    if field.column and (kind := layout.moments().get(field.column)):
        zone = "UTC" if kind == "zoned" else field.timezone
        column = ident(moment_name(field.column))
        # A bare column lets the engine answer by footers.
        return (
            column if zone == "UTC" and field.column in layout.bounded else from_wall(column, zone)
        )
    value = value_sql(field, Numerals(), is_number=False)
    formats = (
        (*field.formats, "iso")
        if layout.has_typed_cells and "iso" not in field.formats
        else field.formats
    )
    return instant(value, formats, field.timezone)
