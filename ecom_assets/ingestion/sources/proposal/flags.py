"""The columns of yes and no that say that a row of orders is no sale, or that it went back: applied
where the name says so, asked where it only seems to, or where totals or times do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Final

from ecom_assets.core.tables import formats
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.proposal.fields import (
    ORDER_TOTAL,
    Found,
    free_values,
    has_decimals,
    numbers_left,
)
from ecom_assets.ingestion.sources.proposal.questions import (
    FLAGS,
    OpenQuestion,
    quoted,
    quoted_list,
    shown,
)
from ecom_assets.ingestion.sources.proposal.state_words import (
    Meaning,
    flag_meaning,
    is_of_something_else,
    says_it_counts,
    seems_no_sale,
)
from ecom_assets.ingestion.sources.proposal.values import FIRST, TABLE, FileValues, Value, is_flag

_CHOICES: Final = (Meaning.SALE, Meaning.NO_SALE, Meaning.REFUND)
_SHARE, _FEWEST_WITHOUT, _NEAR = 0.98, 3, "0.0051"


@dataclass(frozen=True)
class RowFlag:
    """A column of yes and no, the cells of the rows that may be no sale, and what these are; None
    where that is asked. An empty cell is one of them where only the others are filled.
    """

    value: Value
    marked: tuple[str, ...]
    meaning: Meaning | None
    why: str = ""
    is_any: bool = False
    """Whether all rows with something in the column may be no sale, such as the parts of a set."""

    @property
    def line(self) -> str:
        """Return the condition of the rows that are left out."""
        name = quoted(self.value.name)
        if self.is_any:
            cells = f"expression: {quoted(_is_filled(self.value.sql))}"
        elif self.value.is_column and "" not in self.marked:
            cells = f"column: {quoted(self.value.path[0])}, in: {quoted_list(self.marked)}"
        else:
            is_one = f"list_contains({texts(self.marked)}, coalesce({self.value.sql}, ''))"
            cells = f"expression: {quoted(is_one)}"
        return f"  {name}: {{{cells}, optional: true}}"

    @property
    def is_marked(self) -> str:
        """Return the SQL of the rows that may be no sale, over the table of all values."""
        if self.is_any:
            return _is_filled(self.value.column)
        return f"list_contains({texts(self.marked)}, coalesce({self.value.column}, ''))"

    @property
    def shown(self) -> str:
        """Return the cells of these rows, and their column."""
        cells = " or ".join(cell or "nothing" for cell in self.marked) or "something"
        return f"{cells} in {self.value.name}"


def _is_filled(sql: str) -> str:
    return f"coalesce({sql}, '') <> ''"


def row_flags(values: FileValues, found: Found, amount: str) -> tuple[RowFlag, ...]:
    """Return the columns of yes and no that say, or seem to say, that rows are no sale.

    Args:
        values: The values of the files.
        found: The fields that are known, whose columns are left out.
        amount: The SQL of the amount of a row; empty if no column says it.
    """
    return values.once(
        ("flags", frozenset(value.value for value in found.values()), amount),
        lambda: _all_flags(values, found, amount),
    )


def _all_flags(values: FileValues, found: Found, amount: str) -> tuple[RowFlag, ...]:
    """Return the flags, one of a column: one that names sets may be of yes and no by its cells,
    where each set is line 1 of its order.
    """
    of_sets = (*_flags_of_sets(values, found, amount),)
    named = {flag.value for flag in of_sets}
    others = (flag for flag in _flags(values, found, amount) if flag.value not in named)
    return (*of_sets, *others)


def _flags(values: FileValues, found: Found, amount: str) -> Iterator[RowFlag]:
    for value in filter(partial(is_flag, values), _plain_values(values, found)):
        name = value.last_name
        yes, no = _cells(values, value)
        meaning = flag_meaning(name)
        is_other = is_of_something_else(value.name)
        if meaning is not None and value.is_column and not is_other:
            yield RowFlag(value, yes, meaning)
        elif meaning is not None or seems_no_sale(name):
            yield RowFlag(value, yes, None, "its name seems to say so")
        elif is_other:
            continue
        elif says_it_counts(name):
            yield RowFlag(value, no, None, "its name says which rows count")
        elif value.is_column and yes and no:
            flags = [RowFlag(value, cells, None) for cells in (yes, no)]
            few = min(flags, key=lambda flag: values.scalar(f"count(*) FILTER ({flag.is_marked})"))
            if why := _told_by_rows(values, found, amount, few):
                yield replace(few, why=why)


def _plain_values(values: FileValues, found: Found) -> list[Value]:
    return [
        value
        for value in free_values(values, found)
        if not (value.joined or value.is_computed or FIRST in value.path)
    ]


def _flags_of_sets(values: FileValues, found: Found, amount: str) -> Iterator[RowFlag]:
    """Yield the columns in which lines of orders name the set that they are parts of."""
    some = [
        value
        for value in (_plain_values(values, found) if amount else ())
        if 0 < values.filled(value) < values.row_count and not has_decimals(values, value)
    ]
    for value, lines in _lines_named_by(values, found, some):
        if why := _parts_of_sets(values, found, amount, value, lines):
            yield RowFlag(value, (), None, why, is_any=True)


def _lines_named_by(
    values: FileValues, found: Found, some: Sequence[Value]
) -> Iterator[tuple[Value, Sequence[Value]]]:
    """Yield each of some values that may name lines, with the columns by which lines of one order
    can be told apart and which have the first thing that it names.
    """
    if not some or "order_id" not in found or values.are_unique((found["order_id"].value,)):
        return
    order = found["order_id"].value
    firsts = {value: values.few(value)[0] for value in some}
    others = [value for value in values.values if value != order]
    among = texts(firsts.values())
    counts = [
        f"list(DISTINCT {other.column}) FILTER (list_contains({among}, {other.column}))"
        for other in others
    ]
    named = dict(zip(others, values.rows(select(counts, TABLE))[0], strict=True))
    lines = [other for other in others if named[other] and values.are_unique((order, other))]
    for value, first in firsts.items():
        yield value, [line for line in lines if line != value and first in named[line]]


def _parts_of_sets(
    values: FileValues, found: Found, amount: str, value: Value, lines: Sequence[Value]
) -> str:
    """Return what shows that rows are the parts of a set, and their money is in its row, too: each
    names another line of its order, and no total has both. Empty if nothing does.
    """
    filled = values.filled(value)
    order = found["order_id"].value.column
    for line in lines:
        columns = [f"{order} AS of_order", f"{line.column} AS line", f"{amount} AS whole"]
        is_named = f"of_order = {order} AND line = {value.column} AND line <> {line.column}"
        both = f"{TABLE} JOIN ({select(columns, TABLE)}) AS wholes ON {is_named}"
        counts = ["count(*)", f"count(*) FILTER ({amount} > 0 AND whole > 0)"]
        named, with_money = values.rows(select(counts, both))[0]
        if named < filled or not with_money:
            continue
        flag = RowFlag(value, (), None, is_any=True)
        if total := _total_without(values, found, amount, flag):
            return f"each names another row of its order, and {shown(total.name)} is without them"
        if not _total_without(values, found, amount, flag, in_total="together"):
            return "each names another row of its order, as parts of a set do"
    return ""


def _cells(values: FileValues, value: Value) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the cells that say yes and those that say no: empty ones, where others say yes."""
    cells = [name for name, _ in values.counts(value, 6)]
    yes, no = (tuple(c for c in cells if c.casefold() in words) for words in (YES, NO))
    is_empty_no = yes and not no and values.filled(value) < values.row_count
    return yes, ("",) if is_empty_no else no


def _told_by_rows(values: FileValues, found: Found, amount: str, flag: RowFlag) -> str:
    """Return what shows that rows may be no sale, however their column is called: the totals of
    orders are without them, or they lack a time that all others have; empty if nothing does.
    """
    if total := _total_without(values, found, amount, flag):
        return f"{shown(total.name)} is without them"
    if time := _time_of_others(values, flag):
        return f"no {shown(time.name)} is in them, and one is in all others"
    return ""


def _total_without(
    values: FileValues, found: Found, amount: str, flag: RowFlag, in_total: str = "kept"
) -> Value | None:
    """Return the amount of orders that the other rows come to, or all of them `together`, where
    some orders have both.
    """
    order = found.get("order_id")
    if order is None or not amount or values.different(order.value) == values.filled(order.value):
        return None
    totals = [found[ORDER_TOTAL].value] if ORDER_TOTAL in found else []
    for total in (*totals, *numbers_left(values, found)):
        number = values.number_sql(total)
        sums = [
            f"sum({amount}) FILTER (NOT {flag.is_marked}) AS kept",
            f"sum({amount}) AS together",
            f"min({number}) AS total",
            f"max({number}) AS most",
            f"bool_or({flag.is_marked}) AS has_some",
        ]
        by_order = select(sums, TABLE, f"{order.value.column} IS NOT NULL", order.value.column)
        telling = "has_some AND kept > 0 AND together <> kept"
        holds = f"total = most AND abs(total - {in_total}) < {_NEAR}"
        counts = [f"count(*) FILTER ({telling})", f"count(*) FILTER ({telling} AND {holds})"]
        rows, fitting = values.rows(select(counts, f"({by_order})"))[0]
        if rows and fitting >= rows * _SHARE:
            return total
    return None


def _time_of_others(values: FileValues, flag: RowFlag) -> Value | None:
    """Return the time that no row of a flag has, and all others do."""
    marked = flag.is_marked
    for value in values.values:
        if not value.is_column or values.filled(value) in {0, values.row_count}:
            continue
        cells = [
            f"count(*) FILTER ({marked})",
            f"count({value.column}) FILTER ({marked})",
            f"count(*) FILTER (NOT {marked})",
            f"count({value.column}) FILTER (NOT {marked})",
        ]
        few, with_time, many, filled = values.rows(select(cells, TABLE))[0]
        if few < _FEWEST_WITHOUT or with_time or filled < many * _SHARE:
            continue
        if values.time_formats(value):
            return value
    return None


def flag_questions(  # noqa: PLR0913 (what is known of the rows)
    values: FileValues,
    flags: Sequence[RowFlag],
    settled: str,
    amount: str,
    currency: str,
    *,
    can_be_refunds: bool,
) -> tuple[OpenQuestion, ...]:
    """Return a question for each flag that must be asked, with its rows and money.

    Args:
        values: The values of the files.
        flags: The flags.
        settled: The SQL of the rows that are no sale, or went back, in any case.
        amount: The SQL of the amount of a row; empty if no column says it.
        currency: The code of its currency, if the file has one alone.
        can_be_refunds: Whether nothing else says what went back.
    """
    questions: list[OpenQuestion] = []
    for flag in (flag for flag in flags if flag.meaning is None):
        rows, money = _rows_and_money(values, f"{flag.is_marked} AND NOT ({settled})", amount)
        others = _rows_and_money(values, f"NOT {flag.is_marked} AND NOT ({settled})", amount)
        if not rows or len(questions) == len(FLAGS):
            continue
        note, rest = (_note(*money_of_rows, currency) for money_of_rows in ((rows, money), others))
        can_be = (
            can_be_refunds and flag.value.is_column and not flag.is_any and "" not in flag.marked
        )
        choices = _CHOICES if can_be else _CHOICES[:2]
        sentence = (
            f"what rows with {flag.shown} are ({note}; others: {rest}), as {flag.why}: "
            f"{' or '.join(choices)}"
        )
        key = FLAGS[len(questions)]
        questions.append(
            OpenQuestion(
                key, sentence, choices, "", subject=shown(flag.shown), note=f"{note}; {flag.why}"
            )
        )
    return tuple(questions)


def _note(rows: int, money: Decimal | None, currency: str) -> str:
    together = f", together {formats.amount(money, currency)} {currency}" if money else ""
    return f"{formats.counted(rows, 'row')}{together}".rstrip()


def _rows_and_money(values: FileValues, where: str, amount: str) -> tuple[int, Decimal | None]:
    money = f"sum({amount}) FILTER ({where})" if amount else "NULL"
    rows, together = values.rows(select([f"count(*) FILTER ({where})", money], TABLE))[0]
    return int(rows), together


def answered_flags(
    flags: Sequence[RowFlag], questions: Sequence[OpenQuestion], answers: Mapping[str, str]
) -> tuple[RowFlag, ...]:
    """Return the flags with what was answered about them; those that nobody asks or has answered
    stay without a meaning.
    """
    said = {
        question.subject: Meaning(question.checked(answers[question.key]))
        for question in questions
        if question.key in answers
    }
    return tuple(
        replace(flag, meaning=said.get(shown(flag.shown))) if flag.meaning is None else flag
        for flag in flags
    )
