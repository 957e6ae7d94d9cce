"""The engine in which the files of a question are read."""

from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.local import DuckDB, adopted, plain_connection
from ecom_assets.core.warehouse.statements import STATEMENTS


def engine_of_files(settings: Settings) -> DuckDB:
    """Open an engine of its own, within the memory of a run; its statements are kept in the home
    of the installation, if there is one.
    """
    if settings.home.is_dir():
        STATEMENTS.keep_in(settings.home / "statements.sqlite")
    return adopted(plain_connection(limit_of_run(settings)))
