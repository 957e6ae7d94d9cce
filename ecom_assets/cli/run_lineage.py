"""The OpenLineage events of the run that `ecom run` makes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ecom_assets.automation.jobs import EVERYTHING
from ecom_assets.definitions import lineage_of
from ecom_assets.settings.settings import Settings


@contextmanager
def reported_run(
    settings: Settings, instance: dg.DagsterInstance, run_id: str, warn: Callable[[str], None]
) -> Iterator[None]:
    """Report the run inside the block, if a receiver is set; a receiver that is down is a warning, never an error."""
    lineage = lineage_of(settings)
    if lineage is None:
        yield
        return
    from ecom_assets.automation.openlineage import OwnRun  # noqa: PLC0415 (an extra)

    own = OwnRun(lineage, run_id, EVERYTHING)
    yield
    try:
        run = instance.get_run_by_id(run_id)
        message = own.finish(instance, run) if run else ""
    except Exception as error:  # noqa: BLE001 (whatever lineage comes to, the run is what it was)
        message = f"The lineage of the run could not be sent ({type(error).__name__}: {error})."
    if message:
        warn(message)
