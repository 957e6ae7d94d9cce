"""A trend as it is computed: its series, periods and options. `trend.py` computes it. METRICS "Trend"."""

import ast
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.tables.columns import EVERY
from ecom_assets.tables.conditions import EVERYTHING, Where, columns_of, where_mapping
from ecom_assets.tables.days import CLOCK_S
from ecom_assets.tables.values import Preset, by_columns, named_columns

MAX_LENGTH: Final = 200
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Formula:
    """Arithmetic over series, such as `A / B * 100`; an unknown value or a division by zero gives an unknown result."""

    text: str

    def __post_init__(self) -> None:
        """Parse the text; raise `DefinitionError` if it is not a formula, or too long."""
        object.__setattr__(self, "text", self.text.strip())
        try:
            self.names  # noqa: B018 (parses it)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise DefinitionError(
                f"The formula {self.text!r} is not understood; write arithmetic over series, such as A / B * 100."
            ) from error
        if len(self.text) > MAX_LENGTH:
            raise DefinitionError(f"The formula is longer than {MAX_LENGTH} characters; shorten it.")

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of series."""
        return frozenset(_names(self._tree))

    @cached_property
    def _tree(self) -> ast.expr:
        return ast.parse(self.text.upper()[:MAX_LENGTH], mode="eval").body

    def check(self, known: Collection[str]) -> None:
        """Raise `DefinitionError` for a formula with a name that no series has; the message names it."""
        for name in sorted(self.names - set(known)):
            raise DefinitionError(f"The formula {self.text!r} names the series {name}; {did_you_mean(name, known)}.")

    def value(self, of: Mapping[str, float | None]) -> float | None:
        """Return the result for the values of the series in one period; None if it is unknown."""
        try:
            return _evaluated(self._tree, of)
        except (_UnknownError, ZeroDivisionError, OverflowError):
            return None


class _UnknownError(Exception):
    """A value that a formula needs is unknown."""


def _names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name) and len(node.id) == 1:
        return [node.id]
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return []
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _names(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return [*_names(node.left), *_names(node.right)]
    raise ValueError(ast.dump(node))


def _evaluated(node: ast.expr, of: Mapping[str, float | None]) -> float:
    if isinstance(node, ast.Name):
        value = of.get(node.id)
        if value is None:
            raise _UnknownError
        return value
    if isinstance(node, ast.UnaryOp):
        operand = _evaluated(node.operand, of)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_evaluated(node.left, of), _evaluated(node.right, of))
    return float(ast.literal_eval(node))


KINDS: Final = {
    "trend": "Values by period",
    "stickiness": "Stickiness: in how many periods",
    "lifecycle": "Lifecycle: new, returning",
}
MOST_DAYS: Final = {"minute": 2, "hour": 31}
"""The most days of a trend by such short periods."""
COUNTS: Final = ("count", "visitors")
PERCENTILES: Final = {"median": 50, "p25": 25, "p75": 75, "p90": 90, "p95": 95, "p99": 99}
ACTIVE: Final = {"wau": 7, "mau": 30}
"""Measures of distinct visitors over so many days up to the last of each period."""
STATISTICS: Final = ("mean", "min", "max", *PERCENTILES)
PER_VISITOR: Final = {f"{one}_per_visitor": one for one in STATISTICS}
"""Measures of a number per visitor, each with the statistic over visitors that it is."""
EACH: Final = ("sum", "mean", "min", "max")
"""How a measure of `PER_VISITOR` makes one number of the values of a visitor."""
DISTINCT: Final = "distinct"
"""The measure that counts different values of a column, such as products or the source's sessions."""
MEASURES: Final = (*COUNTS, *ACTIVE, DISTINCT, "sum", *STATISTICS, *PER_VISITOR)
ADDITIVE: Final = (*COUNTS, "sum")
"""Measures that can be cumulative."""
ZERO: Final = (*ADDITIVE, *ACTIVE, DISTINCT)
"""Measures that are 0, not unknown, without events."""
MAX_SERIES: Final = 26
PRESETS: Final[Mapping[str, Preset]] = {
    "posthog": {
        "week_start": "sunday",  # PostHog/posthog issue 49786: a project may choose Monday
        "limit": 25,  # PostHog/posthog posthog/hogql/constants.py BREAKDOWN_VALUES_LIMIT
    },
    "clickhouse": {"week_start": "sunday"},  # toStartOfWeek(t): mode 0
    # No default of theirs is known that differs from ours.
    "amplitude": {},
    "mixpanel": {},
    "ga4": {},
}
"""The defaults of other tools for trends, by the keys of a definition."""


@dataclass(frozen=True)
class Series:
    """One line of a trend.

    Attributes:
        event_type: The type of the events; None for any type.
        measure: One of `MEASURES`: a count of events, of distinct visitors, of those of the 7 (`wau`) or 30 (`mau`)
            days up to the last of each period, of `distinct` values of `of`, or an aggregate of the numbers in `of`.
            Measures such as `mean_per_visitor` aggregate one number for each visitor with such events: their count, or
            an aggregate of `of`.
        of: A number column or `properties.key`, for `distinct` one of any kind; required by all measures that do not
            count or can.
        each: How the values of `of` are aggregated for each visitor by such a measure: one of `EACH`, else the sum.
        where: More conditions on the events.
        occurrence: Which of a visitor's events count: `every`, `first_time` (the first that meets the conditions of
            the series and of the trend) or `first_ever` (the first of the type, if that one meets them), in all data.
        flag: The column that says which events these are; None before `flagged`.
    """

    event_type: str | None
    measure: str = "count"
    of: str | None = None
    where: Where = EVERYTHING
    occurrence: str = EVERY
    flag: str | None = None
    each: str | None = None

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a measure without its column, or a column that it cannot have."""
        is_count = self.measure in {*COUNTS, *ACTIVE}
        if (self.of is None) != is_count and self.measure not in PER_VISITOR:
            wanted = "takes no column" if is_count else f"needs a column, as in {self.measure}(cart_amount)"
            raise DefinitionError(f"The measure {self.measure} of a trend {wanted}.")
        if self.each is not None and (self.measure not in PER_VISITOR or self.of is None):
            raise DefinitionError(
                f"The measure {self.measure} of a trend takes a column as it is; {self.each} of a visitor's values is "
                f"of measures such as mean_per_visitor({self.each}(cart_amount))."
            )

    def to_mapping(self) -> dict[str, Any]:
        """Return the series as in a definition file."""
        mapping: dict[str, Any] = {"event_type": self.event_type, "measure": self.measure}
        mapping |= {"of": self.of} if self.of else {}
        mapping |= {"each": self.each} if self.each else {}
        mapping |= where_mapping(self.where)
        return mapping | ({"occurrence": self.occurrence} if self.occurrence != EVERY else {})


@dataclass(frozen=True)
class Trend:
    """The definition of a trend: series by period, with an optional breakdown.

    Attributes:
        series: 1 to 26 series; a formula refers to them as A, B, C and so on.
        period: `minute`, `hour`, `day`, `week`, `month`, `quarter` or `year`, in the reporting time zone.
        week_start: The weekday on which weeks begin.
        by: The column, `properties.key` or bins of one to break down by, or several; None for no breakdown.
        limit: How many of its values to show, those with most events; the others are `(other)`.
        where: Conditions on the events of all series.
        is_cumulative: Whether a period includes all periods before it; visitors count once.
        moving_average: The number of periods, up to each, in the moving average; 1 for none.
        is_compared: Whether to add the values of the range of equal length before.
        formula: Arithmetic over the series, such as `A / B`, shown in addition to them; None for none.
        kind: `trend` for values by period; `stickiness` for visitors by the number of periods in which they did it;
            `lifecycle` for new, returning, resurrecting and dormant visitors by period.
        per: Who does it: `user` (visitor_id), or `properties.key` (each of its values, such as a company, takes the
            place of a visitor; events without one are ignored).
        at_least: How many events of a visitor a period of stickiness needs.
    """

    series: tuple[Series, ...]
    period: str = "day"
    week_start: str = "monday"
    by: str | tuple[str, ...] | None = None
    limit: int = 10
    where: Where = EVERYTHING
    is_cumulative: bool = False
    moving_average: int = 1
    is_compared: bool = False
    formula: Formula | None = None
    kind: str = "trend"
    per: str = "user"
    at_least: int = 1

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for values that do not go together."""
        columns = by_columns("`by` of a trend", self.by)
        object.__setattr__(self, "by", columns[0] if len(columns) == 1 else columns or None)
        if self.at_least > 1 and self.kind != "stickiness":
            raise DefinitionError(f"A {self.kind} has no `at_least`; leave it out, or ask for stickiness.")
        self._check_measures()
        if self.formula:
            self.formula.check(names_of(self.series))
        if self.kind != "trend":
            self._check_visitors()

    def _check_measures(self) -> None:
        """Refuse measures that cannot be cumulated, or have no such periods."""
        odd = [one.measure for one in self.series if one.measure not in ADDITIVE]
        if self.is_cumulative and odd:
            raise DefinitionError(f"A {odd[0]} cannot be cumulated; only {', '.join(ADDITIVE)} can.")
        active = [one.measure for one in self.series if one.measure in ACTIVE]
        if active and self.is_by_clock:
            raise DefinitionError(
                f"{active[0]} counts whole days, so it has no {self.period}s; ask with another period."
            )

    @property
    def columns(self) -> list[str]:
        """The columns that the trend breaks down by, measures, or compares with a value."""
        conditions = [self.where, *(one.where for one in self.series)]
        named = [column for where in conditions for column in columns_of(where)]
        unit = [] if self.per == "user" else [self.per]
        return [*named, *named_columns(self.by_columns), *filter(None, (one.of for one in self.series)), *unit]

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns of `by`; none without a breakdown."""
        return by_columns("`by` of a trend", self.by)

    @property
    def is_by_clock(self) -> bool:
        """Whether its periods are shorter than a day."""
        return self.period in CLOCK_S

    @property
    def reads_all(self) -> bool:
        """Whether events before the range matter."""
        is_active = any(one.measure in ACTIVE for one in self.series)
        return self.kind == "lifecycle" or self.counts_firsts or is_active

    @property
    def counts_firsts(self) -> bool:
        """Whether a series counts only the first event of a visitor."""
        return any(one.occurrence != EVERY for one in self.series)

    def _check_visitors(self) -> None:
        """Refuse what the kinds that count visitors do not have."""
        measured = [one.measure for one in self.series if one.measure not in COUNTS]
        others = {f"{measured[0]} of a series": True} if measured else {}
        others |= {"formula": self.formula is not None, "moving average": self.moving_average > 1}
        others |= {"running total": self.is_cumulative, "comparison": self.is_compared}
        others["occurrence"] = self.counts_firsts
        others["breakdown"] = self.by is not None and self.kind == "lifecycle"
        for name, is_given in others.items():
            if is_given:
                raise DefinitionError(f"A {self.kind} counts visitors, so it has no {name}; leave it out.")

    def to_mapping(self) -> dict[str, Any]:
        """Return the trend as in a definition file."""
        mapping: dict[str, Any] = {"series": [one.to_mapping() for one in self.series], "period": self.period}
        mapping |= {
            "week_start": self.week_start,
            "by": list(self.by) if isinstance(self.by, tuple) else self.by,
            "limit": self.limit,
            "cumulative": self.is_cumulative,
        }
        mapping |= {"moving_average": self.moving_average, "compare": self.is_compared}
        mapping["formula"] = self.formula.text if self.formula else None
        mapping |= {"kind": self.kind} if self.kind != "trend" else {}
        mapping |= {"per": self.per} if self.per != "user" else {}
        mapping |= {"at_least": self.at_least} if self.at_least > 1 else {}
        return mapping | where_mapping(self.where)


def names_of(series: Sequence[Series]) -> tuple[str, ...]:
    """Return the names of the series in a formula: A, B, C and so on."""
    return tuple(chr(ord("A") + number) for number in range(len(series)))
