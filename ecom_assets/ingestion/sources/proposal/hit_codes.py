"""What hits of Adobe Analytics say in lists: of codes of what happened (`2,12,201=3`), and of
products (`category;product;pieces;amount`, a comma between two); and what hits say in a column for
each thing that may happen (`Page Views`, `Cart Additions`, `Orders`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ecom_assets.core.tables.values import NO
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.files.shape import json_in
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.event_type_words import known_event_type
from ecom_assets.ingestion.sources.proposal.values import FileValues, Value, is_flag

_TYPES: Final = {
    "1": "purchase",
    "13": "remove_from_cart",
    "11": "checkout_start",
    "12": "add_to_cart",
    "10": "cart_open",
    "14": "cart_view",
    "2": "product_view",
}
"""The codes that are the same in each report suite, the most telling first; those of the shop's own
events begin at 200.
"""
_CODES, _PRODUCTS = ("post_event_list", "event_list"), ("post_product_list", "product_list")
_PAGE_EVENTS: Final = ("post_page_event", "page_event")
_LIST_OF_CODES: Final = r"\d{1,5}(=[^,]*)?(,\d{1,5}(=[^,]*)?)*,?"
_LIST_OF_PRODUCTS: Final = r"[^;]*;[^;]+(;.*)?"


def type_of_codes(values: FileValues) -> Value | None:
    """Return what happened in each hit by its list of codes; None where no column has such lists.

    A hit with none of them is a view of a page, or of a link where a column says so.
    """
    column = _named(values, _CODES, _LIST_OF_CODES)
    if column is None:
        return None
    page = _named(values, _PAGE_EVENTS, r"\d+")
    columns = [column, *([page] if page else [])]
    return values.computed(f"{column.name}: what happened", _type_sql, columns)


def counts_of_types(values: FileValues) -> dict[str, Value]:
    """Return the columns that count what happened on each row, by the event type of each, the most
    telling first; none where fewer than two do.
    """
    found: dict[str, Value] = {}
    for value in values.values:
        kind = known_event_type(_without_flag(value.last_name)) if value.is_column else None
        is_count = kind in _COUNTED and (
            values.matching(value, r"\d+") == values.filled(value) > 0 or is_flag(values, value)
        )
        if kind and is_count:
            found.setdefault(kind, value)
    are_of_visits = len(found) > 1 and bool(_OF_VISITS & found.keys())
    return {kind: found[kind] for kind in _COUNTED if kind in found} if are_of_visits else {}


def _without_flag(name: str) -> str:
    """Return a name without the word by which it is a question: `is_purchase`, `hasSearched`."""
    return re.sub(r"^(is|has|was|did)(_|(?=[A-Z]))", "", name)


def are_sums(values: FileValues, counts: Mapping[str, Value]) -> bool:
    """Return whether such columns count several things of one kind on some row."""
    return any(values.matching(value, r"0*([2-9]|[1-9]\d+)") for value in counts.values())


def type_of_counts(values: FileValues) -> Value | None:
    """Return what happened on each row by the columns that count it: the most telling of what is 1,
    as a purchase is on a page that is viewed; None where no columns do.
    """
    counts = counts_of_types(values)
    if not counts or are_sums(values, counts):
        return None

    def first_of(cells: Sequence[str]) -> str:
        cases = zip(counts, cells, strict=True)
        said = [f"WHEN NOT {_is_none(cell)} THEN {text(kind)}" for kind, cell in cases]
        return f"CASE {' '.join(said)} END"

    columns = [*counts.values()]
    return values.computed(" or ".join(value.name for value in columns), first_of, columns)


def _is_none(cell: str) -> str:
    return f"coalesce(lower({cell}) IN ({', '.join(map(text, sorted(NO)))}), true)"


_COUNTED: Final = (
    *("purchase", "refund", "checkout_start", "remove_from_cart", "add_to_cart", "search"),
    *("product_view", "category_view", "page_view"),
)
_OF_VISITS: Final = frozenset({"product_view", "page_view", "add_to_cart"})
"""What only rows of visits count; customers may have numbers of orders and of refunds."""


def several_events(values: FileValues) -> Value | None:
    """Return the column of a table whose cells list several events: objects with what happened and
    when, or types with a sign between them; None where there is none.
    """
    columns = [value for value in values.values if value.is_column and values.filled(value)]
    return next((value for value in columns if _lists_events(values, value)), None)


def _lists_events(values: FileValues, value: Value) -> bool:
    cells = [cell for cell, _ in values.counts(value, _MOST_CELLS)]
    if values.format == "csv" and cells[0].startswith("["):
        return any(map(_is_list_of_events, cells))
    parted = [[part.strip() for part in re.split("[|;,>]+", cell)] for cell in cells]
    lists = [parts for parts in parted if len(parts) > 1 and all(map(known_event_type, parts))]
    return len(lists) * 2 > len(cells)


_MOST_CELLS: Final = 20
"""The most frequent cells of a column that are looked at."""


def _is_list_of_events(cell: str) -> bool:
    events = json_in(cell)
    if not isinstance(events, list) or len(events) < 2 or not isinstance(events[0], dict):  # noqa: PLR2004 (several)
        return False
    names = {*map(bare, events[0])}
    return bool(names & _TIMES_OF_EVENTS) and bool(names & _NAMES_OF_EVENTS)


_TIMES_OF_EVENTS: Final = frozenset(
    {"timestamp", "time", "eventtime", "eventtimestamp", "ts", "servertime", "createdat", "date"}
)
_NAMES_OF_EVENTS: Final = frozenset({"type", "event", "eventname", "eventtype", "action", "name"})
"""What members of an event are called that say when it was, and what."""


def visitor_of_halves(values: FileValues) -> Value | None:
    """Return the id of a visitor that stands in two columns, such as `visid_high` and `visid_low`;
    None where there are none. Of several, one that says something else on each row is the id of
    the row, such as `hitid_high` and `hitid_low`.
    """
    by_name = {value.name.casefold(): value for value in values.values if value.is_column}
    pairs = [
        (high, low)
        for name, high in by_name.items()
        if name.endswith("_high") and (low := by_name.get(f"{name.removesuffix('high')}low"))
        if values.filled(high) == values.filled(low) > 0
    ]
    if not pairs:
        return None
    visitor = min(pairs, key=lambda pair: values.different_pairs(*pair))
    return values.combined([*visitor])


def product_of_list(values: FileValues) -> Value | None:
    """Return the first product of each list; None where no column has such lists."""
    column = _named(values, _PRODUCTS, _LIST_OF_PRODUCTS)
    return column and values.computed(f"{column.name}: the first product", _product_sql, [column])


def amount_of_list(values: FileValues) -> Value | None:
    """Return what the products of a purchase come to; None where no column has such lists."""
    column, codes = (
        _named(values, _PRODUCTS, _LIST_OF_PRODUCTS),
        _named(values, _CODES, _LIST_OF_CODES),
    )
    if column is None or codes is None:
        return None
    return values.computed(f"{column.name}: the amount", _amount_sql, [column, codes])


def _named(values: FileValues, names: Sequence[str], pattern: str) -> Value | None:
    by_name = {value.last_name.casefold(): value for value in values.values if value.is_column}
    named = (by_name[name] for name in names if name in by_name)
    return next((v for v in named if values.matching(v, pattern) == values.filled(v) > 0), None)


def _has_code(cell: str, code: str) -> str:
    pattern = f"(^|,){code}(=|,|$)"
    return f"coalesce(regexp_matches({cell}, {text(pattern)}), false)"


def _type_sql(cells: Sequence[str]) -> str:
    codes, *pages = cells
    cases = [f"WHEN {_has_code(codes, code)} THEN {text(name)}" for code, name in _TYPES.items()]
    cases += [f"WHEN coalesce({page}, '0') <> '0' THEN 'link'" for page in pages]
    return f"CASE {' '.join(cases)} ELSE 'page_view' END"


def _product_sql(cells: Sequence[str]) -> str:
    return f"nullif(split_part(split_part({cells[0]}, ',', 1), ';', 2), '')"


def _amount_sql(cells: Sequence[str]) -> str:
    products, codes = cells
    each = "lambda one: TRY_CAST(split_part(one, ';', 4) AS DECIMAL(24, 4))"
    amounts = f"list_sum(list_transform(string_split({products}, ','), {each}))"
    return f"CASE WHEN {_has_code(codes, '1')} THEN {amounts}::VARCHAR END"


COMPUTED: Final[dict[str, Callable[[FileValues], Value | None]]] = {
    "event_type": lambda values: type_of_codes(values) or type_of_counts(values),
    "user_id": visitor_of_halves,
    "product_id": product_of_list,
    "cart_value": amount_of_list,
}
"""The fields of events that such lists say, where no column does."""
