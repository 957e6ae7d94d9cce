"""The question of a correlation: whose conversion is looked at, and what may go with it."""

from typing import Annotated, ClassVar, Final, Self

from pydantic import ConfigDict, model_validator

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.questions.fields import (
    CommandOption,
    Count,
    FormField,
    Name,
    Share,
    column,
    commas,
    confidence_field,
    field,
)
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.values import check_column

MAX_PROPERTIES: Final = 10
Property = Annotated[Name, column("A property of a correlation", check_column)]


class CorrelationQuestion(Question):
    """The definition of a correlation; see docs/metrics/correlation.md."""

    CALLED: ClassVar[str] = "a correlation"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "funnel": {"steps": ["product_view", "purchase"]},
                    "properties": ["product_category"],
                }
            ]
        }
    )

    TITLES: ClassVar = {"what": "Funnel"}
    WITHOUT: ClassVar = frozenset({"compare"})

    funnel: Funnel = field(
        ...,
        "Funnel",
        "Whose conversion is looked at: a funnel per visitor",
        only=("steps", "within", "order", "where", "exclude", "exclusion_rule"),
    )
    properties: tuple[Property, ...] = field(
        [],
        "Compare values of",
        "Columns or properties.key of the event of the first step whose values are compared",
        max_length=MAX_PROPERTIES,
        parts=commas,
        form=FormField("by", hint="product_category, properties.key", suggests="columns", width=2),
        option=CommandOption("--property"),
    )
    limit: Count = field(
        20,
        "Show at most",
        "How many event types and values to show",
        ge=1,
        le=1_000,
        form=FormField(hint="20"),
    )
    confidence: Share = confidence_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a funnel with parts that make no sense here."""
        funnel = self.funnel
        if len(funnel.steps) == 1:
            raise DefinitionError(
                "In a funnel of one step everybody converts; give a correlation two steps or more."
            )
        if funnel.per != "user" or funnel.by is not None or funnel.hold:
            raise DefinitionError(
                "The funnel of a correlation counts users, without `by` and `hold`; leave these "
                "out."
            )
        if funnel.optional_steps:
            raise DefinitionError(
                "Nobody needs to take an optional step to convert; leave it out of a correlation."
            )
        if funnel.counts_firsts:
            raise DefinitionError(
                "The funnel of a correlation counts every event; leave `occurrence` out."
            )
        return self

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return [*self.funnel.columns, *self.properties]
