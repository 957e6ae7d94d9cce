"""What follows by itself, by Dagster's declarative automation: the weekly mart after sales, publishing after marts.

Dagster's ready-made conditions look at the newest day only. These look at every day, so that a day which is run again,
however old, reaches what is built on it. Not here: schedules.
"""

import dagster as dg

Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]
SALES = dg.AssetKey(["mart", "sales"])
RETENTION = dg.AssetKey(["mart", "customer_retention"])
PUBLICATION = dg.AssetKey(["serving", "postgres_marts"])
SNAPSHOT = dg.AssetKey(["serving", "marts"])
FOLLOWING = frozenset((RETENTION, PUBLICATION, SNAPSHOT))
"""Assets that jobs of single sources leave out."""
EVERY_S = 60


def follows_sales() -> Condition:
    """Return the condition to compute the days whose sales were computed by a run that left the asset out."""
    return _settled(dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.assets(SALES)))


def follows_marts() -> Condition:
    """Return the condition to compute an asset once all marts that it is made of have settled, so that they agree."""
    on = dg.AutomationCondition
    # `will_be_requested` holds only for what can be in the same run, which an asset without days cannot.
    weekly_mart_is_due = on.any_deps_match(follows_sales()).allow(dg.AssetSelection.assets(RETENTION))
    return _settled(on.any_deps_updated()) & ~weekly_mart_is_due


def _settled(updated: Condition) -> Condition:
    on = dg.AutomationCondition
    return updated.since_last_handled() & ~on.any_deps_in_progress() & ~on.in_progress()


def following_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that asks for what is to follow."""
    return dg.AutomationConditionSensorDefinition(
        name="following",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Computes the weekly mart for days whose sales were computed without it, then publishes the marts.",
    )
