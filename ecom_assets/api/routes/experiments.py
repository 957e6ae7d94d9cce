"""The route for experiments by POST: how variants compare."""

from typing import Any, Literal

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.parameters import Context, JustSliced
from ecom_assets.api.questions import Body, Conditions, Name, QuestionEvents, RequestBody, question_router
from ecom_assets.experiments.experiment import MAX_VARIANTS, Experiment
from ecom_assets.experiments.queries import experiment_answer
from ecom_assets.questions.answer import QuestionAnswer
from ecom_assets.tables.queries import Extent

questions = question_router()


class Events(RequestBody):
    """Which events: of a type, under conditions."""

    event_type: Name | None = Field(None, description="What happens; default anything", examples=["purchase"])
    where: Conditions


class ExperimentBody(Body):
    """The definition of an experiment; see docs/metrics.md. The days are those of exposures."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"variant": "properties.variant", "goal": "purchase", "within": "7d"}]}
    )

    variant: Name = Field(description="Column or properties.key that names the variant")
    goal: Name | Events = Field(description="Events that count as success")
    exposure: Name | Events = Field("*", description="Events that name the variant; default any that has one")
    control: Name = Field("control", description="The variant with which the others are compared")
    within: StrictStr | None = Field(
        None, max_length=20, description="Time for a goal after the exposure; default to the last day", examples=["7d"]
    )
    amount: Name | None = Field(None, description="Number column of goals whose mean per unit is compared too")
    shares: dict[Name, float] | None = Field(
        None, max_length=MAX_VARIANTS, description="Planned share of each variant; others are ignored"
    )
    multiple: Literal["exclude", "first"] = Field(
        "exclude", description="Whether units that saw several variants are left out, or count for the first"
    )
    where: Conditions
    confidence: float = Field(0.95, ge=0.5, le=0.9999, description="Confidence of intervals")
    planned_units: int = Field(
        5_000, ge=1, le=1_000_000_000, description="Units at which the sequential interval is narrowest"
    )


class Ends(BaseModel):
    """The ends of an interval."""

    low: float = Field(description="Lower end")
    high: float = Field(description="Upper end")


class Comparison(BaseModel):
    """How a variant compares with the control in one metric."""

    difference: float = Field(description="Its value minus that of the control")
    relative_difference: float | None = Field(description="The same, relative to the control; null where that is zero")
    sequential: Ends | None = Field(description="Interval that is valid at every look; null where nothing varies")
    relative_sequential: Ends | None = Field(description="The same of the relative difference")
    p_value: float | None = Field(description="Always-valid p-value of no difference")
    credible: Ends | None = Field(description="Bayesian interval of the difference")
    probability_better: float | None = Field(description="Probability that its value is above that of the control")


class Metric(BaseModel):
    """A metric of a variant."""

    value: float | None = Field(description="Share of units that converted, or amount per unit; null without units")
    credible: Ends | None = Field(description="Bayesian interval of the value")
    probability_best: float | None = Field(description="Probability that it is the highest of all variants")
    against_control: Comparison | None = Field(description="Null for the control itself, and without units")


class VariantCounts(BaseModel):
    """A variant, its units and its metrics."""

    variant: str = Field(description="Its name", examples=["test"])
    unit_count: int = Field(description="Visitors that were exposed to it, and count")
    expected_share: float = Field(description="Share of units that was planned")
    converted_count: int = Field(description="Units with a goal event at or after their first exposure")
    open_count: int = Field(description="Units whose time for a goal is not over at the newest event")
    amount: float | None = Field(description="Sum of the amount; null where none is requested")
    conversion: Metric = Field(description="Share of units that converted")
    mean: Metric | None = Field(description="Amount per unit; null where none is requested")


class Ratio(BaseModel):
    """Whether the units are split as planned."""

    chi_squared: float = Field(description="Pearson's statistic")
    p_value: float = Field(description="Probability of such a split by chance")
    threshold: float = Field(description="P-value below which the split is a mismatch")
    is_mismatch: bool = Field(description="Whether the split is not the planned one: the differences may come from it")


class ExperimentAnswer(QuestionAnswer):
    """The result of an experiment."""

    total_count: int = Field(description="How many variants there are")
    variants: list[VariantCounts] = Field(description="The control first, the others by name or as listed")
    mixed_count: int = Field(description="Units exposed to several variants")
    sample_ratio: Ratio | None = Field(description="Null with fewer than two variants")
    warnings: list[str] = Field(description="Reasons to doubt the comparison, a sentence each")


@questions.post("/analytics/experiment", response_model=ExperimentAnswer, summary="An experiment: how variants compare")
def experiment(context: Context, parameters: JustSliced, body: ExperimentBody) -> dict[str, Any]:
    """Return conversion and mean of each variant, with its difference from the control."""
    definition = Experiment.from_mapping(body.as_definition())
    require_personal(context.request.scope, definition.columns)
    events_of_question = QuestionEvents(context, body)

    def compare(con: SQLBackend, events: ir.Table, extent: Extent) -> dict[str, Any]:
        # A goal can follow after the last day of exposures.
        seen = events if definition.within_s is None else events_of_question.seen(con)
        return experiment_answer(con, seen, definition, events_of_question.reach(extent), events_of_question.days)

    return events_of_question.answer(parameters, compare)
