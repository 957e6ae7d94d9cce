"""The guard that keeps a shop's own data and simulated data from mixing in one warehouse."""

from collections.abc import Callable, Sequence

from ecom_assets.customers.contracts import RawCustomers
from ecom_assets.errors import UsageError
from ecom_assets.events.contracts import RawEvents
from ecom_assets.orders.contracts import RawUserOrderLog
from ecom_assets.settings.settings import PREFIX, Settings
from ecom_assets.sources.events import SANDBOX
from ecom_assets.sources.first_partition import remembered_paths
from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.engine import Engine

RAW: dict[str, type[Table]] = {"events": RawEvents, "orders": RawUserOrderLog, "customers": RawCustomers}


def require_same_origin(
    engine: Engine, settings: Settings, tables: Sequence[type[Table]], say: Callable[[str], None]
) -> None:
    """Clear the sandbox's tables before own data are loaded, and refuse to load the sandbox over own data.

    Args:
        engine: The open warehouse.
        settings: The settings of the data to load.
        tables: Every table of the platform.
        say: Prints a message for the user.

    Raises:
        UsageError: The warehouse has own data, and the settings name none.
    """
    result = {noun: origins for noun, raw in RAW.items() if (origins := _origins(engine, raw))}
    if settings.has_own_data and any(SANDBOX in origins for origins in result.values()):
        engine.clear(tables)
        say(f"The sandbox shop's tables were cleared: this warehouse now holds your own {_given(settings)}.")
    for noun, origins in result.items():
        if not settings.has_own_data and origins - {SANDBOX}:
            named = min(origins - {SANDBOX})
            raise UsageError(
                f"This warehouse holds your own {noun}, from {named}: name them again with {_setting(noun, named)}, or "
                "set ECOM_HOME to another folder for the sandbox shop."
            )


def with_origin(engine: Engine, settings: Settings) -> Settings:
    """Return settings with the sources of the data in the warehouse, if the settings name no own data.

    A command that only reads tables needs no source settings, and must not treat own data as simulated. Paths and
    mappings are those of the last `ecom run`, for commands that read its files.
    """
    if settings.has_own_data:
        return settings
    owned = {
        noun: min(origins - {SANDBOX}, default="") for noun, raw in RAW.items() if (origins := _origins(engine, raw))
    }
    fields = {"events": "events", "orders": "orders", "customers": "customer_api_url"}
    if _is_api(owned.get("orders", "")):
        fields["orders"] = "order_api_url"
    places = {fields[noun]: place for noun, place in owned.items() if place}
    last = {name.removeprefix(PREFIX).lower(): value for name, value in remembered_paths(settings).items()}
    paths = {name: value for name, value in last.items() if name.removesuffix("_mapping") in places}
    return settings.model_copy(update=places | paths)


def _given(settings: Settings) -> str:
    given = {
        "events": settings.events,
        "orders": settings.orders or settings.order_api_url,
        "customers": settings.customer_api_url,
    }
    return " and ".join(noun for noun, place in given.items() if place)


def _setting(noun: str, place: str) -> str:
    return f"ECOM_{noun.upper()[:-1]}_API_URL" if _is_api(place) else f"--{noun} or ECOM_{noun.upper()}"


def _is_api(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _origins(engine: Engine, raw: type[Table]) -> set[str]:
    if not engine.has(raw):
        return set()
    # One row is enough, because own and simulated data never mix. Of the columns, a table may lack new ones.
    row = engine.table(raw).select("source").limit(1).to_pyarrow()
    return {str(source) for source in row["source"].to_pylist()}
