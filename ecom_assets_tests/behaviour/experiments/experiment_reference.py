"""Experiments by their definition, in plain Python: every event of every visitor is looked at."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ecom_assets.behaviour.experiments.question import ExperimentQuestion

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("visitor_id", pa.string()),
        ("event_type", pa.string()),
        ("event_at", pa.timestamp("us", tz="UTC")),
        ("event_date", pa.date32()),
        ("product_category", pa.string()),
        ("cart_amount", pa.decimal128(18, 2)),
        ("properties", pa.string()),
    ]
)


@dataclass(frozen=True)
class Act:
    """Who did what and when, with which variant and amount."""

    event_id: str
    visitor_id: str
    event_type: str
    event_at: datetime
    variant: str | None = None
    cart_amount: Decimal | None = None

    @property
    def day(self) -> date:
        """The day on which it happened."""
        return self.event_at.date()


def at(text: str) -> datetime:
    """Return an instant of March 2026 from its day and time, such as `02 10:00`."""
    return datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=UTC)


def as_events(acts: Sequence[Act]) -> pa.Table:
    """Return acts as clean events; the variant is a property."""
    rows = [
        {
            "event_id": act.event_id,
            "visitor_id": act.visitor_id,
            "event_type": act.event_type,
            "event_at": act.event_at,
            "event_date": act.day,
            "cart_amount": act.cart_amount,
            "properties": json.dumps({"variant": act.variant}) if act.variant else None,
        }
        for act in acts
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def by_definition(
    acts: Sequence[Act], experiment: ExperimentQuestion, first: date, last: date
) -> dict[str, Any]:
    """Return for each variant its units, conversions, open units and amounts;
    and how many units saw several.
    """
    newest = max(act.event_at for act in acts)
    counts: dict[str, dict[str, Any]] = {}
    mixed = 0
    for visitor in {act.visitor_id for act in acts}:
        own = sorted(
            (act for act in acts if act.visitor_id == visitor),
            key=lambda act: (act.event_at, act.event_id),
        )
        seen = [
            row
            for row in own
            if row.variant and _is_exposure(row, experiment) and first <= row.day <= last
        ]
        if not seen:
            continue
        is_mixed = len({row.variant for row in seen}) > 1
        mixed += is_mixed
        if is_mixed and experiment.multiple == "exclude":
            continue
        goals = [row for row in own if _is_goal(row, seen[0], experiment, last)]
        actual = counts.setdefault(
            str(seen[0].variant), dict.fromkeys(("units", "converted", "open"), 0) | {"paid": []}
        )
        actual["units"] += 1
        actual["converted"] += bool(goals)
        actual["open"] += (
            experiment.within is not None and seen[0].event_at + _time(experiment) > newest
        )
        actual["paid"].append(sum((goal.cart_amount or Decimal(0) for goal in goals), Decimal(0)))
    return {"variants": counts, "mixed": mixed}


def _is_exposure(act: Act, experiment: ExperimentQuestion) -> bool:
    wanted = experiment.shares
    return experiment.exposure.event_type in {None, act.event_type} and (
        not wanted or act.variant in wanted
    )


def _is_goal(act: Act, exposure: Act, experiment: ExperimentQuestion, last: date) -> bool:
    if act.event_type != experiment.goal.event_type or act.event_at < exposure.event_at:
        return False
    return (
        act.day <= last
        if experiment.within is None
        else act.event_at <= exposure.event_at + _time(experiment)
    )


def _time(experiment: ExperimentQuestion) -> timedelta:
    return timedelta(seconds=experiment.within or 0)
