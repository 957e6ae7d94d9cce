"""Whose events and orders a warehouse holds, so that a shop's own and the sandbox shop's never end in one table.

Not here: reading them.
"""

from collections.abc import Callable

from ecom_assets.contracts.events import RawEvents
from ecom_assets.contracts.orders import RawUserOrderLog
from ecom_assets.contracts.registry import ALL, NOTES
from ecom_assets.contracts.table import Table
from ecom_assets.errors import UsageError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_source import SANDBOX
from ecom_assets.warehouse.engine import Engine


def require_same_origin(engine: Engine, settings: Settings, say: Callable[[str], None]) -> None:
    """Clear the sandbox shop's tables before own data come in, and refuse the sandbox's where own data are.

    Raises:
        UsageError: The warehouse holds own data, and none were given.
    """
    origins = {"events": _origins(engine, RawEvents), "orders": _origins(engine, RawUserOrderLog)}
    given = [noun for noun, place in (("events", settings.events), ("orders", settings.orders)) if place]
    if given and any(SANDBOX in found for found in origins.values()):
        engine.clear((*ALL, *NOTES))
        say(f"The sandbox shop's tables were cleared: this warehouse now holds your own {' and '.join(given)}.")
    for noun, found in origins.items():
        if not given and found - {SANDBOX}:
            named = min(found - {SANDBOX})
            raise UsageError(
                f"This warehouse holds your own {noun}, from {named}: name them again with --{noun} or "
                f"ECOM_{noun.upper()}, or set ECOM_HOME to another folder for the sandbox shop."
            )


def _origins(engine: Engine, raw: type[Table]) -> set[str]:
    # One row tells for all, because own and simulated data never come to lie together.
    return {row["source"] for row in engine.some_rows(raw, None, 1)} if engine.has(raw) else set()
