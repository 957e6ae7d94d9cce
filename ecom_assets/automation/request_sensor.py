"""The sensor that starts runs for requests: a held day that somebody releases, dead letters to be sent again."""

from collections.abc import Collection, Iterator

import dagster as dg

from ecom_assets.automation.jobs import EVERYTHING, run_request
from ecom_assets.operations.requests import RELEASE, Request, Requests
from ecom_assets.orders.contracts import HeldOrderDays
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.asset import asset_key

EVERY_S = 10
TAG = "ecom/request"
"""The tag of a run with the number of the request that it was started for."""
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def request_sensor(
    settings: Settings, skipped: Collection[dg.AssetKey], reported: Collection[dg.AssetKey]
) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        settings: Where requests are left.
        skipped: The assets that have no source or destination.
        reported: The assets that are computed again after a delivery.
    """

    @dg.sensor(
        name="requests",
        job_name=EVERYTHING,
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for each held day that somebody releases, and for dead letters to be sent again.",
    )
    def requests(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        waiting = Requests(settings.home).waiting()
        if not waiting:
            yield dg.SkipReason("Nobody has asked for anything.")
        for one in waiting:
            if _is_under_way(context.instance, one):
                yield dg.SkipReason(f"The run for request {one.number} is under way.")
                continue
            first, last = one.first_day, one.last_day
            run = run_request(first, last, run_key=f"request-{one.number}-{one.attempt}")
            chosen = sorted(_assets(context, one, reported) - set(skipped))
            yield dg.RunRequest(run_key=run.run_key, tags={**run.tags, TAG: str(one.number)}, asset_selection=chosen)

    return requests


def _is_under_way(instance: dg.DagsterInstance, request: Request) -> bool:
    filters = dg.RunsFilter(tags={TAG: str(request.number)}, statuses=UNFINISHED)
    return bool(instance.get_run_records(filters, limit=1))


def _assets(
    context: dg.SensorEvaluationContext, request: Request, reported: Collection[dg.AssetKey]
) -> set[dg.AssetKey]:
    """Return what a request concerns: all that is built on the held day, or the export and its tables."""
    assert context.repository_def is not None  # noqa: S101 (Dagster gives it where sensors are evaluated)
    graph = context.repository_def.asset_graph
    if request.kind == RELEASE:
        below = dg.AssetSelection.assets(asset_key(HeldOrderDays)).downstream().resolve(graph)
        return set(below) & set(graph.materializable_asset_keys)
    return {dg.AssetKey(["export", request.subject]), *reported}
