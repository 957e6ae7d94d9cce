"""The questions of segments and of value: the customers of orders,
or of purchase events, as of a day.
"""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import model_validator

from ecom_assets.behaviour.questions.fields import Choices, CommandOption, Day, FormField, field
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.behaviour.sessions.contracts import CUT_BY
from ecom_assets.behaviour.sessions.question import SESSION_RULE
from ecom_assets.commerce.customers.segments import SCORES
from ecom_assets.commerce.customers.value import ValueRule
from ecom_assets.core.rows import without_none

SCORE: Final = Choices("method of scores", SCORES)


class CustomerQuestion(Question):
    """What customers are at the end of a day: all that they bought until then counts."""

    BESIDE: ClassVar[frozenset[str]] = frozenset({"as_of"})
    WITHOUT: ClassVar[frozenset[str]] = frozenset({"time_range", "start_date", "last", "compare"})
    READS: ClassVar = (*CUT_BY, "product_category", "cart_amount", "is_bot")
    READS_ALL: ClassVar = True

    session_rule: Annotated[str, SESSION_RULE] = field(
        "ga4",
        "Session rule",
        (
            "How events are cut into sessions; a purchase counts on the day on which its session "
            "started"
        ),
        form=FormField("calendar"),
    )
    end_date: Day | None = field(
        None,
        "As of",
        (
            "Look at customers at the end of this day, YYYY-MM-DD; default the newest day in the "
            "data"
        ),
        alias="as_of",
        is_date=True,
    )


class SegmentsQuestion(CustomerQuestion):
    """The definition of segments of customers; see docs/metrics/customers.md."""

    CALLED: ClassVar[str] = "segments"

    scores: Annotated[str, SCORE] = field("percent_rank", "Scores", "What customers who tie get")


class ValueQuestion(CustomerQuestion):
    """The definition of the value of customers; see docs/metrics/customers.md."""

    CALLED: ClassVar[str] = "the value of customers"

    horizon_days: int = field(ValueRule.horizon_days, "Horizon", "Days to expect orders in")
    value_months: int | None = field(
        None,
        "Months",
        "Months of 30 days that value looks ahead; default ECOM_VALUE_MONTHS, or 12",
        option=CommandOption("--months"),
    )
    discount_rate: float | None = field(
        None,
        "Discount rate",
        "Share by which money is worth less a year later; default ECOM_VALUE_DISCOUNT_RATE, or 0.1",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse spans and rates that are out of range."""
        _ = ValueRule(**self.options)
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The values of its rule that it says itself; the others are those of the settings."""
        named = {name: getattr(self, name) for name in ValueRule.__dataclass_fields__}
        return without_none(named)
