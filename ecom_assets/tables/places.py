"""Countries and regions of places as people write them: by country and city, from lists.

The distinct places of a table are few, so they are read and looked up here. What was found goes into the query as
conditions, which every engine computes alike; names are compared without case, accents and punctuation.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir

SEPARATOR = "|"
FOUND = ("place_country_code", "place_country", "place_region_code", "place_region")


def folded(name: str) -> str:
    """Return a name in lower case, without accents and punctuation, so that spellings of one name are equal."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
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

    `countries`: the names by code (ISO 3166, two letters). `codes`: the codes by spelling. `cities`: the places by
    country code and city. `alone`: the places of the cities that are known without their country.
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
        return {(location.country_code, str(location.region_code)): str(location.region) for location in regions}

    def find(self, country: str | None, city: str | None) -> Location | None:
        """Return the place of a city in a country; its country alone if the city is unknown; None if both are.

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
        pairs = present.select(country, city).distinct().to_pyarrow().to_pylist()
        keys: dict[Location, list[str]] = defaultdict(list)
        for pair in pairs:
            if location := self.find(pair[country], pair[city]):
                keys[location].append(_key(pair[country], pair[city]))
        rows = rows.mutate(place_key=rows[country].fill_null("") + SEPARATOR + rows[city].fill_null(""))
        return rows.mutate(**{name: _looked_up(rows.place_key, keys, name) for name in FOUND}).drop("place_key")


def _key(country: str | None, city: str | None) -> str:
    return f"{country or ''}{SEPARATOR}{city or ''}"


def _looked_up(key: ir.StringColumn, keys: Mapping[Location, list[str]], name: str) -> ir.StringValue:
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
