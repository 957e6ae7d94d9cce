"""When a product's stock needs attention. Sources: METRICS "Inventory alert". Not here: the alerts."""

from dataclasses import dataclass

from ecom_assets.errors import DefinitionError


@dataclass(frozen=True)
class InventoryRule:
    """Where too little, too much and too still begin.

    `sales_days` (days, 28): mean daily units are of so many days, the stock's day the last of them: four weeks, so
    that every weekday counts as often. `overstock_days` (days of cover, 180): more than this lasts too long.
    `dead_days` (days, 90): who has not sold one in so many days sells none. Where sales reach back less far, means
    are of the days that there are, and nothing is called dead.
    """

    sales_days: int = 28
    overstock_days: int = 180
    dead_days: int = 90

    def __post_init__(self) -> None:
        """Refuse lengths that say nothing."""
        for name in ("sales_days", "overstock_days", "dead_days"):
            if getattr(self, name) < 1:
                raise DefinitionError(f"{name} of {getattr(self, name)} says nothing about stock; give 1 or more.")
