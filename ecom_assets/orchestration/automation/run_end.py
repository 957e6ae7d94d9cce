"""What is done when a run ends, besides its own work: old runs are shortened,
and the code location that was loaded before the first data is loaded again.
"""

from collections.abc import Callable
from typing import Final

import dagster as dg

from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.automation.instance.old_runs import shorten_old_runs
from ecom_assets.orchestration.automation.reloading import reload_location

FIRST_DATA: Final = "ecom/first_data"
"""The tag of a run over the first data of a shop. The code location was loaded before there were
any, so its partitions begin years before them.
"""


def end_run(
    settings: Settings, instance: dg.DagsterInstance, run: dg.DagsterRun, say: Callable[[str], None]
) -> None:
    """Let Dagster's UI load the definitions again after the first data; shorten older runs."""
    if FIRST_DATA in run.tags:
        reload_location(settings, say)
    shorten_old_runs(instance, run, reports_lineage=bool(settings.openlineage_url))
