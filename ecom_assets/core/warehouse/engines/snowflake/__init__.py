"""Snowflake as the warehouse."""

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__,
    schemes=("snowflake",),
    creates="engine:SnowflakeEngine",
    service="service:snowflake_resource",
    has_event_tables=True,
)
