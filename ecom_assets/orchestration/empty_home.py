"""A home without data: what is left when the last upload is taken back."""

import shutil
from contextlib import closing, suppress

from ecom_assets.core.settings.settings import OWN_DATA, Settings
from ecom_assets.core.settings.stated_currency import forget_currencies
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.orchestration.registry import ALL, MARTS, NOTES
from ecom_assets.outputs.serving.contracts import Publication
from ecom_assets.outputs.serving.places import (
    publication_target,
    serves_postgres,
    serving_folder,
)


def emptied(settings: Settings) -> None:
    """Remove all rows of the warehouse, what the API reads, and what runs noted of their data.

    Boards, keys and the history of runs stay.

    Raises:
        WarehouseError: The warehouse is in use, or cannot be written.
    """
    with closing(new_engine(settings).open()) as engine:
        engine.clear((*ALL, *NOTES))
    if serves_postgres(settings):
        with closing(publication_target(settings).open()) as target:
            target.clear((*MARTS, Publication))
    shutil.rmtree(serving_folder(settings), ignore_errors=True)
    # The files of a simulated shop, whose place the shop's own data took.
    shutil.rmtree(settings.sandbox_folder, ignore_errors=True)
    with suppress(FileNotFoundError):
        (settings.home / OWN_DATA).unlink()
    forget_currencies(settings.home)
