"""The amount of events: that of each row, not that of the whole order on each of them; of all
pieces, not of one; that of purchases, not the price of what was looked at; and its currency.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

from ecom_assets.behaviour.events.same_order import ORDER_KEYS
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.files.mapping_content import HEADER_CURRENCIES
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.event_type_words import known_event_type
from ecom_assets.ingestion.sources.proposal.fields import (
    UNIT_PRICE,
    Found,
    FoundField,
    MappingKind,
    column_names,
    currency_beside,
    free_values,
    is_amount,
    named_values,
)
from ecom_assets.ingestion.sources.proposal.parts import can_be_amount, is_total, says_cents
from ecom_assets.ingestion.sources.proposal.state_words import begins, words_of
from ecom_assets.ingestion.sources.proposal.values import FIRST, TABLE, FileValues, Value

FEWEST_ORDERS: Final = 3
SHARE: Final = 0.98
"""How many orders of several rows must add up, and which share of them."""
FEWEST_AMOUNTS: Final = 2
"""How many rows of some types alone must have an amount for it to be asked about."""
MOST_NUMBERS: Final = 12
FEWEST_LETTERS: Final = 7
"""How long a usual name of an order's number is that may stand behind other words."""
MOST_CURRENCIES: Final = 50
"""How many different values a column has at most that says in which currency amounts are."""
DECIMALS: Final = r"[^\d]*[\d.,' ]*\d[.,]\d+[^\d]*"
PLAIN: Final = r"-?\d+([.,]\d+)?"


def amount_of_rows(
    values: FileValues, found: Found, fewest_orders: int = FEWEST_ORDERS
) -> tuple[FoundField, Value | None] | None:
    """Return the amount of rows whose sum by order is an amount that each row of an order repeats,
    with the number of pieces that it is to be multiplied by, if it is a price; None where rows are
    no parts of orders, or nothing adds up in so many orders of several rows.
    """
    if "event_type" not in found or "cart_value" not in found:
        return None
    orders = named_values(values, MappingKind.ORDERS, "order_id", {})
    order = next((value for value in orders if value.is_column and _repeats(values, value)), None)
    if order is None:
        return None
    unit = f"{order.column}, {found['event_type'].value.column}"
    numbers = _numbers(values, order, found)
    wholes = [value for value in numbers if _is_of_order(values, value, unit, fewest_orders)]
    parts = [value for value in numbers if value not in wholes]
    for whole, (part, times) in product(wholes, _products(parts)):
        if _adds_up(values, unit, TriedSum(whole, part, times), fewest_orders):
            name = f"{part.name} times {times.name}" if times else part.name
            why = f"{name} adds up to {whole.name} of each {order.name}"
            return FoundField("cart_value", part, why), times
    return None


def amount_of_purchases(values: FileValues, found: Found) -> Value | None:
    """Return the amount that all purchases have and nothing else has, but for zeros, where none of
    them has the one that is named so: that is the price of what was looked at. None where no such
    amount, or more than one, is there.
    """
    named, types = found.get("cart_value"), found.get("event_type")
    if named is None or types is None or FIRST in named.value.path:
        return None
    is_bought = is_purchase(values, types.value)
    is_named = f"{named.value.column} IS NOT NULL"
    if not is_bought or values.scalar(f"count(*) FILTER ({is_bought} AND {is_named})"):
        return None
    amounts = [
        value
        for value in _possible_amounts(values, found)
        if not values.scalar(f"count(*) FILTER ({is_bought} <> {_is_some(values, value)})")
    ]
    return amounts[0] if len(amounts) == 1 else None


def amounts_of_purchases(values: FileValues, found: Found) -> list[Value]:
    """Return the amounts that nearly all purchases have, where none of them has the one that is
    taken: what they are worth is one of these. Those that other rows do not have go first.
    """
    named, types = found.get("cart_value"), found.get("event_type")
    is_bought = is_purchase(values, types.value) if types else ""
    if not is_bought:
        return []
    bought = int(values.scalar(f"count(*) FILTER ({is_bought})"))
    if named and values.scalar(
        f"count(*) FILTER ({is_bought} AND {_is_some(values, named.value)})"
    ):
        return []
    filled: dict[Value, tuple[int, int]] = {}
    for value in _possible_amounts(values, found):
        is_some = _is_some(values, value)
        counts = [f"count(*) FILTER ({is_bought} AND {is_some})", f"count(*) FILTER ({is_some})"]
        of_purchases, of_all = map(int, values.rows(select(counts, TABLE))[0])
        if of_purchases >= SHARE * bought:
            filled[value] = of_purchases, of_all
    return sorted(filled, key=lambda value: (filled[value][1], not is_total(value)))


def is_purchase(values: FileValues, types: Value) -> str:
    """Return the SQL that says whether a row is a purchase by the usual names of types; empty where
    none is.
    """
    words = [word for word, _ in values.counts(types) if known_event_type(word) == "purchase"]
    return f"coalesce(list_contains({texts(words)}, {types.column}), false)" if words else ""


def order_of_purchases(values: FileValues, found: Found) -> FoundField | None:
    """Return the number of the order that purchases name, by which one that is sent again, as a
    page of thanks that is opened again does, is no other one; None where no column has it on nearly
    all of them, each number of one visitor.

    Those with a usual name of events are known without a field.
    """
    types, person = found.get("event_type"), found.get("user_id") or found.get("anonymous_id")
    is_bought = is_purchase(values, types.value) if types else ""
    if not is_bought or person is None:
        return None
    usual = {bare(name) for name in column_names()[MappingKind.ORDERS]["order_id"]}
    long = tuple(name for name in usual if len(name) >= FEWEST_LETTERS)
    for value in free_values(values, found):
        name = bare(value.last_name)
        is_named = name in usual or name.endswith(long)
        if not is_named or value.joined or FIRST in value.path or value.last_name in ORDER_KEYS:
            continue
        column, visitor = value.column, person.value.column
        counts = [
            f"count(*) FILTER ({is_bought})",
            f"count({column}) FILTER ({is_bought})",
            f"count(DISTINCT {column}) FILTER ({is_bought})",
            f"count(DISTINCT ({column}, {visitor})) FILTER ({is_bought} AND {column} IS NOT NULL)",
        ]
        bought, with_number, orders, pairs = map(int, values.rows(select(counts, TABLE))[0])
        is_of_one = SHARE * pairs <= orders and orders * 2 >= bought
        if with_number >= SHARE * bought and is_of_one and orders >= FEWEST_ORDERS:
            return FoundField("order_ids", value, f"{value.name} is the order of each purchase")
    return None


def _possible_amounts(values: FileValues, found: Found) -> list[Value]:
    """Return the numbers that are no field yet and may be amounts: with decimals, or so named."""
    return [
        value
        for value in free_values(values, found)
        if not value.joined
        and FIRST not in value.path
        and can_be_amount(value)
        and is_amount(values, value)
        and (is_named_as_amount(value) or values.matching(value, DECIMALS))
    ]


def is_named_as_amount(value: Value) -> bool:
    """Return whether a number is an amount by its name, though it may be whole."""
    is_named = any(begins(word, _AMOUNT_WORDS) for word in words_of(value.last_name))
    is_named |= any(bare(word) in bare(value.last_name) for word in _WITHOUT_BLANKS)
    return is_named or is_total(value) or says_cents(value)


_AMOUNT_WORDS: Final = (
    *("amount", "betrag", "montant", "importe", "importo", "kwota", "tutar", "сумм", "сума"),
)
_WITHOUT_BLANKS: Final = ("金额", "金額", "금액")
"""Words for an amount, in languages that write none between words."""


def price_of_pieces(values: FileValues, found: Found) -> tuple[Value, Value] | None:
    """Return the price of one piece and how many there are of it, where names say both, some rows
    have more than one piece, and no other amount is named; else None.
    """
    named = found.get("cart_value")
    prices = [named.value] if named else named_values(values, MappingKind.ORDERS, UNIT_PRICE, found)
    prices = [value for value in prices if _is_price(value) and is_amount(values, value)]
    counts = named_values(values, MappingKind.ORDERS, "quantity", found)
    for price, count in product(prices, counts):
        is_beside = price.name.rpartition(".")[0] == count.name.rpartition(".")[0]
        are_counts = values.matching(count, r"\d+(\.0+)?") == values.filled(count)
        if not is_beside or not are_counts or {FIRST} & {*price.path, *count.path}:
            continue
        several = f"{values.number_sql(count)} > 1 AND {_is_some(values, price)}"
        if values.scalar(f"count(*) FILTER ({several})"):
            return price, count
    return None


def _is_price(value: Value) -> bool:
    """Return whether a name is that of the price of a piece, and of no sum."""
    usual = {*map(bare, column_names()[MappingKind.ORDERS][UNIT_PRICE])}
    return not is_total(value) and bool(usual & {*map(bare, value.names)})


def currency_of_amount(values: FileValues, found: Found, amount: Value) -> FoundField | None:
    """Return where events say the currency of their amount: beside it in an object of money, in a
    column that is named so, else in one that has a code of a currency wherever there is an amount.
    Of several, that whose name shares most words with the amount's: `Revenue Currency`. None where
    nothing says it, the amount says it itself, or all rows say one word that is no code.
    """
    if amount.currency or (amount.is_column and values.currencies(amount)):
        return None
    if (beside := currency_beside(values, amount)) is not None:
        return FoundField("currency", beside, f"beside {amount.name}")
    rest = {name: match for name, match in found.items() if name != "currency"}
    free = [value for value in free_values(values, rest) if value != amount and not value.joined]
    named = named_values(values, MappingKind.ORDERS, "currency", rest)
    named += [value for value in free if _has_word_of_currency(value) and value not in named]
    named = [value for value in named if _may_say_currency(values, value)]
    by_values = [value for value in free if _says_codes_of(values, value, amount)]
    said = [*named, *(value for value in by_values if value not in named)]
    if not said:
        return None
    parent, words = amount.name.rpartition(".")[0], {*words_of(amount.name)}

    def distance(value: Value) -> tuple[bool, int, int, bool]:
        own = {*words_of(value.name)}
        is_beside = value.name.rpartition(".")[0] == parent
        return not is_beside, -len(own & words), len(own - words), value not in by_values

    nearest = min(said, key=distance)
    is_named = nearest in named
    why = f"named {nearest.name}" if is_named else f"it has a currency wherever {amount.name} is"
    return FoundField("currency", nearest, why)


def _has_word_of_currency(value: Value) -> bool:
    return any(word.startswith(_CURRENCY_WORDS) for word in words_of(value.last_name))


_CURRENCY_WORDS: Final = ("currenc", "wahrung", "devise", "moneda", "moeda", "valuta", "waluta")
"""How words for a currency begin."""


def _may_say_currency(values: FileValues, value: Value) -> bool:
    """Return whether values are a few texts, or one code for all rows."""
    different = values.different(value)
    are_codes = values.matching(value, "[A-Za-z]{3}") == values.filled(value) > 0
    is_number = bool(values.matching(value, DECIMALS))
    return not is_number and (are_codes or 1 < different <= MOST_CURRENCIES)


def _says_codes_of(values: FileValues, value: Value, amount: Value) -> bool:
    """Return whether nothing but codes of currencies is in a column, and one on nearly all rows
    with an amount.
    """
    codes = {code.upper() for code, _ in values.counts(value, MOST_CURRENCIES)}
    if not codes or not codes <= {*HEADER_CURRENCIES}:
        return False
    is_some = _is_some(values, amount)
    rows, said = (
        int(values.scalar(f"count({cell}) FILTER ({is_some})")) for cell in ("*", value.column)
    )
    return said >= SHARE * rows > 0


def _is_some(values: FileValues, value: Value) -> str:
    return f"(coalesce({values.number_sql(value)}, 0) <> 0)"


def amounts_of_some_types(values: FileValues, found: Found) -> list[Value]:
    """Return the numbers that rows of some event types have, and rows of others never, or only as
    zeros: what purchases are worth, whatever it is called.
    """
    match = found.get("event_type")
    if match is None:
        return []
    used = {each.value for each in found.values()}
    free = [value for value in values.values if value not in used and not value.joined]
    some = [value for value in free if values.filled(value) >= FEWEST_AMOUNTS]
    decimals = [
        value
        for value in some
        if values.matching(value, DECIMALS) or (is_named_as_amount(value) and can_be_amount(value))
    ]
    return [
        value
        for value in decimals
        if values.number_forms(value) and _goes_with_types(values, value, match.value)
    ]


def _goes_with_types(values: FileValues, value: Value, event_type: Value) -> bool:
    is_some = f"{values.number_sql(value)} <> 0"
    if not FEWEST_AMOUNTS <= values.scalar(f"count(*) FILTER ({is_some})") < values.row_count:
        return False
    counted = f"count(*) FILTER ({is_some}) AS filled, count(*) AS row_count"
    by_type = select(counted, TABLE, "true", f"coalesce({event_type.column}, '')")
    counts = ("count(*) FILTER (filled = 0)", "count(*) FILTER (filled >= row_count * 0.9)")
    empty, full, types = values.rows(select([*counts, "count(*)"], f"({by_type})"))[0]
    return bool(empty and full and empty + full == types)


def _repeats(values: FileValues, order: Value) -> bool:
    return 0 < values.different(order) < values.filled(order)


def _numbers(values: FileValues, order: Value, found: Found) -> list[Value]:
    used = {match.value for name, match in found.items() if name != "cart_value"}
    return [
        value
        for value in values.values
        if value.is_column
        and value not in used
        and value != order
        and 0 < values.filled(value) == values.matching(value, PLAIN)
    ][:MOST_NUMBERS]


def _products(parts: Sequence[Value]) -> Iterator[tuple[Value, Value | None]]:
    yield from ((part, None) for part in parts)
    yield from ((part, times) for part in parts for times in parts if part != times)


def _number(value: Value) -> str:
    return f"TRY_CAST(replace({value.column}, ',', '.') AS DECIMAL(24, 6))"


def _is_of_order(values: FileValues, value: Value, unit: str, fewest_orders: int) -> bool:
    """Return whether each row of an order has the same number, and orders have several."""
    rows = select(
        f"count(DISTINCT {value.column}) AS numbers, count({value.column}) AS row_count",
        TABLE,
        f"{value.column} IS NOT NULL",
        unit,
    )
    ((most, several),) = values.rows(
        select("max(numbers), count(*) FILTER (row_count > 1)", f"({rows})")
    )
    return bool(most == 1 and several >= fewest_orders)


class TriedSum(NamedTuple):
    """Whether an amount of orders is the sum of one of their rows, or of a price times pieces."""

    whole: Value
    part: Value
    times: Value | None


def _adds_up(values: FileValues, unit: str, tried: TriedSum, fewest_orders: int) -> bool:
    whole, part, times = tried
    amount = f"{_number(part)} * {_number(times)}" if times else _number(part)
    sums = select(
        f"max({_number(whole)}) AS whole, sum({amount}) AS parts, count(*) AS row_count",
        TABLE,
        f"{whole.column} IS NOT NULL",
        unit,
    )
    fits = "count(*) FILTER (abs(whole - parts) < 0.005)"
    ((count, fitting),) = values.rows(select(f"count(*), {fits}", f"({sums})", "row_count > 1"))
    return bool(count >= fewest_orders and fitting >= SHARE * count)
