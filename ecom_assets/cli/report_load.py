"""What `ecom run` does around an order report that it loads whole: its files, and its activities as events."""

from contextlib import closing

from ecom_assets.cli.progress import RunProgress
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.first_partition import left_days, remember_left_days
from ecom_assets.sources.order_reports.api import ACTIVITIES, fetch_history, report_path
from ecom_assets.sources.order_reports.report_files import (
    are_activities,
    has_clickstream,
    remove_activities,
    with_activities,
)
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.warehouse.factory import new_engine


def load_report(settings: Settings, progress: RunProgress) -> Settings:
    """Fetch the report's files; return the settings, with its activities as events where the shop has no others."""
    progress.say("The order report API makes a report of all its orders; that can take minutes.")
    for fault in fetch_history(settings):
        progress.warn(fault)
    if settings.events or not _has_activities(settings):
        return settings
    with closing(new_engine(settings).open()) as engine:
        if engine.notice:
            progress.warn(engine.notice)
        return settings if has_clickstream(engine) else with_activities(settings)


def with_left_days(settings: Settings, covered: Days, progress: RunProgress) -> Days:
    """Remove activities that were events until a clickstream came; return the days with theirs, to compute again."""
    if not settings.events or are_activities(settings.events) or not _has_activities(settings):
        return covered
    with closing(new_engine(settings).open()) as engine:
        if removed := remove_activities(engine):
            remember_left_days(settings, removed)
            progress.say(
                f"The order report's activities of {removed[0]} to {removed[-1]} are no events any more: from now on "
                "events are the clickstream's. These days are computed again."
            )
    left = left_days(settings)  # also those of a run that failed since
    return Days.between(min([covered.first, *left]), max([covered.dates[-1], *left]) + ONE_DAY)


def _has_activities(settings: Settings) -> bool:
    return report_path(settings.home, ACTIVITIES).exists()
