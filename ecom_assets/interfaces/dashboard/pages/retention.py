"""Retention builder: cohorts as a table of shares below their average,
and who is in a cell of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import ClassVar, Final
from urllib.parse import urlencode

from ecom_assets.behaviour.funnels.report import grouped
from ecom_assets.behaviour.retention.answer import (
    RETENTION,
    InCell,
    RetentionCohort,
    RetentionTotal,
)
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.intervals import FEW, differences_from_rest
from ecom_assets.interfaces.api.routes import ad_hoc
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    BEYOND_CHANCE,
    CHANCE,
    Block,
    Chart,
    DataTable,
    Notice,
    TableColumn,
)
from ecom_assets.interfaces.dashboard.form_inputs import FormInput
from ecom_assets.interfaces.dashboard.formats import AGAINST, DASH, chance
from ecom_assets.interfaces.dashboard.forms import (
    Builder,
    answered,
    answered_in,
    break_down_by,
    context,
    correct_first,
    question_page,
)
from ecom_assets.interfaces.dashboard.list_pages import (
    ROWS_OF_QUESTION,
    file_of_question,
    pages_of_question,
)
from ecom_assets.interfaces.dashboard.page import Section, View, csv_address
from ecom_assets.interfaces.dashboard.pages.person import columns_of_people, people
from ecom_assets.interfaces.dashboard.value_names import names_of

WHO_FIELDS: Final = ("cohort", "period", "returned")
OF_A_CELL: Final = (
    FormInput("who_cohort", "List who is in cohort", "2026-01-05", about=("cohort",)),
    FormInput("who_period", "In its period", "all of it", about=("period",)),
    FormInput(
        "who_returned", "Of these", options=(("", "who came back"), ("false", "who did not"))
    ),
)
BUILDER: Final = Builder(
    RETENTION, {"period": "week", "last_period": "12"}, extra={"list": OF_A_CELL}
)
CELLS: Final = (
    *TableColumn.from_fields(RetentionCohort, "cohort", "size"),
    *TableColumn.from_fields(RetentionTotal, "period", "returned"),
    TableColumn.from_field(RetentionTotal, "rate", of="size"),
    CHANCE,
    TableColumn("state", "Period is"),
)
TOTALS: Final = (
    *TableColumn.from_fields(RetentionTotal, "period", "cohorts", "size", "returned"),
    TableColumn.from_field(RetentionTotal, "rate", of="size"),
    CHANCE,
    *TableColumn.from_fields(RetentionTotal, "revenue", "lifetime_value"),
)
PALE: Final = (
    "Dashed cells are of periods that are not over yet: their share can grow. Grey ones are of "
    f"fewer than {FEW}."
)
MOST_COHORTS: Final = 26
"""Cohorts that are shown: half a year of weeks."""


@dataclass(frozen=True)
class CohortTable(Chart):
    """A row per cohort and a column per period, whose cells hold the share that came back."""

    template: ClassVar[str] = "cohorts.html"
    periods: Sequence[str] = ()
    lines: Sequence[NamedValues] = ()
    """The average, then each cohort: its name, size and cells."""


def cohort_table(view: View, answer: Answer) -> Block:
    """Return a cell per cohort and period,
    below the average of all cohorts that are complete in the period.
    """
    names = [total["period"] for total in answer["totals"]]
    cohorts, count = answer["cohorts"][-MOST_COHORTS:], len(answer["cohorts"])
    cut = (
        f"The newest {MOST_COHORTS} of {count:,} cohorts are shown; the CSV has all."
        if count > MOST_COHORTS
        else ""
    )
    address = _address(view, answer)
    lines = [
        {
            "name": str(cohort["cohort"]),
            "size": cohort["size"],
            "cells": _cells(cohort, names, address),
        }
        for cohort in cohorts
    ]
    average = [
        _cell(total["rate"], total["returned"], total["size"], is_over=True)
        for total in answer["totals"]
    ]
    rows = [
        {
            **cell,
            "cohort": line["name"],
            "size": line["size"],
            "state": "over" if cell["is_over"] else "not over yet",
        }
        for line in lines
        for cell in line["cells"]
    ]
    return CohortTable(
        _map(names),
        rows,
        CELLS,
        "A row per cohort, a column per period, and the share of the cohort that came back.",
        csv=csv_address(answer, "breakdown", "cohorts"),
        height=110 + 24 * len(cohorts),
        note=" ".join(filter(None, [PALE, cut])),
        definition=(
            "Visitors by the period in which they started, and the share of them that came "
            "back in each period."
        ),
        periods=names,
        lines=[{"name": "Average", "size": None, "cells": average}, *lines],
    )


def _map(names: Sequence[str]) -> charts.Spec:
    """Return the same as a heat map, for pictures in e-mails; the page has a table."""
    colour = {"field": "rate", "type": "quantitative", "title": "Share", "scale": {"type": "sqrt"}}
    period, cohort = charts.names("period", sort=[*names]), charts.names("cohort", sort="ascending")
    return {"mark": {"type": "rect"}, "encoding": {"x": period, "y": cohort, "color": colour}}


def _cells(cohort: NamedValues, names: Sequence[str], address: str) -> list[Row]:
    """Return the cells of a cohort, each with the address that lists who is in it."""
    cells = []
    for index, returned in enumerate(cohort["returned"]):
        rate = returned / cohort["size"] if cohort["size"] else None
        cell = _cell(rate, returned, cohort["size"], is_over=cohort["complete"][index])
        period = names[index] if index < len(names) else str(index)
        who = urlencode({"who_cohort": cohort["cohort"], "who_period": period})
        href = f"{address}&{who}{WHO.anchor}" if address else ""
        cells.append({**cell, "period": period, "href": href})
    return cells


def _cell(rate: float | None, returned: int | None, size: int | None, *, is_over: bool) -> Answer:
    return {
        "of": size or 0,
        "chance": chance(rate, size),
        "rate": rate,
        "returned": returned,
        "is_over": is_over,
        "heat": _heat(rate),
        "href": "",
        "text": DASH if rate is None else f"{rate:.0%}",
    }


def _heat(rate: float | None) -> int:
    """Return the colour of a share, from 0 to 8: the two strongest are of more than 60 %."""
    if rate is None:
        return 0
    if rate > STRONG:
        return 8 if rate > STRONGEST else 7
    return min(6, math.ceil(6 * math.sqrt(rate / STRONG)))


STRONG, STRONGEST = 0.6, 0.85


def _address(view: View, answer: Answer) -> str:
    """Return the address of this question, to which a cell is added;
    empty for callers who may not see people.
    """
    if not view.may(Scope.PERSONAL):
        return ""
    is_other = answer is context(view, BUILDER).compared
    by_other = (
        {"identity": answer["definition"]["identity"], "compare_identity": None} if is_other else {}
    )
    chosen = ("who_cohort", "who_period", "who_returned", "list_offset")
    address = view.here(**dict.fromkeys(chosen), **by_other)
    return address if "?" in address else f"{address}?period=week&last_period=12"


def totals(answer: Answer) -> Block:
    """Return the share of all cohorts that are complete in each period, as a line."""
    rows = [{**total, "chance": chance(total["rate"], total["size"])} for total in answer["totals"]]
    return DataTable(
        rows,
        TOTALS,
        definition="Sums over the cohorts that are complete in the period.",
    )


def breakdown(view: View, answer: Answer) -> Block:
    """Return the share of each value in each period,
    or links that break down by what events have.
    """
    parts = answer["breakdown"]
    if not parts:
        return break_down_by(view)
    values = {part["value"] for part in parts if isinstance(part["value"], str)}
    called = names_of(view, answer["definition"].get("by"), values)
    rows = [
        {
            "value": called.get(part["value"], part["value"]),
            **{name: total[name] for name in ("period", "returned", "rate", "size")},
            "chance": chance(total["rate"], total["size"]),
        }
        for part in parts
        for total in part["totals"]
    ]
    for same_period in grouped(rows, itemgetter("period")).values():
        shares = [(row["returned"] or 0, row["size"] or 0) for row in same_period]
        marks = differences_from_rest(shares, len(rows))
        for row, mark in zip(same_period, marks, strict=True):
            row["against"] = AGAINST[mark]
    spec = charts.shares("period", "rate", "size", "value", has_days=False)
    is_marked = any(row["against"] for row in rows)
    against = [BEYOND_CHANCE] if is_marked else []
    columns = (
        TableColumn("value", "Value"),
        *TableColumn.from_fields(RetentionTotal, "period", "size"),
        TableColumn.from_field(RetentionTotal, "rate", of="size"),
        CHANCE,
        *against,
    )
    note = f"Pale: of fewer than {FEW}."
    note += " Beyond chance, in the table: against all other values together." if against else ""
    return Chart(
        spec, rows, columns, "A line per value: the share that came back by period.", note=note
    )


def who(view: View) -> Block:
    """Return who is in a cell, for callers who may see people."""
    result = context(view, BUILDER)
    if not result.answer:
        return correct_first()
    texts = {name: getattr(view.filters, f"who_{name}").strip() for name in WHO_FIELDS}
    fields = {name: text for name, text in texts.items() if text}
    if "cohort" not in fields:
        return Notice(
            "Choose a cell of the table, or a cohort under “List the visitors”; it needs a "
            "key that may see people.",
            "info",
        )
    part = {"limit": ROWS_OF_QUESTION, "offset": view.filters.list_offset or 0}
    listed = ad_hoc.RetentionWhoParameters.model_validate({**fields, **part})
    answer = ad_hoc.retention_who(view.context, listed, result.question).model_dump(mode="json")
    cell = (
        answer["cohort"]
        if answer["period"] is None
        else f"{answer['cohort']}, period {answer['period']}"
    )
    pages = pages_of_question(view, answer["count"], "visitors", WHO.anchor)
    return pages.around(
        DataTable(
            people(view, answer["who"]),
            columns_of_people(InCell),
            csv=file_of_question(view, "/analytics/retention/who.csv", result.question, **fields),
            note=f"{answer['count']:,} of {cell}. {pages.note}".strip(),
            empty="Nobody is there.",
        )
    )


WHO: Final = Section("Who is in a cell", who)
PAGE = question_page(
    BUILDER,
    (
        Section("Cohorts", answered_in(BUILDER, cohort_table)),
        WHO,
        Section("All cohorts", answered(BUILDER, totals)),
        Section("Breakdown", answered_in(BUILDER, breakdown)),
    ),
    path="retention",
    title="Retention",
    position=20,
    summary="Who comes back, by when they started.",
)
