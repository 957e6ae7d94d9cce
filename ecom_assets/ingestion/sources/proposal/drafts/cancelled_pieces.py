"""Lines of orders of which all pieces, or some, were cancelled."""

from ecom_assets.core.tables import formats
from ecom_assets.ingestion.sources.proposal.drafts.amount_options import goods_sql, plain_number
from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.draft import OF_PIECES, Draft, has_word
from ecom_assets.ingestion.sources.proposal.drafts.refund_rows import (
    amount_by_row,
    paid_back_of_each,
)
from ecom_assets.ingestion.sources.proposal.fields import (
    CANCELLED_AT,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    free_columns,
    has_decimals,
)
from ecom_assets.ingestion.sources.proposal.questions import FLAGS, PIECES, quoted, shown
from ecom_assets.ingestion.sources.proposal.state_words import Meaning, says_no_sale
from ecom_assets.ingestion.sources.proposal.values import Value

ALL_PIECES, PIECES_LEFT = "all that were ordered", "those that were not cancelled"
"""The answers of which pieces the amount of a line is."""


def lines_of_cancelled(draft: Draft) -> list[str]:
    """Return the conditions of rows that a day of cancellation, or a column of yes and no,
    says were no sale.
    """
    lines = []
    if cancelled := draft.found.get(CANCELLED_AT):
        # A day of zeros, as MySQL writes one that is not known, is none.
        condition = f"regexp_matches({cancelled.value.sql}, '[1-9]')"
        rows = draft.values.scalar(
            f"count(*) FILTER (regexp_matches({cancelled.value.column}, '[1-9]'))"
        )
        lines.append(
            f"  cancelled: {{expression: {quoted(condition)}, optional: true}}  # {rows:,} "
            "rows; check this"
        )
    subjects = {question.subject for question in draft.questions if question.key in FLAGS}
    for flag in draft.flags:
        is_asked = flag.meaning is None and shown(flag.shown) in subjects
        if (flag.meaning is Meaning.NO_SALE or is_asked) and (flag.marked or flag.is_any):
            rows = int(draft.values.scalar(f"count(*) FILTER ({flag.is_marked})"))
            line = f"{flag.line}  # {rows:,} rows; check this"
            keys = [
                question.key
                for question in draft.questions
                if question.subject == shown(flag.shown)
            ]
            lines.append(draft.marked(line, *keys) if is_asked else line)
    return [*lines, *draft.cancelled_lines]


def find_cancelled_pieces(draft: Draft) -> list[str]:
    """Return the condition of lines of which all pieces were cancelled, by a column of how many
    were; note those of which some were.
    """
    quantity = draft.found.get("quantity")
    if quantity is None or not quantity.value.is_column:
        return []
    lines, ordered = [], draft.values.number_sql(quantity.value)
    for value in free_columns(draft.values, draft.found):
        if not says_no_sale(value.last_name) or not draft.values.number_forms(value):
            continue
        if not (has_word(value, OF_PIECES) or _counts_several(draft, value)):
            continue
        pieces = draft.values.number_sql(value)
        more, whole, some = (
            int(draft.values.scalar(f"count(*) FILTER ({pieces} > 0 AND {pieces} {way})"))
            for way in (f"> {ordered}", f"= {ordered}", f"< {ordered}")
        )
        if some and not more:
            _take_cancelled_pieces(draft, value, quantity.value)
        if more or not whole:
            continue
        number, all_pieces = (plain_number(draft, count) for count in (value, quantity.value))
        condition = quoted(f"{number} > 0 AND {number} >= {all_pieces}")
        lines.append(
            f"  {quoted(value.path[0])}: {{expression: {condition}, optional: true}}"
            f"  # {whole:,} rows; check this"
        )
    return lines


def _counts_several(draft: Draft, value: Value) -> bool:
    """Return whether a column has whole numbers, not only those of no and yes."""
    number = draft.values.number_sql(value)
    is_more = draft.values.scalar(f"count(*) FILTER ({number} > 1)")
    return bool(is_more) and not has_decimals(draft.values, value)


def _take_cancelled_pieces(draft: Draft, value: Value, quantity: Value) -> None:
    """Take pieces that were cancelled off those of a line, and off its amount where that is of
    all that were ordered; ask where nothing shows which of them it is of.
    """
    draft.cancelled_pieces = value
    is_of_all = _is_of_all_pieces(draft, value, quantity)
    if is_of_all is None:
        sentence = (
            f"what the amount of a line is of, as {_some_cancelled(draft)}: of {ALL_PIECES}, "
            f"or of {PIECES_LEFT}"
        )
        draft.ask(PIECES, sentence, (ALL_PIECES, PIECES_LEFT), ALL_PIECES)
        is_of_all = draft.answers.get(PIECES, ALL_PIECES) == ALL_PIECES
    draft.is_of_all_pieces = is_of_all


def _some_cancelled(draft: Draft) -> str:
    """Return which column says of how many lines that some of their pieces were cancelled;
    empty without one.
    """
    value = draft.cancelled_pieces
    if value is None:
        return ""
    ordered = draft.found["quantity"].value
    pieces, all_pieces = map(draft.values.number_sql, (value, ordered))
    some = draft.values.scalar(f"count(*) FILTER ({pieces} > 0 AND {pieces} < {all_pieces})")
    rows = formats.counted(int(some), "row")
    return f"{shown(value.name)} says in {rows} that some pieces of a line were cancelled"


def note_cancelled_pieces(draft: Draft) -> None:
    """Note which pieces the amount of a line is of, where some were cancelled."""
    if not (said := _some_cancelled(draft)):
        return
    if not draft.is_of_all_pieces:
        draft.notes.append(f"{said}: the amount is of the others")
    elif draft.can_count_pieces():
        draft.notes.append(f"{said}: the amount is lowered by theirs")
    else:
        draft.notes.append(
            f"{said}: the amount is of all that were ordered, as which part of it is theirs "
            "cannot be said by a column of the line; correct it where that counts"
        )


def _is_of_all_pieces(draft: Draft, cancelled: Value, quantity: Value) -> bool | None:
    """Return whether the amount of a line of which some pieces were cancelled is of all that
    were ordered; None if no price of one shows it.
    """
    price, payment = draft.found.get(UNIT_PRICE), draft.payment()
    if payment is None:
        return True  # a price, times the quantity
    if price is None:
        return None
    amount, each, count, off = (
        draft.values.number_sql(value) for value in (payment, price.value, quantity, cancelled)
    )
    some = f"{off} > 0 AND {off} < {count}"
    of_all, of_rest = (
        int(draft.values.scalar(f"count(*) FILTER ({some} AND {gap} < 0.0051)"))
        for gap in (
            f"abs({amount} - {each} * {count})",
            f"abs({amount} - {each} * ({count} - {off}))",
        )
    )
    return None if of_all == of_rest else of_all > of_rest


def _pieces_left(draft: Draft) -> str:
    """Return the SQL of how many pieces of a line were not cancelled, over the columns of the
    file.
    """
    quantity = draft.values.plain_sql(draft.found["quantity"].value)
    left = f"({quantity})::DECIMAL(24, 6)"
    if draft.cancelled_pieces is None:
        return left
    off = f"({draft.values.plain_sql(draft.cancelled_pieces)})::DECIMAL(24, 6)"
    return f"({left} - coalesce({off}, 0))"


def _amount_of_pieces(draft: Draft) -> str:
    """Return the SQL of the amount of one piece of a line, over the columns of the file; the
    parts of the line that are taken off it are taken off each.
    """
    quantity = plain_number(draft, draft.found["quantity"].value)
    of = quantity if draft.is_of_all_pieces else _pieces_left(draft)
    return f"{goods_sql(draft)} / nullif({of}, 0)"


def amount_of_pieces_left(draft: Draft) -> str:
    """Return the line of an amount of which that of cancelled pieces is taken off, or of which
    that of some pieces was paid back; empty for others.
    """
    is_plain = draft.can_count_pieces()
    lowered = draft.cancelled_pieces is not None and draft.is_of_all_pieces
    if not is_plain or not (lowered or (draft.refunds_pieces and draft.payment())):
        return ""
    sale = _origin_of_pieces(draft, _pieces_left(draft))
    if not draft.refunds_pieces:
        back = paid_back_of_each(draft)
        return amount_by_row(sale, back) if back else f"  payment_amount: {sale}"
    back = f"({draft.values.plain_sql(draft.found[REFUNDED_QUANTITY].value)})::DECIMAL(24, 6)"
    return amount_by_row(sale, _origin_of_pieces(draft, back))


def _origin_of_pieces(draft: Draft, pieces: str) -> str:
    """Return the origin of the amount of some pieces of a line, by that of one."""
    amount, *_ = draft.line_columns()
    sql = f"round({_amount_of_pieces(draft)} * {pieces}, 4)"
    if units := in_cents(draft, amount):
        return f"{{expression: {quoted(sql)}, {units[0]}}}"
    return f"{{expression: {quoted(f'{sql} / 100' if amount in draft.cents else sql)}}}"
