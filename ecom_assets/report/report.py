"""Building the report from what is published and from Dagster's event log."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

import dagster as dg

from ecom_assets.api.store.opening import open_store
from ecom_assets.automation.alerts import CheckResults, newest_results
from ecom_assets.report.week import Week
from ecom_assets.report.weekly import weekly_report
from ecom_assets.settings.settings import Settings


def build_report(
    settings: Settings, week: Week | None, instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]
) -> dict[str, Any]:
    """Return the report of a week, from one published state, with the checks that fail now.

    Args:
        settings: Where to read, time zone and currency.
        week: The ISO week; by default the newest that is over in the data.
        instance: Dagster's instance.
        checks: The keys of all checks.

    Raises:
        NothingPublishedError: Nothing is published yet.
    """
    with closing(open_store(settings)) as store, store.reading() as reading:
        result = weekly_report(reading, week or Week.newest_whole(reading.newest_date))
        version = reading.published.data_version
    return {**result, "data_version": version, "checks": _check_rows(newest_results(instance, checks))}


def _check_rows(results: CheckResults) -> dict[str, Any]:
    return {
        "evaluated": results.evaluated_count,
        "failing": [
            {
                "table": one.table.replace("/", "."),
                "name": one.name,
                "is_warning": one.is_warning,
                "sentence": one.sentence or one.description,
                "observed": one.observed,
                "limit": one.limit,
            }
            for one in results.failing
        ],
    }
