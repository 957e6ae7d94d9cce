"""Dagster resources of the warehouse: the open engine, its IO manager,
and the services that it runs in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import dagster as dg
from pydantic import PrivateAttr, create_model

from ecom_assets.core.operations.run_notes import note_run
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.resource import (
    SettingsResource,
    address,
    kind_in_dagster,
    setting,
    values_of,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import engine_kinds, settings_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import engine_kind, new_engine
from ecom_assets.core.warehouse.io_manager import WarehouseIOManager

AtEnd = Callable[[dg.DagsterInstance, dg.DagsterRun, Callable[[str], None]], None]
"""What is done when a run ends, after the warehouse was closed; it logs by its last argument."""


class _Warehouse(SettingsResource):
    """The warehouse that all tables are computed in, open for the length of a run.

    Without ECOM_WAREHOUSE it is a DuckDB file in ECOM_HOME; set it to a postgres://, snowflake://
    or spark:// address to compute elsewhere.
    """

    _at_end: AtEnd | None = PrivateAttr(None)

    url: str = address("Address, shown without its password (ECOM_WAREHOUSE)")
    memory_limit: str = setting("memory_limit")

    @classmethod
    def setting_of(cls, field: str) -> str:
        """Return the name of the setting that a field has."""
        return "warehouse" if field == "url" else field

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the resource as it is set."""
        with_address = settings.model_copy(update={"warehouse": settings.warehouse_url})
        return super().from_settings(with_address).bound_to(settings)

    def ending_with(self, at_end: AtEnd | None) -> Self:
        """Set what else is done when a run ends."""
        self._at_end = at_end
        return self

    def _with_updated_values(self, values: NamedValues | None) -> Self:
        return super()._with_updated_values(values).ending_with(self._at_end)

    def get_resource_definition(self) -> Any:  # noqa: ANN401 (Dagster's own type is not exported)
        """Return the Dagster definition,
        which requires the services that the warehouse can run in.
        """
        return _needing(
            super().get_resource_definition(),
            *(kind.name for kind in engine_kinds() if kind.service),
        )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Engine]:
        """Open the engine, and close it when the run ends."""
        settings = self.applied_to(self.settings)
        engine, kind = new_engine(settings), engine_kind(settings.warehouse_url)
        if kind.service:
            engine.connect_through(getattr(context.resources, kind.name))
        engine.open()
        try:
            if engine.notice and context.log:
                context.log.warning(engine.notice)
            yield engine
        finally:
            engine.close()
            if context.run is not None and context.instance is not None:
                instance, run = context.instance, context.run
                with _warning(context, "The run's results could not be noted in ECOM_HOME"):
                    note_run(instance, run.run_id, settings.home)
                if self._at_end:
                    with _warning(context, "What is done at the end of a run failed"):
                        self._at_end(instance, run, context.log.info if context.log else _unheard)


def _unheard(_sentence: str) -> None:
    """Say nothing, where a run has no log."""


@contextmanager
def _warning(context: dg.InitResourceContext, sentence: str) -> Iterator[None]:
    """Log that something at the end of a run failed; the run does not fail of it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (as above, whatever Dagster's storage says)
        if context.log:
            context.log.warning(f"{sentence}: {error}")


def _with_engine_settings() -> type[_Warehouse]:
    """Return the resource with a field for each setting of the engines that have
    no resource of their own.
    """
    owners = (settings_of(kind.package) for kind in engine_kinds() if not kind.service)
    names = [name for owner in owners if owner for name in owner.model_fields]
    fields: dict[str, Any] = {name: (kind_in_dagster(name), setting(name)) for name in names}
    # The list of engines is their packages, and Dagster reads the fields of a resource from its
    # class: a new engine has its settings here without a line.
    return create_model(
        "Warehouse", __base__=_Warehouse, __module__=__name__, __doc__=_Warehouse.__doc__, **fields
    )


Warehouse = _with_engine_settings()


class WarehouseIO(dg.ConfigurableIOManagerFactory[WarehouseIOManager]):
    """The IO manager, which computes tables in the warehouse and replaces their days,
    a transaction for each table.

    A source whose rows are mostly refused, or far fewer than usual, blocks the tables downstream of
    it, by these limits.
    """

    refused_share: float = setting("gate_refused_share")
    fall_share: float = setting("gate_fall_share")

    _make: Callable[[Engine, Settings], WarehouseIOManager] = PrivateAttr()
    _settings: Settings = PrivateAttr()

    @classmethod
    def from_settings(
        cls, settings: Settings, make: Callable[[Engine, Settings], WarehouseIOManager]
    ) -> "WarehouseIO":
        """Return the resource from the settings;
        `make` returns the IO manager of an open engine.
        """
        fields = {name: f"gate_{name}" for name in cls.model_fields}
        return cls(**values_of(settings, fields)).with_writer(settings, make)

    def create_io_manager(self, context: dg.InitResourceContext) -> WarehouseIOManager:
        """Return the IO manager of the open warehouse.

        Raises:
            UsageError: The run is over tables that are cut by day, and has no days.
        """
        update = {f"gate_{name}": getattr(self, name) for name in type(self).model_fields}
        manager = self._make(context.resources.warehouse, self._settings.model_copy(update=update))
        if context.run:
            manager.require_days(context.run)
        return manager

    def get_resource_definition(self) -> Any:  # noqa: ANN401 (Dagster's own type is not exported)
        """Return the Dagster definition,
        which requires the open warehouse instead of opening another one.
        """
        return _needing(super().get_resource_definition(), "warehouse")

    def _with_updated_values(self, values: NamedValues | None) -> "WarehouseIO":
        fresh: WarehouseIO = super()._with_updated_values(values)  # type: ignore[assignment]  # Dagster names the base
        return fresh.with_writer(self._settings, self._make)

    def with_writer(
        self, settings: Settings, make: Callable[[Engine, Settings], WarehouseIOManager]
    ) -> "WarehouseIO":
        """Set the factory of the IO manager,
        and the settings for everything that is not a field of this resource.
        """
        self._settings, self._make = settings, make
        return self


def _needing(definition: dg.ResourceDefinition, *keys: str) -> dg.ResourceDefinition:
    """Make a resource require other resources of the run: a class can only nest its own,
    which would open again.
    """
    # Until ConfigurableResource takes `required_resource_keys`, as `dg.resource` does for
    # functions. A `dg.ResourceDefinition` in its place would hide the fields from the page of
    # resources.
    definition._required_resource_keys = frozenset(keys)  # noqa: SLF001 (as above)
    return definition
