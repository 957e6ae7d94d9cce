"""Fields that no usual name says, found by what the values of columns do."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Final

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables import formats
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.files.mapping_content import HEADER_CURRENCIES
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    AMOUNTS,
    MAIN_AMOUNTS,
    MOST_OF_EXAMPLE,
    MOST_PRODUCTS,
    NO_AMOUNT,
    OF_ONE_PIECE,
    OF_PIECES,
    ORDER_ID,
    Draft,
    has_word,
    plain_name,
)
from ecom_assets.ingestion.sources.proposal.event_amounts import (
    amount_of_purchases,
    amount_of_rows,
    amounts_of_purchases,
    currency_of_amount,
    is_purchase,
    order_of_purchases,
    price_of_pieces,
)
from ecom_assets.ingestion.sources.proposal.event_type_words import known_event_type
from ecom_assets.ingestion.sources.proposal.fields import (
    MOST_EVENT_TYPES,
    ORDER_TOTAL,
    REFUNDED_AMOUNT,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    FoundField,
    currency_beside,
    free_columns,
    free_values,
    has_decimals,
    is_currency,
    numbers_left,
    numbers_of_rows,
    other_persons,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    GoodsAmount,
    Part,
    RowParts,
    can_be_amount,
    is_in_stock,
    is_rate_of_currency,
    part_of,
    says_cents,
)
from ecom_assets.ingestion.sources.proposal.questions import MOST_STATES, shown
from ecom_assets.ingestion.sources.proposal.row_kinds import goes_with_lines, row_kinds, says_kind
from ecom_assets.ingestion.sources.proposal.rows import DISCOUNT_LINES, OrderRows
from ecom_assets.ingestion.sources.proposal.state_words import (
    begins,
    is_way_to_pay,
    says_no_sale,
    says_no_sale_or_refund,
    words_of,
)
from ecom_assets.ingestion.sources.proposal.states import states_in_turn
from ecom_assets.ingestion.sources.proposal.unnamed import (
    Product,
    line_amount,
    money_on_two_sides,
    order_numbers,
    products,
    several_rows_at_once,
)
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value
from ecom_assets.ingestion.sources.proposal.visitors import (
    FEWEST,
    further_sessions,
    is_named_so,
    visitor_columns,
)

OF_MEASURES: Final = (
    *("qty", "quantit", "menge", "cantidad", "quantidade", "ilosc", "aantal", "колич", "кільк"),
    *("数量", "個数", "수량"),
)
"""How such words begin that count metres and kilograms, too."""


def known_rows(counts: Sequence[tuple[str, int]]) -> int:
    """Return how many rows are of event types whose names are known."""
    return sum(count for name, count in counts if known_event_type(name))


SHARE: Final = 0.98
"""The share of rows that show a sum on which it holds."""
CODE: Final = r"[A-Za-z]{0,2}[-_]?\d+"
"""A code of an event type, such as 2 or A2."""
OF_NAMES: Final = (
    *("name", "label", "desc", "title", "text", "bezeichn", "libell", "nom", "intitul", "titre"),
    *("event", "ereignis", "evenement", "action", "aktion", "accion", "azione"),
)
"""How words in the names of columns begin that have names of codes."""
MOST_WORDS: Final = 3
"""Words for currencies that a note names."""
NO_TYPES: Final = frozenset({"event", "events", "hit", "record"})
"""What all rows are, whatever happened in them."""
_IDS_OF_ITEMS: Final = (
    "sku",
    "product_id",
    "productId",
    "variant_id",
    "id",
    "code",
    "name",
    "title",
)
_NAMES_OF_ITEMS: Final = ("name", "title", "product_name", "productName")


def find_pieces(draft: Draft) -> None:
    """Take the only column that counts pieces by a word of its name, where none has a usual
    name; those of pieces that were cancelled or went back are no such.
    """
    if "quantity" in {*draft.found, *draft.answers} or draft.values.spread:
        return
    named = [
        value
        for value in numbers_left(draft.values, draft.found)
        if has_word(value, OF_PIECES)
        and not has_word(value, OF_ONE_PIECE)
        and not says_no_sale_or_refund(value.last_name)
        and not is_in_stock(value)
        and (has_word(value, OF_MEASURES) or not has_decimals(draft.values, value))
    ]
    if len(named) == 1:
        why = f"named {named[0].name}, the only number of pieces"
        draft.found["quantity"] = FoundField("quantity", named[0], why)


def find_two_sides(draft: Draft) -> None:
    """Take credits less debits for the amount, where no name says the amount of a row."""
    payment = draft.found.get("payment_amount")
    if {UNIT_PRICE, ORDER_TOTAL} & draft.found.keys() or "payment_amount" in draft.answers:
        return
    money = money_on_two_sides(draft.values)
    if money is not None and (payment is None or payment.value.name in money.name):
        why = f"{money.name}, of which each row has one"
        draft.found["payment_amount"] = FoundField("payment_amount", money, why)


def find_currency(draft: Draft) -> None:
    """Take amounts whose names say one currency, in place of those that are of several by a
    column beside them: `total_usd` beside `total`; such a column is not of these.
    """
    main = next((draft.found[n] for n in MAIN_AMOUNTS if n in draft.found), None)
    beside = main and currency_beside(draft.values, main.value)
    if main and beside and "currency" not in draft.answers:
        draft.found["currency"] = FoundField("currency", beside, f"beside {main.value.name}")
        return
    currency = draft.found.get("currency")
    if currency is None or not currency.value.is_column or "payment_amount" in draft.answers:
        return
    if main is None or _takes_rate_of_currency(draft, main.value, currency.value):
        return
    codes = {name.upper() for name, _ in draft.values.counts(currency.value, MOST_STATES)}
    if len(codes) > 1 and _take_amounts_of_one_currency(draft, main.value):
        return
    named = main.value.currency
    if not named and len(codes) > 1:
        same = [column for column in _same_amounts(draft, main.value) if column.currency]
        named = same[0].currency if same else ""
    if not named or codes <= {named}:
        return
    del draft.found["currency"]
    draft.named_currency = named
    draft.notes.append(
        f"{shown(currency.value.name)} is not of amounts that are in {named} by their names"
    )
    for name in (name for name in AMOUNTS if name in draft.found):
        value = draft.found[name].value
        same = [column for column in _same_amounts(draft, value) if column.currency == named]
        if value.currency == named:
            continue
        if same:
            why = f"named {same[0].name}, one currency on all rows"
            draft.found[name] = FoundField(name, same[0], why)
        else:
            del draft.found[name]


def _take_amounts_of_one_currency(draft: Draft, main: Value) -> bool:
    """Take amounts that are called as those found are but for words before it, such as
    `base_grand_total` beside `grand_total`, where a column of currencies with the same words says
    one currency on all rows: `base_currency_code`. Return whether the main amount has such a one.
    """
    values = draft.values
    numbers = {tuple(words_of(value.name)): value for value in numbers_left(values, {})}
    for column in values.values:
        if not column.is_column or values.different(column) != 1 or not is_currency(values, column):
            continue
        before = tuple(word for word in words_of(column.name) if not begins(word, _CURRENCIES))
        if not before or (*before, *words_of(main.name)) not in numbers:
            continue
        why = f"beside {column.name}, one currency on all rows"
        for name in (name for name in AMOUNTS if name in draft.found):
            match = draft.found.pop(name)
            if same := numbers.get((*before, *words_of(match.value.name))):
                draft.found[name] = FoundField(name, same, f"named {same.name}, {why}")
        draft.found["currency"] = FoundField("currency", column, "one on all rows")
        return True
    return False


_CURRENCIES: Final = ("currency", "currencies", "code", "wahrung", "devise", "moneda", "valuta")


def find_converted_amount(draft: Draft) -> None:
    """Take the amount that is another one times a rate between currencies, where no name says the
    amount: it is in the currency of the account, not in that of which the other one is.
    """
    values = draft.values
    if {*MAIN_AMOUNTS, "payment_amount"} & {*draft.found, *draft.answers} or values.spread:
        return
    numbers = numbers_left(values, {})
    amounts = [value for value in numbers if can_be_amount(value) and has_decimals(values, value)]
    for rate in (value for value in numbers if is_rate_of_currency(value)):
        factor = values.number_sql(rate)
        for amount, other in permutations(amounts, 2):
            product = f"{values.number_sql(other)} * {factor}"
            if _is_times_rate(draft, values.number_sql(amount), product, factor):
                why = f"by adding up: {amount.name} = {other.name} * {rate.name}"
                draft.found["payment_amount"] = FoundField("payment_amount", amount, why)
                _find_currency_of_account(draft, amount)
                return


def _find_currency_of_account(draft: Draft, amount: Value) -> None:
    """Take the column of currencies that says the same on all rows beside one that does not; a
    single one may be of what was converted.
    """
    if "currency" in draft.answers:
        return
    draft.found.pop("currency", None)
    columns = [
        value
        for value in draft.values.values
        if value.is_column
        and is_currency(draft.values, value)
        and {code.upper() for code, _ in draft.values.counts(value)} <= {*HEADER_CURRENCIES}
    ]
    same = [value for value in columns if draft.values.different(value) == 1]
    if len(same) == 1 < len(columns):
        draft.found["currency"] = FoundField("currency", same[0], "one on all rows")
        return
    names = ", ".join(shown(value.name) for value in columns)
    draft.notes.append(
        f"{shown(amount.name)} is in the currency of the account, which no column says for sure"
        f"{f' ({names} may be of what was converted)' if names else ''}: it is taken for the shop's"
    )


def _is_times_rate(draft: Draft, amount: str, product: str, factor: str) -> bool:
    """Return whether an amount is a product with a rate, on nearly all rows with one."""
    telling = f"{factor} NOT IN (0, 1) AND {product} <> 0"
    rows, holds = (
        int(draft.values.scalar(f"count(*) FILTER ({telling}{more})"))
        for more in ("", f" AND abs({amount} - ({product})) < 0.0051")
    )
    return rows >= FEWEST and holds >= rows * SHARE


def _takes_rate_of_currency(draft: Draft, amount: Value, currency: Value) -> bool:
    """Return whether an amount is another one times a rate beside the currency, as bookkeeping
    has it: it is of the currency whose rate is none or 1, not of that of its row.
    """
    numbers = numbers_left(draft.values, {})
    price, quantity = draft.found.get(UNIT_PRICE), draft.found.get("quantity")
    others = {v.name: draft.values.number_sql(v) for v in numbers if v != amount}
    if price and quantity:
        each, count = (draft.values.number_sql(match.value) for match in (price, quantity))
        others = {
            f"{price.value.name} times {quantity.value.name}": f"{each} * {count}",
            **others,
        }
    money = draft.values.number_sql(amount)
    for rate in (value for value in numbers if is_rate_of_currency(value)):
        factor = draft.values.number_sql(rate)
        own = select(currency.column, TABLE, f"coalesce({factor}, 0) IN (0, 1)")
        codes = {str(code).upper() for (code,) in draft.values.rows(f"{own} GROUP BY 1")} - {"NONE"}
        if len(codes) != 1:
            continue
        for name, sql in others.items():
            if _is_times_rate(draft, money, f"({sql}) * {factor}", factor):
                del draft.found["currency"]
                (draft.named_currency,) = codes
                draft.notes.append(
                    f"{shown(amount.name)} is {shown(name)} times {shown(rate.name)}: it is in "
                    f"{draft.named_currency} on all rows, whatever {shown(currency.name)} says"
                )
                return True
    return False


def _same_amounts(draft: Draft, value: Value) -> list[Value]:
    """Return the columns that are called as an amount is, but for a currency in the name."""
    plain = plain_name(value.name)
    numbers = [column for column in numbers_left(draft.values, {}) if column != value]
    return [column for column in numbers if plain_name(column.name) == plain]


def find_order_number(draft: Draft) -> None:
    """Take the column that holds rows together, where none is named as the order's number; ask
    for it where rows look like lines and nothing shows it.
    """
    known = draft.found_without_answer(ORDER_ID)
    shown, columns = order_numbers(draft.values, known)
    if shown is not None and ORDER_ID not in draft.answers:
        why = f"rows of one {shown.name} agree in who and when"
        draft.found[ORDER_ID] = FoundField(ORDER_ID, shown, why)
    elif columns and several_rows_at_once(draft.values, known):
        names = tuple(value.name for value in columns)
        sentence = (
            f"the column of the order's number, or {NO_AMOUNT}: then rows of one customer and "
            "one second are an order"
        )
        draft.ask(ORDER_ID, sentence, (*names, NO_AMOUNT), names[0])


def find_paid_back(draft: Draft) -> None:
    """Take the amount that went back by a word of its name, where no usual name has it."""
    if {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & draft.found.keys():
        return
    amounts = [value for value in numbers_left(draft.values, draft.found) if can_be_amount(value)]
    named = [value for value in amounts if part_of(value) is Part.REFUND]
    if draft.named_currency:  # what went back in another currency is no part of these
        named = [value for value in named if value.currency == draft.named_currency]
    some = [v for v in named if draft.values.scalar(f"sum({draft.values.number_sql(v)})")]
    if len(some) == 1 and (has_decimals(draft.values, some[0]) or says_cents(some[0])):
        why = f"named {some[0].name}"
        draft.found[REFUNDED_AMOUNT] = FoundField(REFUNDED_AMOUNT, some[0], why)
    else:
        _find_pieces_back(draft)


def _find_pieces_back(draft: Draft) -> None:
    """Take the pieces that went back by words of their name, such as `product_quantity_refunded`:
    whole numbers, never more than were sold.
    """
    quantity = draft.found.get("quantity")
    if quantity is None or not quantity.value.is_column or REFUNDED_QUANTITY in draft.found:
        return
    sold = draft.values.number_sql(quantity.value)
    for value in free_columns(draft.values, draft.found):  # 0 or 1 piece looks like no and yes
        name = value.last_name
        is_back = says_no_sale_or_refund(name) and not says_no_sale(name)
        is_named = is_back and has_word(value, OF_PIECES)
        if not (is_named and draft.values.number_forms(value)):
            continue
        back = draft.values.number_sql(value)
        some, more = (
            int(draft.values.scalar(f"count(*) FILTER ({back} {way})"))
            for way in ("> 0", f"NOT BETWEEN 0 AND {sold}")
        )
        if some and not more:
            why = f"named {value.name}"
            draft.found[REFUNDED_QUANTITY] = FoundField(REFUNDED_QUANTITY, value, why)
            return


def find_product(draft: Draft) -> None:
    """Take a price and a quantity that come to an amount of the file, or as answered, where
    names do not say both.
    """
    _find_pieces_named_amount(draft)
    found = tuple(products(draft.values, draft.found_without_answer("payment_amount")))
    if {UNIT_PRICE, "quantity"} <= draft.found.keys():
        if "payment_amount" not in draft.found:
            draft.product_less = next((product.less for product in found), "")
            draft.product_plus = next((product.plus for product in found), "")
        return
    answer = draft.answers.get("payment_amount", "")
    said = [product for product in found if product.text == answer]
    shown = [product for product in found if product.shown_by and not draft.answers.get("quantity")]
    for likely in (said or shown)[:1]:
        why = f"by adding up: {likely.shown_by}" if likely.shown_by else "as answered"
        product = _without_tax_in_price(draft, likely) if likely in shown else likely
        for name, value in ((UNIT_PRICE, product.price), ("quantity", product.quantity)):
            draft.found.setdefault(name, FoundField(name, value, why))
        draft.product_less, draft.product_plus = product.less, product.plus
        payment = draft.found.get("payment_amount")
        if payment and payment.value.name == product.total and not answer:
            del draft.found["payment_amount"]
            draft.found[ORDER_TOTAL] = FoundField(ORDER_TOTAL, payment.value, payment.why)
    is_shown = bool(shown or said or _find_line_amount(draft))
    draft.products = () if is_shown else found


def _without_tax_in_price(draft: Draft, product: Product) -> Product:
    """Return a price times a quantity by the price without tax, where a column has it; note it.

    It is the price without a tax of a few rates, on all rows.
    """
    prices = {
        value.name: value
        for value in numbers_of_rows(draft.values, draft.found)
        if can_be_amount(value) and part_of(value) is None
    }
    parts = RowParts(draft.values, {**prices, product.price.name: product.price})
    net = next(iter(parts.without_tax(GoodsAmount(product.price.name))), None)
    if net is None:
        return product
    draft.notes.append(f"{shown(net)} is {shown(product.price.name)} without tax")
    return replace(product, price=prices[net])


def find_item_of_lines(draft: Draft) -> None:
    """Take the id and the name of the object that has the price or the pieces for those of the
    item: `cart_items.id` beside `cart_items.price`.
    """
    of_lines = [draft.found[name].value for name in (UNIT_PRICE, "quantity") if name in draft.found]
    parents = {value.name.rpartition(".")[0] for value in of_lines if value.is_column} - {""}
    if len(parents) != 1 or "item_id" in {*draft.found, *draft.answers}:
        return
    parent = parents.pop()
    by_name = {value.name.casefold(): value for value in free_columns(draft.values, draft.found)}
    for name, usual in (("item_id", _IDS_OF_ITEMS), ("item_name", _NAMES_OF_ITEMS)):
        members = (by_name.get(f"{parent}.{last}".casefold()) for last in usual)
        value = next((column for column in members if column and draft.values.filled(column)), None)
        if value is not None and name not in draft.found:
            draft.found[name] = FoundField(name, value, f"named {value.name}")


def _find_pieces_named_amount(draft: Draft) -> None:
    """Take a column for the quantity, not for the amount, that counts pieces, as it seems,
    where a price stands beside it: `amount` of 1, 2 and 3 beside 49.90.
    """
    payment = draft.found.get("payment_amount")
    is_said = {"quantity", "payment_amount"} & draft.answers.keys()
    if payment is None or is_said or "quantity" in draft.found:
        return
    rest = {name: match for name, match in draft.found.items() if match is not payment}
    prices = (
        product.price
        for product in products(draft.values, rest)
        if product.quantity == payment.value
    )
    if any(has_decimals(draft.values, price) for price in prices):
        del draft.found["payment_amount"]
        why = f"named {payment.value.name}, and counts pieces"
        draft.found["quantity"] = FoundField("quantity", payment.value, why)


def _find_line_amount(draft: Draft) -> bool:
    """Take the column whose amounts come to those of orders; return whether there is one."""
    if "payment_amount" in draft.answers:
        return False
    line = line_amount(draft.values, draft.found)
    if line is None:
        return False
    value, equation, draft.product_less, draft.product_plus = line
    if "payment_amount" in draft.found:
        total = draft.found["payment_amount"].value
        draft.found[ORDER_TOTAL] = FoundField(ORDER_TOTAL, total, f"named {total.name}")
    why = f"by adding up: {equation}"
    draft.found["payment_amount"] = FoundField("payment_amount", value, why)
    return True


def find_finer_type(draft: Draft) -> None:
    """Take the column that says more of what happened, where the one that is named so has codes
    or less: names beside codes, or what happened to the product of a `product_event`.

    Each value of it goes with one type, and more rows are of known types by it.
    """
    match = draft.found.get("event_type")
    if match is None or not match.value.is_column:
        return
    coarse, rows = match.value, draft.values.row_count
    if {name.casefold() for name, _ in draft.values.counts(coarse)} <= NO_TYPES:
        del draft.found["event_type"]
        return
    best, most = None, known_rows(draft.values.counts(coarse))
    are_codes = draft.values.matching(coarse, CODE) == draft.values.filled(coarse)
    for value in draft.values.values:
        if not _may_refine(draft, value, coarse):
            continue
        counts = draft.values.counts_of_either(value, coarse)
        is_named = are_codes and _names_each(draft, value, coarse)
        if (known := known_rows(counts)) > most or (is_named and best is None):
            best, most = value, max(known, most)
    if best is None:
        return
    why = f"{best.name} says more than {coarse.name}"
    if draft.values.filled(best) < rows:
        draft.values, best = draft.values.with_alternative(best, coarse)
    draft.found["event_type"] = FoundField("event_type", best, why)


def find_visitor(draft: Draft) -> None:
    """Take the column that says who the visitor is by the sessions of each, where it is named
    so; ask for it where it is not, and for that of devices where not all rows have a user.
    """
    known = draft.found_without_answer("user_id" if "user_id" in draft.answers else "anonymous_id")
    user, name = known.get("user_id"), "user_id" if "user_id" not in known else "anonymous_id"
    is_whole = user is not None and draft.values.filled(user.value) == draft.values.row_count
    if is_whole or (user and name in known):
        return
    columns = visitor_columns(draft.values, known, user.value if user else None)
    named = [value for value in columns if is_named_so(value)]
    has_device = name == "user_id" and "anonymous_id" in known
    if not columns or (has_device and not named):
        return
    session, first = known["session_id"].value, columns[0]
    further = further_sessions(draft.values, session, first)
    if len(named) == 1 and further >= FEWEST and name not in draft.answers:
        count = f"{draft.values.different(first):,} have {further:,} further ones"
        why = f"named {first.name}; each {session.name} is of one, and {count}"
        draft.found[name] = FoundField(name, first, why)
        return
    people = [
        f"{shown(value.name)} ({draft.values.different(value):,}, such as "
        f"{shown(draft.values.counts(value, 1)[0][0], MOST_OF_EXAMPLE)})"
        for value in columns[:MOST_PRODUCTS]
    ]
    who = "who the visitor is" if name == "user_id" else "whose device it is, without a user"
    sessions = f"{draft.values.different(session):,} of {shown(session.name)}"
    sentence = (
        f"the column that says {who}, as each of {sessions} has one value of "
        f"{', '.join(people)}; or {NO_AMOUNT}: then each session is a visitor of its own"
    )
    choices = tuple(dict.fromkeys(value.name for value in columns))
    draft.ask(name, sentence, (*choices, NO_AMOUNT), first.name)


def find_amount_of_rows(draft: Draft) -> None:
    """Take the amount of each row where one of the whole order is on each of its rows; leave it
    to be asked for where too few orders of several rows show it.
    """
    said = draft.answers.get("cart_value", "")
    if said == NO_AMOUNT or said in {value.name for value in draft.values.values}:
        return
    found = amount_of_rows(draft.values, draft.found)
    if found is None and (likely := amount_of_rows(draft.values, draft.found, fewest_orders=1)):
        match, times = likely
        draft.likely_amount = Product(match.value, times).text if times else match.value.name
        del draft.found["cart_value"]
        found = likely if said == draft.likely_amount else None
        draft.why_likely = (
            "rows of one order repeat what it is worth, and "
            f"{draft.likely_amount} seems to be what each row is worth"
        )
    if found is not None:
        draft.found["cart_value"], draft.times = found
    elif not said and (of_purchases := amount_of_purchases(draft.values, draft.found)):
        draft.amount_of_purchases = of_purchases
        named = draft.found["cart_value"].value.name
        draft.notes.append(
            f"{of_purchases.name} is what purchases are worth: none of them has {named}"
        )
    elif not draft.likely_amount and not _leave_amount_that_no_purchase_has(draft, said):
        _find_amount_of_pieces(draft, said)


def _find_amount_of_pieces(draft: Draft, said: str) -> None:
    """Leave it to be asked whether the amount is a price times the number of pieces, and take it
    where that is answered.
    """
    of_pieces = price_of_pieces(draft.values, draft.found)
    if of_pieces is None:
        return
    price, count = of_pieces
    text = Product(price, count).text
    if said == text:
        why = f"as answered: {text}"
        draft.found["cart_value"] = FoundField("cart_value", price, why)
        draft.times = count
        return
    draft.found.pop("cart_value", None)
    draft.likely_amount = text
    one, many = (
        f"{draft.values.number_sql(price)}{times}"
        for times in ("", f" * {draft.values.number_sql(count)}")
    )
    types = draft.found.get("event_type")
    rows = (types and is_purchase(draft.values, types.value)) or "true"
    of_rows = "all rows" if rows == "true" else "purchases"
    sums = [
        formats.amount(draft.values.scalar(f"coalesce(sum({sql}) FILTER ({rows}), 0)"))
        for sql in (many, one)
    ]
    draft.why_likely = (
        f"{price.name} may be of one piece, and some rows have several: of {of_rows}, {text} come "
        f"to {sums[0]}, {price.name} alone to {sums[1]}"
    )


def _leave_amount_that_no_purchase_has(draft: Draft, said: str) -> bool:
    """Leave the amount to be asked for where no purchase has the one that is named so, but all
    have others; return whether that is so.
    """
    others = [] if said else amounts_of_purchases(draft.values, draft.found)
    if not others or "cart_value" not in draft.found:
        return False
    draft.likely_amount = others[0].name
    named = draft.found.pop("cart_value").value.name
    draft.why_likely = f"no purchase has {named}"
    return True


def find_currency_of_events(draft: Draft) -> None:
    """Take where events say the currency of their amount, and note what is there in place of codes
    such as `EUR`.
    """
    named = draft.found.get("cart_value")
    amount = draft.amount_of_purchases or (named.value if named else None)
    if amount is None:
        return
    currency = currency_of_amount(draft.values, draft.found, amount)
    if currency is None:
        return
    draft.found["currency"] = currency
    words = [word for word, _ in draft.values.counts(currency.value, MOST_STATES)]
    others = [word for word in words if word.upper() not in HEADER_CURRENCIES]
    if others and len(words) > 1:
        draft.notes.append(
            f"{shown(currency.value.name)} says {', '.join(map(shown, others[:MOST_WORDS]))} in "
            "place of a code such as EUR: each is taken for a currency of its own; write codes"
        )


def find_order_of_events(draft: Draft) -> None:
    """Take the number of the order that purchases name, where no usual name of events has it."""
    if (order := order_of_purchases(draft.values, draft.found)) is not None:
        draft.found["order_ids"] = order


def _may_refine(draft: Draft, value: Value, coarse: Value) -> bool:
    used = {match.value for match in draft.found.values()}
    if value in used or not value.is_column or value.joined or not draft.values.filled(value):
        return False
    different = draft.values.different(value)
    return different <= MOST_EVENT_TYPES and (
        draft.values.different_pairs(value, coarse) == different
    )


def _names_each(draft: Draft, value: Value, coarse: Value) -> bool:
    """Return whether a column has a name for each code of another one."""
    is_whole = draft.values.filled(value) == draft.values.row_count
    are_names = not draft.values.matching(value, CODE)
    are_as_many = draft.values.different(value) == draft.values.different(coarse)
    return is_whole and are_names and are_as_many and has_word(value, OF_NAMES)


def find_kinds_of_rows(draft: Draft) -> None:
    """Take the columns that say what a row is in place of states that do not."""
    if draft.values.spread:
        return
    payment = draft.payment()
    total = draft.found.get(ORDER_TOTAL)
    rows = OrderRows(draft.values, draft.found, payment or (total.value if total else None))
    # Lines below zero lower the others: the sign says nothing, but what has no item may be
    # postage.
    are_discounts = rows.below_zero() == DISCOUNT_LINES
    amount = "" if are_discounts else rows.amount_sql()
    columns = row_kinds(draft.values, draft.found, amount) or _codes_of_kinds(draft)
    if are_discounts and not any(map(says_kind, columns)):
        return
    is_of_lines = len(columns) == 1 and goes_with_lines(draft.values, columns[0], draft.found)
    if not columns or (is_of_lines and rows.rows_of_orders()):
        return  # what repeats an order beside its lines is known without a name
    kinds = columns[0] if len(columns) == 1 else draft.values.combined(columns)
    draft.found["status"] = FoundField("status", kinds, f"{kinds.name} says what a row is")
    draft.are_kinds = True


def _codes_of_kinds(draft: Draft) -> Sequence[Value]:
    """Return the column that is called a kind of row and has a few short codes, such as `SI` and
    `SC` of a bookkeeper, where no column says what went back: an amount above zero may be of a
    credit note.
    """
    if {"status", REFUNDED_AMOUNT, REFUNDED_QUANTITY} & draft.found.keys():
        return ()
    values = draft.values
    codes = [
        value
        for value in free_columns(values, draft.found)
        if says_kind(value)
        and 1 < values.different(value) <= _MOST_CODES
        and values.matching(value, r"[A-Z]{1,4}\d{0,2}") == values.row_count
        and not any(is_way_to_pay(name) for name, _ in values.counts(value))
    ]
    return codes[:1]


_MOST_CODES: Final = 6


def refuse_log_of_states(draft: Draft) -> None:
    """Refuse a file with a row for each state of an order.

    Raises:
        DefinitionError: The file is one.
    """
    if states := states_in_turn(draft.values, draft.found):
        status, order = (draft.found[name].value.name for name in ("status", ORDER_ID))
        raise DefinitionError(
            f"The file has a row for each {shown(status)} that one {shown(order)} had, such as "
            f"{', '.join(map(shown, states))}: its orders would count several times. Export "
            "the orders with the state that they have now, one row for each order or line."
        )


def find_person(draft: Draft) -> None:
    """Take the id that repeats for the customer,
    where that which is named so is another one for each order.
    """
    match = draft.found.get("customer_id")
    if match is None or "customer_id" in draft.answers:
        return
    if _are_guests_found(draft, match.value):
        return
    order = draft.found.get("order_id")
    orders = draft.values.different(order.value) if order else draft.values.row_count
    different = draft.values.different(match.value)
    others = (
        other_persons(draft.values, match.value, draft.found) if different >= orders > 1 else []
    )
    if not others:
        return
    person = others[0]
    people = draft.values.different(person)
    counts = f"{match.value.name} has {different:,} in {orders:,} orders, {person.name} {people:,}"
    draft.found["customer_id"] = FoundField("customer_id", person, f"it repeats: {counts}")
    sentence = (
        f"the column of the customer: of different ids {counts}, so that only {person.name} repeats"
    )
    choices = (person.name, match.value.name)
    draft.ask("customer_id", sentence, choices, person.name, is_optional=True)


def _are_guests_found(draft: Draft, value: Value) -> bool:
    """Return whether ids are whole numbers, of which 0 says that somebody has no account; tell
    these apart by their address.
    """
    filled, zeros = draft.values.filled(value), draft.values.matching(value, "0")
    addresses = [
        column
        for column in free_values(draft.values, draft.found)
        if draft.values.are_emails(column)
    ]
    are_numbers = value.is_column and filled == draft.values.matching(value, r"\d+")
    if not (are_numbers and 0 < zeros < filled and addresses):
        return False
    draft.guest_address = addresses[0]
    draft.notes.append(
        f"0 of {shown(value.name)} is no customer, in {formats.counted(zeros, 'row')}: these are "
        f"told apart by {shown(addresses[0].name)}"
    )
    return True
