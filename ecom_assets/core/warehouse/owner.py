"""Whose data a warehouse has, remembered apart from the rows, which an accident can take away."""

from collections.abc import Callable
from typing import Final

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.tables.contract import Table, instant, text
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import in_memory

OWN: Final = "own"
SIMULATED: Final = "sandbox"
Claim = Callable[[Engine], None]
"""Notes whose data a run loads, or refuses to mix them with those of the other kind."""


class WarehouseOwner(Table):
    """One row: whose data the warehouse has."""

    layer = "raw"
    written_by = "run"
    key = ("holds",)

    holds = text("`own` for the data of a shop, `sandbox` for those of the simulated shop")
    noted_at = instant("When a run noted it")


def noted_owner(engine: Engine) -> str:
    """Return whose data the warehouse has by its note; empty without one."""
    rows = engine.noted_rows(WarehouseOwner)
    return str(rows[0]["holds"]) if rows else ""


def note_owner(engine: Engine, owner: str) -> None:
    """Record whose data the warehouse has, if that is not noted yet."""
    if noted_owner(engine) != owner:
        note = {"holds": owner, "noted_at": now_utc_without_zone()}
        engine.replace(WarehouseOwner, in_memory([note], WarehouseOwner), None)
