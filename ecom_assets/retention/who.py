"""Who is in a cell of retention: who came back in a period of a cohort, or who did not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.retention.answers import Question, answer_activity
from ecom_assets.tables.schema import fetched


@dataclass(frozen=True)
class CellList:
    """Which list: of a cohort and one of its periods, at most so many.

    Attributes:
        cohort: The cohort, as an answer names it.
        period: The period or bracket, as an answer names it; None for all visitors of the cohort.
        limit: The most visitors to list.
        has_returned: Whether those who came back are listed, or those who did not.
        value: The value of the breakdown; None for all.
    """

    cohort: str
    period: str | None
    limit: int
    has_returned: bool = True
    value: str | None = None


def who_answer(question: Question, listed: CellList, whole_until: date | None = None) -> dict[str, Any]:
    """Return the visitors in a cell, in order, and how many they are.

    Raises:
        DefinitionError: There is no such cohort, period or value.
    """
    kept: list[ir.Table] = []
    answer = answer_activity(replace(question, keep=kept.append), whole_until)
    _check(answer, listed)
    (members,) = kept
    # An hour is known by its time in UTC, other periods by their first day.
    at = datetime.fromisoformat(listed.cohort)
    start = at.astimezone(UTC).replace(tzinfo=None) if question.rule.period == "hour" else at.date()
    members = members.filter(members.cohort_date == ibis.literal(start, members.cohort_date.type()))
    if listed.value is not None:
        members = members.filter(members.breakdown == listed.value)
    visitors = _in_cell(members, listed).select("visitor_id").distinct().order_by("visitor_id")
    ((count,),) = fetched(question.con, visitors.agg(count=visitors.count()))
    rows = fetched(question.con, visitors.limit(listed.limit))
    return {
        "definition": answer["definition"],
        "cohort": listed.cohort,
        "period": listed.period,
        "count": int(count),
        "who": [{"visitor_id": visitor} for (visitor,) in rows],
    }


def _in_cell(members: ir.Table, listed: CellList) -> ir.Table:
    if listed.period is None:
        return members
    first, _, last = listed.period.partition("-")
    came = members.filter(members.first_period == int(first), members.last_period == int(last or first))
    return came if listed.has_returned else members.anti_join(came, "visitor_id")


def _check(answer: Mapping[str, Any], listed: CellList) -> None:
    parts = {part["value"]: part for part in answer.get("breakdown", ())}
    if listed.value is not None and listed.value not in parts:
        raise DefinitionError(f"No value {listed.value!r} stands by itself; {did_you_mean(listed.value, parts)}.")
    part = answer if listed.value is None else parts[listed.value]
    cohorts = {one["cohort"]: one for one in part["cohorts"]}
    if listed.cohort not in cohorts:
        raise DefinitionError(f"There is no cohort {listed.cohort!r}; {did_you_mean(listed.cohort, cohorts)}.")
    names = [one["period"] for one in part["totals"]]
    begun = names[: len(cohorts[listed.cohort]["returned"])]
    if listed.period is not None and listed.period not in begun:
        raise DefinitionError(
            f"The cohort {listed.cohort} has no period {listed.period!r}; {did_you_mean(listed.period, begun)}."
        )
