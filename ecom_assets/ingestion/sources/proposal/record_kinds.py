"""What the rows of a file are, by the names and values of their columns: events, orders, customers
or a list, or a report of sums, which is none of these.
"""

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime
from itertools import permutations, product
from typing import Final

from ecom_assets.core.tables.formats import counted
from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.event_type_words import OF_ORDERS, known_event_type
from ecom_assets.ingestion.sources.proposal.fields import (
    ORDER_TOTAL,
    UNIT_PRICE,
    Found,
    MappingKind,
    column_names,
    found_fields,
    has_decimals,
    has_items,
    is_amount,
    named_as,
    named_values,
    numbers_left,
    stock_by_place,
)
from ecom_assets.ingestion.sources.proposal.parts import (
    Part,
    can_be_amount,
    is_cost,
    is_in_stock,
    part_of,
)
from ecom_assets.ingestion.sources.proposal.questions import MOST_STATES, shown
from ecom_assets.ingestion.sources.proposal.state_words import (
    Meaning,
    begins,
    state_meaning,
    words_of,
)
from ecom_assets.ingestion.sources.proposal.unnamed import products
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value

ONE_EACH: Final = 0.8
"""Share of rows with an id of their own by which a file is one of customers."""
OF_VISITS: Final = frozenset({"session_id", "anonymous_id", "page_url"})
"""The fields that only events have."""


def kind_of(values: FileValues) -> MappingKind | None:
    """Return what rows look like; None if the names and values do not say it.

    Order lines have an amount with a quantity or the number of an order, or a list of items with
    such a number, and no event types but payments and refunds; customers have an address or a name,
    and mostly one row each.
    """
    orders, events = (
        found_fields(values, MappingKind.ORDERS),
        found_fields(values, MappingKind.EVENTS),
    )
    amounts = {"payment_amount", UNIT_PRICE, ORDER_TOTAL}
    are_orders = bool(amounts & orders.keys() and {"quantity", "order_id"} & orders.keys())
    are_orders |= has_items(values) and "order_id" in orders
    are_orders |= {"quantity", "order_id"} <= orders.keys() or _has_prices_of_lines(values, orders)
    are_orders &= not _has_event_properties(values)
    are_orders |= "event_type" not in events and (
        _has_charges(values, orders) or _has_states_of_sales(values, orders)
    )
    if "event_type" in events and not (are_orders and _is_in_list(events["event_type"].value)):
        kind = _kind_with_types(values, orders, events, are_orders=are_orders)
        if kind is not None or are_orders:
            return kind
    elif are_orders:
        return MappingKind.ORDERS
    customers = found_fields(values, MappingKind.CUSTOMERS)
    if customers and "date_time" in orders and has_unnamed_lines(values, orders):
        return None  # lines of orders in a language that is not known, or people with a mean
    has_one_row_each = (
        "id" in customers and values.different(customers["id"].value) > ONE_EACH * values.row_count
    )
    if (
        has_one_row_each
        and "quantity" not in orders
        and not names_an_order(orders)
        and not _has_payments_of(values, orders, customers["id"].value)
        and {"email", "first_name", "last_name"} & customers.keys()
    ):
        return MappingKind.CUSTOMERS
    return None


def _has_payments_of(values: FileValues, orders: Found, customer: Value) -> bool:
    """Return whether rows have a time and money with decimals, and an id of their own that is not
    the customer's: some customers have several rows, or it is called that of a transaction.
    """
    if "date_time" not in orders:
        return False
    if not any(has_decimals(values, value) for value in numbers_left(values, {})):
        return False
    others = (value for value in values.values if value.is_column and value != customer)
    own = [
        value
        for value in others
        if values.different(value) == values.filled(value) == values.row_count
        and not values.time_formats(value)
    ]
    is_several = values.different(customer) < values.filled(customer)
    return any(
        is_several or any(begins(word, _OF_TRANSACTIONS) for word in words_of(value.last_name))
        for value in own
    )


_OF_TRANSACTIONS: Final = ("transact", "transak", "transac", "transaz", "транзакц")


def likely_kind(values: FileValues) -> MappingKind:
    """Return what rows probably are where nothing says it: with the number of an order, with more
    than one column of money, or with pieces at a price, and none of a visit, they are orders.
    """
    has_visits = bool(OF_VISITS & found_fields(values, MappingKind.EVENTS).keys())
    money = [value for value in numbers_left(values, {}) if has_decimals(values, value)]
    orders = found_fields(values, MappingKind.ORDERS)
    is_paid = len(money) > 1 or names_an_order(orders) or has_unnamed_lines(values, orders)
    return MappingKind.ORDERS if is_paid and not has_visits else MappingKind.EVENTS


def list_of_events(values: FileValues) -> str:
    """Return the list in records that says what happened, such as the hits of a visit: its elements
    have a type and a time, and the records no type; empty where there is none.
    """
    names = column_names()[MappingKind.EVENTS]
    times, types = ({*map(bare, names[field])} for field in ("event_timestamp", "event_type"))
    likely = [
        item_list.path
        for item_list in values.lists.items
        if item_list.most > 1 and "." not in item_list.path
        if times & {*map(bare, item_list.members)} and types & {*map(bare, item_list.members)}
    ]
    if len(likely) != 1:
        return ""
    own = found_fields(values.without_lists(), MappingKind.EVENTS)
    return "" if "event_type" in own else likely[0]


def names_an_order(orders: Found) -> bool:
    """Return whether rows have a time, and a number that is called that of an order: those of
    customers may have a number, but not one of each order.
    """
    if not {"order_id", "date_time"} <= orders.keys():
        return False
    words = words_of(orders["order_id"].value.last_name)
    return any(begins(word, _ORDER_WORDS) for word in words)


_ORDER_WORDS: Final = (
    *("order", "invoice", "receipt", "bestell", "auftrag", "rechnung", "commande", "factur"),
    *("pedido", "ordine", "zamow", "faktur", "заказ", "замовлен", "注文", "siparis"),
)


def _kind_with_types(
    values: FileValues, orders: Found, events: Found, *, are_orders: bool
) -> MappingKind | None:
    """Return what rows look like of which a column may say what happened."""
    names = (name for name, _ in values.counts(events["event_type"].value))
    known = {known_event_type(name) for name in names} - {None}
    has_visits = bool(OF_VISITS & events.keys())
    is_of_orders = known <= OF_ORDERS and not has_visits
    if are_orders and not has_visits and _says_what_rows_are(events["event_type"].value, known):
        return MappingKind.ORDERS
    if is_of_orders and are_orders and "quantity" in orders:
        return MappingKind.ORDERS
    # Sales and refunds are what a bookkeeper calls rows of orders, too.
    named = named_values(values, MappingKind.EVENTS, "event_type", {})
    is_named = events["event_type"].value in named
    is_said = bool(known) and not (is_of_orders and not is_named)
    has_charges = not has_visits and _has_charges(values, orders)
    if has_charges and not is_named and not known & _OF_VISITORS:
        return MappingKind.ORDERS  # `CHECKOUT` is where an order came from
    if is_of_orders and _is_ledger(values, orders, events, is_known=bool(known)):
        return MappingKind.ORDERS
    has_lines = {"item_id", "item_name"} <= orders.keys() or has_charges
    # Codes of a bookkeeper's rows, such as SI and SC, are no events because they are of some type.
    has_charges |= not has_visits and "date_time" in orders and _has_charged_amounts(values)
    if is_said and is_of_orders and has_lines:
        return None  # sales and refunds, of which nothing but the name of a column says more
    return MappingKind.EVENTS if is_said or not (are_orders or known or has_charges) else None


def _is_ledger(values: FileValues, orders: Found, events: Found, *, is_known: bool) -> bool:
    """Return whether rows are times and money of types that only say what the money is, as an
    account has them: they name nobody who did something, or some of the money went back.

    Types are known as events or, such as `Settled` and `Refunded`, as states of sales.
    """
    kind = events["event_type"].value
    if "date_time" not in orders or bare(kind.last_name) not in _TYPE_NAMES:
        return False
    are_states = "status" in orders and orders["status"].value == kind
    if not is_known and not (are_states and _has_states_of_sales(values, orders)):
        return False
    money = [value for value in numbers_left(values, {}) if can_be_amount(value)]
    if _has_both_sides(values, money):
        return True
    has_money = any(values.matching(value, r".*\d[.,]\d.*") for value in money)
    return has_money and "user_id" not in events


def _has_event_properties(values: FileValues) -> bool:
    """Return whether records have an object with what else is known of an event, which only some
    have an order and an amount in.
    """
    parts = (part for value in values.values for part in value.name.split(".")[:-1])
    return any(bare(part) in _OF_EVENTS for part in parts)


_OF_EVENTS: Final = frozenset({"eventproperties", "eventprops", "eventparams", "eventdata"})


def _has_prices_of_lines(values: FileValues, orders: Found) -> bool:
    """Return whether rows have an item, a quantity, and a price that comes to another amount with
    it, whatever these are called.
    """
    if not {"item_id", "quantity", "date_time"} <= orders.keys():
        return False
    count = values.number_sql(orders["quantity"].value)
    numbers = [value for value in numbers_left(values, {}) if can_be_amount(value)]
    money = [value for value in numbers if values.matching(value, r".*\d[.,]\d.*")]
    for price, amount in permutations(money[:_MOST_MONEY], 2):
        is_line = f"{values.number_sql(price)} * {count} - {values.number_sql(amount)}"
        counts = [f"count(*) FILTER ({count} <> 1)"]
        counts += [f"count(*) FILTER ({count} <> 1 AND abs({is_line}) < 0.0051)"]
        several, fitting = values.rows(select(counts, TABLE))[0]
        if several >= _FEWEST_LINES and fitting >= several * _SHARE_OF_LINES:
            return True
    return False


_MOST_MONEY, _FEWEST_LINES, _SHARE_OF_LINES = 6, 3, 0.98


def has_unnamed_lines(values: FileValues, orders: Found) -> bool:
    """Return whether numbers of pieces at a price come to an amount of the rows, perhaps with
    postage, whatever these are called.

    People with a number of orders, their mean and their sum look the same, unless a name says it.

    Args:
        values: The values of the files.
        orders: The fields of orders that are known.
    """
    words = {word for value in numbers_left(values, {}) for word in words_of(value.last_name)}
    if any(begins(word, _OF_PEOPLE) for word in words):
        return False
    return any(likely.shown_by for likely in products(values, orders))


_OF_PEOPLE: Final = (
    *("spent", "spend", "lifetime", "ltv", "clv", "average", "avg", "aov", "durchschnitt"),
    *("orders", "bestellungen", "commandes", "pedidos", "ordini", "bestellingen"),
)
"""How words in the names of what people bought in all begin."""


def _has_charges(values: FileValues, orders: Found) -> bool:
    """Return whether rows have a time, whose order or which order it is, and an amount that only
    orders have: of postage, a tax or a discount, or their total.
    """
    if "date_time" not in orders or not {"order_id", "customer_id", "status"} & orders.keys():
        return False
    return ORDER_TOTAL in orders or _has_charged_amounts(values)


def _has_charged_amounts(values: FileValues) -> bool:
    """Return whether a column has amounts of postage, a tax or a discount."""
    named = (value for value in values.values if part_of(value) in _CHARGES)
    # A column of yes and no, such as `Tax exempt`, is not an amount.
    return any(is_amount(values, value) and values.matching(value, _MONEY) for value in named)


def _has_states_of_sales(values: FileValues, orders: Found) -> bool:
    """Return whether rows have a time, money, and a state by which some are sales and others are
    none or went back, or a type and money that came in or went out: a list of customers has one of
    these at most, and may have addresses, too.
    """
    if not {"date_time", "status"} <= orders.keys():
        return False
    states = values.counts(orders["status"].value, MOST_STATES)
    meanings = {state_meaning(name) for name, _ in states}
    numbers = [value for value in numbers_left(values, {}) if can_be_amount(value)]
    if bare(orders["status"].value.last_name) in _TYPE_NAMES and _has_both_sides(values, numbers):
        return True
    if Meaning.SALE not in meanings or not meanings & {Meaning.NO_SALE, Meaning.REFUND}:
        return False
    return any(values.matching(value, _MONEY) for value in numbers)


def _has_both_sides(values: FileValues, numbers: Sequence[Value]) -> bool:
    """Return whether any money of rows, with decimals, is below zero."""
    money = [value for value in numbers if values.matching(value, r".*\d[.,]\d.*")]
    below = " OR ".join(map(values.is_below_zero, money))
    return bool(money) and bool(values.scalar(f"count(*) FILTER ({below})"))


_MONEY: Final = r".*\d[.,]\d.*|-?[1-9]\d+"
"""Numbers with decimals, or of two digits, as amounts of yen have no decimals."""
_CHARGES: Final = frozenset({Part.SHIPPING, Part.TAX, Part.DISCOUNT})


def _says_what_rows_are(value: Value, known: Collection[str | None]) -> bool:
    """Return whether a column tells rows of orders apart, rather than what visitors did: by its
    name it is of no events, and it has none of those that only visitors make.
    """
    return bare(value.last_name) in _TYPE_NAMES and not set(known) & _OF_VISITORS


_TYPE_NAMES: Final = frozenset(
    {
        *("type", "typ", "tipo", "art", "vorgang", "activity", "action", "was", "kind", "soort"),
        *("transactiontype", "transaktionstyp", "operation", "operacion", "rodzaj", "nature"),
    }
)
_OF_VISITORS: Final = frozenset(
    {"page_view", "product_view", "category_view", "search", "add_to_cart", "remove_from_cart"}
)


def newest_orders(values: FileValues) -> FileValues:
    """Return the values of orders without older versions of those that several files have, which
    the platform replaces as well.
    """
    matches = found_fields(values, MappingKind.ORDERS)
    order = matches.get("order_id")
    others = [matches[name].value for name in ("customer_id", "date_time") if name in matches]
    return values.newest_of(order.value, others) if order else values


def _is_in_list(value: Value) -> bool:
    """Return whether a value is one of an element of a list, such as the type of an item."""
    return any(part.isdecimal() for part in value.path)


def listed_kind(values: FileValues) -> MappingKind | None:
    """Return what a list of products says of them, by the names of its columns: how many there are,
    or what they cost; None if neither, or if `kind_of` says what it is.

    A list with both is one of stock, which takes costs, too. What has no time is neither events
    nor orders, whatever its columns are called. A report of ads is no list of anything else.
    """
    if is_report_of_ads(values):
        return MappingKind.AD_SPEND
    kind = kind_of(values)
    if kind is MappingKind.CUSTOMERS or (kind is not None and has_time(values)):
        return None
    fitting = (
        kind for kind, fields in LISTED.items() if fields <= found_fields(values, kind).keys()
    )
    return next(fitting, None) or _list_of_likely(values)


def _list_of_likely(values: FileValues) -> MappingKind | None:
    """Return what a list of products without times says of them, where no usual name says the
    number but a word of one: what may be sold, or what goods cost.
    """
    if has_time(values):
        return None
    likely = {
        MappingKind.STOCK: ("product_id", is_in_stock),
        MappingKind.COSTS: ("item_id", is_cost),
    }
    for kind, (name, is_so) in likely.items():
        found = found_fields(values, kind)
        if name in found and any(map(is_so, numbers_left(values, found))):
            return kind
    of_stock = found_fields(values, MappingKind.STOCK)
    has_places = "product_id" in of_stock and stock_by_place(values, of_stock)
    return MappingKind.STOCK if has_places or _counts_pieces_of_nobody(values) else None


def _counts_pieces_of_nobody(values: FileValues) -> bool:
    """Return whether rows are products with a number of pieces, such as `Qty.`, in no order and of
    nobody: of a list without times, that is how many there are.
    """
    orders = found_fields(values, MappingKind.ORDERS)
    is_of_sales = bool({"order_id", "customer_id", "status"} & orders.keys())
    return {"item_id", "quantity"} <= orders.keys() and not is_of_sales


def is_report_of_ads(values: FileValues) -> bool:
    """Return whether rows count impressions or clicks beside a campaign or what was spent, and name
    nobody who did something.
    """
    ads = found_fields(values, MappingKind.AD_SPEND)
    counts = [ads[name].value for name in ("impression_count", "click_count") if name in ads]
    is_of_ads = bool({"spend_amount", "campaign_name", "campaign_id"} & ads.keys())
    is_of_ads |= len(counts) > 1 and any(map(is_cost, numbers_left(values, ads)))
    people = (
        value
        for name in ("user_id", "session_id")
        for value in named_values(values, MappingKind.EVENTS, name, ads)
    )
    return bool(counts) and is_of_ads and not any(people) and all(map(values.number_forms, counts))


def _are_all_days(values: FileValues, value: Value) -> bool:
    """Return whether rows are of one day each, of all days from the first to the last."""
    form = (values.time_formats(value) or ("iso",))[0]
    written = [text for text, _ in values.counts(value, _MOST_DAYS + 1)]
    if not 1 < values.row_count == len(written) <= _MOST_DAYS:
        return False
    try:
        days = [_day(text, form) for text in written]
    except ValueError:
        return False
    return (max(days) - min(days)).days + 1 == len(days)


_MOST_DAYS: Final = 1_000


def _day(written: str, form: str) -> date:
    if form == "iso":
        return date.fromisoformat(written)
    return datetime.strptime(written, form).date()  # noqa: DTZ007 (a day is of no zone)


def refused_form(values: FileValues) -> str:
    """Return why the form of a file cannot be read, and what to do; empty where it can."""
    if re.match("#(version|software|fields|date|remark):", values.values[0].name.casefold()):
        return (
            "The file is a log in W3C's extended format, as IIS and CloudFront write it: lines "
            "with # stand above its rows, and one of them, #Fields:, has the names of the "
            "columns. Leave these lines out, and write the names as the first line, with the "
            "same sign between them as between the values."
        )
    line = shown(", ".join(value.name for value in values.values))
    if values.format == "csv" and re.match(r"(\w+=\S+\s+){2,}\w+=", values.values[0].name):
        return (
            f"Each line of the file has names with their values ({line}), as logs have them, and "
            "none has names of columns. Write each line as JSON, such as "
            '{"event": "purchase", "user": "u1"}, or the values below a line of their names.'
        )
    if _has_no_header(values):
        return (
            f"The first line of the file ({line}) looks like the lines below it, and is no "
            "line of names: it would be lost, and nothing says what the columns are. Write "
            "their names above it, such as user_id,product_id,event_type,timestamp, with the "
            "same sign between them as between the values."
        )
    if inner := _inner_records(values):
        return (
            f"Of {counted(values.row_count, 'record')} of the file, {values.filled(inner):,} have "
            f"no time of their own, and name another one in {shown(inner.name)}: they are parts of "
            "it, such as the items of an order, as bulk exports write them. Write these as a list "
            "within their record, such as "
            '{"id": 1, "created_at": "2026-03-02T10:00:00Z", "items": [{"sku": "A"}]}.'
        )
    return ""


def _inner_records(values: FileValues) -> Value | None:
    """Return the value in which records without a time name another record by its id; None where no
    value does.
    """
    if values.format != "ndjson":
        return None
    ids = [value for value in values.values if values.are_unique((value,))]
    ids = [value for value in ids if values.filled(value) == values.row_count]
    parts = [value for value in values.values if 0 < values.filled(value) < values.row_count]
    times = [value for value in values.values if values.time_formats(value)] if ids else []
    has_time = " OR ".join(f"{value.column} IS NOT NULL" for value in times)
    for part, own in product(parts if times else (), ids[:_MOST_IDS]):
        named = f"{part.column} IN ({select(own.column, TABLE)})"
        if values.scalar(f"count(*) FILTER ({named})") != values.filled(part):
            continue
        if not values.scalar(f"count(*) FILTER ({part.column} IS NOT NULL AND ({has_time}))"):
            return part
    return None


_MOST_IDS: Final = 3


def _has_no_header(values: FileValues) -> bool:
    """Return whether the names of a table are values as those below them, half of them at least,
    and one of them a number or time that is too long for a name such as the year 2026.
    """
    if values.format != "csv":
        return False
    columns = [value for value in values.values if value.is_column]
    alike = [value for value in columns if _is_as_its_cells(values, value)]
    is_long = any(re.fullmatch(rf"\d{{5,}}|{_TIME}", value.name) for value in alike)
    return is_long and len(alike) > 1 and len(alike) * 2 >= len(columns)


def _is_as_its_cells(values: FileValues, value: Value) -> bool:
    filled = values.filled(value)
    return any(
        re.fullmatch(form, value.name) and 0 < values.matching(value, form) == filled
        for form in (_NUMBER, _TIME)
    )


_TIME: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*"


def is_report_of_sums(values: FileValues) -> bool:
    """Return whether rows are the days of some time, and all else are numbers, of which several are
    whole: what others come to, such as visitors and page views, of which no row is one.
    """
    columns = [value for value in values.values if value.is_column and values.filled(value)]
    days = [value for value in columns if values.time_formats(value)]
    counts = [value for value in columns if value not in days]
    if len(days) == 1 and _are_sums_of_people(values, days[0], counts):
        return True
    return (
        len(days) == 1
        and _are_all_days(values, days[0])
        and not values.matching(days[0], r".*\d:.*")
        and len(counts) > 1
        and all(values.matching(value, _NUMBER) == values.filled(value) for value in counts)
        and sum(values.matching(value, r"\d+") == values.filled(value) for value in counts) > 1
        and not any(bare(value.last_name).endswith("id") for value in counts)
    )


def _are_sums_of_people(values: FileValues, day: Value, others: Sequence[Value]) -> bool:
    """Return whether columns beside a day or a full hour are called numbers of people and of what
    they did, and no two rows are of one day and one of all else, such as a page: reports of web
    analytics.
    """
    numbers = [value for value in others if values.matching(value, _NUMBER) == values.filled(value)]
    named = [value for value in numbers if _COUNTED & {*words_of(value.last_name)}]
    keys = [day, *(value for value in others if value not in numbers)]
    are_hours = values.matching(day, _DAY_OR_HOUR) == values.filled(day)
    return len(named) > 1 and are_hours and values.are_unique(keys)


_DAY_OR_HOUR: Final = r"[^:]*|[^:]*\d:00(:00(\.0+)?)?( ?[+\-]\d\d:?\d\d| ?[A-Za-z]{1,4})?"
_COUNTED: Final = frozenset(
    {"visits", "visitors", "sessions", "users", "pageviews", "views", "entrances", "exits", "count"}
    | {"uniques", "bounces", "conversions"}
    | {"besucher", "besuche", "sitzungen", "nutzer", "seitenaufrufe", "visites", "visiteurs"}
    | {"utilisateurs", "visitas", "usuarios", "sesiones", "visite", "utenti", "sessioni"}
)
"""Words in the names of numbers of people, and of what they did."""
_NUMBER: Final = r"-?[\d.,]*\d ?%?"


def is_list_of_prices(values: FileValues) -> bool:
    """Return whether rows are products with prices, perhaps with the days from which these are
    good: nothing that happened, and nobody who bought.
    """
    orders, events = (
        found_fields(values, MappingKind.ORDERS),
        found_fields(values, MappingKind.EVENTS),
    )
    names = column_names()["price_lists"]
    usual = (
        *names["price"],
        *names["retail_price"],
        *column_names()[MappingKind.ORDERS][UNIT_PRICE],
    )
    of_sales = {"order_id", "customer_id", "quantity", "status"} & orders.keys()
    of_visits = {"event_type", "session_id", "user_id"} & events.keys()
    if of_sales or of_visits or not {"item_id", "item_name"} & orders.keys():
        return False
    times = [events["event_timestamp"].value] if "event_timestamp" in events else []
    has_clock = any(values.matching(time, r".*(\d:|\d{9}).*") for time in times)
    return bool(named_as(values, usual, {})) and not has_clock


def has_time(values: FileValues) -> bool:
    """Return whether a column can be the time of an event or of an order."""
    return "event_timestamp" in found_fields(values, MappingKind.EVENTS) or "date_time" in (
        found_fields(values, MappingKind.ORDERS)
    )


LISTED: Final = {
    MappingKind.STOCK: {"product_id", "stock"},
    MappingKind.COSTS: {"item_id", "unit_cost_amount"},
    MappingKind.AD_SPEND: {"spend_date", "spend_amount", "campaign_name"},
}
"""The fields that a list of products needs to be of a kind."""
