"""Visitor segments: the definition, and the visitors in it as an Ibis expression.

METRICS "Visitor segments".

All parts of a definition are counted in one pass over the events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.errors import DefinitionError, did_you_mean, quoted_value
from ecom_assets.core.tables.columns import EventFilter, column_of, holds, text_of
from ecom_assets.core.tables.conditions import Where, columns_of, where_from, with_event_types
from ecom_assets.core.tables.days import add_days
from ecom_assets.core.tables.portable import NO
from ecom_assets.core.tables.values import json_path, parse_days

MAX_DEPTH, MAX_PARTS = 10, 100
"""Bounds on what somebody else may send."""
MAX_COUNT: Final = 1_000_000_000
PARTS: Final = ("did", "first_seen", "latest", "not", "all_of", "any_of")


@dataclass(frozen=True)
class Did:
    """Whether a visitor did something a number of times.

    Attributes:
        event: The events that count.
        at_least: The least number of them.
        at_most: The greatest number; None for no limit.
        within_days: Only events of so many days up to the day of the segment count; None for all.
    """

    event: EventFilter
    at_least: int = 1
    at_most: int | None = None
    within_days: int | None = None

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a number that is out of range."""
        for name, number in (("at_least", self.at_least), ("at_most", self.at_most)):
            if number is not None and (type(number) is not int or not 0 <= number <= MAX_COUNT):
                raise DefinitionError(
                    f"`{name}` of a visitor segment cannot be {number!r}; give 0 to {MAX_COUNT:,}."
                )
        if self.at_most is not None and self.at_most < self.at_least:
            raise DefinitionError(
                f"`at_most` {self.at_most} of a visitor segment is below `at_least` "
                f"{self.at_least}; swap them."
            )
        if self.at_least == 0 and self.at_most is None:
            raise DefinitionError(
                "`at_least: 0` of a visitor segment holds for everybody; use `at_most: 0` or `not`."
            )

    def columns(self, events: ir.Table, as_of: date | None = None) -> list[ir.Value]:
        """Return what to aggregate: how often it happened,
        within the days up to `as_of` if there is a limit.
        """
        result = self.event.matches(events)
        if self.within_days is not None and as_of is not None:
            result &= events.event_date > ibis.literal(as_of - timedelta(days=self.within_days))
        return [events.count(where=result)]

    def test(self, _as_of: ir.DateValue, count: ir.Value) -> ir.BooleanValue:
        """Return whether a visitor who did it so often meets the definition."""
        enough = count >= self.at_least
        return enough if self.at_most is None else enough & (count <= self.at_most)

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        mapping = {"did": self.event.to_mapping(), "at_least": self.at_least}
        mapping |= {} if self.at_most is None else {"at_most": self.at_most}
        return mapping | ({} if self.within_days is None else {"within": f"{self.within_days}d"})


@dataclass(frozen=True)
class FirstSeen:
    """Whether a visitor's first event is of certain days.

    Attributes:
        first: The first of these days; None for no limit.
        last: The last of them, included; None for no limit.
        within_days: So many days up to the day of the segment, instead of `first`.
    """

    first: date | None = None
    last: date | None = None
    within_days: int | None = None

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for days that are missing, or in the wrong order."""
        if self.within_days is None and self.first is None and self.last is None:
            raise DefinitionError(
                "`first_seen` of a visitor segment needs `within`, `from` or `to`, as in within: "
                "30d."
            )
        if self.within_days is not None and self.first is not None:
            raise DefinitionError(
                "`within` and `from` both say where `first_seen` begins; leave one of them out."
            )
        if self.first and self.last and self.last < self.first:
            raise DefinitionError(
                f"`first_seen` is from {self.first}, after its end {self.last}; swap them."
            )

    def columns(self, events: ir.Table, _as_of: date | None = None) -> list[ir.Value]:
        """Return what to aggregate: the day of the first event."""
        return [events.event_date.min()]

    def test(self, as_of: ir.DateValue, first_day: ir.Value) -> ir.BooleanValue:
        """Return whether a visitor who was first seen on a day meets the
        definition as of another.
        """
        limits = [first_day >= ibis.literal(self.first)] if self.first else []
        if self.within_days is not None:
            limits.append(add_days(first_day, ibis.literal(self.within_days, "int64")) > as_of)
        limits += [first_day <= ibis.literal(self.last)] if self.last else []
        return reduce(and_, limits)

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        within = None if self.within_days is None else f"{self.within_days}d"
        mapping = {"within": within, "from": self.first, "to": self.last}
        return {
            "first_seen": {name: str(value) for name, value in mapping.items() if value is not None}
        }


@dataclass(frozen=True)
class Latest:
    """Whether the newest known values of columns meet conditions; of simultaneous events, any may.

    Attributes:
        where: The conditions; events count that have a value in all of their columns.
    """

    where: Where

    def columns(self, events: ir.Table, _as_of: date | None = None) -> list[ir.Value]:
        """Return what to aggregate: when the values were last known,
        and when they last met the conditions.
        """
        values = (
            (text_of if json_path(column) else column_of)(events, column)
            for column in columns_of(self.where)
        )
        has_all = reduce(and_, [value.notnull() for value in values])
        never = ibis.null(events.event_at.type().copy(nullable=True))
        return [
            has_all.ifelse(events.event_at, never).max(),
            (has_all & holds(events, self.where)).ifelse(events.event_at, never).max(),
        ]

    def test(self, _as_of: ir.DateValue, known_at: ir.Value, met_at: ir.Value) -> ir.BooleanValue:
        """Return whether the newest values meet the conditions."""
        return (known_at == met_at).fill_null(NO)

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        return {"latest": self.where.to_mapping()}


@dataclass(frozen=True)
class Not:
    """The opposite of a rule."""

    part: "Rule"

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        return {"not": self.part.to_mapping()}


@dataclass(frozen=True)
class Combined:
    """Rules of which all or any must hold; `kind` is `all_of` or `any_of`."""

    kind: str
    parts: tuple["Rule", ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        return {self.kind: [part.to_mapping() for part in self.parts]}


Leaf = Did | FirstSeen | Latest
Rule = Leaf | Not | Combined


@dataclass(frozen=True)
class VisitorSegment:
    """A named group of visitors.

    Attributes:
        name: Its name.
        rule: What must hold of a visitor, as of a day.
    """

    name: str
    rule: Rule

    @classmethod
    def from_definition(cls, name: str, raw: object) -> "VisitorSegment":
        """Build a segment from its definition.

        Args:
            name: Its name.
            raw: `{did, at_least, at_most, within}`, `{first_seen}`, `{latest}`, `{not}`,
                `{all_of}`, `{any_of}`, or a list of these, all of which must hold.

        Raises:
            DefinitionError: It is none of these, or a value does not fit.
        """
        try:
            return cls(name, _bounded(_rule_from(raw, MAX_DEPTH)))
        except DefinitionError as error:
            raise DefinitionError(f"The visitor segment {name!r} cannot be: {error}") from error

    def translated(self, translate: Callable[[str], str]) -> "VisitorSegment":
        """Return the segment with each event type translated,
        as from a source's words to the platform's.
        """
        return replace(self, rule=_translated(self.rule, translate))

    def to_mapping(self) -> dict[str, Any]:
        """Return the name and the definition."""
        return {"name": self.name, "rule": self.rule.to_mapping()}


def _translated(rule: Rule, translate: Callable[[str], str]) -> Rule:
    if isinstance(rule, Not):
        return Not(_translated(rule.part, translate))
    if isinstance(rule, Combined):
        return replace(rule, parts=tuple(_translated(part, translate) for part in rule.parts))
    if isinstance(rule, Did):
        return replace(rule, event=rule.event.translated(translate))
    if isinstance(rule, Latest):
        return replace(rule, where=with_event_types(rule.where, translate))
    return rule


def leaves_of(rule: Rule) -> Iterator[Leaf]:
    """Return the parts of a rule that are counted, in order."""
    if isinstance(rule, Not):
        yield from leaves_of(rule.part)
    elif isinstance(rule, Combined):
        for part in rule.parts:
            yield from leaves_of(part)
    else:
        yield rule


def columns_named(segment: VisitorSegment) -> list[str]:
    """Return the columns that the conditions of a segment name."""
    leaves = (leaf.event if isinstance(leaf, Did) else leaf for leaf in leaves_of(segment.rule))
    return [
        column
        for leaf in leaves
        if not isinstance(leaf, FirstSeen)
        for column in columns_of(leaf.where)
    ]


def event_types(segment: VisitorSegment) -> list[str]:
    """Return the event types that a segment names."""
    types = (leaf.event.event_type for leaf in leaves_of(segment.rule) if isinstance(leaf, Did))
    return [event_type for event_type in types if event_type is not None]


def visitors_in(events: ir.Table, segment: VisitorSegment, as_of: date) -> ir.Table:
    """Return the `visitor_id` of each visitor in a segment, as of the end of a day;
    later events do not matter.

    The events are rows of `CleanEvents` of all days.

    Raises:
        DefinitionError: A column is missing, or is compared with a value of another kind.
    """
    seen = events.filter(events.event_date <= ibis.literal(as_of))
    leaves = list(leaves_of(segment.rule))
    columns = [
        {
            f"part_{position}_{number}": value
            for number, value in enumerate(leaf.columns(seen, as_of))
        }
        for position, leaf in enumerate(leaves)
    ]
    visitors = seen.group_by("visitor_id").agg(
        **{name: value for by_name in columns for name, value in by_name.items()}
    )
    values = [[visitors[name] for name in names] for names in columns]
    return visitors.filter(is_met(segment.rule, values, ibis.literal(as_of))).select("visitor_id")


def is_met(
    rule: Rule, values: Sequence[Sequence[ir.Value]], as_of: ir.DateValue
) -> ir.BooleanValue:
    """Return whether a visitor meets a rule as of a day.

    `values` are what the `columns` of each of its `leaves_of` aggregate.
    """
    tests = (leaf.test(as_of, *own) for leaf, own in zip(leaves_of(rule), values, strict=True))
    return _combined(rule, tests)


def in_segment(events: ir.Table, segment: VisitorSegment, as_of: date) -> ir.Table:
    """Return the events of the visitors in a segment as of a day,
    also their events of other days.
    """
    return events.semi_join(visitors_in(events, segment, as_of), "visitor_id")


def _combined(rule: Rule, tests: Iterator[ir.BooleanValue]) -> ir.BooleanValue:
    if isinstance(rule, Not):
        return ~_combined(rule.part, tests)
    if isinstance(rule, Combined):
        return reduce(
            and_ if rule.kind == "all_of" else or_, [_combined(part, tests) for part in rule.parts]
        )
    return next(tests)


def _bounded(rule: Rule) -> Rule:
    if sum(1 for _ in leaves_of(rule)) > MAX_PARTS:
        raise DefinitionError(f"there are more than {MAX_PARTS} parts; write fewer.")
    return rule


def _rule_from(raw: object, depth: int) -> Rule:
    if depth < 0:
        raise DefinitionError(
            f"its parts stand more than {MAX_DEPTH} deep in each other; write fewer levels."
        )
    if isinstance(raw, list | tuple):
        return _combination("all_of", raw, depth)
    if not isinstance(raw, Mapping) or not (kinds := [kind for kind in PARTS if kind in raw]):
        raise DefinitionError(
            f"a part is one of {', '.join(PARTS)}, or a list of these; got {quoted_value(raw)}."
        )
    kind = kinds[0]
    _check_keys(raw, ("did", "at_least", "at_most", "within") if kind == "did" else (kind,))
    if kind == "did":
        return _did(raw)
    if kind == "first_seen":
        return _first_seen(raw[kind])
    if kind == "latest":
        return _latest(raw[kind])
    return (
        Not(_rule_from(raw[kind], depth - 1))
        if kind == "not"
        else _combination(kind, raw[kind], depth)
    )


def _combination(kind: str, raw: object, depth: int) -> Rule:
    if not isinstance(raw, list | tuple) or not raw:
        raise DefinitionError(f"`{kind}` holds a list of parts; got {quoted_value(raw)}.")
    parts = tuple(_rule_from(part, depth - 1) for part in raw)
    return parts[0] if len(parts) == 1 else Combined(kind, parts)


def _did(raw: Mapping[Any, Any]) -> Did:
    at_most = raw.get("at_most")
    least = raw.get("at_least")
    return Did(
        EventFilter.from_mapping(raw["did"], "`did` of a visitor segment"),
        (1 if at_most is None else 0) if least is None else least,
        at_most,
        _days(raw),
    )


def _first_seen(raw: object) -> FirstSeen:
    if not isinstance(raw, Mapping):
        raise DefinitionError(
            f"`first_seen` holds `within`, `from` or `to`; got {quoted_value(raw)}."
        )
    _check_keys(raw, ("within", "from", "to"))
    return FirstSeen(_day(raw.get("from")), _day(raw.get("to")), _days(raw))


def _latest(raw: object) -> Latest:
    where = where_from(raw)
    if not columns_of(where):
        raise DefinitionError("`latest` needs a condition, as in properties.plan = pro.")
    return Latest(where)


def _days(raw: Mapping[Any, Any]) -> int | None:
    return None if raw.get("within") is None else parse_days(raw["within"])


def _day(raw: object) -> date | None:
    if raw is None or (isinstance(raw, date) and type(raw) is date):
        return raw
    try:
        return date.fromisoformat(str(raw))
    except ValueError as error:
        raise DefinitionError(
            f"{raw!r} is not a date; use YYYY-MM-DD, such as 2026-01-31."
        ) from error


def _check_keys(raw: Mapping[Any, Any], known_keys: tuple[str, ...]) -> None:
    for key in raw:
        if key not in known_keys:
            raise DefinitionError(f"unknown key {key!r}; {did_you_mean(key, known_keys)}.")
