"""The lists of countries, regions and cities: the shipped ones, with a shop's own cities before them.

`known_regions.csv` has the cities of GeoNames (https://www.geonames.org, CC BY 4.0) with at least 15,000 people, by
region; `*` marks those that are known without their country. `known_countries.csv` has the countries of GeoNames with
their names in several languages from CLDR. Both are made by `make renew-places`, which says what is left out.
"""

import csv
from functools import cache
from pathlib import Path

from ecom_assets.errors import DefinitionError
from ecom_assets.sources.mapping_file import shipped_rows
from ecom_assets.tables.places import Location, Places, folded

VERSION = "2026-11"
"""Increased with every change of the files: year and month, plus a letter for a second change in a month."""
COLUMNS = ("country", "city", "region")


def known_places(path: Path | None = None) -> Places:
    """Return the shipped lists, and the cities of a file with the columns `COLUMNS`, which come first.

    Raises:
        DefinitionError: The file cannot be read, lacks a column, or has a country that is unknown.
    """
    return _shipped() if path is None else _with_cities(_shipped(), path)


@cache
def _shipped() -> Places:
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
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DefinitionError(f"{path} cannot be read as CSV in UTF-8; check the path and the file.") from error
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise DefinitionError(f"{path} has no column {missing[0]!r}; write a header with {', '.join(COLUMNS)}.")
    cities, alone = dict(shipped.cities), dict(shipped.alone)
    for line, row in enumerate(rows, 2):
        country, city, region = ((row[name] or "").strip() for name in COLUMNS)
        code = shipped.codes.get(folded(country))
        if not code:
            raise DefinitionError(
                f"{path}: the country {country!r} in line {line} is unknown; write its two letters, such as DE."
            )
        location = Location(code, shipped.countries[code], None, region or None)
        cities[code, folded(city)] = alone[folded(city)] = location
    return Places(f"{shipped.version} and own", shipped.countries, shipped.codes, cities, alone)
