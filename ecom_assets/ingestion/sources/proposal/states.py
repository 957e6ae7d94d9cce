"""The states of orders in a file: what each value means, what is asked about it,
and the lines of the mapping.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ecom_assets.core.tables.formats import counted
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.core.warehouse.sql_text import select, text, texts
from ecom_assets.ingestion.sources.files.mapping_content import OPEN
from ecom_assets.ingestion.sources.proposal.fields import (
    MOSTLY,
    REFUNDED_AMOUNT,
    REFUNDED_QUANTITY,
    UNIT_PRICE,
    Found,
    FoundField,
    state_columns,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    BY_ITSELF,
    MOST_STATES,
    STATES,
    STATES_ALONE,
    STATES_BESIDE,
    OpenQuestion,
    on_one_line,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.row_kinds import NO_GOODS_WORDS, says_kind
from ecom_assets.ingestion.sources.proposal.state_words import (
    MEANINGS,
    Meaning,
    begins,
    flag_meaning,
    guessed_meaning,
    is_document,
    says_no_sale_or_refund,
    says_to_come,
    says_unpaid,
    state_meaning,
    words_of,
)
from ecom_assets.ingestion.sources.proposal.values import TABLE, FileValues, Value

_OURS: Final = {Meaning.SALE: "shipped", Meaning.NO_SALE: "shipped", Meaning.PART_REFUND: "shipped"}
"""The state of the row of a sale; of those that are left out it does not count."""


@dataclass(frozen=True)
class OrderStates:
    """The column of the state, and the meaning of each of its values;
    None where nobody has said it.

    `is_final` if a line that was paid back has one row, whose state was that of a sale before: it
    is a sale and a refund then. Otherwise the refund is a row of its own. `refunded_amount` is the
    column of what was paid back.
    """

    value: Value
    counts: Mapping[str, int]
    meanings: Mapping[str, Meaning | None]
    sentences: Mapping[str, str]
    is_final: bool
    refunded_amount: str = ""

    @property
    def column(self) -> str:
        """Return the name of the column."""
        return self.value.path[0]

    def of(self, *meanings: Meaning) -> list[str]:
        """Return the values with one of some meanings."""
        return [state for state, meaning in self.meanings.items() if meaning in meanings]

    @property
    def refund_meanings(self) -> tuple[Meaning, ...]:
        """Return what states of rows with a refund mean."""
        part = (Meaning.PART_REFUND,) if self.refunded_amount else ()
        return (Meaning.REFUND, *part)

    @property
    def refunded(self) -> list[str]:
        """Return the states of rows that are a sale and a refund."""
        return self.of(*self.refund_meanings)

    @property
    def refund_kind(self) -> str:
        """Return the condition of the rows of refunds."""
        return f"where: {{{quoted(self.column)}: {quoted_list(self.refunded)}}}"

    @property
    def leave_out_lines(self) -> list[str]:
        """Return the lines about the rows that never were a sale."""
        if not (no_sale := self.of(Meaning.NO_SALE)):
            return []
        row_count = sum(self.counts[state] for state in no_sale)
        if self.value.is_column:
            condition = (
                f"{{column: {quoted(self.column)}, in: {quoted_list(no_sale)}, optional: true}}"
            )
        else:
            is_one = quoted(f"list_contains({texts(no_sale)}, {self.value.sql})")
            condition = f"{{expression: {is_one}, optional: true}}"
        return [f"  not_a_sale: {condition}  # {row_count:,} rows; check this"]

    def lines(self, indent: str) -> list[str]:
        """Return a line for each value: what it is on the platform,
        or a mark where nobody has said it.
        """
        return [f"{indent}{quoted(state)}: {self._ours(state)}" for state in self.counts]

    def _ours(self, state: str) -> str:
        meaning, rows = self.meanings[state], f"{self.counts[state]:,} rows"
        if meaning is None:
            remedy = "write shipped or refunded, or leave it out; its rows are refused until then"
            return f'"{OPEN}"  # OPEN: {on_one_line(self.sentences[state])}: {remedy}'
        if meaning is Meaning.REFUND:
            return f"{'shipped' if self.is_final else 'refunded'}  # {rows}, paid back; check this"
        if meaning is Meaning.PART_REFUND:
            part = (
                f"a part was paid back, {self.refunded_amount}"
                if self.refunded_amount
                else "counted as a whole"
            )
            return f"{_OURS[meaning]}  # {rows}, {part}; check this"
        return f"{_OURS[meaning]}  # {rows}{', left out' if meaning is Meaning.NO_SALE else ''}"

    def sale_field(self) -> list[str]:
        """Return the lines of the state of rows of sales, within the field of the state."""
        origin = f"column: {quoted(self.column)}"
        return ["      sale:", f"        {origin}", "        lookup:", *self.lines("          ")]


def state_questions(
    values: FileValues,
    matches: Found,
    answers: Mapping[str, str],
    *,
    are_kinds: bool = False,
) -> list[OpenQuestion]:
    """Return a question for each state that must be asked, the most frequent first.

    Of kinds of rows each is asked as soon as one is, whatever its words are; of many kinds, those
    that the rows show to be alike are one question, unless it is answered that each is another.
    """
    status = matches.get("status")
    if status is None:
        return []
    counts = values.counts(status.value, MOST_STATES)
    twice = _back_twice(values, matches, [state for state, _ in counts])
    asked = [
        (state, count)
        for state, count in counts
        if state in twice or _known_meaning(matches, state) is None
    ]
    if are_kinds and asked:
        asked = counts
    amounts = _amounts(values, matches)
    groups = _alike(values, matches, [state for state, _ in asked]) if are_kinds else {}
    questions = []
    for key, states in groups.items():
        named = [
            f"{shown(state)} ({counted(count, 'row')}"
            f"{f', together {amounts[state]}' if amounts.get(state) else ''})"
            for state, count in asked
            if state in states
        ]
        sentence = (
            f"what {', '.join(named)} of {status.value.name} are, {_ALIKE[key]}: "
            f"{' or '.join(MEANINGS)}, or {BY_ITSELF}"
        )
        split = answers.get(key) == BY_ITSELF
        questions.append(
            OpenQuestion(
                key,
                sentence,
                (*MEANINGS, BY_ITSELF),
                "",
                subject=", ".join(states),
                subjects=() if split else tuple(states),
                note=_ALIKE[key],
            )
        )
    grouped = {state for question in questions for state in question.subjects}
    for (state, count), key in zip(asked, STATES, strict=False):
        if state in grouped:
            continue
        guess = guessed_meaning(state) or (state_meaning(state) if are_kinds else None)
        money = f", together {amounts[state]}" if amounts.get(state) else ""
        hint = f"; probably {guess}" if guess else ""
        sentence = (
            f"what {shown(state)!r} of {status.value.name} is ({count:,} rows{money}): "
            f"{' or '.join(MEANINGS)}"
        )
        questions.append(
            OpenQuestion(
                key,
                f"{sentence}{hint}",
                MEANINGS,
                "",
                subject=state,
                note=f"{counted(count, 'row')}{money}{hint}",
            )
        )
    return questions


def _back_twice(values: FileValues, matches: Found, states: Sequence[str]) -> list[str]:
    """Return the states of rows of their own that say of the same money that it went back, such as
    that of goods that came back and that of the credit note about them; none where each is of its
    own.
    """
    # Without an amount of its own, a row has a price and pieces.
    money = ["payment_amount"] if "payment_amount" in matches else [UNIT_PRICE, "quantity"]
    names = ("customer_id", "item_id", *money, "order_id")
    back = [state for state in states if _known_meaning(matches, state) is Meaning.REFUND]
    if len(back) < 2 or not {*names} <= matches.keys():  # noqa: PLR2004 (one goes back once)
        return []
    if not has_rows_of_refunds(values, matches, back):
        return []
    state = matches["status"].value.column
    same = ", ".join(matches[name].value.column for name in names[:-1])
    is_back = f"list_contains({texts(back)}, {state})"
    by_money = select(f"count(DISTINCT {state}) AS states, count(*) AS n", TABLE, is_back, same)
    sums = "coalesce(sum(n) FILTER (states > 1), 0), sum(n)"
    twice, rows = values.rows(select(sums, f"({by_money})"))[0]
    return back if twice * 2 > rows else []


_MOST_KINDS_BY_THEMSELVES: Final = 4
"""Kinds of rows that are asked about one by one, however alike some are."""
_ALIKE: Final = {
    STATES_BESIDE: "which stand beside more money of the other sign in one order, as fees do",
    STATES_ALONE: "which are of no order",
}
"""What the kinds of one question have in common."""


def _alike(values: FileValues, matches: Found, kinds: Sequence[str]) -> dict[str, list[str]]:
    """Return the kinds of rows that the rows show to be alike, by the key of their question."""
    order, amount = matches.get("order_id"), matches.get("payment_amount")
    if len(kinds) <= _MOST_KINDS_BY_THEMSELVES or order is None or amount is None:
        return {}
    time = [matches["date_time"].value.column] if "date_time" in matches else []
    together = f"OVER (PARTITION BY {', '.join([order.value.column, *time])})"
    money = values.number_sql(amount.value)
    cells = [
        f"{matches['status'].value.column} AS kind",
        f"{order.value.column} AS of_order",
        f"{money} AS money",
        f"max({money}) {together} AS most",
        f"min({money}) {together} AS least",
    ]
    is_less = "(money < 0 AND most > -money) OR (money > 0 AND least < -money)"
    counts = [
        "kind",
        "count(*)",
        f"count(*) FILTER (of_order IS NOT NULL AND ({is_less}))",
        "count(*) FILTER (of_order IS NULL)",
    ]
    found = values.rows(select(counts, f"({select(cells, TABLE)})", group_by="kind"))
    alike = {
        STATES_BESIDE: [kind for kind, rows, beside, _ in found if rows == beside],
        STATES_ALONE: [kind for kind, rows, _, alone in found if rows == alone],
    }
    asked = {key: [kind for kind in kinds if kind in named] for key, named in alike.items()}
    return {key: named for key, named in asked.items() if len(named) > 1}


def _said_meaning(status: Value, state: str) -> Meaning | None:
    """Return what a state says by its words,
    or as yes and no of a column that says what it is about; None where it must be asked.

    `shipping` is a line of postage in a column that is called type, not an order on its way.
    """
    if (flag := flag_meaning(status.last_name)) and state.casefold() in YES | NO:
        return flag if state.casefold() in YES else Meaning.SALE
    is_line = says_kind(status) and re.search(NO_GOODS_WORDS, state.replace("_", " "))
    return None if is_line else state_meaning(state)


def _known_meaning(matches: Found, state: str) -> Meaning | None:
    """Return what a state means by itself, or since another column says how much went back."""
    says_how_much = {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & matches.keys()
    guess = guessed_meaning(state) if says_how_much else None
    return _said_meaning(matches["status"].value, state) or guess


def _amounts(values: FileValues, matches: Found) -> dict[str, str]:
    """Return the sum of amounts by state,
    for those that are written as the platform writes them.
    """
    amount, status = matches.get("payment_amount") or matches.get("order_total"), matches["status"]
    currency = matches.get("currency")
    return (
        values.sums(amount.value, status.value, currency.value if currency else None)
        if amount
        else {}
    )


def order_states(
    values: FileValues, matches: Found, questions: list[OpenQuestion], answers: Mapping[str, str]
) -> OrderStates | None:
    """Return the states of orders, with the answers about them; None if no column has them."""
    if "status" not in matches:
        return None
    status = matches["status"].value
    counts = dict(values.counts(status, MOST_STATES))
    asked = {
        state: question
        for question in questions
        for state in question.subjects or (question.subject,)
    }
    meanings: dict[str, Meaning | None] = {}
    for state in counts:
        if (question := asked.get(state)) is not None:
            answer = answers.get(question.key)
            meanings[state] = Meaning(question.checked(answer)) if answer else None
        else:
            meanings[state] = _known_meaning(matches, state)
    refunded = [state for state, meaning in meanings.items() if meaning is Meaning.REFUND]
    parts = [state for state, meaning in meanings.items() if meaning is Meaning.PART_REFUND]
    order = matches.get("order_id") or matches[next(iter(matches))]
    can_shape = status.is_column and order.value.is_column
    amount = _column(matches, REFUNDED_AMOUNT) if can_shape else ""
    is_final = bool(refunded) and not has_rows_of_refunds(values, matches, refunded)
    return OrderStates(
        status,
        counts,
        meanings,
        {state: question.sentence for state, question in asked.items()},
        can_shape and (is_final or bool(parts and amount)),
        amount,
    )


def states_in_turn(values: FileValues, matches: Found) -> Sequence[str]:
    """Return the states of one order where a file has a row for each state that an order had, as a
    log of changes has; none where rows are lines, or sales and what went back of them.

    All that rows of an order say is the same but for the state and the time, and some order has two
    states of a sale.
    """
    order, status, time = (matches.get(name) for name in ("order_id", "status", "date_time"))
    if order is None or status is None or time is None or values.spread:
        return ()
    meanings = {name: _said_meaning(status.value, name) for name, _ in values.counts(status.value)}
    kept = [name for name, what in meanings.items() if what in {None, Meaning.SALE}]
    others = [
        value
        for value in values.values
        if value.is_column
        and value not in {order.value, status.value, time.value}
        and value.path[0] not in {time.value.path[0], time.value.joined}
        and values.different(value) < values.row_count
    ]
    same = [f"count(DISTINCT {value.column}) < 2" for value in others]
    state = status.value.column
    measured = [
        "count(*) AS row_count",
        f"count(DISTINCT {state}) AS states",
        f"count(DISTINCT {time.value.column}) AS times",
        f"{' AND '.join(same) or 'true'} AS is_same",
        f"count(DISTINCT {state}) FILTER (list_contains({texts(kept)}, {state})) AS sales",
        f"list({state} ORDER BY {time.value.column}) AS named",
    ]
    by_order = select(measured, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
    several = "row_count > 1"
    counts = [
        f"count(*) FILTER ({several})",
        f"count(*) FILTER ({several} AND states = row_count AND times = row_count AND is_same)",
        f"any_value(named) FILTER ({several} AND sales > 1)",
    ]
    orders, fitting, named = values.rows(select(counts, f"({by_order})"))[0]
    return tuple(named or ()) if orders >= _FEWEST_LOGGED and orders == fitting else ()


_FEWEST_LOGGED: Final = 2
"""Orders of several rows by which a file is a log of their states."""


def _paid_back_count(values: FileValues, value: Value) -> int:
    """Return how many rows have a state that says that money went back."""
    return sum(
        count
        for state, count in values.counts(value, MOST_STATES)
        if (_said_meaning(value, state) or guessed_meaning(state))
        in {Meaning.REFUND, Meaning.PART_REFUND}
    )


def column_of_states(values: FileValues, matches: Found) -> FoundField | None:
    """Return the column of the state, where a file has several: that whose states say most often
    that money went back, as the payment's do, else the one found first.
    """
    status = matches.get("status")
    if status is None or not status.value.is_column:
        return status
    # One that few rows have says what was asked for or done with these, not what became of each.
    least = values.filled(status.value) * MOSTLY
    others = [value for value in state_columns(values, matches) if values.filled(value) >= least]
    best = max([status.value, *others], key=lambda value: _paid_back_count(values, value))
    if best == status.value:
        return status
    return FoundField("status", best, f"named {best.name}; its states say what went back")


@dataclass(frozen=True)
class OtherStates:
    """States in a column beside that of `states`, by which their rows would count as sales.

    `left_out` has those by which a row is no sale, or a sale that went back: without it the sums
    are the same. `in_doubt` has the others, but those of sales. Each has its number of rows.
    `paid_back` are those of `left_out` that went back.
    """

    value: Value
    states: OrderStates
    left_out: Mapping[str, int]
    in_doubt: Mapping[str, int]
    paid_back: Sequence[str] = ()

    @property
    def is_of_refunds(self) -> bool:
        """Return whether nothing but these states says what went back, and all are about that."""
        return {*self.paid_back} == {*self.left_out} != set() and not self.states.refunded

    @property
    def refund_kind(self) -> str:
        """Return the condition of the rows of refunds."""
        return f"where: {{{quoted(self.value.path[0])}: {quoted_list(self.paid_back)}}}"

    @property
    def line(self) -> str:
        """Return the condition of the rows that are left out."""
        is_one = f"list_contains({texts([*self.left_out])}, {self.value.sql})"
        if refunded := self.states.refunded:
            is_refund = f"list_contains({texts(refunded)}, {self.states.value.sql})"
            is_one += f" AND NOT coalesce({is_refund}, false)"
        name, condition = quoted(self.value.path[0]), quoted(is_one)
        rows, states = sum(self.left_out.values()), ", ".join(map(shown, self.left_out))
        return (
            f"  {name}: {{expression: {condition}, optional: true}}"
            f"  # {rows:,} rows, {states}; check this"
        )

    @property
    def note(self) -> str:
        """Return what becomes of the rows in doubt, in a sentence."""
        states = ", ".join(
            f"{shown(state)} ({counted(count, 'row')})" for state, count in self.in_doubt.items()
        )
        return (
            f"{shown(self.value.name)} does not say for sure that these are sales: {states}; they "
            f"count as {shown(self.states.value.name)} says"
        )


def other_questions(
    values: FileValues, matches: Found, states: OrderStates, asked: int
) -> list[OpenQuestion]:
    """Return a question for each state of a further column that has a word of what went back, of no
    sale, or of what nobody has paid, beside others: `Refund approved` of sales that count. Where
    the type of rows is what says which are sales, what is to come may be none, too: `Pending`.

    Args:
        values: The values of the files.
        matches: The fields that are known.
        states: The states of orders.
        asked: How many states are asked about already.
    """
    settled = states.of(Meaning.NO_SALE, *states.refund_meanings)
    if {REFUNDED_AMOUNT, REFUNDED_QUANTITY} & matches.keys():
        return []
    columns = state_columns(values, matches)
    of_types = columns[:1] if says_kind(states.value) else []
    doubtful = [
        (value, state, count)
        for value in columns
        for state, count in values.counts_beside(value, states.value, settled).items()
        if _is_doubtful(value, state, may_be_to_come=value in of_types)
        or _are_taken_back(values, matches, states, value, state)
    ]
    taken_back = ", each of which a row of its own takes back"
    return [
        OpenQuestion(
            key,
            f"what {shown(state)!r} of {value.name} is ({count:,} rows"
            f"{'' if _said_meaning(value, state) is None else taken_back}): "
            f"{' or '.join(MEANINGS)}",
            MEANINGS,
            "",
            subject=state,
            note=counted(count, "row"),
        )
        for key, (value, state, count) in zip(STATES[asked:], doubtful, strict=False)
    ]


def _is_doubtful(value: Value, state: str, *, may_be_to_come: bool) -> bool:
    """Return whether a state of a further column may be of no sale, which no word says for sure."""
    if _said_meaning(value, state) is not None:
        return False
    is_none = says_no_sale_or_refund(state) or says_unpaid(state)
    return is_none or (may_be_to_come and says_to_come(state))


def _are_taken_back(
    values: FileValues, matches: Found, states: OrderStates, value: Value, state: str
) -> bool:
    """Return whether rows of a state are no sale by their words, and each has another row of its
    customer that takes its amount back, as the reversal of an invoice does: without the first row
    it would be taken off what others are worth.
    """
    amount, customer = matches.get("payment_amount"), matches.get("customer_id")
    if _said_meaning(value, state) is not Meaning.NO_SALE or amount is None or customer is None:
        return False
    is_state = f"coalesce({value.column}, '') = {text(state)}"
    money, person = values.number_sql(amount.value), customer.value.column
    refunded = states.refunded
    is_back = f"coalesce(list_contains({texts(refunded)}, {states.value.column}), false)"
    backs = select(f"{person} AS person, abs({money}) AS back", TABLE, f"{money} < 0 OR {is_back}")
    is_taken = f"({person}, {money}) IN ({select('(person, back)', f'({backs})')})"
    counts = f"count(*), count(*) FILTER ({is_taken})"
    rows, taken = values.rows(select(counts, TABLE, f"{is_state} AND {money} > 0"))[0]
    return bool(rows) and rows == taken


def other_states(
    values: FileValues,
    matches: Found,
    states: OrderStates,
    said: Mapping[str, Meaning | None],
    amount: str = "",
) -> list[OtherStates]:
    """Return the states of further columns that say, or may say, that a row which counts is no
    sale. `said` has the answers about those that were asked; one that nobody has said yet is none.
    Rows below zero of the SQL `amount` went back as they are.
    """
    settled = states.of(Meaning.NO_SALE, *states.refund_meanings)
    found = []
    for value in state_columns(values, matches):
        counts = values.counts_beside(value, states.value, settled)
        meanings = {
            state: said[state] or Meaning.NO_SALE if state in said else _said_meaning(value, state)
            for state in counts
        }
        if REFUNDED_AMOUNT in matches:  # where each row says how much went back, that counts
            none_back = f"coalesce({values.number_sql(matches[REFUNDED_AMOUNT].value)}, 0) = 0"
            unsaid = {name for (name,) in values.rows(select(value.column, TABLE, none_back))}
            meanings = {
                state: meaning
                for state, meaning in meanings.items()
                if meaning is not Meaning.REFUND or state in unsaid
            }
        if amount:
            sold = {name for (name,) in values.rows(select(value.column, TABLE, f"{amount} > 0"))}
            meanings = {
                state: meaning
                for state, meaning in meanings.items()
                if meaning is not Meaning.REFUND or state in sold
            }
        left_out, in_doubt = (
            {state: counts[state] for state, meaning in meanings.items() if meaning in among}
            for among in ((Meaning.NO_SALE, Meaning.REFUND), (Meaning.PART_REFUND, None))
        )
        back = [state for state in left_out if meanings[state] is Meaning.REFUND]
        found.append(OtherStates(value, states, left_out, in_doubt, back))
    return found


def _column(matches: Found, name: str) -> str:
    match = matches.get(name)
    return match.value.path[0] if match and match.value.is_column and not match.value.joined else ""


_BECAME: Final = re.compile(
    r"\brefunded\b|erstattet\b|rembours[eé]e?s?\b|reembolsad[oa]|devuelt[oa]|rimborsat[oaie]|"
    r"terugbetaald|zwrócon|возвращ[её]н|iade edil"
)
"""What became of a sale whose money went back, as a participle."""
_OF_ORDERS: Final = (
    *("order", "bestell", "auftrag", "commande", "pedido", "ordine", "zamow", "zamów", "заказ"),
    *("замовл", "sipar", "注文", "订单", "주문"),
)
"""How words begin in the names of columns about orders."""


def has_rows_of_refunds(values: FileValues, matches: Found, refunded: list[str]) -> bool:
    """Return whether refunds are rows of their own: they are credit notes, or of a type that is not
    that of sales, their amounts are below zero, or they stand beside those of sales.

    The type of an order, such as `Refunded`, says what became of a sale; `Refund`, or the type of a
    row, is another row.
    """
    status = matches["status"].value
    is_of_order = any(begins(word, _OF_ORDERS) for word in words_of(status.last_name))
    became = is_of_order and all(_BECAME.search(state.casefold()) for state in refunded)
    if all(map(is_document, refunded)) or (says_kind(status) and not became):
        return True
    is_refund = f"list_contains({texts(refunded)}, {status.column})"
    amounts = [
        matches[name].value
        for name in ("payment_amount", "unit_price", "quantity")
        if name in matches
    ]
    is_below = " OR ".join(values.is_below_zero(value) for value in amounts) or "false"
    line = [matches[name].value.column for name in ("order_id", "item_id") if name in matches]
    if values.scalar(f"count(*) FILTER ({is_refund} AND ({is_below}))"):
        return True
    if not line:
        return False
    lines = f"count(DISTINCT ({', '.join(line)}))"
    refunds = f"{lines} FILTER ({is_refund})"
    sales = f"{lines} FILTER (NOT coalesce({is_refund}, false))"
    # Some lines can be twice in an order; refunds are rows of their own if most of them have a sale
    # beside them.
    return bool(values.scalar(f"2 * ({refunds} + {sales} - {lines}) >= {refunds}"))
