"""The breakdown of a funnel that the kernel counts: its steps for each value of a column.

1. The kernel says which units took each step, and when (`TakenSteps`).
2. Only the events by which they did are looked up, so that a column that has to be joined, such as
   where a session came from, is joined to these alone. Their values go into `VALUES`.
3. `report.labels_of` chooses the value that each unit counts for, its label: `LABELS`.
4. The kernel's times are divided by label.

The numbers are those of `funnel_chains` with `report.labelled`; a test compares both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.funnels import report
from ecom_assets.behaviour.funnels.chains import VALUE, breakdown_value
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel.counts import TakenSteps, taken_steps
from ecom_assets.behaviour.funnels.kernel.passes import (
    StepTimes,
    times_by_group,
    times_of_attempts,
)
from ecom_assets.behaviour.funnels.matching import (
    check_columns,
    counted_events,
    matches,
    with_flags,
)
from ecom_assets.behaviour.questions.source import Describe
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.packed import Ints
from ecom_assets.core.tables.portable import first_of_each

STEPS: Final = "breakdown_steps"
"""The temporary table of who took a step, and when."""
VALUES: Final = "breakdown_values"
"""That of the values which decide what a unit counts for: `number` of the unit, `step`, `by_value`.
"""
LABELS: Final = "breakdown_labels"
"""That of what units count for: `number`, `label`."""
TEMPORARY: Final = ("temp", "main")


@dataclass(frozen=True)
class FastBreakdown:
    """The times of all units, and the rows of `step_numbers` of each label."""

    times: StepTimes
    rows: list[Row]


def fast_breakdown(
    con: Backend, events: ir.Table, funnel: Funnel, unit: Sequence[str], describe: Describe
) -> FastBreakdown:
    """Count a funnel and its breakdown by the kernel.

    Args:
        con: The engine, which has the kernels.
        events: Rows as `funnel_events` returns them, without the columns that `describe` adds.
        funnel: A funnel that the kernel can count, in an order other than `any`, in which the time
            of a step does not say by which event it was taken.
        unit: The columns of the unit.
        describe: Adds columns of `by`.

    Raises:
        DefinitionError: As `funnel_chains`.
    """
    check_columns(describe(events), funnel, [*unit, "event_id"])
    flagged, plain = with_flags(events, funnel)
    with taken_steps(con.con, str(con.compile(flagged)), plain, unit) as taken:
        try:
            _ValuesOfUnits(con, events, funnel, describe, taken).store_values()
            labels, label_of = _labels(con, funnel, taken.unit_count)
        finally:
            for table in (STEPS, VALUES, LABELS):
                con.con.execute(f"DROP TABLE IF EXISTS temp.{table}")
        times = times_of_attempts(taken.steps)
        if not labels:
            return FastBreakdown(times, [])
        labels_by_step = [label_of[numbers] for numbers, _ in taken.steps]
        parts = zip(labels, times_by_group(times, labels_by_step, len(labels)), strict=True)
        rows = [{**row, "label": label} for label, part in parts for row in report.step_rows(part)]
        return FastBreakdown(times, rows)


def _labels(con: Backend, funnel: Funnel, unit_count: int) -> tuple[list[str], Ints]:
    """Return the labels, and for each unit the position of its own, -1 for a unit without one."""
    shown = report.labels_of(con.table(VALUES, database=TEMPORARY), funnel)
    con.create_table(LABELS, shown, temp=True, overwrite=True)
    rows = con.con.execute(f"SELECT DISTINCT label FROM {LABELS} ORDER BY label").fetchall()  # noqa: S608  # a name of this module
    labels = [label for (label,) in rows]
    texts = "$labels::VARCHAR[]"
    positions = f"SELECT unnest({texts}) AS label, unnest(range(len({texts}))) AS position"
    result = con.con.execute(
        f"SELECT number, position FROM {LABELS} JOIN ({positions}) USING (label)",  # noqa: S608
        {"labels": labels},
    ).fetchnumpy()
    label_of = np.full(unit_count, -1, np.int64)
    label_of[np.asarray(result["number"], np.int64)] = np.asarray(result["position"], np.int64)
    return labels, label_of


@dataclass(frozen=True)
class _ValuesOfUnits:
    """Looks up the values by which units are attributed, and stores them in `VALUES`."""

    con: Backend
    events: ir.Table
    funnel: Funnel
    describe: Describe
    taken: TakenSteps

    def store_values(self) -> None:
        """Store at least the values that decide what each unit counts for."""
        self.con.con.execute(
            f"CREATE OR REPLACE TEMP TABLE {VALUES} (number BIGINT, step BIGINT, {VALUE} VARCHAR)"
        )
        attribution, numbers = self.funnel.by_attribution, range(1, len(self.taken.steps) + 1)
        if attribution == "all":
            for step in numbers:
                self._store_step(step, *self.taken.steps[step - 1])
        elif attribution in {"first", "last"}:
            self._store_until_known(numbers if attribution == "first" else numbers[::-1])
        else:
            step = int(attribution.removeprefix("step_"))
            self._store_step(step, *self.taken.steps[step - 1])
        self._store_units_without_value()

    def _store_step(self, step: int, numbers: Ints, at: Ints) -> None:
        """Store the values that units have at a step, which they took at these times."""
        self.taken.store_events(STEPS, numbers, at)
        values = self._values_at_step(step)
        self.con.con.execute(f"INSERT INTO {VALUES} {self.con.compile(values)}")

    def _store_until_known(self, steps: Sequence[int]) -> None:
        """Store the values at the first of `steps`, then at each next one those of the units that
        have none yet.
        """
        lacks_value = np.ones(self.taken.unit_count, bool)
        for step in steps:
            numbers, at = self.taken.steps[step - 1]
            lacking = lacks_value[numbers]
            if lacking.any():
                self._store_step(step, numbers[lacking], at[lacking])
                having = f"SELECT number FROM {VALUES} WHERE step = {step} AND {VALUE} IS NOT NULL"  # noqa: S608  # a number
                valued = self.con.con.execute(having).fetchnumpy()["number"]
                lacks_value[np.asarray(valued, np.int64)] = False

    def _values_at_step(self, step: int) -> ir.Table:
        """Return the values of the events by which the units in `STEPS` took a step."""
        events = counted_events(self.events, self.funnel, self.taken.units)
        hits = events.filter(matches(events, self.funnel.steps[step - 1]))
        taken = self.con.table(STEPS, database=TEMPORARY)
        described = self.describe(hits.join(taken, [*self.taken.units, "event_at"]))
        value = breakdown_value(described, self.funnel.by_columns)
        rows = described.select("number", "event_id", **{VALUE: value})
        first = first_of_each(rows, "number", ["event_id", VALUE])
        return first.select("number", step=ibis.literal(step, "int64"), **{VALUE: first[VALUE]})

    def _store_units_without_value(self) -> None:
        """Store a row with null for each unit of which no value was looked up."""
        units, _ = self.taken.steps[0]
        self.con.con.register("unit_numbers", {"number": units})
        self.con.con.execute(
            f"INSERT INTO {VALUES} SELECT number, 0, NULL FROM unit_numbers "  # noqa: S608  # names of this module
            f"ANTI JOIN {VALUES} USING (number)"
        )
        self.con.con.unregister("unit_numbers")
