"""What a funnel is: its steps, window, order and unit, and the rules that a definition must keep.

Not here: a single step (`funnel_step.py`), how a funnel is computed (`funnel.py` counts, `funnel_chains.py` says
which events it was) and how steps compete for an event (`funnel_matching.py`). Nothing heavy is imported, because
the `ecom` command reads a definition before it starts an engine.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.transforms.funnel_step import Exclusion, FunnelStep, check_column

__all__ = [
    "EXCLUSION_RULES",
    "FIVE_STEP_FUNNEL",
    "INTERRUPTED",
    "MAX_STEPS",
    "MAX_WINDOW_S",
    "MIN_STEPS",
    "ORDERS",
    "UNIT_COLUMNS",
    "WALKED",
    "Exclusion",
    "Funnel",
    "FunnelStep",
    "parse_duration",
]

MIN_STEPS: Final = 2
MAX_STEPS: Final = 64
MAX_WINDOW_S: Final = 100 * 366 * 86_400
GREATEST_LIMIT: Final = 1_000

WALKED: Final = ("ordered", "strict_increase", "clickhouse_default")
"""Orders in which a try takes each next step as early as it can, whatever happens in between."""

INTERRUPTED: Final = ("strict_order", "allow_reentry", "strict_deduplication")
"""Orders of ClickHouse's in which some event ends a unit's stream."""

ORDERS: Final = (*WALKED, *INTERRUPTED, "any", "exact")
ORDERS_ELSEWHERE: Final = {
    "strict": "exact",
    "exact": "exact",
    "unordered": "any",
    "any": "any",
    "this": "ordered",
    "specific": "ordered",
    "loose": "ordered",
    "sequential": "ordered (PostHog's word) or exact (Amplitude's)",
    "strict once": "ordered",
}
"""What PostHog, Amplitude, Mixpanel and ClickHouse call orders, in lower case and without the word order at the end."""
UNIT_COLUMNS: Final = {"user": "visitor_id", "session": "session_id", "totals": "visitor_id"}
EXCLUSION_RULES: Final = ("mixpanel", "posthog")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_KEYS: Final = ("steps", "within", "order", "per", "hold", "exclude", "exclusion_rule", "by", "by_attribution", "limit")
_AS_THEY_ARE: Final = ("order", "per", "exclusion_rule", "by", "by_attribution", "limit")


def parse_duration(text: object) -> int:
    """Seconds in `"45s"`, `"30m"`, `"12h"`, `"7d"` or `"2w"`; anything else is a DefinitionError.

    A bare number is refused: 7 could be days or seconds, and a wrong guess gives a plausible wrong funnel.
    """
    match = re.fullmatch(r"\s*(\d{1,12})\s*([smhdw])\s*", text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"The duration {text!r} is not understood; write a number and a unit, as in 45s, 30m, 12h, 7d or 2w."
        )
    return int(match[1]) * _SECONDS[match[2]]


@dataclass(frozen=True, slots=True)
class Funnel:
    """A funnel: how many units get how far through the steps inside the window.

    A unit reaches level k if it has distinct events e1 … ek, ei matching step i, at t1 <= t2 <= … <= tk with
    tk - t1 <= `within_s` seconds. This is ClickHouse's `windowFunnel(…, 'strict_once')`.

    Attributes:
        steps: 2 to 64 steps.
        within_s: The window from the first step to the last, in seconds, both ends included; seven days,
            because that is what shops mostly ask for.
        order: What may lie between steps, and how they may follow each other. `ordered` as above;
            `strict_increase` demands t1 < t2 < … < tk; `clickhouse_default` lets one event serve several steps that it
            matches. `strict_order`, `allow_reentry` and `strict_deduplication` are `clickhouse_default` up to the
            event that ends a unit's stream, see `funnel_interruptions.py`. `any` asks for any k of the steps in any
            order, `exact` for events that follow each other without another one between. See docs/adr/0005.
        per: The unit that is counted: `user` (visitor_id), `session` (session_id), or `totals` (every try of a
            visitor's; tries that meet in one event are one from there on).
        hold: Columns that must keep one value throughout. Each value of a unit counts by itself, as with Amplitude;
            events without a value take no part.
        exclude: Events that may not come between steps.
        exclusion_rule: What an excluded event does: `mixpanel` ends the try and keeps the steps before it, `posthog`
            drops the whole unit.
        by: The column that numbers are broken down by.
        by_attribution: Which step's value of `by` a unit counts for: `first` or `last` (of those that have one),
            `all` (the value that all steps share), or `step_2` and the like.
        limit: So many values stand by themselves, the most frequent ones; the others are "Other".
    """

    steps: tuple[FunnelStep, ...]
    within_s: int = 7 * 86_400
    order: str = "ordered"
    per: str = "user"
    hold: tuple[str, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    exclusion_rule: str = "mixpanel"
    by: str | None = None
    by_attribution: str = "first"
    limit: int = 25

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        self._check_steps()
        if isinstance(self.within_s, bool) or not isinstance(self.within_s, int) or self.within_s < 1:
            raise DefinitionError(f"`within` is a time of at least one second, as in 30m or 7d; got {self.within_s!r}.")
        if self.within_s > MAX_WINDOW_S:
            raise DefinitionError(f"`within` is at most {MAX_WINDOW_S} s (100 years); got {self.within_s} s.")
        _check_order_name(self.order)
        _check_choice("per", self.per, UNIT_COLUMNS)
        _check_choice("exclusion_rule", self.exclusion_rule, EXCLUSION_RULES)
        attributions = ("first", "last", "all", *(f"step_{n}" for n in range(1, len(self.steps) + 1)))
        _check_choice("by_attribution", self.by_attribution, attributions)
        object.__setattr__(self, "exclude", tuple(one.within(len(self.steps)) for one in self.exclude))
        self._check_exclusions()
        for column in self.hold:
            check_column("`hold`", column)
        if self.by is not None:
            check_column("`by`", self.by)
        if not isinstance(self.limit, int) or not 1 <= self.limit <= GREATEST_LIMIT:
            raise DefinitionError(f"`limit` is a number of values from 1 to {GREATEST_LIMIT}; got {self.limit!r}.")
        self._check_order()

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
        words = ", ".join(WALKED)
        if self.exclude and self.order not in WALKED:
            raise DefinitionError(
                f"The order {self.order!r} takes no exclusions; use one of {words}, or leave them out."
            )
        if self.per == "totals" and self.order not in WALKED:
            raise DefinitionError(f"The order {self.order!r} has no totals; use one of {words}, or count per user.")

    @classmethod
    def from_mapping(cls, raw: object) -> "Funnel":
        """A funnel from its YAML or JSON definition; the keys are those of `to_mapping`.

        Raises:
            DefinitionError: A key is unknown, a value is wrong, or there are too few steps.
        """
        if not isinstance(raw, Mapping):
            raise DefinitionError(f"A funnel definition maps {', '.join(_KEYS)} to values; got {raw!r}.")
        for key in raw:
            if key not in _KEYS:
                raise DefinitionError(f"Unknown key {key!r} in a funnel definition; {did_you_mean(key, _KEYS)}.")
        given: dict[str, Any] = {key: raw[key] for key in _AS_THEY_ARE if raw.get(key) is not None}
        if raw.get("within") is not None:
            given["within_s"] = parse_duration(raw["within"])
        steps = tuple(FunnelStep.from_mapping(step) for step in _list_of(raw, "steps", "a list of event types"))
        given["hold"] = tuple(_list_of(raw, "hold", "a list of columns", default=()))
        excluded = _list_of(raw, "exclude", "a list of event types", default=())
        return cls(steps, exclude=tuple(Exclusion.from_mapping(one) for one in excluded), **given)

    @property
    def unit_column(self) -> str:
        """The column that `per` names."""
        return UNIT_COLUMNS[self.per]

    def to_mapping(self) -> dict[str, Any]:
        """The definition as a file has it, choices that change nothing left out; the inverse of `from_mapping`."""
        steps = [step.to_mapping() for step in self.steps]
        found: dict[str, Any] = {"steps": steps, "within": f"{self.within_s}s", "order": self.order, "per": self.per}
        if self.hold:
            found["hold"] = list(self.hold)
        if self.exclude:
            found["exclude"] = [one.to_mapping() for one in self.exclude]
            found["exclusion_rule"] = self.exclusion_rule
        if self.by is not None:
            found |= {"by": self.by, "by_attribution": self.by_attribution, "limit": self.limit}
        return found


def _list_of(raw: Mapping[str, Any], key: str, words: str, default: Any = None) -> list[Any] | tuple[Any, ...]:  # noqa: ANN401 (a file says anything)
    found = default if raw.get(key) is None else raw[key]
    if not isinstance(found, list | tuple):
        raise DefinitionError(f"A funnel definition needs `{key}`, {words}; got {found!r}.")
    return found


def _check_order_name(order: object) -> None:
    words = str(order).strip().lower().replace("_", " ").removesuffix(" order")
    if order not in ORDERS and (ours := ORDERS_ELSEWHERE.get(words)):
        raise DefinitionError(f"The funnel's `order` {order!r} is called {ours} here.")
    _check_choice("order", order, ORDERS)


def _check_choice(name: str, value: object, known: Iterable[str]) -> None:
    if value not in tuple(known):
        raise DefinitionError(f"The funnel's `{name}` {value!r} is unknown; {did_you_mean(value, known)}.")


FIVE_STEP_FUNNEL: Final = Funnel(
    tuple(
        FunnelStep(event_type)
        for event_type in ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
    )
)
