"""Postgres as the warehouse."""

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__,
    schemes=("postgres", "postgresql"),
    creates="engine:PostgresEngine",
    service="service:Postgres.from_settings",
)
