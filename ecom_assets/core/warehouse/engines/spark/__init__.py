"""Spark as the warehouse."""

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__,
    schemes=("spark",),
    creates="catalog:spark_engine",
    path_is="folder",
    own_files=("spark",),
)
