"""Which value of a file is which field: by its name first, then by what the values are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

import yaml

from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.ingestion.sources.files.mapping_content import HEADER_CURRENCIES
from ecom_assets.ingestion.sources.mapping_file import shipped_file
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.event_type_words import known_event_type
from ecom_assets.ingestion.sources.proposal.hit_codes import COMPUTED
from ecom_assets.ingestion.sources.proposal.parts import (
    is_cost,
    is_in_stock,
    is_limit_of_stock,
)
from ecom_assets.ingestion.sources.proposal.questions import MOST_STATES
from ecom_assets.ingestion.sources.proposal.state_words import (
    LOOKS_LIKE,
    Meaning,
    begins,
    flag_meaning,
    is_of_something_else,
    is_state_word,
    is_way_to_pay,
    state_meaning,
    words_of,
)
from ecom_assets.ingestion.sources.proposal.values import (
    CURRENCY_MEMBERS,
    EMAIL,
    FIRST,
    MOST_THAT_DIFFER,
    FileValues,
    Value,
    is_flag,
)
from ecom_assets.ingestion.sources.record_feed import feeds

MOST_EVENT_TYPES = 500


UNIT_PRICE: Final = "unit_price"
REFUNDED_AMOUNT, REFUNDED_AT, ORDER_TOTAL = "refunded_amount", "refunded_at", "order_total"
CANCELLED_AT: Final = "cancelled_at"
REFUNDED_QUANTITY: Final = "refunded_quantity"
_NAMED: Final = [feed.model.kind for feed in feeds().values() if feed.names]
"""The kinds of record whose package names their columns."""
HELPERS: Final = frozenset(
    {UNIT_PRICE, REFUNDED_AMOUNT, REFUNDED_QUANTITY, REFUNDED_AT, CANCELLED_AT, ORDER_TOTAL}
)
"""What a file says about other fields, and no field of a mapping itself."""
NUMBERS_OF: Final = frozenset(
    {
        *(name for kind in _NAMED for name in kind.numbers),
        "cart_value",
        "quantity",
        "payment_amount",
        UNIT_PRICE,
        "shipping_amount",
        "tax_amount",
        REFUNDED_AMOUNT,
        REFUNDED_QUANTITY,
        ORDER_TOTAL,
        "unit_cost_amount",
        "piece_count",
        "stock",
        "reorder_point",
        "lead_time_days",
        "spend_amount",
        "impression_count",
        "click_count",
        "platform_conversion_count",
        "platform_conversion_amount",
    }
)
OF_ITEMS: Final = frozenset(
    {"quantity", "payment_amount", UNIT_PRICE, "item_id", "item_name", "item_category"}
)
CONSENT: Final = "has_email_consent"
CHANGED_AT: Final = "changed_at"
TIMES: Final = frozenset(
    {
        *(name for kind in _NAMED for name in (kind.time, *kind.other_times)),
        "event_timestamp",
        "date_time",
        "created_at",
        "updated_at",
        "last_login_at",
        REFUNDED_AT,
        CHANGED_AT,
        CANCELLED_AT,
        "valid_from_date",
        "valid_until_date",
        "spend_date",
    }
)
ROUNDED: Final = r"\d([.,]\d+)?[Ee]\+\d+"
"""What a spreadsheet makes of a long number: 5.62101E+12."""
NO_TIMES: Final = ("version", "birth", "geburt", "naissance", "nacimiento", "expir", "ablauf")
"""Parts of the names of columns that have other days than that of what happened."""


if TYPE_CHECKING:

    class MappingKind(StrEnum):
        """The kinds that rules of drafts name; `KINDS` has all."""

        EVENTS = "events"
        ORDERS = "orders"
        CUSTOMERS = "customers"
        COSTS = "costs"
        STOCK = "stock"
        AD_SPEND = "ad_spend"

else:
    MappingKind = StrEnum("MappingKind", {name.upper(): name for name in KINDS})
    MappingKind.__doc__ = "What a mapping is of: a kind of record."


_BY_VALUES: Final = {
    MappingKind.EVENTS: ("event_timestamp", "event_type", "user_id"),
    MappingKind.ORDERS: ("date_time", "customer_id", "status"),
    MappingKind.CUSTOMERS: ("email",),
}
"""Fields that are known by values, where no name is."""


@dataclass(frozen=True)
class FoundField:
    """A value that is proposed for a field, and why."""

    field: str
    value: Value
    why: str


Found = Mapping[str, FoundField]


def stock_by_place(values: FileValues, matches: Found) -> tuple[Value, ...]:
    """Return the columns that say how many there are at each of several places, such as
    `inventory_Shop` and `inventory_Warehouse`; none where fewer than two do.
    """
    numbers = [value for value in numbers_left(values, matches) if value.is_column]
    for name in column_names()[MappingKind.STOCK]["stock"]:
        begin = bare(name)
        of_places = [
            value
            for value in numbers
            if bare(value.name).startswith(begin) and bare(value.name) != begin
        ]
        if len(of_places) > 1:
            return tuple(of_places)
    return ()


def found_fields(
    values: FileValues, kind: MappingKind, columns: Mapping[str, str] | None = None
) -> Found:
    """Return the proposed fields of a kind of record, each value for one field only.

    Args:
        values: The values of the files.
        kind: What their rows are.
        columns: The columns of some fields, as a person has said them.
    """
    answered = columns or {}
    question = "fields", values.values, kind, frozenset(answered.items())
    return values.once(question, lambda: _found_fields(values, kind, answered))


def _found_fields(values: FileValues, kind: MappingKind, answered: Mapping[str, str]) -> Found:
    by_name = {value.name: value for value in values.values}
    matches = {
        field: FoundField(field, by_name[name], "as answered")
        for field, name in answered.items()
        if name in by_name
    }
    for field, usual_names in column_names()[kind].items():
        if (
            field not in matches
            and (match := _by_name(values, field, usual_names, matches)) is not None
        ):
            matches[field] = match
    if (
        kind is MappingKind.ORDERS
        and "order_id" not in matches
        and (match := _own_id(values, matches)) is not None
    ):
        matches["order_id"] = match
    if kind is MappingKind.ORDERS and (match := _item_name(values, matches)) is not None:
        field = "item_name" if "item_id" in matches else "item_id"
        matches = {name: match for name, match in matches.items() if name != "item_name"}
        matches[field] = replace(match, field=field)
    matches |= _by_codes_of_hits(values, kind, matches)
    matches |= _type_beside_one_word(values, kind, matches, answered)
    for field in _BY_VALUES.get(kind, ()):
        if field not in matches and (match := _by_values(values, field, matches)) is not None:
            matches[field] = match
    if (
        kind is MappingKind.EVENTS
        and not {"user_id", "session_id"} & matches.keys()
        and "anonymous_id" in matches
    ):
        visitor = matches.pop("anonymous_id")  # a log with one kind of id counts its visitors by it
        matches["user_id"] = FoundField("user_id", visitor.value, visitor.why)
    return _with_fields_of_lists(values, kind, matches)


def _with_fields_of_lists(
    values: FileValues, kind: MappingKind, matches: dict[str, FoundField]
) -> dict[str, FoundField]:
    """Return fields with the one of a list that other fields show, where no name does: the stock at
    a place, the lower of two prices, the id of people without an address.
    """
    if kind is MappingKind.STOCK and "stock" not in matches and "location" in matches:
        # Of a list by place, a quantity is how many there are.
        stock = _by_name(values, "stock", column_names()[MappingKind.ORDERS]["quantity"], matches)
        return matches | ({"stock": stock} if stock else {})
    if kind is MappingKind.COSTS and "unit_cost_amount" not in matches:
        cost = _price_below_retail(values, matches)
        return matches | ({"unit_cost_amount": cost} if cost else {})
    if kind is MappingKind.CUSTOMERS and "email" in matches and "id" not in matches:
        own = _id_of_each(values, matches) or matches["email"]
        return {"id": replace(own, field="id"), **matches}
    return matches


def _type_beside_one_word(
    values: FileValues, kind: MappingKind, matches: Found, answered: Mapping[str, str]
) -> dict[str, FoundField]:
    """Return the column of event types where the one that is named so says one word in all rows,
    such as `event` in documents of JSON:API, and another one has types that are known.
    """
    named = matches.get("event_type")
    if kind is not MappingKind.EVENTS or named is None or "event_type" in answered:
        return {}
    words = [text for text, _ in values.counts(named.value, 2)]
    has_one_word = len(words) == 1 < values.row_count
    if not has_one_word or any(map(known_event_type, words)):
        return {}
    other = _by_values(values, "event_type", matches)
    return {"event_type": other} if other else {}


def _by_codes_of_hits(
    values: FileValues, kind: MappingKind, matches: Found
) -> dict[str, FoundField]:
    """Return the fields of events that lists of codes and of products, or counts of what happened,
    say, where no column does.
    """
    is_said = kind is not MappingKind.EVENTS or "event_type" in matches
    if is_said or COMPUTED["event_type"](values) is None:
        return {}
    computed = {name: of(values) for name, of in COMPUTED.items() if name not in matches}
    return {
        name: FoundField(name, value, f"read from {value.name}")
        for name, value in computed.items()
        if value is not None
    }


def _id_of_each(values: FileValues, matches: Found) -> FoundField | None:
    """Return the id of customers, another one on each row, where no usual name says it: a column
    called the key of one (`CustomerKey`), and of customers of whom some have no address one that
    ends as ids are called (`Square Customer ID`); None without one.
    """
    is_whole = values.filled(matches["email"].value) == values.row_count
    names = tuple(
        name for name in map(bare, column_names()[MappingKind.CUSTOMERS]["id"]) if name != "id"
    )
    for value in _free(values, matches):
        is_of_each = values.different(value) == values.row_count
        is_named = bare(value.last_name).endswith(names)
        if is_of_each and (_is_key_of_person(value) if is_whole else is_named):
            return FoundField("id", value, f"named {value.name}, another one on each row")
    return None


def _is_key_of_person(value: Value) -> bool:
    """Return whether a name is that of the key of a person alone, such as `CustomerKey`."""
    words = [word for word in words_of(value.last_name) if word not in {"e", "mail", "email"}]
    is_key = len(words) == 2 and bool(_KEYS & {*words})  # noqa: PLR2004
    return is_key and any(word in PERSON_WORDS for word in words)


_KEYS: Final = frozenset({"key", "number", "numero", "nummer", "nr", "no", "code", "id"})


def _price_below_retail(values: FileValues, matches: Found) -> FoundField | None:
    """Return the price in a supplier's list that a shop pays: the only one beside the price for its
    customers, and below it on nearly all rows; None if the list does not show it.
    """
    names = column_names()["price_lists"]
    prices, retail = (named_as(values, names[name], matches) for name in ("price", "retail_price"))
    others = [value for value in prices if value not in retail]
    if len(others) != 1 or len(retail) != 1:
        return None
    price, whole = map(values.number_sql, (others[0], retail[0]))
    both = f"{price} IS NOT NULL AND {whole} IS NOT NULL"
    rows, below = (
        int(values.scalar(f"count(*) FILTER ({condition})"))
        for condition in (both, f"{price} < {whole}")
    )
    if not rows or below < rows * BELOW_RETAIL:
        return None
    why = f"named {others[0].name}, below {retail[0].name} in {below:,} of {rows:,} rows"
    return FoundField("unit_cost_amount", others[0], why)


BELOW_RETAIL: Final = 0.98
"""The share of the rows of a list on which what a shop pays is below what its customers pay."""
_ITEM_NAMES: Final = (
    "name",
    "title",
    "nom",
    "nombre",
    "nome",
    "naam",
    "nazwa",
    "название",
    "назва",
)
"""What the name of an item is called within a list of items."""


def _item_name(values: FileValues, matches: Found) -> FoundField | None:
    """Return the name of an item: beside its number a column that has one text for each of them,
    within a list of items the member that is called so; None where one is known, or none is.

    Of a list without numbers of items, names tell these apart.
    """
    item, known = matches.get("item_id"), matches.get("item_name")
    if values.spread and (item is None or known is None):
        if item is None and known is not None:
            return known
        inside = f"{values.spread}."
        own = [value for value in _free(values, matches) if value.name.startswith(inside)]
        own = [value for value in own if not _is_of_charge(value.name.removeprefix(inside))]
        named = [value for value in own if bare(value.last_name) in map(bare, _ITEM_NAMES)]
        named = [value for value in named if values.filled(value)]
        return FoundField("item_name", named[0], f"named {named[0].name}") if named else None
    if item is None:
        is_said_again = known and values.different(known.value) < values.row_count * MOSTLY
        return known if is_said_again else None
    if known is not None or not item.value.is_column:
        return None
    usual = {*map(bare, column_names()[MappingKind.ORDERS]["item_id"]), *map(bare, _ITEM_NAMES)}
    for value in free_texts(values, matches):
        if bare(value.last_name) in usual and values.filled(value) == values.filled(item.value):
            different = values.different(item.value)
            is_one_each = values.different_pairs(item.value, value) == different
            if is_one_each and 1 < different < values.row_count:
                return FoundField("item_name", value, f"named {value.name}, one of each item")
    return None


def _is_of_charge(name: str) -> bool:
    """Return whether a member is of a tax, a discount or a delivery of an item: `taxRate.name`."""
    return any(begins(word, _CHARGED) for word in words_of(name.rpartition(".")[0]))


_CHARGED: Final = ("tax", "vat", "discount", "promotion", "shipping", "delivery", "currency")
_OWN_IDS: Final = ("display_id", "id", "_id", "uuid", "guid", "uid")
"""Names of the id of a record itself, which is the number of an order where each record is one."""


def _own_id(values: FileValues, matches: Found) -> FoundField | None:
    """Return the id of records that are orders: they have lists of items,
    or an amount and nothing of a line.

    A record with an amount and with an address that no other record has can be a customer.
    """
    named = [
        value
        for name in _OWN_IDS
        for value in _free(values, matches)
        if bare(value.name) == bare(name)
    ]
    named = [
        value for value in named if value.is_column and values.filled(value) and not value.joined
    ]
    if not named or values.spread or has_items(values):
        return FoundField("order_id", named[0], f"named {named[0].name}") if named else None
    if not {"payment_amount", ORDER_TOTAL, UNIT_PRICE} & matches.keys():
        return None
    of_line = {"item_id", "quantity", UNIT_PRICE} & matches.keys()
    emails = [value for value in values.values if value.is_column and values.are_emails(value)]
    may_be_customers = any(values.different(value) == values.row_count for value in emails)
    if of_line or (may_be_customers and "status" not in matches):
        return _proven_id(values, named[0], matches) if of_line else None
    if not values.are_unique(named[:1]):
        return _proven_id(values, named[0], matches)
    return FoundField("order_id", named[0], f"named {named[0].name}")


def _proven_id(values: FileValues, value: Value, matches: Found) -> FoundField | None:
    """Return an id of records as the number of their orders: it is unique in each file, numbers no
    rows from the first one on, and is of one customer and one time in all files.
    """
    if values.filled(value) < values.row_count or not values.is_unique_in_each_file(value):
        return None
    if values.numbers_rows(value):
        return None
    several = values.row_count - values.different(value)
    if value.name == values.proven_key:
        return FoundField("order_id", value, f"named {value.name}; files agree in who and when")
    if not several:
        why = f"named {value.name}; unproven, as one file alone shows only that it is unique in it"
        return FoundField("order_id", value, why)
    others = [matches[name].value for name in ("customer_id", "date_time") if name in matches]
    if not others:
        return None
    pairs = [values.different_tuples(value, other) for other in others]
    agreed = all(count <= values.different(value) + several * MOST_THAT_DIFFER for count in pairs)
    why = f"named {value.name}; files agree in who and when of {several:,} rows with it again"
    return FoundField("order_id", value, why) if agreed else None


def has_items(values: FileValues) -> bool:
    """Return whether records have a list whose elements have several fields of an item."""
    return any(item_field_count(item_list.members) > 1 for item_list in values.lists.items)


def item_field_count(members: Collection[str]) -> int:
    """Return how many of the fields of an item the members of a list can be."""
    names, bare_members = column_names()[MappingKind.ORDERS], set(map(bare, members))
    return sum(bool(bare_members & set(map(bare, names[field]))) for field in OF_ITEMS)


def _unlikely_stock(value: Value) -> int:
    """Return how unlikely a number is what there is of a product, by its name: a limit of stock is
    the least likely, and what is called a usual name, or one with a place behind it, the most.
    """
    if is_limit_of_stock(value):
        return 3
    names = (
        *column_names()[MappingKind.STOCK]["stock"],
        *column_names()[MappingKind.ORDERS]["quantity"],
    )
    if bare(value.last_name).startswith(tuple(map(bare, names))):
        return 0
    return 1 if is_in_stock(value) else 2


def candidates(values: FileValues, field: str, matches: Found) -> tuple[str, ...]:
    """Return the names of the values that can be a field,
    those with the fewest different values first.
    """
    free = [value for value in _free(values, matches) if _fits(values, field, value)]
    if field == "event_type":
        free = sorted(free, key=lambda value: _unlikely_type(values, value))
    if field == "stock":
        free = sorted(free, key=_unlikely_stock)
    if field == "unit_cost_amount":
        free = sorted(free, key=lambda value: not is_cost(value))
    if field == "customer_id":
        free = sorted(free, key=lambda value: not _is_of_person(value))
    if field == "user_id":
        free = sorted(free, key=lambda value: _unlikely_visitor(values, value))
    if field == "campaign_name":
        free = sorted(free, key=lambda value: bool(values.time_formats(value)))
    return tuple(dict.fromkeys(value.name for value in free))


def _unlikely_type(values: FileValues, value: Value) -> tuple[bool, bool, int]:
    """Return how unlikely it is that values say what happened, to sort by: currencies, amounts, and
    yes and no hardly do, one for all rows says nothing, and few different ones say it best.
    """
    codes = {name.upper() for name, _ in values.counts(value, MOST_EVENT_TYPES)}
    is_else = codes <= {*HEADER_CURRENCIES} or is_flag(values, value)
    is_else |= has_decimals(values, value) or _is_large(values, value)
    return is_else, _is_one(values, value), values.different(value)


def _is_large(values: FileValues, value: Value) -> bool:
    """Return whether some whole numbers are larger than codes usually are."""
    return bool(values.matching(value, r"\d{4,}"))


def _unlikely_visitor(values: FileValues, value: Value) -> tuple[bool, bool, bool]:
    """Return how unlikely it is that values are of visitors, to sort by: times and amounts are
    none, one for all rows or another one on each is hardly, and a word for people speaks for it.
    """
    is_amount = bool(values.matching(value, r"-?\d+[.,]\d+"))
    is_row = 1 < values.different(value) == values.filled(value)
    is_person = _is_of_person(value) or any(w in bare(value.name) for w in _OF_VISITORS_ALONE)
    return (
        is_amount or bool(values.time_formats(value)),
        is_row or _is_one(values, value),
        not is_person,
    )


_OF_VISITORS_ALONE: Final = ("profile", "visitor", "cookie", "device", "uid")


def _is_of_person(value: Value) -> bool:
    return any(word in bare(value.name) for word in PERSON_WORDS)


def _is_one(values: FileValues, value: Value) -> bool:
    """Return whether all rows that have a value have the same one."""
    return values.different(value) < 2  # noqa: PLR2004 (one value for all)


PERSON_WORDS: Final = (
    "customer",
    "client",
    "kunde",
    "user",
    "buyer",
    "person",
    "member",
    "kaufer",
    "acheteur",
    "comprador",
    "cliente",
    "acquirente",
    "klant",
    "email",
    "mail",
)
ID_WORDS: Final = (
    "id",
    "number",
    "nummer",
    "nr",
    "no",
    "key",
    "unique",
    "uuid",
    "email",
    "mail",
    "code",
    "hash",
)


def other_persons(values: FileValues, person: Value, matches: Found) -> list[Value]:
    """Return the other columns that are named as ids of persons and repeat where `person` does not.

    The one that repeats most is the first. Every row has them: they say who ordered, too.
    """
    filled = values.filled(person)
    named = [
        value
        for value in _free(values, matches)
        if value.is_column
        and not value.joined
        and _is_id_of_person(value)
        and values.filled(value) == filled
    ]
    different = {value: values.different(value) for value in named}
    repeating = [value for value in named if 1 < different[value] < values.different(person)]
    return sorted(repeating, key=lambda value: different[value])


def _is_id_of_person(value: Value) -> bool:
    name = bare(value.last_name)
    person = next((word for word in PERSON_WORDS if word in name), "")
    return bool(person) and (person in {"email", "mail"} or any(word in name for word in ID_WORDS))


def named_values(values: FileValues, kind: MappingKind, field: str, matches: Found) -> list[Value]:
    """Return the values that are named as a field is, whatever they are;
    those with nothing in them left out.
    """
    return named_as(values, column_names()[kind].get(field, ()), matches)


def source_columns(values: FileValues, matches: Found) -> list[Value]:
    """Return the values that are named as where visits come from, which is no field."""
    return named_as(values, column_names()["visits"]["visit_source"], matches)


def named_refusals(values: FileValues, matches: Found) -> list[Value]:
    """Return the values that are named as who must not be written to, which is no field."""
    return named_as(values, column_names()["refusals"]["refused_email"], matches)


def named_consents(values: FileValues, matches: Found) -> list[Value]:
    """Return the columns of yes and no whose names have words of newsletters, or of consent to
    mails: no fields yet, and not who must not be written to.
    """
    refusals = named_refusals(values, matches)
    return [
        value
        for value in free_columns(values, matches)
        if value not in refusals and is_flag(values, value) and _says_consent(value.last_name)
    ]


def _says_consent(name: str) -> bool:
    letters = "".join(words_of(name))
    is_of_letters, is_of_mails, agrees, refuses = (
        any("".join(words_of(word)) in letters for word in words)
        for words in (_NEWSLETTERS, _OF_MAILS, _AGREES, _REFUSES)
    )
    return not refuses and (is_of_letters or (is_of_mails and agrees))


_NEWSLETTERS: Final = (
    *("newsletter", "infolettre", "boletin", "bulten", "hirlevel", "nyhedsbrev", "nyhetsbrev"),
    *("uutiskirj", "nieuwsbrief", "rundbrief", "рассылк", "розсилк", "ενημερωτικ", "メルマガ"),
    *("ニュースレター", "뉴스레터", "نشرة", "ניוזלטר", "จดหมายข่าว"),
)
_OF_MAILS: Final = (
    "mail",
    "post",
    "почт",
    "пошт",
    "メール",
    "메일",
    "邮件",
    "郵件",
    "correo",
    "בריד",
)
_AGREES: Final = (
    *("consent", "einwillig", "zustimm", "optin", "zgod", "souhlas", "suhlas", "izni", "onay"),
    *("соглас", "згод", "suostum", "samtyk", "hozzajar", "toestem", "accept", "acept", "同意"),
    *("동의", "許可", "订阅", "購読", "συγκαταθ", "موافق", "הסכמ", "ยินยอม"),
)
_REFUSES: Final = (
    "unsub",
    "optout",
    "abgemeldet",
    "desabon",
    "rezygn",
    "отпис",
    "bounc",
    "退",
    "解除",
)
"""Parts of the names of columns that say who agreed to mails; accents are left out."""


def named_as(values: FileValues, usual_names: Sequence[str], matches: Found) -> list[Value]:
    """Return the values with one of some names that are no field yet; not empty ones."""
    names = set(map(bare, usual_names))
    free = [value for value in _free(values, matches) if values.filled(value) and not value.joined]
    return [
        value
        for value in free
        if any(
            bare(name) in names and not _is_called_otherwise(values, value, name)
            for name in value.names
        )
    ]


@cache
def column_names() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the usual names of columns, by kind of record and field."""
    names: Mapping[str, Mapping[str, Sequence[str]]] = yaml.safe_load(
        shipped_file("column_names.yaml")
    )
    return {**{kind: feed.names for kind, feed in feeds().items() if feed.names}, **names}


def _by_name(
    values: FileValues, field: str, usual_names: Sequence[str], matches: Found
) -> FoundField | None:
    named = (
        value
        for name in usual_names
        for value in _free(values, matches)
        if bare(name) in set(map(bare, value.names))
        and not _is_called_otherwise(values, value, name)
        and _fits(values, field, value)
    )
    if field in OF_EVERY_ROW:
        each = list(dict.fromkeys(named))
        most = max(map(values.filled, each), default=0)
        # A time that few rows have is of something else than what the rows are.
        value = next((column for column in each if values.filled(column) >= most * MOSTLY), None)
    elif field == "item_id":
        each = [
            column
            for column in dict.fromkeys(named)
            if not _is_of_each_order(values, column, matches)
        ]
        # What is another one on each row is the number of the row, where a product is named, too.
        several = (column for column in each if values.different(column) < values.filled(column))
        value = next(several, next(iter(each), None))
    elif field == "customer_id":
        value = _address_before_names(values, list(dict.fromkeys(named)))
    else:
        value = next(named, None)
    if value is None:
        return None
    beside = f" and {value.joined}" if value.joined else ""
    return FoundField(field, value, f"named {value.name}{beside}")


def _is_of_each_order(values: FileValues, value: Value, matches: Found) -> bool:
    """Return whether each order of a file of lines has a value of its own, and one alone."""
    order = matches.get("order_id")
    if order is None or not (order.value.is_column and value.is_column):
        return False
    orders = values.different(order.value)
    pairs = values.different_pairs(order.value, value)
    return orders < values.row_count and pairs == orders == values.different(value)


def _address_before_names(values: FileValues, named: Sequence[Value]) -> Value | None:
    """Return the first of some columns with a usual name of customers; before names of people,
    which two of them may share, their address. Users of events keep their names: tools get them.
    """
    first = next(iter(named), None)
    if first is None or values.matching(first, r".*[\d@].*"):
        return first
    addresses = (value for value in named if values.matching(value, EMAIL) == values.filled(value))
    most = values.filled(first) * MOSTLY
    return next((value for value in addresses if values.filled(value) >= most), first)


def _is_called_otherwise(values: FileValues, value: Value, name: str) -> bool:
    """Return whether a name is that of the member of an object of money alone, which says what it
    is: by a usual name (`price.amount` is a price, not the amount), or as others stand beside it
    (`originalPrice.amount` beside `price.amount`).
    """
    is_member = value.is_money_member and bare(name) == bare(value.last_name)
    if not is_member or bare(value.alias) == bare(name):
        return False
    around = _around_money(value)
    beside = (
        column for column in values.values if column.is_money_member and column.alias != value.alias
    )
    return bare(value.alias) in _names_of_orders() or around in map(_around_money, beside)


def _around_money(value: Value) -> str:
    """Return the path of what an object of money belongs to."""
    return value.name.rpartition(f".{value.alias}.")[0]


def currency_beside(values: FileValues, amount: Value) -> Value | None:
    """Return the currency within the object of money whose number an amount is."""
    inside = amount.name.rpartition(".")[0]
    if not amount.is_money_member:
        return None
    return next(
        (
            value
            for value in values.values
            if value.name.rpartition(".")[0] == inside
            and bare(value.last_name) in CURRENCY_MEMBERS
            and _fits(values, "currency", value)
        ),
        None,
    )


@cache
def _names_of_orders() -> frozenset[str]:
    return frozenset(
        bare(name) for names in column_names()[MappingKind.ORDERS].values() for name in names
    )


OF_EVERY_ROW: Final = frozenset({"date_time", "event_timestamp", "spend_date"})
"""The times that each row must have."""
MOSTLY: Final = 0.5
"""The share of the rows with the most filled time that another one must have to be taken."""
CONNECTORS: Final = (
    *("_airbyte", "airbyte_", "_ab_", "_fivetran", "fivetran_", "_sdc", "_dlt", "_etl", "_stitch"),
    *("_hevo", "_rivery", "_segment_", "_loaded", "_extracted", "_synced", "_ingest", "_batched"),
)
LOADED: Final = (
    *("extractedat", "syncedat", "ingestedat", "loadedat", "importedat", "exportedat", "emittedat"),
    *("insertedbyetl", "loaddate", "loadtime", "extractdate", "exportdate", "importdate"),
)


def of_connector(value: Value) -> bool:
    """Return whether a value is of the tool that loaded the record, not of the record."""
    name = value.path[0].casefold()
    own = bare(value.last_name)
    is_own = name.startswith(CONNECTORS) and not name.startswith("_airbyte_data")
    return is_own or own in LOADED


def _free(values: FileValues, matches: Found) -> list[Value]:
    used_values = {match.value for match in matches.values()}
    used_values |= {
        value
        for value in values.values
        if value.joined and replace(value, joined="") in used_values
    }
    joined = [value for value in used_values if value.joined]
    parts = {name for value in joined for name in (value.path[0], value.joined)}
    return [
        value
        for value in values.columns_first
        if value not in used_values and not (value.is_column and value.path[0] in parts)
    ]


def _fits(values: FileValues, field: str, value: Value) -> bool:
    """Return whether the values can be what the name says."""
    if not values.filled(value) or (value.joined and field not in TIMES):
        return False
    if field in OF_EVERY_ROW and of_connector(value):
        return False
    if is_list(values, value) or (field in OF_EVENTS and _is_list_of_texts(values, value)):
        return False
    if field in OF_ITEMS and values.spread and not value.name.startswith(f"{values.spread}."):
        return False  # what stands beside the list is of the whole order
    check = _CHECKS.get(field)
    return check is None or check(values, value)


OF_EVENTS: Final = frozenset({"event_id", "event_type", "session_id", "user_id", "anonymous_id"})
"""What an event has one of."""


def _is_list_of_texts(values: FileValues, value: Value) -> bool:
    """Return whether a value of JSON is a list of texts or numbers."""
    if values.format == "csv" or FIRST in value.path:
        return False
    first = values.counts(value, 1)[0][0]
    return first[:1] == "[" and values.matching(value, r"(?s)\[.*\]") == values.filled(value)


def is_list(values: FileValues, value: Value) -> bool:
    """Return whether a value is a list of objects, whose members are values of their own."""
    return value.name in {item_list.path for item_list in values.lists.items}


def _is_number(values: FileValues, value: Value) -> bool:
    # The amount of the first item is not that of all.
    return FIRST not in value.path and bool(values.number_forms(value))


def is_amount(values: FileValues, value: Value) -> bool:
    """Return whether the numbers of a column may be amounts: they are no flag."""
    # A column of 0 and 1 says whether it was paid back, not how much.
    return _is_number(values, value) and not is_flag(values, value)


def _are_states(values: FileValues, value: Value) -> bool:
    """Return whether values are the states of orders: a few, with words of states,
    unless only one thing is so named.

    `state` and `fulfillment` are places and services in other files.
    """
    return values.once(("are states", value), lambda: _have_states(values, value))


def _have_states(values: FileValues, value: Value) -> bool:
    different = values.different(value)
    if not 0 < different <= MOST_STATES or values.matching(value, EMAIL):
        return False
    if bare(value.last_name) not in _AMBIGUOUS_STATES and not value.joined:
        return not values.time_formats(value)
    are_codes = different <= _FEW_STATES and values.matching(value, _CODE) == values.filled(value)
    return are_codes or _look_like_states(values, value)


_CODE: Final = r"[A-Za-z]?\d{1,3}"


def _look_like_states(values: FileValues, value: Value) -> bool:
    return values.once(("look like states", value), lambda: _have_words_of_states(values, value))


def _have_words_of_states(values: FileValues, value: Value) -> bool:
    names = [name for name, _ in values.counts(value, MOST_STATES)]
    if flag_meaning(value.last_name) and is_flag(values, value):
        return not is_of_something_else(value.name)
    if all(map(is_way_to_pay, names)):
        return False
    return sum(map(is_state_word, names)) >= LOOKS_LIKE * len(names) > 0


def _may_be_states(values: FileValues, value: Value) -> bool:
    """Return whether values look like states, or are a few of which one is no sale or went back."""
    if _look_like_states(values, value):
        return True
    names = [name for name, _ in values.counts(value, MOST_STATES)]
    meanings = set(map(state_meaning, names))
    return 1 < len(names) <= _FEW_STATES and bool(meanings & {Meaning.NO_SALE, Meaning.REFUND})


_FEW_STATES: Final = 8


def empty_columns_of(values: FileValues, fields: Sequence[str], matches: Found) -> list[Value]:
    """Return the columns that are named as some fields of orders are, and have nothing in them."""
    named = {
        name for field in fields for name in map(bare, column_names()[MappingKind.ORDERS][field])
    }
    return [
        value
        for value in _free(values, matches)
        if value.is_column and not values.filled(value) and named & {*map(bare, value.names)}
    ]


def free_columns(values: FileValues, matches: Found) -> list[Value]:
    """Return the columns with something in them that are no field yet."""
    return [
        value
        for value in _free(values, matches)
        if value.is_column and not value.joined and values.filled(value)
    ]


def free_values(values: FileValues, matches: Found) -> list[Value]:
    """Return the columns and members with something in them that are no field yet."""
    return [value for value in _free(values, matches) if values.filled(value)]


def numbers_left(values: FileValues, matches: Found) -> list[Value]:
    """Return the columns of numbers that are no field yet."""
    return [
        value
        for value in _free(values, matches)
        if value.is_column and not value.joined and is_amount(values, value)
    ]


DECIMALS: Final = r"-?[^\d]*[\d.,' ]*\d[.,]\d+[^\d]*"
"""What a number with decimals looks like, with its currency."""


def has_decimals(values: FileValues, value: Value) -> bool:
    """Return whether any number has decimals, as amounts have and numbers of things have not."""
    return bool(values.matching(value, DECIMALS))


def decimals_of(values: FileValues, value: Value) -> int:
    """Return how many decimals amounts of a column have: two, or more if its numbers have more."""
    number = values.number_sql(value)
    for digits in (2, 3):
        if not values.scalar(f"count(*) FILTER ({number} <> round({number}, {digits}))"):
            return digits
    return 4


def numbers_of_rows(values: FileValues, matches: Found) -> list[Value]:
    """Return the numbers that rows have and that are no field yet: columns, or members of the list
    whose elements are the rows.
    """
    if not values.spread:
        return numbers_left(values, matches)
    inside = f"{values.spread}."
    free = (value for value in _free(values, matches) if value.name.startswith(inside))
    return [value for value in free if not value.joined and is_amount(values, value)]


def free_texts(values: FileValues, matches: Found) -> list[Value]:
    """Return the columns of texts that are no field yet: no numbers, times, addresses, flags."""
    return [
        value
        for value in _free(values, matches)
        if value.is_column
        and not value.joined
        and values.filled(value)
        and not _is_number(values, value)
        and not is_flag(values, value)
        and not values.time_formats(value)
        and not values.matching(value, EMAIL)
    ]


def state_columns(values: FileValues, matches: Found) -> list[Value]:
    """Return the columns with states of orders that are no field yet, such as that of the payment
    beside that of the order, in the order of their names' rank.
    """
    usual_names = list(map(bare, column_names()[MappingKind.ORDERS]["status"]))
    free = [value for value in _free(values, matches) if value.is_column and not value.joined]
    ranks = {
        value: min(
            (usual_names.index(name) for name in map(bare, value.names) if name in usual_names),
            default=len(usual_names),
        )
        for value in free
        if values.filled(value) and not is_flag(values, value) and _are_states(values, value)
    }
    named = [
        value
        for value, rank in ranks.items()
        if rank < len(usual_names) or _look_like_states(values, value)
    ]
    return sorted(named, key=lambda value: ranks[value])


def _is_order_number(values: FileValues, value: Value) -> bool:
    """Return whether values can be numbers of orders:
    a spreadsheet that rounds them makes one of many.
    """
    return not values.matching(value, ROUNDED)


def rounded_number(values: FileValues) -> str:
    """Return the column that is named as the number of an order and was rounded by a spreadsheet;
    empty if none is.
    """
    named = named_values(values, MappingKind.ORDERS, "order_id", {})
    rounded = [value for value in named if values.matching(value, ROUNDED)]
    return f"{rounded[0].name}, such as {values.counts(rounded[0], 1)[0][0]}," if rounded else ""


def is_currency(values: FileValues, value: Value) -> bool:
    """Return whether all values are written as codes of currencies are."""
    return values.matching(value, "[A-Za-z]{3}") == values.filled(value)


_AMBIGUOUS_STATES: Final = frozenset(
    {"state", "fulfillment", "fulfilment", "estado", "etat", "stato", "statut", "zustand", "стан"}
)
_CHECKS: Final[Mapping[str, Callable[[FileValues, Value], bool]]] = {
    **dict.fromkeys(TIMES, lambda values, value: bool(values.time_formats(value))),
    **dict.fromkeys(NUMBERS_OF, _is_number),
    REFUNDED_AMOUNT: is_amount,
    "status": _are_states,
    "is_renewal": is_flag,
    "order_id": _is_order_number,
    "event_id": lambda values, value: values.different(value) == values.different_rows,
    "uniq_id": lambda values, value: values.different(value) == values.row_count,
    "event_type": lambda values, value: (
        values.different(value) <= MOST_EVENT_TYPES and not values.time_formats(value)
    ),
    "currency": is_currency,
    "email": lambda values, value: values.matching(value, EMAIL) > values.filled(value) / 2,
}
"""What the values of some fields must be, whatever their name."""


_FEWEST_OF_ONE: Final = 3
"""Rows with one address on each by which it is that of the shop."""
_OF_PAGES: Final = frozenset({"page", "pagename", "title", "url", "path", "pagetitle", "screen"})
"""Words in the names of columns that say which page it was: one may be called as an event is."""


def _is_named_as_states(value: Value) -> bool:
    """Return whether a name has a word of states, such as `Order line status`, of an order."""
    words = words_of(value.last_name)
    return any(begins(word, _STATES_ARE_NAMED) for word in words) and not any(
        begins(word, _OTHER_STATES) for word in words
    )


def _may_be_named_states(values: FileValues, value: Value) -> bool:
    """Return whether values are a few texts, as states are."""
    different = values.different(value)
    are_texts = not _is_number(values, value) and not is_flag(values, value)
    return value.is_column and are_texts and 1 < different <= _FEW_STATES


_STATES_ARE_NAMED: Final = (
    *("status", "statut", "statu", "estatus", "durum", "durumu", "stav", "estado", "stato", "etat"),
    *("situac", "zustand", "статус", "состояни", "状態", "상태", "状态", "狀態", "ステータス"),
)
_OTHER_STATES: Final = (
    *("mail", "email", "newsletter", "marketing", "customer", "kunde", "kunden", "client", "tax"),
    *("stock", "account", "member", "subscription", "abo", "login", "consent", "sync", "export"),
)
"""How words begin that say of what else a state is."""


def _states_by_values(values: FileValues, value: Value) -> FoundField | None:
    """Return a column as that of the state, by a word of its name or by its values; else None."""
    if _is_named_as_states(value) and _may_be_named_states(values, value):
        return FoundField("status", value, f"named {value.name}")
    if _are_states(values, value) and _may_be_states(values, value):
        return FoundField("status", value, f"it has states such as {values.counts(value, 1)[0][0]}")
    return None


def _by_values(values: FileValues, field: str, matches: Found) -> FoundField | None:
    free = [value for value in _free(values, matches) if values.filled(value)]
    if field in TIMES:  # a day alone, or the number of a version, goes behind a time of day
        free = [value for value in free if not any(word in bare(value.name) for word in NO_TIMES)]
        most = max(map(values.filled, free), default=0)
        free.sort(
            key=lambda value: (
                values.filled(value) < most * MOSTLY,
                not values.matching(value, r".*\d(:|\d{9}).*"),
            )
        )
    for value in free:
        if field in TIMES and values.different(value) == 1 < values.row_count:
            continue  # the day of the export, not of what each row is
        if field in TIMES and _fits(values, field, value) and (forms := values.time_formats(value)):
            return FoundField(field, value, f"its values are times ({forms[0]})")
        is_page = any(word in _OF_PAGES for word in words_of(value.last_name))
        if field == "event_type" and values.different(value) <= MOST_EVENT_TYPES and not is_page:
            event_types = [text for text, _ in values.counts(value) if known_event_type(text)]
            if event_types:
                return FoundField(field, value, f"it has event types such as {event_types[0]}")
        if field == "status" and (found := _states_by_values(values, value)) is not None:
            return found
        is_of_one = values.different(value) == 1 and values.row_count >= _FEWEST_OF_ONE
        if is_of_one and field in {"user_id", "customer_id"}:
            continue  # the account that the file is of, not who ordered
        if field in {"user_id", "customer_id", "email"} and values.are_emails(value):
            return FoundField(field, value, "its values are e-mail addresses")
    return None
