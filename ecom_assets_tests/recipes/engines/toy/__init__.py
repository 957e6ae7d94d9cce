"""A toy engine: the smallest package that an engine can be."""

from ecom_assets.core.warehouse.engines import EngineKind

ENGINE = EngineKind(
    __name__, schemes=("toy",), creates="engine:ToyEngine.from_settings", has_one_writer=True
)
