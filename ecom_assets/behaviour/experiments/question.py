"""The question of an experiment: which variants are compared, and in what."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ecom_assets.behaviour.questions.fields import (
    DURATIONS,
    EVENT_TYPE,
    Choices,
    CommandOption,
    Conditions,
    Count,
    Duration,
    FormField,
    Name,
    Share,
    column,
    commas,
    confidence_field,
    field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question, QuestionPart
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.columns import EventFilter
from ecom_assets.core.tables.conditions import columns_of, where_mapping
from ecom_assets.core.tables.values import check_column

ANYTHING: Final = "*"
"""The event type of a goal or an exposure that any event can be."""
MIN_VARIANTS: Final = 2
MAX_VARIANTS: Final = 20
MIN_SHARE: Final = 0.000_001
MAX_SHARE: Final = 1_000_000_000
"""The bounds of a planned share:
greater or smaller ones leave the range of numbers when they are added or divided.
"""
MAX_WITHIN_S: Final = 100 * 366 * 86_400
SEVERAL: Final = Choices(
    "treatment of those who saw several variants",
    {"exclude": "are left out", "first": "count for the first"},
)


class Events(QuestionPart):
    """Which events: of a type, under conditions."""

    event_type: Annotated[Name | None, EVENT_TYPE]
    where: Conditions

    @classmethod
    def from_text(cls, text: str) -> NamedValues:
        """Return the event type as a definition has it."""
        return cls.filled({"event_type": text})

    @classmethod
    def filled(cls, options: NamedValues) -> NamedValues:
        """Return the options that are set, without an event type that any event has."""
        return {
            name: value
            for name, value in options.items()
            if (name, value) != ("event_type", ANYTHING)
        }

    @property
    def filter(self) -> EventFilter:
        """The same, as experiments are computed from it."""
        return EventFilter(self.event_type, self.where)


class Goal(Events):
    """Which events count as success: of a type, under conditions."""

    CALLED: ClassVar[str] = "the goal of an experiment"

    event_type: Annotated[Name | None, EVENT_TYPE] = field(
        None,
        "Goal",
        "Event type that counts as success, such as purchase; default anything",
        examples=["purchase"],
        form=FormField("what", hint="purchase", suggests="types"),
    )
    where: Conditions = where_field(
        "Goals where",
        "What must hold of a goal event, such as `cart_amount > 20`",
        hint="cart_amount > 20",
    )


class Exposure(Events):
    """Which events name the variant: of a type, under conditions."""

    CALLED: ClassVar[str] = "the exposure of an experiment"

    event_type: Annotated[Name | None, EVENT_TYPE] = field(
        None,
        "Exposed by",
        "Event type that names the variant; default any event that has one",
        examples=["page_view"],
        form=FormField("what", hint="any event that has one", suggests="types"),
    )
    where: Conditions = where_field(
        "Exposures where",
        "What must hold of an exposure, such as `properties.experiment = checkout`",
        hint="properties.experiment = checkout",
    )


def shares_of(raw: object) -> object:
    """Return the shares of variants that are listed as texts such as `control=50`.

    Raises:
        DefinitionError: A text is not one of these, or they are neither listed nor mapped.
    """
    if isinstance(raw, Mapping):
        return {str(name): part for name, part in raw.items()}
    if not isinstance(raw, list):
        raise DefinitionError(f"`shares` of an experiment map variants to numbers; got {raw!r}.")
    result: dict[str, float] = {}
    for text in raw:
        name, _, number = str(text).rpartition("=")
        try:
            part = float(number)
        except ValueError:
            name = ""
        if not name.strip() or name.strip() in result:
            raise DefinitionError(
                f"The share {text!r} is not understood; write VARIANT=NUMBER once each, as in "
                "control=50."
            )
        result[name.strip()] = part
    return result


Shares = Annotated[dict[Name, Share], Field(max_length=MAX_VARIANTS), BeforeValidator(shares_of)]


class ExperimentQuestion(Question):
    """The definition of an experiment;
    see docs/metrics/experiments.md. The days are those of exposures.
    """

    CALLED: ClassVar[str] = "an experiment"
    TITLES: ClassVar = {"what": "Variants"}
    WITHOUT: ClassVar = frozenset({"compare"})
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"variant": "properties.variant", "goal": "purchase", "within": "7d"}]
        }
    )

    variant: Annotated[Name, column("The variant of an experiment", check_column)] = field(
        ...,
        "Variant in",
        "Column or properties.key that names the variant, such as properties.variant",
        examples=["properties.variant"],
        form=FormField("what", hint="properties.variant", suggests="columns"),
    )
    goal: Goal = field(
        ...,
        "Goal",
        "Events that count as success",
        examples=["purchase"],
        only=("event_type", "where"),
    )
    exposure: Exposure = field(
        ANYTHING,
        "Exposed by",
        "Events that name the variant; default any that has one",
        only=("event_type", "where"),
    )
    control: Name = field(
        "control",
        "Control",
        "Variant with which the others are compared",
        form=FormField("what", hint="control"),
    )
    within: Duration | None = field(
        None,
        "Within",
        f"Time for a goal after the exposure, {DURATIONS}; default to the last day",
        examples=["7d"],
        form=FormField("what", hint="to the last day", suggests="durations"),
    )
    amount: Annotated[Name | None, column("The amount of an experiment", check_column)] = field(
        None,
        "Also compare mean of",
        "Number column of goals whose mean per unit is compared too",
        examples=["cart_amount"],
        form=FormField("what", hint="cart_amount", suggests="numbers"),
    )
    shares: Shares | None = field(
        None,
        "Planned shares",
        "Planned share of each variant, as VARIANT=NUMBER; others are ignored; default equal",
        parts=commas,
        examples=[{"control": 50, "test": 50}],
        form=FormField("counting", hint="control=50, test=50"),
        option=CommandOption("--share"),
    )
    multiple: Annotated[str, SEVERAL] = field(
        "exclude",
        "Who saw several",
        "Whether units that saw several variants are left out, or count for the first",
        form=FormField("counting"),
    )
    where: Conditions = where_field()
    confidence: Share = confidence_field()
    planned_units: Count = field(
        5_000,
        "Planned visitors",
        "Units at which the sequential interval is narrowest",
        ge=1,
        le=1_000_000_000,
        form=FormField("counting", hint="5000"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse shares without the control, and a time that is too long."""
        if self.within is not None and not 1 <= self.within <= MAX_WITHIN_S:
            raise DefinitionError(
                f"`within` of an experiment is 1 s to 100 years; got {self.within} s."
            )
        if self.shares:
            self._check_shares(self.shares)
        return self

    def _check_shares(self, shares: Mapping[str, float]) -> None:
        if not MIN_VARIANTS <= len(shares) <= MAX_VARIANTS:
            raise DefinitionError(
                f"An experiment has {MIN_VARIANTS} to {MAX_VARIANTS} variants, not {len(shares)}; "
                "list their shares."
            )
        for name, share in shares.items():
            if not MIN_SHARE <= share <= MAX_SHARE:
                raise DefinitionError(
                    f"The share of the variant {name!r} cannot be {share}; give a number above 0, "
                    f"of at least {MIN_SHARE:f} and at most {MAX_SHARE:,}."
                )
        if self.control not in shares:
            raise DefinitionError(
                f"The control {self.control!r} has no share; {did_you_mean(self.control, shares)}."
            )

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        conditions = [self.where, self.goal.where, self.exposure.where]
        columns = [column for where in conditions for column in columns_of(where)]
        return [*columns, self.variant, *([self.amount] if self.amount else [])]

    def definition(self) -> dict[str, Any]:
        """Return the definition for an answer, with `within` in seconds."""
        mapping: dict[str, Any] = {
            "variant": self.variant,
            "exposure": self.exposure.filter.to_mapping(),
            "control": self.control,
            "goal": self.goal.filter.to_mapping(),
            "within": None if self.within is None else f"{self.within}s",
            "amount": self.amount,
            "shares": self.shares or None,
            "multiple": self.multiple,
            "confidence": self.confidence,
            "planned_units": self.planned_units,
        }
        return mapping | where_mapping(self.where)
