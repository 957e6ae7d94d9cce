"""The source of what items cost: files, a table that lands in files, or none."""

from functools import partial

from ecom_assets.commerce.costs.contracts import RawCosts
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.received import NoSource
from ecom_assets.ingestion.sources.cost_table import cost_paths, shown_costs
from ecom_assets.ingestion.sources.files.mapping import UNIT_COST, CostMapping
from ecom_assets.ingestion.sources.mapped_records import MappedRecords
from ecom_assets.ingestion.sources.sandbox_shop import has_costs_file


def has_costs(settings: Settings) -> bool:
    """Return whether there are costs to load: configured ones, or the sandbox's if there are no own
    data.
    """
    return bool(settings.costs) or (
        not settings.has_own_data and has_costs_file(settings.sandbox_folder)
    )


# A pack of no pieces, or of a number that cannot be read, says nothing of a piece.
_OF_PIECE = f"TRY_CAST(round(cost_amount / nullif(piece_count, 0), 6) AS {UNIT_COST})"
_COST = f"CASE WHEN received_piece_count IS NULL THEN cost_amount ELSE {_OF_PIECE} END"


class FileCosts(MappedRecords):
    """The costs in the files, or the table, of `ECOM_COSTS`; they hold from days that are long
    past.
    """

    name = "costs"
    raw = RawCosts
    mapping = CostMapping
    amounts = ("cost_amount",)
    derived = (f"{_COST} AS unit_cost_amount",)

    def paths(self) -> list[str]:
        """Return the paths of the files; a table lands in one first."""
        return cost_paths(self.reader.con, self.settings)

    @property
    def shown(self) -> str:
        """Return the paths, or the address of the table without secrets."""
        return shown_costs(self.settings)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the columns of received rows that the raw table does not have."""
        return (*super().left_out, "cost_amount")


NO_COSTS = NoSource(partial(FileCosts.nothing, "ECOM_COSTS is not set"))
