"""The question of journeys: what steps are, and which part of a session is looked at."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import ConfigDict, model_validator

from ecom_assets.behaviour.journeys.journeys import EXIT, START, JourneyRule
from ecom_assets.behaviour.questions.fields import (
    EVENT_TYPE,
    Choices,
    Conditions,
    Count,
    FormField,
    Name,
    commas,
    field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question, preset_field, presets_of
from ecom_assets.behaviour.sessions.contracts import CUT_BY
from ecom_assets.behaviour.sessions.question import SessionRuleName, session_rule_field
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.conditions import EVERYTHING
from ecom_assets.core.tables.values import Preset

BY: Final = Choices(
    "step of a journey", {"page_type": "Event types", "category": "Categories", "page": "Pages"}
)
MOST_STEPS: Final = 40
MAX_PATTERNS: Final = 100
MAX_COUNT: Final = 1_000_000_000
PRESETS: Final[Mapping[str, Preset]] = {
    # docs/metrics/journeys.md "Journeys": the first five steps of a session, and the fifty most
    # frequent transitions
    "posthog": {"most_steps": 5, "top": 50, "session_rule": "source"},
    # Of the others only the session rule is known, see `sessions/rule.py`.
    "amplitude": {"session_rule": "amplitude"},
    "mixpanel": {"session_rule": "mixpanel"},
    "ga4": {"session_rule": "ga4"},
}
"""The defaults of other tools for journeys; ClickHouse has no sessions, and so no journeys."""


class JourneyQuestion(Question):
    """Journeys; see docs/metrics/journeys.md. The days are those on which sessions start."""

    CALLED: ClassVar[str] = "a journey definition"
    ABOUT: ClassVar[str] = "journeys"
    TITLES: ClassVar = {"how": "Paths"}
    WITHOUT: ClassVar = frozenset({"compare"})
    PRESETS: ClassVar = PRESETS
    READS: ClassVar = ("product_category", *CUT_BY)
    READS_ALL: ClassVar = True
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"by": "page_type", "to_step": "purchase", "top": 5}]}
    )

    by: Annotated[str, BY] = field("page_type", "Steps are", "What a step is")
    from_step: Name | None = field(
        None,
        "From step",
        "Step at whose first occurrence paths begin; sessions without it are left out",
        form=FormField(hint="the beginning", suggests="types"),
    )
    to_step: Name | None = field(
        None,
        "To step",
        "Step at whose first occurrence paths end; sessions without it are left out",
        form=FormField(hint="the end", suggests="types"),
    )
    exclude: Annotated[tuple[Name, ...], EVENT_TYPE] = field(
        [],
        "Without",
        "Event types that are not steps",
        max_length=100,
        parts=commas,
        form=FormField(hint="search", suggests="types"),
    )
    group: tuple[Name, ...] = field(
        [],
        "Pages as one step",
        "Pages that are one step, such as '/product/*'; by page",
        max_length=MAX_PATTERNS,
        parts=commas,
        form=FormField(hint="/product/*", width=2),
    )
    min_count: Count = field(
        1,
        "Transitions taken at least",
        "Show transitions taken at least so many times",
        ge=1,
        le=MAX_COUNT,
        form=FormField("counting", hint="1"),
    )
    top: Count = field(
        10,
        "Most paths",
        "How many of the most frequent paths to show: of all sessions, with a purchase and without",
        ge=1,
        le=1_000,
        form=FormField("counting", hint="10"),
    )
    most_steps: Count = field(
        JourneyRule.most_steps,
        "Most steps of a path",
        "How many steps of a path are kept",
        form=FormField("counting", hint="20"),
    )
    session_rule: SessionRuleName = session_rule_field()
    where: Conditions = where_field()
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1 <= self.most_steps <= MOST_STEPS:
            raise DefinitionError(
                f"A path of {self.most_steps} steps cannot be kept; give 1 to {MOST_STEPS}."
            )
        if self.group and self.by != "page":
            raise DefinitionError(
                f"Patterns group pages, and steps are by {self.by}; ask by page, or leave them out."
            )
        if any(not pattern.strip() or "://" in pattern for pattern in self.group):
            raise DefinitionError(
                f"Patterns are at most {MAX_PATTERNS} paths of pages without a host, such as "
                "/product/*; change them."
            )
        for step in (self.from_step, self.to_step):
            if step in {START, EXIT}:
                raise DefinitionError(
                    f"Every session has {step}; name another step, or leave it out."
                )
        return self

    @property
    def journey_rule(self) -> JourneyRule:
        """What the steps are, and how many of them are kept."""
        return JourneyRule(dimensions=(self.by,), most_steps=self.most_steps)

    @property
    def rule(self) -> SessionRule:
        """The rule that cuts sessions, once its name is known."""
        return SessionRule.preset(str(self.session_rule))

    def translated(self, translate: Callable[[str], str]) -> Self:
        """Return the same with each event type translated; only by event type,
        the first and the last step are one.
        """
        result = super().translated(translate)
        if self.by != "page_type":
            return result
        first, last = (step and translate(step) for step in (self.from_step, self.to_step))
        return result.changed(from_step=first, to_step=last)

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for the answer: the choices, and the whole rules."""
        made: dict[str, Any] = {
            "from_step": self.from_step,
            "to_step": self.to_step,
            "excluded": list(self.exclude),
            "pages": list(self.group),
            "where": self.where.to_mapping() if self.where != EVERYTHING else None,
            "min_count": self.min_count if self.min_count > 1 else None,
        }
        rules = {
            "by": self.by,
            "session_rule": self.session_rule,
            **asdict(self.rule),
            **asdict(self.journey_rule),
        }
        return rules | {name: value for name, value in made.items() if value}
