"""Choices of a journey query: pages as steps, excluded event types, and the part of a session from or to a step.

METRICS "Journeys".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError
from ecom_assets.journeys.journeys import EXIT, JOURNEY, START, JourneyRule
from ecom_assets.tables.conditions import EVERYTHING, Where
from ecom_assets.tables.presets import Preset

MAX_PATTERNS = 100
PRESETS: Final[Mapping[str, Preset]] = {
    # docs/metrics.md "Journeys": the first five steps of a session, and the fifty most frequent transitions
    "posthog": {"most_steps": 5, "top": 50, "session_rule": "source"},
    # Of the others only the session rule is known, see `sessions/rule.py`.
    "amplitude": {"session_rule": "amplitude"},
    "mixpanel": {"session_rule": "mixpanel"},
    "ga4": {"session_rule": "ga4"},
}
"""The defaults of other tools for journeys; ClickHouse has no sessions, and so no journeys."""


@dataclass(frozen=True)
class JourneyChoices:
    """The choices of a journey query, besides the rule.

    Attributes:
        by: What a step is: `page_type`, `category` or `page`.
        pages: Patterns of pages such as `/product/*`, which are one step each; the first that matches counts.
        excluded: Event types that are not steps, although they belong to their sessions.
        from_step: The step at whose first occurrence paths begin; None for the start of sessions.
        to_step: The step at whose first occurrence (after `from_step`) paths end; None for the end of sessions.
        min_count: The least count of the transitions to report.
        where: Conditions on events; others are ignored.
        most_steps: How many steps of a path are kept.
    """

    by: str = "page_type"
    pages: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    from_step: str | None = None
    to_step: str | None = None
    min_count: int = 1
    where: Where = EVERYTHING
    most_steps: int = JourneyRule.most_steps

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a choice that is unknown, out of range, or does not fit the others."""
        _ = self.rule
        if self.pages and self.by != "page":
            raise DefinitionError(f"Patterns group pages, and steps are by {self.by}; ask by page, or leave them out.")
        if len(self.pages) > MAX_PATTERNS or any(not one.strip() or "://" in one for one in self.pages):
            raise DefinitionError(
                f"Patterns are at most {MAX_PATTERNS} paths of pages without a host, such as /product/*; change them."
            )
        if self.min_count < 1:
            raise DefinitionError(f"A transition that counts {self.min_count} times is none; give 1 or more.")
        for step in (self.from_step, self.to_step):
            if step in {START, EXIT}:
                raise DefinitionError(f"Every session has {step}; name another step, or leave it out.")

    @property
    def rule(self) -> JourneyRule:
        """Return what the steps are, and how many of them are kept."""
        return JourneyRule(dimensions=(self.by,), most_steps=self.most_steps)


def step_events(events: ir.Table, choices: JourneyChoices) -> ir.Table:
    """Return the rows of `CleanEvents` that can be steps, with their `page`."""
    if choices.excluded:
        events = events.filter(~events.event_type.isin(choices.excluded))
    return events.mutate(page=page_of(events.page_url, choices.pages))


def page_of(url: ir.StringValue, patterns: Sequence[str] = ()) -> ir.StringValue:
    """Return the path of a page without host, query, fragment and last slash, or the first pattern that matches it."""
    path = url.re_replace("^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "").re_replace("[?#].*$", "").re_replace("/+$", "")
    path = (path == "").ifelse("/", path)
    if not patterns:
        return path
    regexes = {one: ".*".join(re.escape(part) for part in one.strip().split("*")) for one in patterns}
    matches = ((path.re_search(f"^{regex}$"), ibis.literal(one)) for one, regex in regexes.items())
    return path.isnull().ifelse(ibis.null("string"), ibis.cases(*matches, else_=path))


def part_of(steps: ir.Table, choices: JourneyChoices) -> ir.Table:
    """Return the part of each session's steps from one step to another; sessions without that part are left out.

    The steps are those of `journey_steps`. They get new places, and `is_late` where earlier steps on the way to a step
    were left out.
    """
    session = ibis.window(group_by=list(JOURNEY))
    nothing = ibis.null("int64")
    is_first = steps.step == choices.from_step if choices.from_step else steps.place == 1
    steps = steps.mutate(first_place=is_first.ifelse(steps.place, nothing).min().over(session))
    if choices.to_step:
        # A path from a step to the same step ends when it comes again.
        after = steps.place > steps.first_place if choices.from_step else steps.place >= steps.first_place
        last = (after & (steps.step == choices.to_step)).ifelse(steps.place, nothing).min()
    else:
        last = steps.place.max()
    steps = steps.mutate(last_place=last.over(session))
    steps = steps.filter(steps.first_place.notnull(), steps.last_place.notnull())
    kept = steps.last_place - choices.rule.most_steps + 1
    begins = steps.first_place if choices.from_step else ibis.greatest(steps.first_place, kept)
    begins = begins if choices.to_step else steps.first_place
    steps = steps.mutate(begins=begins.cast("int64"))
    own = steps.filter((steps.place == 0) | ((steps.place >= steps.begins) & (steps.place <= steps.last_place)))
    in_order = ibis.window(group_by=list(JOURNEY), order_by="place")
    placed = own.mutate(next_step=own.step.lead().over(in_order).fill_null(EXIT), is_late=own.begins > own.first_place)
    place = (placed.place == 0).ifelse(0, placed.place - placed.begins + 1).cast("int64")
    return placed.mutate(place=place).drop("first_place", "last_place", "begins")
