"""Whose events a warehouse holds, so that a shop's own and the sandbox shop's never end in one table.

Not here: reading events.
"""

from collections.abc import Callable

from ecom_assets.contracts.events import RawEvents
from ecom_assets.contracts.registry import ALL
from ecom_assets.errors import UsageError
from ecom_assets.settings import Settings
from ecom_assets.sources.event_source import SANDBOX
from ecom_assets.warehouse.engine import Engine


def require_same_origin(engine: Engine, settings: Settings, say: Callable[[str], None]) -> None:
    """Clear the sandbox shop's tables before own events come in, and refuse the sandbox's where own events are.

    Raises:
        UsageError: The warehouse holds own events, and none were given.
    """
    if not engine.has(RawEvents):
        return
    # One row tells for all, because own and simulated events never come to lie together.
    origins = {row["source"] for row in engine.some_rows(RawEvents, None, 1)}
    if settings.events and SANDBOX in origins:
        engine.clear(ALL)
        say("The sandbox shop's tables were cleared: this warehouse now holds your own events.")
    if not settings.events and origins - {SANDBOX}:
        named = min(origins - {SANDBOX})
        raise UsageError(
            f"This warehouse holds your own events, from {named}: name them again with --events or ECOM_EVENTS, or set "
            "ECOM_HOME to another folder for the sandbox shop."
        )
