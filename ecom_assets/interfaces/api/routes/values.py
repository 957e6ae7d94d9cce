"""The route of the values that a column has, from which forms let people choose."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.behaviour.questions.answer import AnswerFields, definition_of, number
from ecom_assets.behaviour.questions.values import MOST_DOCUMENTS, ValuesQuestion, column_values
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.values import check_column
from ecom_assets.interfaces.api.parameters import Context, PagedDaysParameters, total_of
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.question_source import published_source

router = APIRouter(tags=["ad hoc"], responses=documented(409, 413))


class ValuesParameters(PagedDaysParameters):
    """Whose values to return."""

    column: str = Field(
        "event_type",
        min_length=1,
        max_length=500,
        description=(
            "A column of events or a properties.key; `properties` for the keys that there are"
        ),
        examples=["product_category"],
    )
    event_type: str | None = Field(None, max_length=500, description="Only of events of this type")
    search: str = Field(
        "", max_length=200, description="Only values that contain this, in upper or lower case"
    )


class ColumnValue(BaseModel):
    """A value that events have in a column."""

    value: str = Field(
        title="Value",
        description=(
            "A value of the column as text; of `properties`, one of its keys as columns are named"
        ),
        examples=["Shoes"],
    )
    kind: str = Field(
        description=(
            "What conditions compare it with: text, number or boolean; of other columns their type"
        ),
        examples=["text"],
    )
    event_count: int = number(
        "Events",
        "count",
        (
            f"Events that have it; of the keys of properties, among the newest {MOST_DOCUMENTS:,} "
            "events with any"
        ),
        examples=[412],
    )


class ValuesAnswer(AnswerFields):
    """The values of a column."""

    column: str = Field(description="As requested")
    event_type: str | None = Field(description="As requested; null for all events")
    total_count: int | None = total_of("values", 3)
    values: list[ColumnValue] = Field(description="The most frequent first, ties by value")


@router.get(
    "/analytics/values", response_model=ValuesAnswer, summary="Values of a column of events"
)
def values(context: Context, parameters: Annotated[ValuesParameters, Query()]) -> Answer:
    """Return the values that a column has in events of some days;
    one with personal data needs the scope `personal`.
    """
    check_column("`column`", parameters.column)
    period = context.period(parameters, "events")
    question = ValuesQuestion(
        parameters.column, parameters.event_type, parameters.search, parameters.page
    )
    source = published_source(None, context.request, context.reading, context.settings)
    rows, count = column_values(source, period, question)
    numbers = {
        "column": parameters.column,
        "event_type": parameters.event_type,
        "total_count": count,
        "values": rows,
    }
    return context.answer(
        parameters, definition_of(ValuesAnswer, *ColumnValue.model_fields), numbers, period
    )
