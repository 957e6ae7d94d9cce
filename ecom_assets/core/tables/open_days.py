"""Days whose dates an expression leaves open, so that its statement serves other days too.

A function of a table takes `Days` and mostly asks them for conditions only: is a column's day one
of them, or of those around them? `OpenDays` answer with dates that are slots. Whatever else a
function asks of them is noted with its answer: a statement is for all days of the same number of
ranges that would answer the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, TypeAlias

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.days import Days

Question: TypeAlias = tuple[str, tuple[tuple[int, int], ...], str, tuple[Any, ...]]
"""Which days were asked (the name of the argument and how it was widened), what, and of what."""


class DateSlot(ops.Literal):  # type: ignore[misc]  # Ibis ships no types
    """A date in an expression that its statement leaves open; its `value` is a number.

    It is a literal, so that Ibis treats it as the date that it stands for.
    """

    def __init__(self, value: int, dtype: dt.DataType) -> None:
        """Leave the date of a number open: no date, as a literal would check."""
        ops.Value.__init__(self, value=value, dtype=dtype)


@dataclass
class Slots:
    """The slots of one expression: each is a date that was given, or one some days apart from it.

    Attributes:
        apart: The number of a given date and the days from it, in the order of the slots.
        answers: What days were asked beside conditions, with the answers.
    """

    apart: list[tuple[int, int]]
    answers: dict[Question, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, date_count: int) -> "Slots":
        """Return the slots of so many given dates."""
        return cls([(number, 0) for number in range(date_count)])

    def literal(self, number: int, days: int) -> ir.DateScalar:
        """Return the slot of a date some days apart from a given one."""
        if (number, days) not in self.apart:
            self.apart.append((number, days))
        slot: ir.DateScalar = DateSlot(self.apart.index((number, days)), dt.date).to_expr()
        return slot

    def filled(self, dates: Sequence[date]) -> list[date]:
        """Return the dates of all slots, by those that are given now."""
        return [dates[number] + timedelta(days=days) for number, days in self.apart]


@dataclass(frozen=True)
class Edge:
    """One end of a range of days: the number of a given date, and the days from it."""

    number: int
    days: int = 0

    def moved(self, days: int) -> "Edge":
        """Return the end, some days later."""
        return Edge(self.number, self.days + days)


@dataclass(frozen=True, eq=False)
class OpenDays(Days):
    """Days that answer conditions with slots, and note what else they were asked."""

    name: str = ""
    slots: Slots = field(default_factory=lambda: Slots([]))
    edges: tuple[tuple[Edge, Edge], ...] = ()
    widenings: tuple[tuple[int, int], ...] = ()

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 (as the attribute)
        """Return an attribute; that the dates themselves were asked for is noted."""
        if name == "dates":
            return self._remembered_answer("dates", ())
        return super().__getattribute__(name)

    def __eq__(self, other: object) -> bool:
        """Return whether these are the same days."""
        return isinstance(other, Days) and self.dates == other.dates

    def __hash__(self) -> int:
        """Return the hash of the days."""
        return hash(self.dates)

    def __bool__(self) -> bool:
        """Return true, as other days do: none at all are not None."""
        return True

    def _remembered_answer(self, asked: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401 (as the answer)
        value = answer(self.closed(), asked, arguments)
        self.slots.answers[self.name, self.widenings, asked, arguments] = value
        return value

    def closed(self) -> Days:
        """Return the same days, with dates."""
        return Days(object.__getattribute__(self, "dates"))

    @property
    def is_none(self) -> bool:
        """Return whether there are no days, which the number of ranges says."""
        return not self.edges

    def contain(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date column holds one of these days, which stay open."""
        return self._inside(column, self.edges)

    def _inside(self, column: ir.Column, edges: Sequence[tuple[Edge, Edge]]) -> ir.BooleanValue:
        if not edges:
            return ibis.literal(value=False)
        return reduce(
            or_,
            [
                (column >= self.slots.literal(first.number, first.days))
                & (column < self.slots.literal(end.number, end.days))
                for first, end in edges
            ],
        )

    def first_literal(self) -> ir.DateScalar:
        """Return the earliest day, which stays open."""
        first, _ = self.edges[0]
        return self.slots.literal(first.number, first.days)

    def span_digits(self) -> int:
        """Return how many digits number the days of the whole span, which is noted."""
        digits: int = self._remembered_answer("span_digits", ())
        return digits

    def before_end(self, column: ir.Column) -> ir.BooleanValue:
        """Return the condition that a date is not after these days."""
        _, end = self.edges[-1]
        return column < self.slots.literal(end.number, end.days)

    def reached_by(self, first: ir.DateColumn, last: ir.DateColumn) -> ir.BooleanValue:
        """Return the condition that one of these days, which stay open, lies between two dates."""
        if not self.edges:
            return ibis.literal(value=False)
        return reduce(
            or_,
            [
                (first < self.slots.literal(end.number, end.days))
                & (last >= self.slots.literal(start.number, start.days))
                for start, end in self.edges
            ],
        )

    def begin_on(self, column: ir.DateColumn) -> ir.BooleanValue:
        """Return the condition that a date is the first of a range of these days, which stay
        open.
        """
        return self._inside(column, [(first, first.moved(1)) for first, _ in self.edges])

    def widened(self, *, before: int = 0, after: int = 0) -> Days:
        """Return these days together with some days before and after each of them."""
        starts: Sequence[int] = (
            self._remembered_answer("starts", (before, after)) if len(self.edges) > 1 else (0,)
        )
        firsts = [self.edges[place][0].moved(-before) for place in starts]
        ends = [self.edges[place - 1][1].moved(after) for place in (*starts[1:], len(self.edges))]
        return OpenDays(
            self.closed().widened(before=before, after=after).dates,
            self.name,
            self.slots,
            tuple(zip(firsts, ends, strict=True)) if self.edges else (),
            (*self.widenings, (before, after)),
        )

    def offset_changes(self, timezone: str) -> tuple[list[tuple[date, int]], int]:
        """Return the offsets of a zone's midnights in these days, which are noted."""
        changes: tuple[list[tuple[date, int]], int] = self._remembered_answer(
            "offset_changes", (timezone,)
        )
        return changes

    def instant_offsets(self, timezone: str) -> list[tuple[datetime, int]]:
        """Return the offsets of a zone in these days, which are noted."""
        offsets: list[tuple[datetime, int]] = self._remembered_answer(
            "instant_offsets", (timezone,)
        )
        return offsets


def answer(days: Days, asked: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401 (as asked)
    """Return what days answer."""
    if asked == "dates":
        return days.dates
    if asked == "starts":
        before, after = arguments
        # Which ranges do not reach the one before them once they are widened.
        runs = days.runs()
        apart = before + after
        return tuple(
            place
            for place, (first, _) in enumerate(runs)
            if not place or (first - runs[place - 1][1]).days > apart
        )
    return getattr(days, asked)(*arguments)


def answers(arguments: NamedValues, asked: Sequence[Question]) -> list[Any]:
    """Return what the days among some arguments answer now."""
    result = []
    for name, widenings, method, rest in asked:
        days: Days = arguments[name]
        for before, after in widenings:
            days = days.widened(before=before, after=after)
        result.append(answer(days, method, rest))
    return result
