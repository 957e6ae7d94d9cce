"""The question of sales: its measures, dimensions and periods."""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ecom_assets.behaviour.questions.fields import (
    WEEKDAYS,
    Choices,
    CommandOption,
    Conditions,
    Count,
    FormField,
    commas,
    field,
    limit_field,
    periods,
    week_start_field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.commerce.custom_sales.dimensions import DIMENSIONS
from ecom_assets.commerce.custom_sales.lines import OF_PROFIT, STEPS
from ecom_assets.commerce.custom_sales.measures import MEASURES
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.tables.conditions import columns_of

MEASURE: Final = Choices(
    "measure of sales", {name: measure.label for name, measure in MEASURES.items()}
)
DIMENSION: Final = Choices(
    "dimension of sales", {name: dimension.label for name, dimension in DIMENSIONS.items()}
)
MOST_MEASURES: Final = 10
MOST_DIMENSIONS: Final = 3
MOST_VALUES: Final = 1_000
"""The most values that are shown beside Other."""


CONDITION_COLUMNS: Final = (
    *DIMENSIONS,
    *sorted(OF_PROFIT | STEPS | set(Sales.columns) - {*DIMENSIONS}),
)
"""What conditions may name: dimensions and columns of order lines."""


def _listed(value: Any) -> Any:  # noqa: ANN401 (what a definition has)
    """Return names as a list: texts may have several, with commas between them."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        return value
    return [name for text in texts for name in (commas(text) if isinstance(text, str) else [text])]


Measures = Annotated[tuple[Annotated[str, MEASURE], ...], BeforeValidator(_listed)]
Dimensions = Annotated[
    tuple[Annotated[str, DIMENSION], ...],
    BeforeValidator(_listed),
    Field(max_length=MOST_DIMENSIONS),
]


class SalesQuestion(Question):
    """The definition of a question about sales; see docs/metrics/sales.md."""

    CALLED: ClassVar[str] = "a question about sales"
    WITHOUT: ClassVar[frozenset[str]] = frozenset({"segment", "identity", "compare_identity"})
    TITLES: ClassVar = {"what": "Numbers", "by": "By", "list": "Behind the numbers"}
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "measures": ["revenue_amount", "order_count"],
                    "by": ["payment_method"],
                    "over": "week",
                }
            ]
        }
    )

    measures: Measures = field(
        ["revenue_amount"],
        "Numbers",
        "Measures; the first one decides which values come first",
        min_length=1,
        max_length=MOST_MEASURES,
        parts=commas,
        option=CommandOption(is_one=True),
        form=FormField("what", hint="revenue_amount", suggests="measures", width=2),
    )
    by: Dimensions = field(
        [],
        "Break down by",
        "Up to 3 dimensions",
        parts=commas,
        form=FormField("by", hint="product", suggests="dimensions", width=2),
    )
    over: Annotated[str | None, periods("period of sales")] = field(
        None,
        "Periods",
        "Length of a period; without one, all days are one",
        form=FormField("what", options={"": "All days in one"}),
    )
    limit: Count = limit_field(10, MOST_VALUES)
    where: Conditions = where_field(
        "Only order lines where",
        "What must hold of an order line, such as `quantity > 1`, or of a dimension",
        hint="category = Shoes",
    )
    cumulative: bool = field(
        default=False,
        label="Added up",
        help="Whether a period has all that came since the first",
        form=FormField("counting"),
        option=CommandOption(needs=("over", "adds periods up")),
    )
    share: bool = field(
        default=False,
        label="Share of the total",
        help="Whether to add the share of the total of the period",
        form=FormField("counting"),
    )
    week_start: Annotated[str, WEEKDAYS] = week_start_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse names that are said twice, and parts that do not go together."""
        for called, names in (("measures", self.measures), ("by", self.by)):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise DefinitionError(
                    f"`{called}` of {self.CALLED} names {twice} twice; name it once."
                )
        for name in columns_of(self.where):
            if name not in CONDITION_COLUMNS:
                raise DefinitionError(
                    f"Order lines have no {name!r} that conditions could name; "
                    f"{did_you_mean(name, CONDITION_COLUMNS)}."
                )
        if self.cumulative and self.over is None:
            raise DefinitionError(
                f"`cumulative` of {self.CALLED} adds periods up; choose `over`, such as month."
            )
        return self

    @property
    def columns(self) -> list[str]:
        """The measures and columns that it names; dimensions are for everybody to see."""
        return [*self.measures, *columns_of(self.where)]

    @property
    def read_columns(self) -> list[str]:
        """The columns that it names, and its dimensions."""
        return [*super().read_columns, *self.by]
