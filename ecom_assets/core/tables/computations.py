"""Whether a table or a check has to be computed again: what it is computed from, and the answer.

A table is left alone where its inputs, rules and columns are as they were when it was computed
last, over the same days. Their inputs are compared before anything is built, by
`warehouse/computed_from.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days


@dataclass(frozen=True, eq=False)
class RequestedComputation:
    """All that decides the rows of a table on the days of a run, or the result of a check.

    Attributes:
        contract: The table.
        calls: The functions that are called, with their arguments by name: whole tables, days and
            rules.
        tables: The tables that they read.
        days: The days of the run, and those that its late rows count for.
        loaded_from: The raw table of which days that no run has loaded are left out.
        check: The name of the check; empty for the table itself.
    """

    contract: Contract
    calls: Sequence[tuple[Callable[..., Any], NamedValues]]
    tables: frozenset[Contract]
    days: Days
    loaded_from: Contract | None = None
    check: str = ""


@dataclass(frozen=True, eq=False)
class ComparedInputs:
    """The inputs of a computation, beside those when the same was computed last.

    Attributes:
        computation: What they are the inputs of.
        inputs: Their digest: equal digests give equal rows.
        run_id: The run that computed the same last, if the table is as that run left it.
        looked_at_count: How many rows the check looked at then.
    """

    computation: RequestedComputation
    inputs: str
    run_id: str | None = None
    looked_at_count: int = 0

    @property
    def are_unchanged(self) -> bool:
        """Return whether computing the rows again would change nothing."""
        return self.run_id is not None


@dataclass(frozen=True)
class ComputedOutput:
    """What a table was computed as, with its inputs beside those of before."""

    output: Any
    compared: ComparedInputs
