"""What a draft found out about all rows, as claims that are checked over each later file."""

from collections.abc import Iterator

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.proposal.drafts.asked_columns import columns_of_items
from ecom_assets.ingestion.sources.proposal.drafts.draft import ORDER_ID, Draft
from ecom_assets.ingestion.sources.proposal.fields import (
    CANCELLED_AT,
    NUMBERS_OF,
    REFUNDED_AT,
    UNIT_PRICE,
    MappingKind,
    empty_columns_of,
    state_columns,
)
from ecom_assets.ingestion.sources.proposal.proofs import (
    key_line,
    not_like_line,
    one_per_line,
    order_sum_lines,
    sum_lines,
    values_line,
)
from ecom_assets.ingestion.sources.proposal.row_kinds import NO_GOODS_WORDS
from ecom_assets.ingestion.sources.proposal.values import Value


def proof_lines(draft: Draft) -> list[str]:
    """Return the lines of what was found true of all rows, which later files must be, too."""
    lines = [*_proven_keys(draft), *_proven_sums(draft), *_proven_values(draft)]
    lines += [] if draft.no_goods else _proven_goods(draft)
    return ["holds:", *filter(None, lines)] if any(lines) else []


def _proven_keys(draft: Draft) -> Iterator[str]:
    """Yield the lines of keys, and of amounts that are the same on all rows of an order."""
    order, own = draft.found.get(ORDER_ID), draft.found.get("uniq_id")
    if draft.values.spread or draft.continued:
        return
    if own and own.value.is_column and draft.values.is_unique_in_each_file(own.value):
        yield key_line([own.value.path[0]])
    if order is None or not order.value.is_column:
        return
    if draft.has_row_per_order():
        yield key_line([order.value.path[0]])
    elif own is None and all(value.is_column for value in unique_columns(draft, "uniq_id")):
        columns = [value.path[0] for value in unique_columns(draft, "uniq_id")]
        yield key_line(columns) if columns else ""
    if draft.is_shared and (payment := draft.payment()) and payment.is_column:
        yield one_per_line(payment.path[0], order.value.path[0])


def _proven_sums(draft: Draft) -> Iterator[str]:
    """Yield the lines of sums in which the amount that counts is."""
    price, quantity = draft.found.get(UNIT_PRICE), draft.found.get("quantity")
    factors = [match.value for match in (price, quantity) if match]
    name = " times ".join(value.name for value in factors) if len(factors) > 1 else ""
    goods = draft.goods.name if draft.goods else ""
    sums = [
        row_sum
        for row_sum in (draft.goods.shown_by if draft.goods else ())
        if row_sum.parts
        or goods in {row_sum.whole, row_sum.base}
        or name in {row_sum.whole, row_sum.base}
    ]
    amounts = [match.value for field, match in draft.found.items() if field in NUMBERS_OF]
    yield from sum_lines(draft.values, sums, (name, factors), amounts)
    if draft.order_sums:
        (order,) = draft.found[ORDER_ID].value.path
        yield from order_sum_lines(
            draft.values, draft.order_sums, draft.lines_of_sums, order, amounts
        )


def _proven_values(draft: Draft) -> Iterator[str]:
    """Yield the lines of the columns that say what a row is, whose values were looked at."""
    status = draft.found.get("status")
    if status and status.value.is_column:
        yield values_line(draft.values, status.value)
    for value in state_columns(draft.values, draft.found):
        yield values_line(draft.values, value)
    for flag in (flag for flag in draft.flags if not flag.is_any):
        yield values_line(draft.values, flag.value, may_be_empty=True)
    for value in empty_columns_of(draft.values, (CANCELLED_AT, REFUNDED_AT), draft.found):
        yield values_line(draft.values, value)


def _proven_goods(draft: Draft) -> Iterator[str]:
    """Yield the lines that no line is called as what is no goods, of files that have none: of
    those with some it was asked.
    """
    for value in columns_of_items(draft):
        some = f"count(*) FILTER (regexp_matches({value.column}, {text(NO_GOODS_WORDS)}))"
        if not draft.values.scalar(some):
            yield not_like_line(value.path[0], NO_GOODS_WORDS)


def unique_columns(draft: Draft, name: str) -> tuple[Value, ...]:
    """Return the values that distinguish the rows, the id or an order with its item;
    none if these do not.
    """
    names = (
        [name]
        if name in draft.found
        else ["order_id", "item_id"]
        if draft.kind is MappingKind.ORDERS
        else []
    )
    keys = tuple(draft.found[key].value for key in names if key in draft.found)
    return keys if keys and draft.values.are_unique(keys) else ()
