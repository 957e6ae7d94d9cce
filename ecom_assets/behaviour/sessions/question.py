"""The question of sessions, and the session rule, which other questions ask for too."""

from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import ConfigDict, model_validator

from ecom_assets.behaviour.questions.fields import (
    DURATIONS,
    SAME_OPTION,
    Choices,
    CommandOption,
    Conditions,
    Duration,
    FormField,
    FormGroup,
    field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question, preset_field, presets_of
from ecom_assets.behaviour.questions.source import EventSource
from ecom_assets.behaviour.sessions.contracts import CUT_BY
from ecom_assets.behaviour.sessions.rule import PRESETS as RULES
from ecom_assets.behaviour.sessions.rule import TOOL_RULES, SessionRule
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.conditions import where_mapping
from ecom_assets.core.tables.values import TOOLS

RULE_LABELS: Final = {
    **TOOLS,
    "ga4": "Google Analytics 4",
    "universal_analytics": "Universal Analytics",
    "snowplow": "Snowplow",
    "source": "Ids of the source",
}
SESSION_RULE: Final = Choices("session rule", {name: RULE_LABELS[name] for name in RULES})
SessionRuleName = Annotated[str | None, SESSION_RULE]
PRESETS: Final = {tool: {"session_rule": rule} for tool, rule in TOOL_RULES.items()}


def session_rule_field(
    help: str = "When a session ends; default as set",  # noqa: A002 (as argparse and typer call it)
    *,
    group: FormGroup = "calendar",
    option: CommandOption = SAME_OPTION,
) -> Any:  # noqa: ANN401 (as `field`)
    """Declare the rule that cuts events into sessions; None is that of the settings."""
    form = FormField(group, options={"": "The shop's rule"}, about=("session_rule", "session rule"))
    return field(None, "Session rule", help, form=form, option=option)


def known_session_rule(named: str | None, source: EventSource) -> str:
    """Return the session rule that a question names, or that of the settings.

    Raises:
        DefinitionError: The rule needs the session ids of the source, and there are none.
    """
    name = named or source.settings.session_rule
    if SessionRule.preset(name).trust_source_session_id and "source_session_id" in source.lacking:
        raise DefinitionError(
            "The events published in Postgres have no session ids of the source; use another rule."
        )
    return name


class SessionQuestion(Question):
    """Sessions by any rule, on the days on which they start; see docs/metrics/sessions.md."""

    CALLED: ClassVar[str] = "a session definition"
    ABOUT: ClassVar[str] = "sessions"
    TITLES: ClassVar = {"how": "Sessions"}
    PRESETS: ClassVar = PRESETS
    READS: ClassVar = (*CUT_BY, "product_category", "cart_amount", "is_bot")
    READS_ALL: ClassVar = True
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"session_rule": "ga4", "idle": "45m"}]}
    )

    session_rule: SessionRuleName = session_rule_field(
        group="how", option=CommandOption(also="--rule")
    )
    idle: Duration | None = field(
        None,
        "Ends after silence of",
        f"Silence that ends a session, {DURATIONS}",
        form=FormField(hint="30m", suggests="durations", about=("idle", "duration")),
    )
    where: Conditions = where_field()
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.idle is not None:
            _ = SessionRule(idle_timeout_s=self.idle)
        return self

    @property
    def rule(self) -> SessionRule:
        """The rule that cuts sessions, once its name is known."""
        return SessionRule.preset(str(self.session_rule), idle_timeout_s=self.idle)

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for the answer: the whole rule, and the conditions."""
        return {"session_rule": self.session_rule, **asdict(self.rule), **where_mapping(self.where)}
