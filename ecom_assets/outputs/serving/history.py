"""The days that a warehouse has loaded, so that an incomplete warehouse is never published,
exported or served.

A publication keeps the days of arrival that it was built on. A warehouse that lacks some of them
was set aside, or removed by hand, or restored from an old backup: nothing may go out until they are
back, or somebody says that it is meant. Days whose rows were withdrawn are not missed.
"""

import json
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days, span_text
from ecom_assets.core.warehouse.day_notes import Withdrawals, notes_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.raw_slices import raw_days
from ecom_assets.outputs.serving.places import (
    newest_publication,
    publication_target,
    serves_postgres,
    serving_folder,
)

if TYPE_CHECKING:
    from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine

REBUILD = "ecom/rebuild"
"""Tag by which a run knows that what it publishes may lose days."""
KEPT = (RawEvents, RawUserOrderLog)
"""Raw tables whose days can be loaded again;
of customers and stock only the current state is available.
"""
Runs = dict[str, list[tuple[str, str]]]
"""First and last days of the runs of days of each table, as publications keep them."""


@dataclass(frozen=True)
class History:
    """Days of arrival that have rows, by raw table."""

    days: Mapping[str, Days] = field(default_factory=dict)

    @classmethod
    def from_warehouse(cls, engine: Engine, settings: Settings) -> "History":
        """Read the days of an open warehouse."""
        result = {
            name: Days.from_dates(rows) for name, rows in raw_days(engine, KEPT).items() if rows
        }
        return cls({_prefixed(name, settings): days for name, days in result.items()})

    @classmethod
    def read(cls, runs: Mapping[str, list[list[str]] | list[tuple[str, str]]]) -> "History":
        """Read the days that a publication recorded."""
        spans = {
            name: [
                Days.through(date.fromisoformat(first), date.fromisoformat(last))
                for first, last in each
            ]
            for name, each in runs.items()
        }
        return cls(
            {
                name: Days.from_dates(day for days in each for day in days.dates)
                for name, each in spans.items()
            }
        )

    @property
    def runs(self) -> Runs:
        """Return the days in the format of publications."""
        return {
            name: [(first.isoformat(), (end - ONE_DAY).isoformat()) for first, end in days.runs()]
            for name, days in self.days.items()
        }

    def missing_in(self, engine: Engine, settings: Settings) -> Days:
        """Return the days that the warehouse lacks, although nobody let their rows go.

        What was built on the sandbox shop is not missed in a warehouse of own data, nor the other
        way round.
        """
        current = History.from_warehouse(engine, settings)
        missing: set[date] = set()
        for name in (contract.qualified_name() for contract in KEPT):
            built_on, loaded = (
                self.days.get(_prefixed(name, settings)),
                current.days.get(_prefixed(name, settings)),
            )
            gone = {
                row["received_date"]
                for row in notes_of(engine, Withdrawals, name)
                if row["withdrawn_at"] is not None
            }
            missing |= (
                set(built_on.dates if built_on else ()) - set(loaded.dates if loaded else ()) - gone
            )
        return Days.from_dates(missing)


def require_history(
    tags: Mapping[str, str],
    engine: Engine,
    settings: Settings,
    *,
    consequence: str,
    published: History | None = None,
) -> None:
    """Refuse to publish or export an incomplete warehouse, unless a tag of the run allows it.

    The message ends with the `consequence`, such as `nothing was published`. `published` is what
    the last publication was built on, if it is known.

    Raises:
        WarehouseError: Days are missing.
    """
    if tags.get(REBUILD) == "true":
        return
    missing = (published or last_publication(settings)).missing_in(engine, settings)
    if missing.dates:
        raise WarehouseError(
            f"{_lack(engine.address, missing)}, so {consequence}; {_advice(missing)}"
        )


def require_rebuild(published: History, engine: Engine, settings: Settings, days: Days) -> None:
    """Refuse a run over some days if the warehouse lacks other days that the last publication had.

    Raises:
        WarehouseError: The run leaves out days that are missing.
    """
    missing = published.missing_in(engine, settings)
    if not set(missing.dates) <= set(days.dates):
        raise WarehouseError(
            f"{_lack(engine.address, missing)}, and a run over {days.first} to {days.dates[-1]} "
            f"would make a fragment; {_advice(missing)}"
        )


def last_publication(settings: Settings) -> History:
    """Return what the last publication was built on,
    in the file that the API reads or in Postgres; else nothing.
    """
    from ecom_assets.outputs.serving.snapshot import Snapshot  # noqa: PLC0415 (Postgres needs none)

    with suppress(WarehouseError):  # the next publication reports what is wrong with it
        if not serves_postgres(settings):
            snapshot = Snapshot.read(serving_folder(settings.home))
            return History.read(snapshot.built_on) if snapshot else History()
        with closing(publication_target(settings).open()) as target:
            return published_history(target)
    return History()


def published_history(target: "PostgresEngine") -> History:
    """Return the days that the newest publication was built on."""
    newest = newest_publication(target)
    return History.read(json.loads(newest.get("built_on") or "{}")) if newest else History()


def _lack(address: str, missing: Days) -> str:
    count = "1 day" if len(missing.dates) == 1 else f"{len(missing.dates):,} days"
    span = span_text(missing.first, missing.dates[-1])
    return (
        f"The warehouse {address} lacks {count} of what the last publication was built on ({span})"
    )


def _advice(missing: Days) -> str:
    return (
        f"build them again with `ecom run --from {missing.first} --to {missing.dates[-1]}`, or "
        "say with `ecom run --rebuild` that they are to go."
    )


def _prefixed(name: str, settings: Settings) -> str:
    return name if settings.has_own_data else f"sandbox {name}"
