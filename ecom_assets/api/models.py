"""The fields that all answers share, and fields with descriptions from contracts."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, create_model

from ecom_assets.api.csv_answers import ABOUT_THE_NUMBERS
from ecom_assets.sales.coverage import SalesSource
from ecom_assets.tables.contract import Column
from ecom_assets.tables.queries import Coverage, TimeRange

Money = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+\.\d{2}$", "examples": ["1234.50"]}),
]
"""An amount as a decimal string, in the currency of the answer."""
InUtc = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
"""An instant, which tables have without its time zone, with it."""
PeriodStart = Annotated[
    str, WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]})
]
"""The first day of a period; of an hour its start, with the zone's offset."""
PREVIOUS = "Of the period before; null where the data hold no day of it"
CURRENCY = "Of all amounts, by ISO 4217; null where ECOM_CURRENCY does not say it"
CHANGE = "From that to this; null where that is zero, or the data do not hold all days of both"
SOURCE = "Where sales are counted: order lines, or purchase events where there are no order lines"


def of(column: Column, example: Any = None) -> Any:  # noqa: ANN401 (pydantic's `Field` returns `Any`)
    """Return a field with the description and the unit of a contract's column."""
    unit = f" [{column.unit}]" if column.unit else ""
    return Field(description=f"{column.description}{unit}", examples=None if example is None else [example])


def change_of(name: str, numbers: type[BaseModel], **examples: float) -> type[BaseModel]:
    """Return the model of the relative change of each number of a model; `examples` are by the name of the number."""
    fields: dict[str, Any] = {
        one: (float | None, Field(description=field.description, examples=[examples[one]] if one in examples else None))
        for one, field in numbers.model_fields.items()
    }
    meaning = "The relative change of each number; null after a zero, or if not all days of both periods are known."
    return create_model(name, __doc__=meaning, **fields)


class SourceDays(BaseModel):
    """The known days of a range, and of the range before it."""

    data: Coverage | None = Field(
        description="How many days of the range the data hold: the others are not known, and where it is `none`, "
        "every number is null",
        examples=["whole"],
    )
    known_from: date | None = Field(description="First of its days that is known; null where none is")
    known_to: date | None = Field(description="Last of them")
    held_days: list[date] = Field(
        description="Those of its days whose order lines are held back, wholly or in part: released, they may change",
        examples=[["2026-03-03"]],
    )
    missing_days: list[date] = Field(
        description="Those of its days of which nothing was received, though days before and after have rows: what "
        "happened on them is not known, and counts nowhere",
        examples=[["2026-03-04"]],
    )
    previous_data: Coverage | None = Field(
        description="How many of the days before the data hold; changes are given only where both are `whole`, and "
        "where it is `none` no numbers of these days either",
        examples=["whole"],
    )
    previous_known_from: date | None = Field(description="First of these that is known; null where none is")
    previous_known_to: date | None = Field(description="Last of them")
    previous_held_days: list[date] | None = Field(description="Those of these whose order lines are held back")
    previous_missing_days: list[date] | None = Field(description="Those of these of which nothing was received")


class Range(SourceDays):
    """The days that an answer covers, including both ends, and the days that it is compared with."""

    time_range: TimeRange | None = Field(description="As requested; null for a state as of a day", examples=["month"])
    start_date: date = Field(description="First day")
    end_date: date = Field(description="Last day")
    day_count: int = Field(description="How many days these are", examples=[30])
    timezone: str = Field(description="The time zone of the days", examples=["UTC"])
    previous_start_date: date | None = Field(description="First of as many days right before")
    previous_end_date: date | None = Field(description="Last of these")
    sources: dict[str, SourceDays] = Field(
        description="The same of each source that the numbers are counted from: `orders`, `purchase_events`, `events`, "
        "`stock`; above is what all of them know"
    )


class TableExplained(BaseModel):
    """A table that an answer was read from."""

    model_config = ConfigDict(extra="allow")

    table: str = Field(description="Layer and name", examples=["mart.revenue_daily"])
    dagster_url: str = Field(description="The asset in Dagster's UI")
    row_count: int | None = Field(None, description="Its rows")
    data_version: str | None = Field(None, description="Version of its rows: equal versions have equal rows")
    run_id: str | None = Field(None, description="The Dagster run that made it last")
    asset_version: str | None = Field(None, description="Dagster's data version of the asset")
    materialized_at: str | None = Field(None, description="When that was, in UTC")


class Explained(BaseModel):
    """Where an answer comes from."""

    sql: list[str] = Field(description="The queries to the store, in order")
    tables: list[TableExplained] = Field(description="The tables that were read")


def may_lack_what_is_about_numbers(schema: dict[str, Any]) -> None:
    """Describe the fields that `fields=numbers` leaves out as ones that an answer may lack."""
    schema["required"] = [name for name in schema["required"] if name not in ABOUT_THE_NUMBERS]


class Answer(BaseModel):
    """The fields of every answer."""

    model_config = ConfigDict(json_schema_extra=may_lack_what_is_about_numbers)

    range: Range = Field(description="The days that the answer covers")
    data_as_of: date = Field(description="The newest day in the data")
    data_version: str = Field(description="Version of the published tables: equal versions give equal answers")
    currency: str | None = Field(description=CURRENCY, examples=["EUR"])
    definition: dict[str, Any] = Field(description="What the numbers mean")
    explain: Explained | None = Field(None, description="Where the numbers come from, with `explain=true`")


class QuestionAnswer(Answer):
    """The fields of every answer to an ad-hoc question."""

    event_count: int = Field(description="Events that were looked at")


class SoldAnswer(Answer):
    """The fields of every answer about sales."""

    source: SalesSource = Field(description=SOURCE)
