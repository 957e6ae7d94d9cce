"""The run that lets a released day in: what is built on the source's table of held days, for that day.

Nothing is taken in anew, so it needs no files. Not here: the command (`release_command.py`).
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from rich.console import Console

from ecom_assets.asset_keys import asset_key
from ecom_assets.cli.platform_run import PlatformRun
from ecom_assets.cli.release_command import known_source
from ecom_assets.cli.run_outcome import RunOutcome
from ecom_assets.cli.run_progress import RunProgress
from ecom_assets.clock import now_utc_without_zone
from ecom_assets.contracts.held_days import HeldDays, HeldOrderDays
from ecom_assets.definitions import build_definitions, without_source
from ecom_assets.settings import Settings, load_settings, prepare_dagster_home
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.held_days import ORDERS
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.held_days import release
from ecom_assets.warehouse.opening import new_engine
from ecom_assets.warehouse.origin import with_origin

TABLES: dict[str, type[HeldDays]] = {ORDERS: HeldOrderDays}
"""Each source's table of held days."""


@dataclass(frozen=True)
class ReleaseRun:
    """A held day of a source that is to be let in."""

    settings: Settings
    source: str
    day: date

    @classmethod
    def of(cls, source: str, day: date) -> "ReleaseRun":
        """Find out whose data the warehouse holds, where settings do not say.

        Raises:
            UsageError: The source holds no days.
            WarehouseError: The warehouse cannot be opened.
        """
        known_source(source, TABLES)
        settings = load_settings()
        with closing(_opened(settings)) as engine:
            return cls(with_origin(engine, settings), source, day)

    def record(self, who: str) -> dict[str, Any]:
        """Record who lets the day in, and return how it was held.

        Raises:
            UsageError: The day is not held.
        """
        with closing(_opened(self.settings)) as engine:
            return release(engine, TABLES[self.source], self.source, self.day, who, now_utc_without_zone())

    def materialize(self) -> RunOutcome:
        """Compute the day, and all that is built on it."""
        prepare_dagster_home(self.settings)
        progress = RunProgress(Console(stderr=True), quiet=True)
        definitions = build_definitions(self.settings, progress=progress)
        graph = definitions.resolve_asset_graph()
        held = dg.AssetSelection.assets(asset_key(TABLES[self.source]))
        chosen = sorted(
            held.downstream().resolve(graph) & graph.materializable_asset_keys - without_source(self.settings)
        )
        return PlatformRun(self.settings, progress, definitions, chosen, Days((self.day,))).materialize()


def _opened(settings: Settings) -> Engine:
    return new_engine(settings).open()
