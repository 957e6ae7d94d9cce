"""The file of market segments, which maps addresses to markets: the shipped one, or a custom one."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ecom_assets.customers.customers import MarketSegment, MarketSegments
from ecom_assets.errors import DefinitionError
from ecom_assets.sources.mapping_file import definition_in

FILE = "market_segments.yaml"


class _MarketSegmentEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    countries: tuple[str, ...] = ()
    regions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    cities: tuple[str, ...] = ()

    @field_validator("countries", "regions", mode="before")
    @classmethod
    def _no_norway(cls, value: object) -> object:
        names = list(value) if isinstance(value, dict | list) else []
        if any(isinstance(name, bool) for name in names):
            raise ValueError('YAML reads NO as "false"; write "NO" in quotes')
        return value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    segments: dict[str, _MarketSegmentEntry] = Field(min_length=1)
    written: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def market_segments(path: Path | None = None) -> MarketSegments:
    """Return the segments that a file declares; the default is the shipped file.

    Raises:
        DefinitionError: The file cannot be read, is invalid, or names a place twice.
    """
    if path is None:
        return _shipped()
    content = definition_in(path)
    try:
        return _segments_in(content)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        key = ".".join(map(str, fault["loc"])) or "the file"
        message = str(fault["msg"]).removeprefix("Value error, ")
        raise DefinitionError(f"{path}: `{key}`: {message}; see docs/metrics/customers.md, market_segment.") from error
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error}") from error


@cache
def _shipped() -> MarketSegments:
    return _segments_in(yaml.safe_load(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")))


def _segments_in(content: Any) -> MarketSegments:  # noqa: ANN401 (YAML is what it is)
    read = _File.model_validate(content)
    return MarketSegments(
        tuple(
            MarketSegment(
                name,
                _upper(segment.countries),
                {country.upper(): _upper(names) for country, names in segment.regions.items()},
                tuple(city.lower() for city in segment.cities),
            )
            for name, segment in read.segments.items()
        ),
        {code.upper(): _upper(names) for code, names in read.written.items()},
    )


def _upper(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.upper() for name in names)
