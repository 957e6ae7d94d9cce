"""The lines about the rows of orders: their kinds, their states, and those that are left out."""

from collections.abc import Sequence

from ecom_assets.core.tables import formats
from ecom_assets.core.warehouse.sql_text import text, texts
from ecom_assets.ingestion.sources.proposal.drafts.cancelled_pieces import lines_of_cancelled
from ecom_assets.ingestion.sources.proposal.drafts.draft import (
    NO_AMOUNT,
    OF_PIECES,
    ORDER_ID,
    Draft,
    has_word,
)
from ecom_assets.ingestion.sources.proposal.fields import (
    REFUNDED_AMOUNT,
    REFUNDED_AT,
    REFUNDED_QUANTITY,
    MappingKind,
    candidates,
)
from ecom_assets.ingestion.sources.proposal.flags import (
    RowFlag,
    answered_flags,
    flag_questions,
    row_flags,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    GOODS,
    NO_GOODS,
    STATES,
    OpenQuestion,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.row_kinds import NO_GOODS_WORDS
from ecom_assets.ingestion.sources.proposal.rows import OrderRows
from ecom_assets.ingestion.sources.proposal.state_words import Meaning
from ecom_assets.ingestion.sources.proposal.states import (
    OrderStates,
    OtherStates,
    order_states,
    other_questions,
    other_states,
    state_questions,
)
from ecom_assets.ingestion.sources.proposal.unnamed import line_of_part


def rows_lines(spread: str) -> list[str]:
    """Return the lines that say which list has the rows; none where each record is one."""
    return ["rows:", f"  line: {quoted(spread)}"] if spread else []


def find_states(draft: Draft) -> OrderStates | None:
    """Return the states of orders, and ask what those are that are not known."""
    questions = state_questions(draft.values, draft.found, draft.answers, are_kinds=draft.are_kinds)
    draft.questions += questions
    states = order_states(draft.values, draft.found, questions, draft.answers)
    says_how_much = {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & draft.found.keys()
    if states and states.of(Meaning.PART_REFUND) and not says_how_much:
        choices = (*candidates(draft.values, REFUNDED_AMOUNT, draft.found), NO_AMOUNT)
        sentence = (
            f"the column of what was paid back, or {NO_AMOUNT}: then such orders count as a whole"
        )
        draft.ask(REFUNDED_AMOUNT, sentence, choices, NO_AMOUNT)
    return states


def row_lines(draft: Draft, states: OrderStates | None) -> list[str]:
    """Return the lines about the kinds of rows, and about those that are left out."""
    lines = []
    is_grouped = draft.can_group() and draft.groups_lines()
    if draft.continued and is_grouped:
        lines += [f"group_by: {quoted_list([draft.column('order_id')])}"]
        lines += [
            (
                f"fill_down: {quoted_list(draft.continued)}  # a further line of an order has "
                "none of them"
            )
        ]
    elif is_grouped:
        lines += [f"group_by: {quoted_list([draft.column('order_id')])}"]
        lines += [f"carry_down: {quoted_list(draft.carried)}"] if draft.carried else []
    if draft.refund:
        lines += [
            "rows:",
            f"  sale: {quoted(draft.path)}",
            f"  refund: {{list: {quoted(draft.path)}, {draft.refund}}}  # check this",
        ]
    else:
        lines += rows_lines(draft.values.spread)
    left_out = [
        *(states.leave_out_lines if states else []),
        *_other_states(draft),
        *lines_of_cancelled(draft),
        *_no_goods_lines(draft),
        *_parts_of_lines(draft),
    ]
    if draft.order_rows:
        left_out.append(
            f"  row_of_the_order: {{expression: {quoted(draft.order_rows)}, optional: true}}"
            "  # its lines are rows, too"
        )
    return [*lines, *(["leave_out:", *left_out] if left_out else [])]


def _parts_of_lines(draft: Draft) -> list[str]:
    """Return the condition of rows of what another line is made of, such as the variant of a
    product or what is in a set: each names that line and costs nothing.
    """
    order = draft.found.get(ORDER_ID)
    amount = OrderRows(draft.values, draft.found, draft.payment()).amount_sql()
    if order is None or not amount or draft.has_row_per_order():
        return []
    value = line_of_part(draft.values, order.value, amount)
    if value is None:
        return []
    rows = formats.counted(draft.values.filled(value), "row")
    draft.notes.append(
        f"{shown(value.name)} names another line of the order in {rows} that cost nothing: "
        "they are what it is made of, and no pieces of their own"
    )
    condition = f"{{column: {quoted(value.path[0])}, filled: true, optional: true}}"
    return [f"  part_of_a_line: {condition}  # {rows}; check this"]


def find_states_beside(draft: Draft, states: OrderStates) -> list[OtherStates]:
    """Ask about the states of further columns that may be of no sale, or of what went back, and
    return what these columns say.
    """
    asked = other_questions(draft.values, draft.found, states, len(_questions_of_states(draft)))
    draft.questions += asked
    said = {
        question.subject: Meaning(question.checked(answer))
        if (answer := draft.answers.get(question.key))
        else None
        for question in asked
    }
    draft.open_states = {state for state, meaning in said.items() if meaning is None}
    amount = OrderRows(draft.values, draft.found, draft.payment()).amount_sql()
    return other_states(draft.values, draft.found, states, said, amount)


def _is_below_zero(draft: Draft, flag: RowFlag, amount: str) -> bool:
    """Return whether all rows that a column says went back are below zero."""
    if flag.meaning is not Meaning.REFUND:
        return False
    sides = (f"count(*) FILTER ({flag.is_marked} AND {amount} {way} 0)" for way in ("<", ">"))
    below, above = (int(draft.values.scalar(side)) for side in sides)
    return bool(below) and not above


def find_flags(draft: Draft, states: OrderStates | None) -> Sequence[RowFlag]:
    """Return the columns of yes and no that say that rows are no sale, and ask about those that
    only seem to: of rows that count by their states.
    """
    amount = OrderRows(draft.values, draft.found, draft.payment()).amount_sql()
    flags: Sequence[RowFlag] = row_flags(draft.values, draft.found, amount)
    # How many pieces were cancelled may be 0 or 1 in each row.
    flags = [flag for flag in flags if flag.meaning or not has_word(flag.value, OF_PIECES)]
    # A row below zero went back as it is.
    flags = [flag for flag in flags if not (amount and _is_below_zero(draft, flag, amount))]
    if draft.kind is not MappingKind.ORDERS:
        return [flag for flag in flags if flag.meaning]
    settled = "false"
    if states and (names := states.of(Meaning.NO_SALE, *states.refund_meanings)):
        settled = f"coalesce(list_contains({texts(names)}, {states.value.column}), false)"
    currency = draft.found.get("currency")
    codes = draft.values.counts(currency.value, 2) if currency else []
    code = codes[0][0].upper() if len(codes) == 1 else ""
    back = {REFUNDED_AMOUNT, REFUNDED_QUANTITY, REFUNDED_AT} & draft.found.keys()
    is_said = bool(back or draft.left_of_total or (states and states.refunded))
    is_said |= any(other.paid_back for other in draft.other_states)
    questions = flag_questions(
        draft.values, flags, settled, amount, code, can_be_refunds=not is_said
    )
    draft.questions += questions
    return answered_flags(flags, questions, draft.answers)


def _other_states(draft: Draft) -> list[str]:
    """Return the conditions of rows that a further column of states says were no sale, and note
    its states of which that is not known.
    """
    others = draft.other_states
    draft.notes += [other.note for other in others if other.in_doubt]
    return [
        draft.marked(other.line, *STATES) if draft.open_states & {*other.left_out} else other.line
        for other in others
        if other.left_out and not (draft.refund and draft.refund == other.refund_kind)
    ]


def _questions_of_states(draft: Draft) -> list[OpenQuestion]:
    """Return the questions about values of columns of states."""
    return [question for question in draft.questions if question.key in STATES]


def status_lines(draft: Draft, states: OrderStates | None) -> list[str]:
    """Return the lines of the state, which follow those of the other fields."""
    if states is None:
        return (
            ["  status: {by_row: {sale: {constant: shipped}, refund: {constant: refunded}}}"]
            if draft.refund
            else []
        )
    if states.is_final:
        return [
            "  status:",
            "    by_row:",
            *states.sale_field(),
            "      refund: {constant: refunded}",
        ]
    return ["statuses:", *states.lines("  ")]


def _no_goods_lines(draft: Draft) -> list[str]:
    """Return the condition of lines that are no goods, which is open until somebody says it."""
    if draft.no_goods is None or draft.answers.get(NO_GOODS) == GOODS:
        return []
    sql = f"regexp_matches({draft.no_goods.sql}, {text(NO_GOODS_WORDS)})"
    line = f"  no_goods: {{expression: {quoted(sql)}, optional: true}}"
    return [draft.marked(line, NO_GOODS)]
