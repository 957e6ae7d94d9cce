"""The question of attribution: which model credits which visits."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, ConfigDict, model_validator

from ecom_assets.behaviour.questions.fields import (
    DURATIONS,
    Choices,
    Conditions,
    Duration,
    FormField,
    field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question, preset_field, presets_of
from ecom_assets.behaviour.sessions.question import SessionRuleName, session_rule_field
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.contracts import ADDRESS, MODELS
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.attribution.queries import DEFAULT_MODEL
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.tables.conditions import where_mapping
from ecom_assets.core.tables.values import DAY_S, Preset, duration_text

MODEL: Final = Choices("attribution model", MODELS)
TWO: Final = Choices(
    "way to share two touches", {"normalised": "keep its proportion", "split": "split its middle"}
)
"""What shapes do with two touches, and what the form calls it."""
PRESETS: Final[Mapping[str, Preset]] = {
    # amplitude-docs data-tables-attribute-credit: the middle 20 % of two touches are split; no
    # default of the model or of the look-back is known
    "amplitude": {"two_touches": "split", "session_rule": "amplitude"},
    # mixpanel/docs features/computed-properties: last touch, 30 days; time decay halves in 7 days;
    # shapes keep the proportion of two touches
    "mixpanel": {
        "model": "last",
        "lookback": "30d",
        "half_life": "7d",
        "two_touches": "normalised",
        "session_rule": "mixpanel",
    },
    # "Paid and organic last click" passes Direct by; its default is data-driven, which nobody else
    # can compute. Analytics Admin API
    # AttributionSettings.otherConversionEventLookbackWindow: 90 days
    "ga4": {"model": "last_non_direct", "lookback": "90d", "session_rule": "ga4"},
}
"""The defaults of other tools for attribution, by the names of the command's options."""
LONGEST_LOOKBACK_S: Final = 366 * DAY_S
ALIASES: Final = {"u": "position", "u_shape": "position", "j_shape": "j"}
ALL_TIME_DAYS: Final = 36_500
"""Makes all days one period, so that the Markov chain is built from all paths."""


def model_name(text: object) -> str:
    """Return the canonical name of a model; case, hyphens and spaces do not matter.

    Raises:
        DefinitionError: There is no such model.
    """
    name = str(text).strip().lower().replace("-", "_").replace(" ", "_")
    name = ALIASES.get(name, name)
    if name not in MODELS:
        raise DefinitionError(
            f"There is no attribution model {text!r}; {did_you_mean(name, MODELS)}."
        )
    return name


class AttributionQuestion(Question):
    """Attribution; see docs/metrics/attribution.md. The days are those of purchases."""

    CALLED: ClassVar[str] = "an attribution definition"
    ABOUT: ClassVar[str] = "attribution"
    TITLES: ClassVar = {"how": "Credit"}
    PRESETS: ClassVar = PRESETS
    READS: ClassVar = (*ADDRESS, "is_bot", "cart_amount")
    READS_ALL: ClassVar = True
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "time_decay", "lookback": "30d"}]},
        protected_namespaces=(),
    )

    model: Annotated[str, MODEL, BeforeValidator(model_name)] = field(
        DEFAULT_MODEL, "Model", "How credit is shared among visits"
    )
    lookback: Duration = field(
        duration_text(AttributionRule.lookback_s),
        "Visits count for",
        f"How long before a purchase a visit counts, {DURATIONS}",
        form=FormField(hint="30d", suggests="durations", about=("look-back", "duration")),
    )
    half_life: Duration = field(
        duration_text(AttributionRule.half_life_s),
        "Weight halves in",
        f"In which a visit's weight halves, with time_decay, {DURATIONS}",
        form=FormField("counting", hint="7d", suggests="durations", about=("half-life",)),
    )
    two_touches: Annotated[str, TWO] = field(
        AttributionRule.two_touches,
        "Two visits of a shape",
        (
            "position and j of two visits; Mixpanel keeps their proportion, Amplitude splits the "
            "middle"
        ),
        form=FormField("counting"),
    )
    session_rule: SessionRuleName = session_rule_field()
    where: Conditions = where_field()
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 < self.lookback <= LONGEST_LOOKBACK_S:
            raise DefinitionError(
                f"A look-back of {self.lookback} s cannot be: give more than 0 s and at most 366 "
                "d, such as 30d."
            )
        if self.half_life <= 0:
            raise DefinitionError(
                f"A half-life of {self.half_life} s cannot be: give more than 0 s, such as 7d."
            )
        return self

    @property
    def rule(self) -> AttributionRule:
        """Which touches count, and how some models share their credit."""
        return AttributionRule(
            self.lookback, self.half_life, self.two_touches, period_days=ALL_TIME_DAYS
        )

    @property
    def cut_by(self) -> SessionRule:
        """The rule that cuts sessions, once its name is known."""
        return SessionRule.preset(str(self.session_rule))

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for the answer, besides the model."""
        rule = {name: value for name, value in asdict(self.rule).items() if name != "period_days"}
        return {**rule, "session_rule": self.session_rule, **where_mapping(self.where)}
