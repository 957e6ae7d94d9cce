"""How much of a run is the engine's: the seconds in which DuckDB writes
slices and answers questions.

Making SQL from Ibis expressions is counted apart; it is the platform's overhead, not the engine's
work.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.factory import new_engine


@dataclass
class Seconds:
    """Wall-clock and CPU seconds, all threads of this process counted."""

    wall: float = 0.0
    cpu: float = 0.0

    @classmethod
    def now(cls) -> "Seconds":
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def add_since(self, begun: "Seconds") -> None:
        """Add what has passed since then."""
        now = Seconds.now()
        self.wall += now.wall - begun.wall
        self.cpu += now.cpu - begun.cpu


class EngineClock:
    """Offers the warehouse as Dagster's resource and adds up the seconds spent in it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._depth = 0
        self._is_compiling = False
        self._busy = Seconds()
        self._compiling_sql = Seconds()

    @property
    def engine(self) -> "Seconds":
        """DuckDB's own."""
        return Seconds(
            self._busy.wall - self._compiling_sql.wall, self._busy.cpu - self._compiling_sql.cpu
        )

    def resource(self) -> dg.ResourceDefinition:
        """Return the resource `warehouse`, with every call to it on the clock."""

        @dg.resource
        def warehouse(_context: dg.InitResourceContext) -> Iterator[DuckDBEngine]:
            engine = self._timed(new_engine(self._settings).open)()
            self._watch(engine)
            try:
                yield engine
            finally:
                self._timed(engine.close)()

        actual: dg.ResourceDefinition = warehouse
        return actual

    def _watch(self, engine: DuckDBEngine) -> None:
        for owner, names in (
            (engine, ("replace", "ensure")),
            (engine.con, ("to_pyarrow", "raw_sql")),
        ):
            for name in names:
                setattr(owner, name, self._timed(getattr(owner, name)))
        for owner in (engine, engine.con):  # both are called inside the calls above
            owner.compile = self._compiling(owner.compile)  # type: ignore[method-assign]

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the call takes)
            begun = Seconds.now()
            self._depth += 1
            try:
                return call(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self._busy.add_since(begun)

        return timed

    def _compiling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever the call takes)
            begun = Seconds.now()
            is_outermost, self._is_compiling = not self._is_compiling, True
            try:
                return call(*args, **kwargs)
            finally:
                self._is_compiling = not is_outermost
                if self._depth and is_outermost:
                    self._compiling_sql.add_since(begun)

        return timed
