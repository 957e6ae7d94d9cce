"""Correlation: the definition, and the counts as Ibis expressions. METRICS "Correlation".

`odds_ratio.py` compares the counts; `queries.py` puts both together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, check_keys
from ecom_assets.funnels.chains import VALUE, funnel_chains
from ecom_assets.funnels.definition import Funnel
from ecom_assets.tables.values import check_column

MAX_PROPERTIES: Final = 10
MAX_LIMIT: Final = 1_000
MAX_VALUES: Final = 1_000
"""The values of a property, and the event types, that are compared: those of most visitors."""
NONE: Final = "(none)"
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.9999
_KEYS: Final = ("funnel", "properties", "limit", "confidence")


@dataclass(frozen=True)
class Correlation:
    """What to look for in those who entered a funnel.

    Attributes:
        funnel: The funnel, per visitor.
        properties: Columns or `properties.key` of the event of the first step whose values are compared.
        limit: How many event types and values to show.
        confidence: The confidence level of the intervals, such as 0.95.
    """

    funnel: Funnel
    properties: tuple[str, ...] = field(default=())
    limit: int = 20
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a value out of range, or a funnel with parts that make no sense here."""
        if len(self.funnel.steps) == 1:
            raise DefinitionError("In a funnel of one step everybody converts; give a correlation two steps or more.")
        if self.funnel.per != "user" or self.funnel.by is not None or self.funnel.hold:
            raise DefinitionError("The funnel of a correlation counts users, without `by` and `hold`; leave these out.")
        if self.funnel.optional_steps:
            raise DefinitionError("Nobody needs to take an optional step to convert; leave it out of a correlation.")
        if self.funnel.counts_firsts:
            raise DefinitionError("The funnel of a correlation counts every event; leave `occurrence` out.")
        if len(self.properties) > MAX_PROPERTIES:
            raise DefinitionError(f"A correlation has at most {MAX_PROPERTIES} properties, not {len(self.properties)}.")
        for one in self.properties:
            check_column("A property of a correlation", one)
        if type(self.limit) is not int or not 1 <= self.limit <= MAX_LIMIT:
            raise DefinitionError(f"The limit of a correlation cannot be {self.limit!r}; give 1 to {MAX_LIMIT:,}.")
        is_number = isinstance(self.confidence, int | float) and not isinstance(self.confidence, bool)
        if not is_number or not LEAST_CONFIDENCE <= self.confidence <= MOST_CONFIDENCE:
            raise DefinitionError(
                f"The confidence of a correlation cannot be {self.confidence!r}; "
                f"give {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}, such as 0.95."
            )

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> "Correlation":
        """Build a correlation from a definition file or the body of a request.

        Raises:
            DefinitionError: A key is unknown or missing, or a value does not fit.
        """
        check_keys(raw, _KEYS, "a correlation")
        properties = raw.get("properties") or ()
        if not isinstance(properties, list | tuple):
            raise DefinitionError(f"`properties` of a correlation is a list of columns; got {properties!r}.")
        given = {name: raw[name] for name in ("limit", "confidence") if raw.get(name) is not None}
        return cls(Funnel.from_mapping(raw.get("funnel")), tuple(dict.fromkeys(properties)), **given)

    def to_mapping(self) -> dict[str, Any]:
        """Return the correlation as in a definition file; the inverse of `from_mapping`."""
        mapping = {"funnel": self.funnel.to_mapping(), "properties": list(self.properties)}
        return mapping | {"limit": self.limit, "confidence": self.confidence}


def entrants(events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return who entered a funnel: `visitor_id`, `entered_at`, `until_at` and `is_converted`, 1 or 0.

    `until_at` is the time of the last step, or the end of the window for those who did not convert. The events are
    clean ones with the columns that the funnel names.
    """
    chains = funnel_chains(events, funnel)
    visitors = chains.group_by("visitor_id").agg(
        entered_at=chains.event_at.min(), last_at=chains.event_at.max(), level=chains.step.max()
    )
    is_converted = visitors.level == len(funnel.steps)
    window_end = visitors.entered_at + ibis.interval(seconds=funnel.within_s)
    return visitors.select(
        "visitor_id",
        "entered_at",
        until_at=is_converted.ifelse(visitors.last_at, window_end),
        is_converted=is_converted.ifelse(1, 0),
    )


def event_type_counts(events: ir.Table, entered: ir.Table, funnel: Funnel) -> ir.Table:
    """Return how many entrants did something after they entered and before they converted.

    Columns: `value`, the event type; `converted_count` and `other_count`. The event types of the steps are left out.
    """
    steps = [step.event_type for step in funnel.steps]
    rest = events.filter(events.event_type.notin(steps)).select("visitor_id", "event_at", "event_type")
    both = rest.join(entered, "visitor_id")
    between = both.filter(both.event_at > both.entered_at, both.event_at < both.until_at)
    pairs = between.select("visitor_id", "is_converted", value=between.event_type).distinct()
    return _counted(pairs)


def property_counts(events: ir.Table, entered: ir.Table, funnel: Funnel, column: str) -> ir.Table:
    """Return how many entrants had each value of a property at the first step; the columns are as for event types."""
    chains = funnel_chains(events, replace(funnel, by=column))
    at_entry = chains.filter(chains.step == 1).select("visitor_id", VALUE)
    values = at_entry.join(entered.select("visitor_id", "is_converted"), "visitor_id")
    return _counted(values.select("visitor_id", "is_converted", value=values[VALUE].fill_null(NONE)))


def _counted(pairs: ir.Table) -> ir.Table:
    counts = pairs.group_by("value").agg(visitor_count=pairs.count(), converted_count=pairs.is_converted.sum())
    ordered = counts.order_by(counts.visitor_count.desc(), counts.value).limit(MAX_VALUES)
    return ordered.select("value", "converted_count", other_count=ordered.visitor_count - ordered.converted_count)
