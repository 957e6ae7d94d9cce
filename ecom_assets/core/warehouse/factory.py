"""The engines that there are, found by their folder, and the one that `ECOM_WAREHOUSE` names."""

from typing import cast

from ecom_assets.core.errors import SettingError
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import engine_kinds
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines import EngineKind


def engine_kind(warehouse_url: str) -> EngineKind:
    """Return what the engine of the warehouse in the settings declares.

    Raises:
        SettingError: No engine has the scheme of the address.
    """
    address, kinds = warehouse_url, engine_kinds()
    kind: EngineKind
    for kind in kinds:
        if kind.has_address(address):
            return kind
    *forms, last = (kind.form or f"{kind.schemes[0]}://" for kind in kinds)
    raise SettingError(
        f"ECOM_WAREHOUSE={without_secrets(address)!r} is not an address of a warehouse; write "
        f"{', '.join(forms)} or {last}."
    )


def event_table_kind(address: str) -> EngineKind | None:
    """Return what the engine declares in which an address names a table of events;
    None if no engine reads it.
    """
    return next(
        (kind for kind in engine_kinds() if kind.has_event_tables and kind.has_address(address)),
        None,
    )


def new_engine(settings: Settings, *, read_only: bool = False) -> Engine:
    """Return the engine for the address in the settings, not yet opened;
    it notes which days it writes.

    Raises:
        SettingError: The address has an unknown scheme, or the packages of its engine are not
            installed.
    """
    create = engine_kind(settings.warehouse_url).factory(settings.warehouse_url.partition("://")[0])
    engine = cast("Engine", create(settings))
    return (engine.reading() if read_only else engine).noting_writes()
