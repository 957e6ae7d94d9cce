"""A funnel as it is computed: steps, window, order, unit and times to convert, and which of these go together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.funnels.optional_rules import check_optional
from ecom_assets.tables.columns import EVERY, check_occurrence
from ecom_assets.tables.conditions import (
    EVERYTHING,
    Condition,
    Group,
    Where,
    columns_of,
    number_columns_of,
    with_event_types,
)
from ecom_assets.tables.values import (
    WEEKDAYS,
    Scalar,
    binned_columns,
    by_columns,
    check_column,
    check_value,
    json_path,
    kind_of,
    named_columns,
)

MAX_BINS: Final = 100


@dataclass(frozen=True, slots=True)
class TimeToConvert:
    """The time between two steps of the units that took both, counted in bins.

    Attributes:
        first: The earlier step.
        last: The later step.
        bins: How many bins of equal width; None to choose.
        edges_s: Where bins end, rising; the last bin has no end. One edge is the width of all bins, from 0 on, with
            `is_width`.
        is_width: Whether `edges_s` is the width of all bins.
    """

    first: int
    last: int
    bins: int | None = None
    edges_s: tuple[int, ...] = ()
    is_width: bool = False

    def check(self, steps: int) -> None:
        """Refuse steps that the funnel does not have, and bins that cannot be.

        Raises:
            DefinitionError: One of them is wrong.
        """
        numbers = (self.first, self.last)
        if any(type(number) is not int for number in numbers) or not 1 <= self.first < self.last <= steps:
            raise DefinitionError(
                f"`time_to_convert` is from step {self.first!r} to step {self.last!r}; name two of the {steps} steps "
                "by their numbers, the earlier one first."
            )
        if self.bins is not None and (type(self.bins) is not int or not 1 <= self.bins <= MAX_BINS):
            raise DefinitionError(f"The bins of `time_to_convert` are 1 to {MAX_BINS}, not {self.bins!r}.")
        is_rising = all(low < high for low, high in pairwise((0, *self.edges_s)))
        if not is_rising or len(self.edges_s) >= MAX_BINS:
            raise DefinitionError(
                f"The ends of the bins of `time_to_convert` have to rise, and be fewer than {MAX_BINS}; write them as "
                "in 1m, 10m, 1h."
            )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file."""
        edges = [f"{edge}s" for edge in self.edges_s]
        bins = self.bins or (edges[0] if self.is_width else edges)
        return {"from": self.first, "to": self.last} | ({"bins": bins} if bins else {})


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step: an event of this type whose columns have these values, and which meets these conditions.

    Attributes:
        event_type: The value of `event_type`, compared exactly; `*` is any.
        where: Values by column; all must be equal. `properties.key` names a value in the JSON text column
            `properties` (each further dot goes one level deeper). Values are equal only to values of the same kind:
            the JSON text "2" is not the number 2.
        conditions: Conditions of other kinds, which must hold too.
        occurrence: Which of a visitor's events count: `every`, `first_time` (the first that meets the conditions of
            the step and of the funnel) or `first_ever` (the first of the type, if that one meets them), in all data.
        is_optional: Whether the step need not be taken: steps after it count as without it, see `with_optional`.
    """

    event_type: str
    where: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    conditions: Where = EVERYTHING
    occurrence: str = EVERY
    is_optional: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.event_type, str) or not self.event_type:
            raise DefinitionError(f"A funnel step needs an event type, a non-empty text; got {self.event_type!r}.")
        if not isinstance(self.where, Mapping):
            raise DefinitionError(
                f"`where` of the step {self.event_type!r} must map columns to values; got {self.where!r}."
            )
        for column, value in self.where.items():
            place = f"`where` of the step {self.event_type!r}"
            check_column(place, column)
            check_value(f"{place} compares {column}", value)
        check_occurrence(f"The step {self.event_type!r}", self.occurrence)
        object.__setattr__(self, "where", dict(self.where))

    @property
    def identity(self) -> tuple[object, ...]:
        """A key that is equal only for steps that match the same events: 2 and 2.0 are equal, 1 and True are not."""
        equal = sorted((c, kind_of(v), str(_canonical(v))) for c, v in self.where.items())
        first = [] if self.occurrence == EVERY else [("occurrence", self.occurrence)]
        return (self.event_type, *equal, *sorted(map(repr, _parts(self.conditions))), *first)

    @property
    def columns(self) -> list[str]:
        """The columns that the step compares, as they are written."""
        return [*self.where, *columns_of(self.conditions)]

    def translated(self, translate: Callable[[str], str]) -> "FunnelStep":
        """Return the step with each event type translated, also in its conditions."""
        named = self.where.get("event_type")
        equal = {**self.where, "event_type": translate(named)} if isinstance(named, str) else self.where
        conditions = with_event_types(self.conditions, translate)
        return FunnelStep(translate(self.event_type), equal, conditions, self.occurrence, self.is_optional)

    def covers(self, other: "FunnelStep") -> bool:
        """Return whether all events that match the other step match this one: same type, no additional condition."""
        is_of_type = self.event_type in {ANY, other.event_type}
        return is_of_type and set(self.identity[1:]) <= set(other.identity[1:])

    def to_mapping(self) -> dict[str, Any]:
        """Return the step as in a definition file."""
        equal = [dict(self.where)] if self.where else []
        others = [] if self.conditions == EVERYTHING else [self.conditions.to_mapping()]
        where: list[Any] = [*equal, *others]
        first: dict[str, Any] = {} if self.occurrence == EVERY else {"occurrence": self.occurrence}
        first |= {"optional": True} if self.is_optional else {}
        return {
            "event_type": self.event_type,
            **({"where": where if len(where) > 1 else where[0]} if where else {}),
            **first,
        }


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An event that must not occur between two steps.

    An event at the same time as either step is not between them.

    Attributes:
        event: The event type, with conditions like those of a step.
        after: The step after which it must not occur, from 1; by default 1, where an attempt begins.
        before: The step before which it must not occur; None for the last one, to cover the whole attempt.
    """

    event: FunnelStep
    after: int = 1
    before: int | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the exclusion as in a definition file."""
        return self.event.to_mapping() | {"after": self.after} | ({"before": self.before} if self.before else {})

    def within(self, steps: int) -> "Exclusion":
        """Return the exclusion for a funnel with this number of steps, with `before` filled in.

        Raises:
            DefinitionError: `after` and `before` are not two steps of the funnel, the earlier one first.
        """
        if steps == 1:
            raise DefinitionError(
                f"The exclusion of {self.event.event_type!r} is in a funnel of one step, which has nothing between "
                "steps; leave it out, or add a step."
            )
        before = steps if self.before is None else self.before
        are_whole = all(isinstance(step, int) and not isinstance(step, bool) for step in (self.after, before))
        if not are_whole or not 1 <= self.after < before <= steps:
            raise DefinitionError(
                f"The exclusion of {self.event.event_type!r} is after step {self.after!r} and before step {before!r}; "
                f"name two of the {steps} steps by their numbers, the earlier one first."
            )
        return Exclusion(self.event, self.after, before)


def equalities(where: Where) -> tuple[dict[str, Scalar], Where]:
    """Return the values that columns must equal, by column, and all other conditions."""
    equal: dict[str, Scalar] = {}
    others: list[Where] = []
    for part in _parts(where):
        if isinstance(part, Condition) and part.operator == "equals" and part.column not in equal:
            equal[part.column] = part.values[0]
        else:
            others.append(part)
    return equal, others[0] if len(others) == 1 else Group("all_of", tuple(others))


def _parts(where: Where) -> list[Where]:
    """Return the conditions of which all must hold."""
    if isinstance(where, Group) and where.kind == "all_of":
        return [part for one in where.parts for part in _parts(one)]
    return [where]


def _canonical(value: Scalar) -> Scalar:
    return int(value) if isinstance(value, float) and value.is_integer() else value


ANY: Final = "*"
"""The event type of a step that any event can be."""
MIN_STEPS: Final = 1
MAX_STEPS: Final = 64
MAX_WINDOW_S: Final = 100 * 366 * 86_400
GREATEST_LIMIT: Final = 1_000
EARLIEST: Final = {
    "ordered": "Ordered: other events may lie between",
    "strict_increase": "Times strictly increase",
    "clickhouse_default": "An event may be several steps",
}
"""Orders in which an attempt takes each next step as early as possible, no matter which events are in between."""
INTERRUPTED: Final = {
    "strict_order": "Up to the first event that is not the next step",
    "allow_reentry": "With entering again",
    "strict_deduplication": "Strict, without repeats",
}
"""Orders of ClickHouse in which certain events end the stream of a unit."""
CONSECUTIVE: Final = {
    "exact": "Exact: nothing but the steps",
    "strict": "Strict, as PostHog: a repeated step does not count as another event",
}
"""Orders in which no other event may occur between steps."""
ORDERS: Final = {**EARLIEST, "any": "Any order", **CONSECUTIVE, **INTERRUPTED}
"""All orders, with what forms call them."""
ORDERS_ELSEWHERE: Final = {
    "strict": "strict",
    "exact": "exact",
    "unordered": "any",
    "any": "any",
    "this": "ordered",
    "specific": "ordered",
    "loose": "ordered",
    "sequential": "ordered (PostHog's word) or exact (Amplitude's)",
    "strict once": "ordered",
}
"""Names of orders in PostHog, Amplitude, Mixpanel and ClickHouse, in lower case and without "order" at the end."""
UNIT_COLUMNS: Final = {"user": "visitor_id", "session": "session_id", "totals": "visitor_id"}
UNIT: Final = "unit"
"""The column of the units of `per: properties.key`."""
EXCLUSION_RULES: Final = {"mixpanel": "keeps the steps before it", "posthog": "drops the attempt"}
"""What an excluded event does."""


@dataclass(frozen=True)
class Funnel:
    """A funnel: how many units reach each step within the window.

    A unit reaches level k if it has distinct events e1 … ek, ei matching step i, at t1 <= t2 <= … <= tk with
    tk - t1 <= `within_s` seconds. This is ClickHouse's `windowFunnel(…, 'strict_once')`.

    Attributes:
        steps: 1 to 64 steps.
        within_s: The window from the first step to the last, in seconds, both ends included; seven days by default,
            because shops mostly ask for that.
        order: Which events may occur between steps, and how steps may follow each other. `ordered` is as above.
            `strict_increase` requires t1 < t2 < … < tk. `clickhouse_default` lets one event serve several steps that
            it matches. `strict_order`, `allow_reentry` and `strict_deduplication` are `clickhouse_default` up to the
            event that ends the stream of a unit, see `funnels/chains.py`. `any` requires any k of the steps in any
            order, `exact` requires consecutive events without another one in between; `strict` does, too, but passes
            over an event that repeats the step before it. See docs/adr/0005.
        per: The unit to count: `user` (visitor_id), `session` (session_id), `totals` (every attempt of a visitor;
            attempts that share an event are one attempt from there on), or `properties.key` (each of its values, such
            as a company: its events count, no matter which visitor did them; events without a value are ignored).
        hold: Columns that must keep one value throughout. Each value of a unit counts separately, as in Amplitude;
            events without a value are ignored.
        exclude: Events that must not occur between steps.
        exclusion_rule: The effect of an excluded event: `mixpanel` ends the attempt and keeps the steps before it,
            `posthog` drops the attempt, and the unit if no other attempt got as far. For the order `any`, see
            `funnels/orders.py`.
        by: The column, or the bins of one, to break the numbers down by, or several.
        by_attribution: Which step's value of `by` a unit counts for: `first` or `last` (of those that have one),
            `all` (the value that all steps share), or `step_2` and so on.
        limit: How many values to show, the most frequent ones; the others are "Other".
        where: What must hold of every event that takes part: of steps, exclusions, and what lies in between.
        over: The length of the periods of entry, each of which is a cohort with a funnel of its own; None for none.
        week_start: The weekday on which weeks begin.
        time_to_convert: Two steps, the time between which is counted in bins; None for none.
    """

    steps: tuple[FunnelStep, ...]
    within_s: int = 7 * 86_400
    order: str = "ordered"
    per: str = "user"
    hold: tuple[str, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    exclusion_rule: str = "mixpanel"
    by: str | tuple[str, ...] | None = None
    by_attribution: str = "first"
    limit: int = 25
    where: Where = EVERYTHING
    over: str | None = None
    week_start: str = "monday"
    time_to_convert: TimeToConvert | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        self._check_steps()
        if isinstance(self.within_s, bool) or not isinstance(self.within_s, int) or self.within_s < 1:
            raise DefinitionError(f"`within` is a time of at least one second, as in 30m or 7d; got {self.within_s!r}.")
        if self.within_s > MAX_WINDOW_S:
            raise DefinitionError(f"`within` is at most {MAX_WINDOW_S} s (100 years); got {self.within_s} s.")
        _check_choice("order", self.order, ORDERS)
        if isinstance(self.per, str) and json_path(self.per):
            check_column("`per`", self.per)
        else:
            _check_choice("per", self.per, UNIT_COLUMNS)
        _check_choice("exclusion_rule", self.exclusion_rule, EXCLUSION_RULES)
        attributions = ("first", "last", "all", *(f"step_{n}" for n in range(1, len(self.steps) + 1)))
        _check_choice("by_attribution", self.by_attribution, attributions)
        object.__setattr__(self, "exclude", tuple(one.within(len(self.steps)) for one in self.exclude))
        self._check_exclusions()
        for column in self.hold:
            check_column("`hold`", column)
        columns = by_columns("`by`", self.by)
        object.__setattr__(self, "by", columns[0] if len(columns) == 1 else columns or None)
        if not isinstance(self.limit, int) or not 1 <= self.limit <= GREATEST_LIMIT:
            raise DefinitionError(f"`limit` is a number of values from 1 to {GREATEST_LIMIT}; got {self.limit!r}.")
        self._check_order()
        self._check_over()
        if self.time_to_convert:
            self.time_to_convert.check(len(self.steps))
        if self.optional_steps:
            check_optional(self, EARLIEST)

    def _check_over(self) -> None:
        _check_choice("week_start", self.week_start, WEEKDAYS)
        if self.week_start != WEEKDAYS[0] and self.over != "week":
            raise DefinitionError("`week_start` needs cohorts by week; leave it out, or set `over` to week.")

    def _check_steps(self) -> None:
        if not MIN_STEPS <= len(self.steps) <= MAX_STEPS:
            raise DefinitionError(
                f"A funnel has {MIN_STEPS} to {MAX_STEPS} steps, this one has {len(self.steps)}; "
                f"{'add a step' if len(self.steps) < MIN_STEPS else 'split it into several funnels'}."
            )
        for step in self.steps:
            if not isinstance(step, FunnelStep):
                raise DefinitionError(f"The steps of a Funnel are FunnelStep objects; got {step!r}.")

    def _check_exclusions(self) -> None:
        for one in self.exclude:
            for number in range(one.after, (one.before or len(self.steps)) + 1):
                if one.event.covers(self.steps[number - 1]):
                    raise DefinitionError(
                        f"The exclusion of {one.event.event_type!r} is step {number} of the funnel itself, and no "
                        "event can be both taken and left out; exclude another one, or exclude it between other steps."
                    )

    def _check_order(self) -> None:
        words = ", ".join(EARLIEST)
        if self.exclude and self.order in INTERRUPTED:
            others = ", ".join((*CONSECUTIVE, "any"))
            raise DefinitionError(
                f"The order {self.order!r} takes no exclusions; use one of {words}, {others}, or leave them out."
            )
        if self.order == "any" and any((one.after, one.before) != (1, len(self.steps)) for one in self.exclude):
            raise DefinitionError(
                "Steps in any order have no first or second, so an exclusion is between all of them; leave out `after` "
                "and `before`."
            )
        if self.per == "totals" and self.order not in EARLIEST:
            raise DefinitionError(f"The order {self.order!r} has no totals; use one of {words}, or count per user.")

    def translated(self, translate: Callable[[str], str]) -> "Funnel":
        """Return the funnel with each event type translated, as from a source's words to the platform's."""
        return replace(
            self,
            steps=tuple(step.translated(translate) for step in self.steps),
            exclude=tuple(replace(one, event=one.event.translated(translate)) for one in self.exclude),
            where=with_event_types(self.where, translate),
        )

    @property
    def conditions(self) -> list[FunnelStep]:
        """The steps, and the events of the exclusions."""
        return [*self.steps, *(one.event for one in self.exclude)]

    @property
    def has_any_step(self) -> bool:
        """Whether any event can be a certain step."""
        return any(step.event_type == ANY for step in self.steps)

    @property
    def counts_firsts(self) -> bool:
        """Whether only the first event of a visitor can be a certain step."""
        return any(step.occurrence != EVERY for step in self.steps)

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns of `by`; none without a breakdown."""
        return tuple(self.by) if isinstance(self.by, list | tuple) else () if self.by is None else (self.by,)

    @property
    def optional_steps(self) -> frozenset[int]:
        """The numbers of the steps that need not be taken."""
        return frozenset(number for number, step in enumerate(self.steps, start=1) if step.is_optional)

    @property
    def columns(self) -> list[str]:
        """The columns and keys that the definition names, apart from those of the unit; with repetitions."""
        compared = [column for step in self.conditions for column in step.columns]
        own = [] if self.per in UNIT_COLUMNS else [self.per]
        return [*compared, *columns_of(self.where), *self.hold, *named_columns(self.by_columns), *own]

    @property
    def number_columns(self) -> list[str]:
        """The columns that are compared with a number, or in bins."""
        conditions = (self.where, *(step.conditions for step in self.conditions))
        named = [column for where in conditions for column in number_columns_of(where)]
        return [*named, *binned_columns(self.by_columns)]

    @property
    def unit_column(self) -> str:
        """The column that identifies the unit in `per`."""
        return UNIT_COLUMNS.get(self.per, UNIT)

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition as in a file, without choices that have no effect."""
        steps = [step.to_mapping() for step in self.steps]
        values: dict[str, Any] = {"steps": steps, "within": f"{self.within_s}s", "order": self.order, "per": self.per}
        if self.where != EVERYTHING:
            values["where"] = self.where.to_mapping()
        if self.hold:
            values["hold"] = list(self.hold)
        if self.exclude:
            values["exclude"] = [one.to_mapping() for one in self.exclude]
            values["exclusion_rule"] = self.exclusion_rule
        if self.by is not None:
            by = self.by if isinstance(self.by, str) else list(self.by_columns)
            values |= {"by": by, "by_attribution": self.by_attribution, "limit": self.limit}
        if self.over is not None:
            values |= {"over": self.over} | ({"week_start": self.week_start} if self.over == "week" else {})
        if self.time_to_convert is not None:
            values["time_to_convert"] = self.time_to_convert.to_mapping()
        return values


def _check_choice(name: str, value: object, known: Iterable[str]) -> None:
    if value not in tuple(known):
        raise DefinitionError(f"The funnel's `{name}` {value!r} is unknown; {did_you_mean(value, known)}.")


FIVE_STEP_FUNNEL: Final = Funnel(
    tuple(
        FunnelStep(event_type)
        for event_type in ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
    )
)
