"""What made a table, from Dagster's history: for engines whose writers leave none: Snowflake and Spark."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg

from ecom_assets.explain.notes import Computation, Write, computation_of, grouped
from ecom_assets.serving.run_history import RunHistory
from ecom_assets.settings.settings import Settings, prepare_dagster_home
from ecom_assets.tables.contract import Table


@contextmanager
def history(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the history of runs of the settings' home."""
    prepare_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        yield instance


@dataclass(frozen=True)
class DagsterNotes:
    """The notes that Dagster's history has of runs; see `Notes`.

    Attributes:
        open_history: Opens the history of runs.
    """

    open_history: Callable[[], AbstractContextManager[dg.DagsterInstance]]

    def writes(self, contract: type[Table], days: Iterable[date]) -> list[Write]:
        """Return the runs that wrote some days of a table, the newest first; of the whole table if it has no days."""
        with self.open_history() as instance:
            return grouped(RunHistory(instance).writes(contract, list(days)))

    def computation(self, contract: type[Table]) -> Computation:
        """Return the latest computation of a table."""
        with self.open_history() as instance:
            return computation_of(RunHistory(instance).computations(contract))
