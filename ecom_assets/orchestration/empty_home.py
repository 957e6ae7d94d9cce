"""A home without data: what is left when the last upload is taken back, or when the first one could
not be loaded.
"""

import shutil
from contextlib import closing, suppress

from ecom_assets.core.settings.settings import OWN_DATA, Settings
from ecom_assets.core.settings.stated_currency import forget_currencies
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.owner import SIMULATED
from ecom_assets.ingestion.sources.presence import owner_of
from ecom_assets.orchestration.registry import ALL, MARTS, NOTES
from ecom_assets.outputs.serving.contracts import Publication
from ecom_assets.outputs.serving.places import (
    publication_target,
    serves_postgres,
    serving_folder,
)


def emptied(settings: Settings, *, keeps_sample: bool = False) -> bool:
    """Remove all rows of the warehouse, what the API reads, and what runs noted of their data.

    Boards, keys and the history of runs stay.

    Args:
        settings: The home, without own data.
        keeps_sample: Remove rows of own data only: the simulated shop, whose place they were to
            take, stays with what is published of it.

    Returns:
        Whether the tables were cleared; False where the simulated shop is still in them.

    Raises:
        WarehouseError: The warehouse is in use, or cannot be written.
    """
    with closing(new_engine(settings).open()) as engine:
        if keeps_sample and owner_of(engine, settings) == SIMULATED:
            return False
        engine.clear((*ALL, *NOTES))
    with suppress(FileNotFoundError):
        (settings.home / OWN_DATA).unlink()
    forget_currencies(settings.home)
    if keeps_sample:
        return True
    if serves_postgres(settings):
        with closing(publication_target(settings).open()) as target:
            target.clear((*MARTS, Publication))
    shutil.rmtree(serving_folder(settings.home), ignore_errors=True)
    # The files of a simulated shop, whose place the shop's own data took.
    shutil.rmtree(settings.sandbox_folder, ignore_errors=True)
    return True
