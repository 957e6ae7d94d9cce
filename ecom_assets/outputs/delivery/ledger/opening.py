"""The ledger and the configured destinations of a run, opened on first use."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from ecom_assets.core.clock import Clock, now_utc_without_zone
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import ledger_address, ledger_is_there, open_store
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.outputs.delivery.destination import Destination
from ecom_assets.outputs.delivery.ledger.copy import noted_days, refuse_emptier
from ecom_assets.outputs.delivery.ledger.ledger import DeliveryLedger


@dataclass(eq=False)
class DeliveryContext:
    """The destinations and the ledger of a run; each is opened on first use.

    Attributes:
        settings: The settings.
        opened: Opens the destinations, by asset name.
        sending_at: The time, in UTC without time zone, which decides whether a payload is too old
            for a tool.
        retry_rejected: Whether records that a tool rejected are sent once more.
        first_day: Returns the first day; days before it are delivered only if they were begun
            before.
    """

    settings: Settings
    opened: AbstractContextManager[Mapping[str, Destination]]
    sending_at: Clock = now_utc_without_zone
    retry_rejected: bool = False
    first_day: Callable[[], date] | None = None
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _is_compared: bool = field(default=False, init=False, repr=False)

    @cached_property
    def destinations(self) -> Mapping[str, Destination]:
        """The configured destinations by asset name."""
        return self._stack.enter_context(self.opened)

    @cached_property
    def ledger(self) -> DeliveryLedger:
        """The ledger, open."""
        ledger = DeliveryLedger(open_store(self.settings), lease_s=self.settings.ledger_lease_s)
        self._stack.callback(ledger.close)
        return ledger

    def delivered_days(self, days: Days) -> Days:
        """Return those of the days whose records are delivered."""
        if self.first_day is None:
            return days
        begun = set(noted_days(self.store_if_any)["reconciled_date"].to_pylist())
        first = self.first_day()
        return Days.from_dates(day for day in days.dates if day >= first or day in begun)

    def refuse_emptier(self, engine: Engine) -> None:
        """Refuse to send if the ledger has fewer records than its copy in the warehouse;
        compares only once.

        Raises:
            DeliveryError: It has fewer records: it was lost, or replaced by an old one.
        """
        if not self._is_compared:
            store = self.ledger.store if ledger_is_there(self.settings) else None
            refuse_emptier(store, engine, ledger_address(self.settings))
            self._is_compared = True

    @property
    def store_if_any(self) -> Database | None:
        """Return the ledger's database, or None if nothing was ever delivered."""
        is_begun = {"ledger", "destinations"} & set(vars(self))
        return self.ledger.store if is_begun or ledger_is_there(self.settings) else None

    def close(self) -> None:
        """Close what was opened."""
        self._stack.close()
