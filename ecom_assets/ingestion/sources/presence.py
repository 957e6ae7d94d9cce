"""Which sources a shop has, set or stored by earlier runs, and their kinds in Dagster's graph.

A shop's own data and simulated data do not mix in one warehouse.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.settings.settings import PREFIX, Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import event_table_kind
from ecom_assets.core.warehouse.owner import OWN, SIMULATED, note_owner, noted_owner
from ecom_assets.ingestion.sources.ad_spend import ad_spend_paths, has_ad_spend
from ecom_assets.ingestion.sources.cost_table import kind_of, table_kind
from ecom_assets.ingestion.sources.costs import has_costs
from ecom_assets.ingestion.sources.events import SANDBOX
from ecom_assets.ingestion.sources.files.formats import files_below, split_paths
from ecom_assets.ingestion.sources.first_partition import remembered_sources, remembers_own_data
from ecom_assets.ingestion.sources.home_notes import remembered_paths
from ecom_assets.ingestion.sources.landing import is_stream
from ecom_assets.ingestion.sources.record_feed import feeds

EVENTS, ORDERS, CUSTOMERS, STOCK = "events", "orders", "customers", "stock"
COSTS: Final = "costs"
AD_SPEND: Final = "ad_spend"
RAW_OF: Final[Mapping[str, Contract]] = {name: feed.raw for name, feed in feeds().items()}
"""The table that has the rows of each source as they were received."""


def given_sources(settings: Settings) -> frozenset[str]:
    """Return the sources that are set, from which a run loads;
    all of them over the sandbox shop.
    """
    return frozenset(name for name, feed in feeds().items() if feed.is_there(settings))


def stored_sources(engine: Engine) -> frozenset[str]:
    """Return the sources with rows in the warehouse."""
    return frozenset(name for name, raw in RAW_OF.items() if engine.has_rows(raw))


def known_sources(settings: Settings) -> frozenset[str]:
    """Return the sources that are set, and those that the last `ecom run` found stored.

    The warehouse is not opened, because Dagster asks whenever it loads the code.
    """
    return given_sources(settings) | (
        remembered_sources(settings) if settings.has_own_data else frozenset()
    )


KIND_OF = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
LOOKED_AT = 20
"""Number of files that decide the kind of a folder; a landing folder can have thousands."""


def event_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of events."""
    if engine := event_table_kind(settings.events):
        return {engine.name}
    if is_stream(settings):
        return {"kafka"}
    return _file_kinds(split_paths(settings.events)) if settings.events else {SANDBOX}


def order_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of order lines."""
    if is_stream(settings, "orders"):
        return {"kafka"}
    if settings.orders:
        return _file_kinds(split_paths(settings.orders))
    return {"api"} if settings.order_api_url or not settings.has_own_data else set()


def stock_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of stock."""
    if settings.catalogue and not settings.catalogue_api_url:
        return _file_kinds([str(settings.catalogue)])
    return (
        {"api"}
        if settings.catalogue_api_url
        else {"parquet"}
        if not settings.has_own_data
        else set()
    )


def cost_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of costs."""
    if engine := table_kind(settings):
        return {engine.name}
    if settings.costs:
        return _file_kinds(split_paths(settings.costs))
    return {"csv"} if has_costs(settings) else set()


def ad_spend_kinds(settings: Settings) -> set[str]:
    """Return the kinds of the source of ad spend."""
    if settings.ad_spend:
        paths = ad_spend_paths(settings)
        engines = {kind.name for path in paths if (kind := kind_of(path)) is not None}
        return (engines if len(engines) == 1 else {"file"}) if engines else _file_kinds(paths)
    return {"csv"} if has_ad_spend(settings) else set()


def source_kinds(settings: Settings, name: str) -> set[str]:
    """Return the kinds of a source in Dagster's graph."""
    if name in _KINDS_OF:
        return _KINDS_OF[name](settings)
    return _file_kinds(split_paths(getattr(settings, name)))


_KINDS_OF: Final[Mapping[str, Callable[[Settings], set[str]]]] = {
    EVENTS: event_kinds,
    ORDERS: order_kinds,
    CUSTOMERS: lambda _settings: {"api"},
    STOCK: stock_kinds,
    COSTS: cost_kinds,
    AD_SPEND: ad_spend_kinds,
}


def _file_kinds(paths: list[str]) -> set[str]:
    result = {
        KIND_OF[ending] for path in paths for ending in _endings(Path(path)) if ending in KIND_OF
    }
    return (
        result if len(result) == 1 else {"file"}
    )  # Dagster shows three kinds, two of which are engine and table


def _endings(path: Path) -> set[str]:
    """Return the extensions of a file or of a folder's files, without that of compression."""
    try:
        files = [*islice(files_below(path), LOOKED_AT)] if path.is_dir() else [path]
    except (OSError, SourceError):  # the asset that reads it raises the error
        return set()
    return {Path(file.name.lower().removesuffix(".gz")).suffix for file in files}


OF_SHOPS: Final = {name: RAW_OF[name] for name in (EVENTS, ORDERS, CUSTOMERS)}
"""The tables that say whether a warehouse has own or simulated data."""


def require_same_origin(
    engine: Engine, settings: Settings, tables: Sequence[Contract], say: Callable[[str], None]
) -> bool:
    """Clear the sandbox's tables before own data are loaded,
    and refuse to load the sandbox over own data.

    Args:
        engine: The open warehouse.
        settings: The settings of the data to load.
        tables: Every table of the platform.
        say: Prints a message for the user.

    Returns:
        Whether the sandbox's tables were cleared.

    Raises:
        UsageError: The warehouse or the home has own data, and the settings name none.
    """
    owner = owner_of(engine, settings)
    is_replaced = settings.has_own_data and owner == SIMULATED
    if is_replaced:
        engine.clear(tables)
        say(
            "The sandbox shop's tables were cleared: this warehouse now holds your own "
            f"{_named_data(settings)}."
        )
    if not settings.has_own_data and owner == OWN:
        raise UsageError(_names_own_data(engine, settings))
    return is_replaced


def owner_of(engine: Engine, settings: Settings) -> str:
    """Return whose data the warehouse has; empty if it never had any.

    Its note says so; in a warehouse of an earlier version its rows do, and without rows the file
    that remembers the own data of the home.
    """
    if noted := noted_owner(engine):
        return noted
    origins = {_origin(engine, raw) for raw in OF_SHOPS.values()} - {""}
    if origins:
        return SIMULATED if SANDBOX in origins else OWN
    return OWN if remembers_own_data(settings) else ""


def claim_warehouse(settings: Settings, engine: Engine) -> None:
    """Note whose data a run loads, before it writes the first row of a raw table.

    Raises:
        UsageError: The warehouse has the simulated shop, and the settings name own data; or the
            reverse.
    """
    mine = OWN if settings.has_own_data else SIMULATED
    owner = owner_of(engine, settings)
    if owner == OWN != mine:
        raise UsageError(_names_own_data(engine, settings))
    if owner == SIMULATED != mine:
        raise UsageError(
            "This warehouse holds the simulated shop: run `ecom run` over your own data once, "
            "which clears its tables first, or set ECOM_HOME to another folder for your own data."
        )
    note_owner(engine, mine)


def _names_own_data(engine: Engine, settings: Settings) -> str:
    """Return the sentence that the own data of a warehouse must be named again."""
    origins = {noun: _origin(engine, raw) for noun, raw in OF_SHOPS.items()}
    own = {noun: origin for noun, origin in origins.items() if origin not in {"", SANDBOX}}
    remembered = remembered_paths(settings)
    own = own or {
        noun: path for noun in OF_SHOPS if (path := remembered.get(f"{PREFIX}{noun.upper()}", ""))
    }
    if own:
        noun, origin = next(iter(own.items()))
        what, again = f"{noun}, from {origin}", _setting(noun, origin)
    else:
        what, again = "data", "--events, --orders or --customers"
    return (
        f"This warehouse holds your own {what}: name them again with {again}, "
        "or set ECOM_HOME to another folder for the sandbox shop."
    )


def with_origin(engine: Engine, settings: Settings) -> Settings:
    """Return settings with the sources of the data in the warehouse,
    if the settings name no own data.

    A command that only reads tables needs no source settings, and must not treat own data as
    simulated. Paths and mappings are those of the last `ecom run`, for commands that read its
    files.
    """
    if settings.has_own_data:
        return settings
    origins = {noun: _origin(engine, raw) for noun, raw in OF_SHOPS.items()}
    addresses = {
        _field(noun, origin): origin
        for noun, origin in origins.items()
        if origin not in {"", SANDBOX}
    }
    last = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in remembered_paths(settings).items()
    }
    paths = {
        name: value for name, value in last.items() if name.removesuffix("_mapping") in addresses
    }
    return settings.model_copy(update=addresses | paths)


def _named_data(settings: Settings) -> str:
    addresses = {
        "events": settings.events,
        "orders": settings.orders or settings.order_api_url,
        "customers": settings.customers or settings.customer_api_url,
    }
    return " and ".join(noun for noun, address in addresses.items() if address)


def _setting(noun: str, address: str) -> str:
    variable = f"{PREFIX}{_field(noun, address).upper()}"
    return f"--{noun} or {variable}" if _field(noun, address) == noun else variable


def _field(noun: str, address: str) -> str:
    """Return the setting that names a source: that of its API, or of its files."""
    return (
        f"{noun.removesuffix('s')}_api_url" if address.startswith(("http://", "https://")) else noun
    )


def _origin(engine: Engine, raw: Contract) -> str:
    """Return where the rows of a table came from; empty without rows."""
    if not engine.has(raw):
        return ""
    # One row is enough, because own and simulated data never mix. Of the columns, a table may lack
    # new ones.
    rows = engine.rows_of(engine.table(raw).select("source").limit(1))
    return str(rows[0]["source"]) if rows else ""
