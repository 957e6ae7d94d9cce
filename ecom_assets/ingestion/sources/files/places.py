"""Places: the lists of countries, regions and cities, and the file of market segments,
which maps addresses to markets.

`known_regions.csv` has the cities of GeoNames (https://www.geonames.org, CC BY 4.0) with at least
15,000 people, by region; `*` marks those that are known without their country.
`known_countries.csv` has the countries of GeoNames with their names in several languages from CLDR.
Both are made by `make renew-places`, which says what is left out. A shop's own cities come before
them. Market segments are the shipped ones, or those of a custom file.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ecom_assets.commerce.customers.customers import MarketSegment, MarketSegments
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.places import Location, Places, folded
from ecom_assets.ingestion.sources.files.lists import MOST_OF_LINE, opened_list
from ecom_assets.ingestion.sources.mapping_file import definition_in, shipped_file, shipped_rows

VERSION = "2026-11"
"""Increased with every change of the files: year and month,
plus a letter for a second change in a month.
"""
COLUMNS = ("country", "city", "region")


def known_places(path: Path | None = None) -> Places:
    """Return the shipped lists, and the cities of a file with the columns `COLUMNS`,
    which come first.

    Raises:
        DefinitionError: The file has a country that is unknown.
        SourceError: The file cannot be read, or lacks a column.
    """
    return _shipped_places() if path is None else _with_cities(_shipped_places(), path)


@cache
def _shipped_places() -> Places:
    countries: dict[str, str] = {}
    codes: dict[str, str] = {}
    for row in shipped_rows("known_countries.csv"):
        code = row["country_code"]
        countries[code] = row["country"]
        codes |= dict.fromkeys([code.casefold(), *row["spellings"].split("|")], code)
    cities: dict[tuple[str, str], Location] = {}
    alone: dict[str, Location] = {}
    for row in shipped_rows("known_regions.csv"):
        code = row["country_code"]
        location = Location(code, countries[code], row["region_code"], row["region"])
        for name in row["cities"].split("|"):
            city = name.removeprefix("*")
            cities[code, city] = location
            if city != name:
                alone[city] = location
    return Places(VERSION, countries, codes, cities, alone)


def _with_cities(shipped: Places, path: Path) -> Places:
    with opened_list(path) as listed:
        listed.require(COLUMNS)
        listed.require_whole()
        rows = listed.rows(COLUMNS)
    cities, alone = dict(shipped.cities), dict(shipped.alone)
    for line, row in enumerate(rows, 2):
        country, city, region = ((cell or "").strip() for cell in row.values())
        code = shipped.codes.get(folded(country))
        if not code:
            raise DefinitionError(
                f"{path}: the country {country[:MOST_OF_LINE]!r} in line {line} is unknown; write "
                "its two letters, such as DE."
            )
        location = Location(code, shipped.countries[code], None, region or None)
        cities[code, folded(city)] = alone[folded(city)] = location
    return Places(f"{shipped.version} and own", shipped.countries, shipped.codes, cities, alone)


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
        return _shipped_segments()
    content = definition_in(path)
    try:
        return _segments_in(content)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        key = ".".join(map(str, fault["loc"])) or "the file"
        message = str(fault["msg"]).removeprefix("Value error, ")
        raise DefinitionError(
            f"{path}: `{key}`: {message}; see docs/metrics/customers.md, market_segment."
        ) from error
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error}") from error


@cache
def _shipped_segments() -> MarketSegments:
    return _segments_in(yaml.safe_load(shipped_file("market_segments.yaml")))


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
