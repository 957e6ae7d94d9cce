"""Where each shop system and tool has its exports, click by click."""

from functools import cache
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

FILE: Final = Path(__file__).with_name("export_guides.yaml")


class Export(BaseModel):
    """One export: what it has, what is clicked in order, and what else to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: str
    clicks: tuple[str, ...]
    then: str = ""


class ExportGuide(BaseModel):
    """The exports of a shop system or tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    exports: tuple[Export, ...]


@cache
def export_guides() -> tuple[ExportGuide, ...]:
    """Return the guides, shop systems first."""
    text = FILE.read_text(encoding="utf-8")
    return TypeAdapter(tuple[ExportGuide, ...]).validate_python(yaml.safe_load(text))
