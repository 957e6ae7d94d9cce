"""Definitions of funnels from Python values, for tests that build many."""

from collections.abc import Iterable, Mapping
from typing import Any

from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.behaviour.funnels.steps import Exclusion, FunnelStep, TimeToConvert
from ecom_assets.core.tables.conditions import EVERYTHING, Where
from ecom_assets.core.tables.values import Scalar

WEEK_S = 7 * 86_400


def step_of(
    event_type: str,
    equal: Mapping[str, Scalar] | None = None,
    others: Where = EVERYTHING,
    occurrence: str = "every",
) -> FunnelStep:
    """A step, as its definition is read, with plain equalities and other conditions."""
    where = (
        dict(equal or {})
        if others == EVERYTHING
        else [*([equal] if equal else []), others.to_mapping()]
    )
    return FunnelStep.from_mapping(
        {"event_type": event_type, "where": where, "occurrence": occurrence}
    )


def exclusion_of(event: FunnelStep, after: int = 1, before: int | None = None) -> Exclusion:
    """The exclusion of the events that a step would match."""
    return Exclusion.from_mapping({**event.to_mapping(), "after": after, "before": before})


def times_of(first: int, last: int, bins: int | str | list[str] | None = None) -> TimeToConvert:
    """The times between two steps."""
    return TimeToConvert.from_mapping({"from": first, "to": last, "bins": bins})


def funnel_of(
    steps: Iterable[FunnelStep], within_s: int = WEEK_S, order: str = "ordered", **more: Any
) -> Funnel:
    """A funnel, as its definition is read."""
    parts = {name: _written(value) for name, value in more.items()}
    return Funnel.from_mapping(
        {"steps": _written(tuple(steps)), "within": f"{within_s}s", "order": order} | parts
    )


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return value.to_mapping() if hasattr(value, "to_mapping") else value


FIVE_STEP_FUNNEL = Funnel.from_mapping({"steps": FIVE_STEPS})
