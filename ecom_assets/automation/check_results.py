"""The newest result of each check in Dagster's event log."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from ecom_assets.automation.alerts import FailedCheck, failed_check_of


@dataclass(frozen=True)
class CheckResults:
    """How many checks have run at all, and those that did not hold when they last ran, warnings too."""

    evaluated_count: int
    failing: tuple[FailedCheck, ...]


def newest_results(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> CheckResults:
    """Return the newest results of some checks, the failing ones by table and name."""
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(sorted(keys))
    evaluations = [
        record.event.asset_check_evaluation
        for record in newest.values()
        if record.event is not None and record.event.dagster_event is not None
    ]
    known = [one for one in evaluations if one is not None]
    failing = [failed_check_of(one) for one in known if not one.passed]
    return CheckResults(len(known), tuple(sorted(failing, key=lambda one: (one.table, one.name))))
