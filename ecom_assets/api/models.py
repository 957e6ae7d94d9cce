"""The fields that all answers share, and fields with descriptions from contracts."""

from typing import Any

from pydantic import BaseModel, Field, create_model

from ecom_assets.questions.answer import Answer
from ecom_assets.sales.coverage import SalesSource
from ecom_assets.tables.contract import Column

PREVIOUS = "Of the period before; null where the data hold no day of it"
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


class SoldAnswer(Answer):
    """The fields of every answer about sales."""

    source: SalesSource = Field(description=SOURCE)
