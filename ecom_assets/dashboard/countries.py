"""Names of countries as the shapes of the map have them."""

import json
from functools import cache
from typing import Final

from ecom_assets.dashboard.static_files import all_files

SHAPES: Final = "vendor/countries.json"
OTHER_NAMES: Final = {
    "United States": "United States of America",
    "USA": "United States of America",
    "US": "United States of America",
    "UK": "United Kingdom",
    "Great Britain": "United Kingdom",
    "The Netherlands": "Netherlands",
    "Czech Republic": "Czechia",
    "Bosnia and Herzegovina": "Bosnia and Herz.",
    "Dominican Republic": "Dominican Rep.",
    "Democratic Republic of the Congo": "Dem. Rep. Congo",
    "North Macedonia": "Macedonia",
    "Russian Federation": "Russia",
    "Republic of Korea": "South Korea",
    "Viet Nam": "Vietnam",
    "T\u00fcrkiye": "Turkey",
    "Ivory Coast": "C\u00f4te d'Ivoire",
}


def shape_of(country: str) -> str | None:
    """Return the name of a country in the shapes; None if the map does not have it, such as a very small one."""
    name = OTHER_NAMES.get(country, country)
    return name if name in _names() else None


@cache
def _names() -> frozenset[str]:
    shapes = json.loads(all_files()[SHAPES].content)["objects"]["countries"]["geometries"]
    return frozenset(one["properties"]["name"] for one in shapes)
