"""Which value of a file is which field: by its name first, then by what the values are."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import yaml

from ecom_assets.sources.files.mapping import EVENT, ORDER, RecordKind
from ecom_assets.sources.files.usual_names import usual_event_types
from ecom_assets.sources.mapping_file import shipped_file
from ecom_assets.sources.proposal.values import FileValues, Value

MOST_EVENT_TYPES = 500
OTHER_WORDS = {
    "view": "product_view", "ansicht": "product_view", "vue": "product_view", "vista": "product_view",
    "cart": "add_to_cart", "warenkorb": "add_to_cart", "panier": "add_to_cart", "carrito": "add_to_cart",
    "kasse": "checkout_start", "checkout": "checkout_start",
    "kauf": "purchase", "bestellung": "purchase", "buy": "purchase", "transaction": "purchase", "achat": "purchase",
    "compra": "purchase", "suche": "search", "recherche": "search", "seite": "page_view", "page": "page_view",
    "clicks": "product_view", "carts": "add_to_cart", "orders": "purchase", "addtocart": "add_to_cart",
}  # fmt: skip
"""Short names of event types that logs use, in several languages."""


@dataclass(frozen=True)
class FoundField:
    """A value that is proposed for a field, and why."""

    field: str
    value: Value
    why: str


def is_of_orders(values: FileValues) -> bool:
    """Return whether rows look like order lines: they have a quantity and an amount, and no event types."""
    orders, events = found_fields(values, ORDER), found_fields(values, EVENT)
    return "quantity" in orders and bool({"payment_amount", "order_id"} & orders.keys()) and "event_type" not in events


def found_fields(values: FileValues, kind: RecordKind) -> dict[str, FoundField]:
    """Return the proposed fields of a kind of record, each value for one field only."""
    names = _names()["events" if kind is EVENT else "orders"]
    found: dict[str, FoundField] = {}
    for field, known in names.items():
        if (match := _by_name(values, field, known, found)) is not None:
            found[field] = match
    for field in (kind.time, "event_type", "user_id", "customer_id"):
        if field in names and field not in found and (match := _by_values(values, field, found)) is not None:
            found[field] = match
    if kind is EVENT and not {"user_id", "session_id"} & found.keys() and "anonymous_id" in found:
        visitor = found.pop("anonymous_id")  # a log with one kind of id counts its visitors by it
        found["user_id"] = FoundField("user_id", visitor.value, visitor.why)
    return found


def known_event_type(name: str) -> str | None:
    """Return the platform's event type that a name usually stands for; None if it is not known."""
    return _event_type_words().get(bare(name))


def bare(name: str) -> str:
    """Return a name without case, accents, blanks and punctuation."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


@cache
def _names() -> Mapping[str, Mapping[str, Sequence[str]]]:
    names: Mapping[str, Mapping[str, Sequence[str]]] = yaml.safe_load(shipped_file("column_names.yaml"))
    return names


@cache
def _event_type_words() -> dict[str, str]:
    usual = usual_event_types()
    words = {bare(theirs): ours for theirs, ours in usual.items()} | {bare(ours): ours for ours in usual.values()}
    return {**OTHER_WORDS, **words}


def _by_name(
    values: FileValues, field: str, known: Sequence[str], found: Mapping[str, FoundField]
) -> FoundField | None:
    for name in known:
        for value in _free(values, found):
            if bare(name) in {bare(value.name), bare(value.path[-1])} and _fits(values, field, value):
                return FoundField(field, value, f"named {value.name}")
    return None


def _free(values: FileValues, found: Mapping[str, FoundField]) -> list[Value]:
    taken = {match.value for match in found.values()}
    # Columns of the file before members of nested objects.
    return sorted((value for value in values.values if value not in taken), key=lambda value: len(value.path))


def _fits(values: FileValues, field: str, value: Value) -> bool:
    """Return whether the values can be what the name says."""
    if not values.filled(value):
        return False
    if field in {"event_timestamp", "date_time"}:
        return bool(values.time_formats(value))
    if field in {"cart_value", "quantity", "payment_amount", "unit_price"}:
        return bool(values.number_forms(value))
    if field in {"event_id", "uniq_id"}:
        return values.different(value) == values.row_count
    if field == "event_type":
        return values.different(value) <= MOST_EVENT_TYPES and not values.time_formats(value)
    return True


def _by_values(values: FileValues, field: str, found: Mapping[str, FoundField]) -> FoundField | None:
    for value in _free(values, found):
        if not values.filled(value):
            continue
        if field in {"event_timestamp", "date_time"} and (forms := values.time_formats(value)):
            return FoundField(field, value, f"its values are times ({forms[0]})")
        if field == "event_type" and values.different(value) <= MOST_EVENT_TYPES:
            known = [text for text, _ in values.counts(value) if known_event_type(text)]
            if known:
                return FoundField(field, value, f"it has event types such as {known[0]}")
        if field in {"user_id", "customer_id"} and values.are_emails(value):
            return FoundField(field, value, "its values are e-mail addresses")
    return None
