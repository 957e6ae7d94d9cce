"""The columns of yes and no that say that a row of orders is no sale, or that it went back: applied
where the name says so, asked where it only seems to, or where totals or times do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from ecom_assets.core.tables import formats
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.proposal.fields import (
    ORDER_TOTAL,
    Found,
    free_values,
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

    @property
    def line(self) -> str:
        """Return the condition of the rows that are left out."""
        name = quoted(self.value.name)
        if self.value.is_column and "" not in self.marked:
            cells = f"column: {quoted(self.value.path[0])}, in: {quoted_list(self.marked)}"
        else:
            is_one = f"list_contains({texts(self.marked)}, coalesce({self.value.sql}, ''))"
            cells = f"expression: {quoted(is_one)}"
        return f"  {name}: {{{cells}, optional: true}}"

    @property
    def is_marked(self) -> str:
        """Return the SQL of the rows that may be no sale, over the table of all values."""
        return f"list_contains({texts(self.marked)}, coalesce({self.value.column}, ''))"

    @property
    def shown(self) -> str:
        """Return the cells of these rows, and their column."""
        cells = " or ".join(cell or "nothing" for cell in self.marked)
        return f"{cells} in {self.value.name}"


def row_flags(values: FileValues, found: Found, amount: str) -> tuple[RowFlag, ...]:
    """Return the columns of yes and no that say, or seem to say, that rows are no sale.

    Args:
        values: The values of the files.
        found: The fields that are known, whose columns are left out.
        amount: The SQL of the amount of a row; empty if no column says it.
    """
    return values.once(
        ("flags", frozenset(value.value for value in found.values()), amount),
        lambda: tuple(_flags(values, found, amount)),
    )


def _flags(values: FileValues, found: Found, amount: str) -> Iterator[RowFlag]:
    for value in free_values(values, found):
        if value.joined or value.is_computed or FIRST in value.path or not is_flag(values, value):
            continue
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


def _total_without(values: FileValues, found: Found, amount: str, flag: RowFlag) -> Value | None:
    """Return the amount of orders that the other rows come to, where some orders have both."""
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
        holds = f"total = most AND abs(total - kept) < {_NEAR}"
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
        can_be = can_be_refunds and flag.value.is_column and "" not in flag.marked
        choices = _CHOICES if can_be else _CHOICES[:2]
        sentence = (
            f"what rows with {flag.shown} are ({note}; others: {rest}), as {flag.why}: "
            f"{' or '.join(choices)}"
        )
        key = FLAGS[len(questions)]
        questions.append(
            OpenQuestion(key, sentence, choices, "", subject=shown(flag.shown), note=note)
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
