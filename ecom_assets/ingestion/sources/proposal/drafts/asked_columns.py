"""Questions about columns that are needed and were not found."""

from collections.abc import Sequence
from typing import Final

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables import formats
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    MOST_COLUMNS_SHOWN,
    MOST_OF_EXAMPLE,
    MOST_PRODUCTS,
    MOST_SUMS,
    NEEDED,
    NO_AMOUNT,
    ONE_PER_ORDER,
    Draft,
)
from ecom_assets.ingestion.sources.proposal.event_amounts import (
    amounts_of_purchases,
    amounts_of_some_types,
)
from ecom_assets.ingestion.sources.proposal.event_type_words import STANDARD_TYPES
from ecom_assets.ingestion.sources.proposal.fields import (
    NUMBERS_OF,
    TIMES,
    UNIT_PRICE,
    MappingKind,
    candidates,
    found_fields,
    free_columns,
    has_decimals,
    named_values,
    numbers_left,
    numbers_of_rows,
)
from ecom_assets.ingestion.sources.proposal.hit_codes import (
    are_sums,
    counts_of_types,
    several_events,
)
from ecom_assets.ingestion.sources.proposal.parts import can_be_amount
from ecom_assets.ingestion.sources.proposal.questions import (
    BY_ORDER,
    GOODS,
    LEFT_OUT,
    NO_CUSTOMER,
    NO_GOODS,
    NOBODY,
    shown,
)
from ecom_assets.ingestion.sources.proposal.row_kinds import NO_GOODS_WORDS, says_kind
from ecom_assets.ingestion.sources.proposal.rows import OrderRows
from ecom_assets.ingestion.sources.proposal.state_words import words_of
from ecom_assets.ingestion.sources.proposal.values import Value
from ecom_assets.ingestion.sources.proposal.visit_sources import column_of_sources, source_questions

FEW_WITHOUT_CUSTOMER: Final = 0.1
"""The share of rows without a customer up to which they are refused where nobody says more."""
OF_TYPES_OF_EVENTS: Final = frozenset({"event", "events", "action", "activity", "hit"})
"""Words in the names of columns that say what happened."""


def ask_for_missing(draft: Draft, names: list[str]) -> None:
    """Ask for the columns that are needed and were not found."""
    has_price = {UNIT_PRICE, "quantity"} <= draft.found.keys()
    for name in names:
        if name == "customer_id" and draft.is_person_asked and name in draft.answers:
            _ask_who_ordered(
                draft, candidates(draft.values, name, draft.found_without_answer(name))
            )
            continue
        if name in draft.found or (
            name == "payment_amount" and (has_price or draft.is_price_of_one())
        ):
            continue
        if (
            name == "quantity"
            and draft.values.spread
            and not candidates(draft.values, name, draft.found)
        ):
            draft.notes.append(f"each element of {shown(draft.values.spread)} is one piece")
            continue
        if name in ONE_PER_ORDER and not draft.values.spread:
            _ask_for_item(draft, name)
            _ask_for_quantity(draft, name)
            continue
        ask_for_column(draft, name)


def ask_for_column(draft: Draft, name: str) -> None:
    """Ask which column says a field.

    Raises:
        DefinitionError: None can.
    """
    choices = candidates(draft.values, name, draft.found)
    unreadable = _unreadable(draft, name)
    if name == "customer_id":
        _ask_who_ordered(draft, choices)
        return
    if name == "payment_amount" and not unreadable:
        _ask_which_amount(draft, choices)
        return
    if name == "event_type" and are_sums(draft.values, counts := counts_of_types(draft.values)):
        columns = ", ".join(shown(value.name) for value in counts.values())
        raise DefinitionError(
            f"Columns of the file count what happened ({columns}), several of one kind on some "
            "rows: these are sums of events, of which no row says when each was. Export hits, a "
            "row for each event."
        )
    if name == "event_type":
        refuse_several_events(draft)
    if name == "event_type" and not choices:
        guess = "purchase" if _has_order_numbers(draft) else STANDARD_TYPES[0]
        draft.ask(name, "what each row is, as no column says it", STANDARD_TYPES, guess)
        return
    if not choices:
        raise DefinitionError(_without_column(draft, name, unreadable))
    sentence = f"the column that says {NEEDED.get(name, name)}{unreadable}"
    if name.endswith("_amount"):  # amounts have decimals, numbers of things have not
        money = {v.name for v in draft.values.values if has_decimals(draft.values, v)}
        choices = (*sorted(choices, key=lambda choice: choice not in money),)
    if name == "event_type":
        sentence += f", or what each row is: {' or '.join(STANDARD_TYPES)}"
        others = tuple(event_type for event_type in STANDARD_TYPES if event_type not in choices)
        choices = (*others, *choices) if _is_log_of_pages(draft, choices) else (*choices, *others)
    draft.ask(name, sentence, choices)


def refuse_several_events(draft: Draft) -> None:
    """Refuse rows that have several events each.

    Raises:
        DefinitionError: A column lists them, as JSON or by their types.
    """
    column = several_events(draft.values)
    if column is None:
        return
    example = shown(draft.values.counts(column, 1)[0][0])
    raise DefinitionError(
        f"Each row of the file has several events, which its column {shown(column.name)} lists "
        f"({example}): a row must be one of them, with its own time. Export a row for each event, "
        "or JSON in which the list is a list of objects with their times."
    )


def _is_log_of_pages(draft: Draft, choices: Sequence[str]) -> bool:
    """Return whether rows are most likely views of the pages that they name: no column is
    called one of events, and none has types that are known.
    """
    words = {word for name in choices for word in words_of(name.rpartition(".")[2])}
    return "page_url" in draft.found and not words & OF_TYPES_OF_EVENTS


def _without_column(draft: Draft, name: str, unreadable: str) -> str:
    """Return why a file cannot be of this kind: what it has, and what leads on."""
    columns = [value for value in draft.values.values if draft.values.filled(value)]
    some = [
        f"{shown(value.name)} ({shown(draft.values.counts(value, 1)[0][0], MOST_OF_EXAMPLE)})"
        for value in columns[:MOST_COLUMNS_SHOWN]
    ]
    more = ", …" if len(columns) > MOST_COLUMNS_SHOWN else ""
    kind = draft.kind.replace("_", " ")
    found = (
        f"No column of the file can be {NEEDED.get(name, name)} of {kind}{unreadable}: it has "
        f"{', '.join(some)}{more}. "
    )
    if name == "spend_date":
        return f"{found}Export the report by day: a sum of several days is of none of them."
    return (
        f"{found}If its rows are something else, say so (--events, --orders, "
        "--customers, --costs, --stock or --ad-spend of ecom mapping init, or what the file is "
        "on the page of uploads); a report of sums has no rows to count: export the list of "
        f"{kind} that it adds up."
    )


def _ask_which_amount(draft: Draft, choices: tuple[str, ...]) -> None:
    """Ask for the amount, with what the likely ones come to."""
    rows = {value.name: draft.values.number_sql(value) for value in draft.values.values}
    amounts = [
        value.name
        for value in numbers_of_rows(draft.values, draft.found)
        if value.name in choices and can_be_amount(value)
    ]
    by_name = {value.name: value for value in draft.values.values}
    amounts.sort(key=lambda name: not has_decimals(draft.values, by_name[name]))
    sums = {name: rows[name] for name in amounts[:MOST_PRODUCTS]}
    for product in draft.products[:MOST_PRODUCTS]:
        sums[product.text] = f"{rows[product.price.name]} * {rows[product.quantity.name]}"
    shown_sums = [
        f"{shown(words)} ({formats.amount(total)})"
        for words, sql in list(sums.items())[:MOST_SUMS]
        if (total := draft.values.scalar(f"sum({sql})")) is not None
    ]
    come_to = f"; {', '.join(shown_sums)}" if shown_sums else ""
    sentence = f"the column that says the amount, or {NO_AMOUNT}: then lines are of 0.00{come_to}"
    numbers = numbers_left(draft.values, draft.found) if draft.values.spread else ()
    beside = [value.name for value in numbers if can_be_amount(value)]
    beside = [
        name
        for name in beside
        if not name.startswith(f"{draft.values.spread}.")
        and name not in ADDED
        and not draft.values.time_formats(by_name[name])
    ]
    if beside:
        of_orders = ", ".join(map(shown, beside[:MOST_SUMS]))
        sentence += f"; of whole orders, shared among their lines: {of_orders}"
    every = (*dict.fromkeys([*sums, *choices, *beside]), NO_AMOUNT)
    draft.ask("payment_amount", sentence, every, NO_AMOUNT)


def _has_order_numbers(draft: Draft) -> bool:
    """Return whether rows of events have the numbers of orders."""
    return "order_id" in found_fields(draft.values, MappingKind.ORDERS)


def _ask_who_ordered(draft: Draft, choices: tuple[str, ...]) -> None:
    """Ask for the column of the customer; each order can be of one of its own, or of nobody."""
    order = draft.found.get("order_id")
    own = (order.value.name,) if order and order.value.is_column else ()
    of_order = f", {shown(own[0])}: each order is of a customer of its own" if own else ""
    sentence = (
        f"the column that says {NEEDED['customer_id']}{of_order}, or {NOBODY}: orders count in "
        "revenue, and in no number of customers"
    )
    draft.ask("customer_id", sentence, (*own, *choices, NOBODY), (*own, NOBODY)[0])


def ask_for_nobody(draft: Draft) -> None:
    """Ask what becomes of rows without a customer, such as sales at a till, where orders have
    numbers; without an answer they are refused.
    """
    customer, order = draft.found.get("customer_id"), draft.found.get("order_id")
    if customer is None or draft.continued or not customer.value.is_column:
        return
    has_order = order is not None and order.value.is_column
    # A line of totals has neither a number nor a time.
    of_orders = [
        draft.found[name].value for name in ("order_id", "date_time") if name in draft.found
    ]
    filled = "".join(f" AND {value.column} IS NOT NULL" for value in of_orders)
    nobody = f"count(*) FILTER ({customer.value.column} IS NULL{filled})"
    if order is not None and customer.value.path[0] in draft.carried:
        # Of an order whose buyer is on one line, no line may have one.
        with_buyer = (
            f"count(DISTINCT {order.value.column}) FILTER ({customer.value.column} IS NOT NULL)"
        )
        nobody = f"count(DISTINCT {order.value.column}) - {with_buyer}"
    missing = int(draft.values.scalar(nobody))
    if 0 < missing < draft.values.row_count:
        noun = "order" if customer.value.path[0] in draft.carried else "row"
        rows = f"{formats.counted(missing, noun)} without {shown(customer.value.name)}"
        by_order = f"each {BY_ORDER}, as a customer, " if has_order else ""
        sentence = (
            f"what becomes of {rows}: {LEFT_OUT}, {by_order}or of {NOBODY}: they count in "
            "revenue, and in no number of customers"
        )
        choices = (LEFT_OUT, *((BY_ORDER,) if has_order else ()), NOBODY)
        is_few = missing <= draft.values.row_count * FEW_WITHOUT_CUSTOMER
        guess = LEFT_OUT if is_few else NOBODY
        draft.ask(NO_CUSTOMER, sentence, choices, guess, is_optional=is_few, note=rows)


def ask_for_no_goods(draft: Draft) -> None:
    """Ask what becomes of lines that are no goods by their name, with their money."""
    free = free_columns(draft.values, draft.found)
    for value in (*columns_of_items(draft), *filter(says_kind, free)):
        is_one = f"regexp_matches({value.column}, {text(NO_GOODS_WORDS)})"
        count = int(draft.values.scalar(f"count(*) FILTER ({is_one})"))
        if not 0 < count < draft.values.row_count:
            continue
        amount = OrderRows(draft.values, draft.found, draft.payment()).amount_sql()
        total = draft.values.scalar(f"sum({amount}) FILTER ({is_one})") if amount else None
        if not total:
            continue
        example = draft.values.scalar(f"mode({value.column}) FILTER ({is_one})")
        rows = f"{formats.counted(count, 'row')} such as {shown(example)}"
        sentence = (
            f"what {rows} are, together {formats.amount(total)}: no goods by their name: "
            f"{LEFT_OUT}, or a {GOODS} as others"
        )
        draft.ask(NO_GOODS, sentence, (LEFT_OUT, GOODS), LEFT_OUT, note=rows)
        draft.no_goods = value
        return


def columns_of_items(draft: Draft) -> list[Value]:
    """Return the columns that say what was bought."""
    named = [draft.found[name].value for name in ("item_name", "item_id") if name in draft.found]
    return [value for value in named if value.is_column]


def _ask_for_item(draft: Draft, name: str) -> None:
    """Ask what was bought where orders have several rows; without an answer it is the order."""
    if name == "item_id" and "order_id" in draft.found and not draft.has_row_per_order():
        choices = (*candidates(draft.values, name, draft.found), NO_AMOUNT)
        sentence = (
            f"the column of what was bought, or {NO_AMOUNT}: then lines are of the product 'order'"
        )
        draft.ask(name, sentence, choices, NO_AMOUNT, is_optional=True)


def _ask_for_quantity(draft: Draft, name: str) -> None:
    """Ask for the quantity where the column that is named as one cannot be read,
    as prices are of one item.
    """
    counts = tuple(dict.fromkeys(product.quantity.name for product in draft.products))
    is_priced = bool(counts) and draft.is_price_of_one()
    if name == "quantity" and ((unreadable := _unreadable(draft, name)) or is_priced):
        others = candidates(draft.values, name, draft.found) if unreadable else ()
        draft.ask(
            name,
            f"the column of the quantity, or {NO_AMOUNT}: then each row is of one{unreadable}",
            (*dict.fromkeys([*counts, *others]), NO_AMOUNT),
        )


def ask_for_amount_of_events(draft: Draft) -> None:
    """Ask for the amount of events where the column that is named as one cannot be read, or may
    be the price of one piece, or what the whole order is worth.
    """
    name = "cart_value"
    if name in draft.found:
        return
    unreadable = "" if draft.likely_amount else _unreadable(draft, name)
    likely = [value.name for value in amounts_of_purchases(draft.values, draft.found)]
    likely += [value.name for value in amounts_of_some_types(draft.values, draft.found)]
    likely = [draft.likely_amount, *likely] if draft.likely_amount else likely
    if unreadable or likely:
        others = candidates(draft.values, name, draft.found)
        choices = (*dict.fromkeys([*likely, *others]), NO_AMOUNT)
        sentence = f"the column of the amount, or {NO_AMOUNT}{unreadable}"
        sentence += f"; {draft.why_likely}" if draft.why_likely else ""
        draft.ask(name, sentence, choices, likely[0] if likely else NO_AMOUNT)


def ask_for_sources(draft: Draft) -> None:
    """Ask which channel each source of visits is, where a column says it and no address does."""
    draft.source = column_of_sources(draft.values, draft.found)
    if draft.source:
        draft.questions += source_questions(draft.values, draft.source)


def _unreadable(draft: Draft, name: str) -> str:
    """Return which columns are named as a field and have other values, in brackets;
    empty if none is.
    """
    named = named_values(draft.values, MappingKind(draft.kind), name, draft.found)
    if not named or name not in {*NUMBERS_OF, *TIMES}:
        return ""
    noun = "times" if name in TIMES else "numbers" if name == "quantity" else "amounts"
    examples = [
        f"{value.name}, such as {shown(draft.values.counts(value, 1)[0][0])}" for value in named[:3]
    ]
    return f" (no {noun} that can be read: {'; '.join(examples)})"
