"""Spark as the warehouse."""

from fractions import Fraction

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__,
    schemes=("spark",),
    creates="catalog:spark_engine",
    path_is="folder",
    own_memory=Fraction(2, 3),  # its heap
    own_files=("spark",),
)
