"""Countries and regions of places as people write them: by country and city, from lists.

The distinct places of a table are few, so they are read and looked up here. What was found goes
into the query as conditions, which every engine computes alike; names are compared without case,
accents and punctuation.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.portable import rows_of

SEPARATOR = "|"
LONGEST_CODE = 3
"""ISO 3166-2's codes of regions have one to three letters or digits."""
StatedPlace = tuple[str | None, str | None, str | None]
"""A country, a region and a city, as a row states them."""
PLACE_LEVELS = ("country", "region", "city_name")
UNKNOWN = "unknown"
FoundPlaces = dict[StatedPlace, "Location | None"]
"""The location of each place; None where it is not known."""
FOUND = ("place_country_code", "place_country", "place_region_code", "place_region")


def folded(name: str) -> str:
    """Return a name in lower case, without accents and punctuation, for comparison."""
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)
    )
    return " ".join(re.sub(r"[.,'\u2019`\u00b4|*-]+", " ", plain.casefold()).split())


@dataclass(frozen=True)
class Location:
    """What is known of a place; the region is null where only the country is known."""

    country_code: str
    country: str
    region_code: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class Places:
    """The lists, with names as `folded` returns them.

    `countries`: the names by code (ISO 3166, two letters). `codes`: the codes by spelling.
    `cities`: the places by country code and city. `alone`: the places of the cities that are known
    without their country.
    """

    version: str
    countries: Mapping[str, str] = field(hash=False, repr=False)
    codes: Mapping[str, str] = field(hash=False, repr=False)
    cities: Mapping[tuple[str, str], Location] = field(hash=False, repr=False)
    alone: Mapping[str, Location] = field(hash=False, repr=False)

    @property
    def region_names(self) -> dict[tuple[str, str], str]:
        """Return the names of regions by the codes of country and region."""
        regions = {location for location in self.cities.values() if location.region_code}
        return {
            (location.country_code, str(location.region_code)): str(location.region)
            for location in regions
        }

    def find(self, country: str | None, city: str | None) -> Location | None:
        """Return the place of a city in a country; the country if the city is unknown; or None.

        A city decides by itself only if no country is given.
        """
        if not (country or "").strip():
            return self.alone.get(folded(city or ""))
        code = self.codes.get(folded(country or ""))
        if code is None:
            return None
        return self.cities.get((code, folded(city or ""))) or Location(code, self.countries[code])

    def add_to(self, rows: ir.Table, present: ir.Table, country: str, city: str) -> ir.Table:
        """Return rows with the columns `FOUND`, null where nothing is known.

        Args:
            rows: The rows, with the columns `country` and `city`.
            present: A table whose pairs of country and city include those of the rows.
            country: The column of the country.
            city: The column of the city's name.
        """
        pairs = rows_of(present.select(country, city).distinct())
        locations = {
            (pair[country], pair[city]): self.find(pair[country], pair[city]) for pair in pairs
        }
        return _with_locations(rows, (country, city), locations.items())

    def name(self, rows: ir.Table, stated: ir.Table, *, each_alone: bool = False) -> ir.Table:
        """Return rows whose `PLACE_LEVELS` have one name per place, and `UNKNOWN` for others.

        A received country or region that the lists know has the name that they give it, so that a
        code and a name are one place; others stay as received. Where nothing was received, the
        lists decide. A stated region decides over the city's: see `named_regions`.

        Args:
            rows: The rows, with the columns `PLACE_LEVELS`.
            stated: A table whose places include those of the rows.
            each_alone: Whether no place says anything of another one, so that a day's places have
                the same names whichever days are computed with it.
        """
        places = stated_places(stated)
        locations = self.found_alone(places) if each_alone else self.named_regions(places)
        return with_names(rows, locations)

    def found_alone(self, stated: Iterable[StatedPlace]) -> FoundPlaces:
        """Return what `named_regions` does, where no place says anything of another one."""
        return {place: self.named_regions([place])[place] for place in stated}

    def named_regions(self, stated: Iterable[StatedPlace]) -> FoundPlaces:
        """Return the location of each stated (country, region, city).

        A region that the lists know by its name or code has the name of the lists. Another code
        of a region, such as ISO 3166-2's `ON`, has the name that the lists give its cities, if
        they agree. Any other text stays as it is.
        """
        locations = {place: self.find(place[0], place[2]) for place in stated}
        by_code: dict[tuple[str, str], set[str]] = defaultdict(set)
        for (_, region, _), location in locations.items():
            if location and location.region and region and _is_code(region):
                by_code[location.country_code, folded(region)].add(location.region)
        return {
            place: self._in_stated_region(place[1], location, by_code)
            for place, location in locations.items()
        }

    def _in_stated_region(
        self,
        region: str | None,
        location: Location | None,
        by_code: Mapping[tuple[str, str], set[str]],
    ) -> Location | None:
        if location is None or not (region or "").strip():
            return location
        key = (location.country_code, folded(str(region)))
        listed = self.region_spellings.get(key)
        of_cities = by_code.get(key, set())
        name = listed or (next(iter(of_cities)) if len(of_cities) == 1 else str(region))
        return replace(location, region=name, region_code=None)

    @cached_property
    def region_spellings(self) -> dict[tuple[str, str], str]:
        """Return the names of regions by the code of the country and a spelling of the region."""
        names = self.region_names
        spellings = {(country, folded(name)): name for (country, _), name in names.items()}
        # A number is a code of these lists only; elsewhere it numbers other regions.
        coded = {
            (country, folded(code)): name
            for (country, code), name in names.items()
            if code.isalpha()
        }
        return coded | spellings


def stated_places(rows: ir.Table) -> list[StatedPlace]:
    """Return the distinct places that rows with the columns `PLACE_LEVELS` state."""
    return as_places(rows_of(distinct_places(rows)))


def distinct_places(rows: ir.Table) -> ir.Table:
    """Return the columns `PLACE_LEVELS` of rows, each combination once."""
    return rows.select(*PLACE_LEVELS).distinct()


def as_places(rows: Iterable[Mapping[str, str | None]]) -> list[StatedPlace]:
    """Return rows with the columns `PLACE_LEVELS` as (country, region, city)."""
    return [(row["country"], row["region"], row["city_name"]) for row in rows]


def with_names(rows: ir.Table, locations: FoundPlaces) -> ir.Table:
    """Return rows whose `PLACE_LEVELS` have one name per place, and `UNKNOWN` for others.

    Args:
        rows: The rows, with the columns `PLACE_LEVELS`.
        locations: The locations of their places.
    """
    placed = _with_locations(rows, PLACE_LEVELS, locations.items())
    named = placed.mutate(
        city_name=placed.city_name.nullif("").fill_null(UNKNOWN),
        region=ibis.coalesce(placed.place_region, placed.region.nullif(""), UNKNOWN),
        country=ibis.coalesce(placed.place_country, placed.country.nullif(""), UNKNOWN),
    )
    return named.drop(*FOUND)


def _is_code(region: str) -> bool:
    return len(region.strip()) <= LONGEST_CODE and region.strip().isalnum()


def _with_locations(
    rows: ir.Table,
    columns: tuple[str, ...],
    locations: Iterable[tuple[tuple[str | None, ...], Location | None]],
) -> ir.Table:
    """Return rows with the columns `FOUND`, by the values of `columns`."""
    keys: dict[Location, list[str]] = defaultdict(list)
    for values, location in locations:
        if location:
            keys[location].append(SEPARATOR.join(value or "" for value in values))
    texts = [rows[name].fill_null("") for name in columns]
    key = texts[0]
    for text in texts[1:]:
        key = key + SEPARATOR + text
    rows = rows.mutate(place_key=key)
    found_columns = {name: _looked_up(rows.place_key, keys, name) for name in FOUND}
    return rows.mutate(**found_columns).drop("place_key")


def _looked_up(
    key: ir.StringColumn, keys: Mapping[Location, list[str]], name: str
) -> ir.StringValue:
    """Return the attribute `name` of the place of each key."""
    by_value: dict[str, list[str]] = defaultdict(list)
    for location, names in keys.items():
        if value := getattr(location, name.removeprefix("place_")):
            by_value[value] += names
    branches = [(key.isin(sorted(names)), value) for value, names in sorted(by_value.items())]
    nothing = ibis.null("string")
    return ibis.cases(*branches, else_=nothing) if branches else nothing


ReadPlaces = Callable[[], Places]
"""Returns the lists; a run that needs none does not read them."""
