"""Which market an address belongs to: METRICS `market_segment`. Not here: customers, the shipped segments.

Countries are ISO 3166 codes of two letters, or what else a country is written as. In a country that is split among
segments the region decides, else the city; where no country is known at all, a city that is known here does.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.days import NO

OTHER = "other"


@dataclass(frozen=True)
class MarketSegment:
    """One segment: whole countries, regions of countries that are split, cities in lower case."""

    name: str
    countries: tuple[str, ...] = ()
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cities: tuple[str, ...] = ()


@dataclass(frozen=True)
class MarketSegments:
    """All segments in their order; `written` says how else countries are written, in upper case, by their code."""

    segments: tuple[MarketSegment, ...]
    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an address that would be in two segments.

        Raises:
            DefinitionError: A segment is called `other`, or a country, region or city is in two.
        """
        if any(one.name == OTHER for one in self.segments):
            raise DefinitionError(f"`{OTHER}` is what is left, and cannot be a segment; give it another name.")
        split = {country for one in self.segments for country in one.regions}
        places = [f"the country {name}" for one in self.segments for name in one.countries]
        places += [f"the country {name}" for name in split]
        places += [
            f"the region {name} of {country}"
            for one in self.segments
            for country, names in one.regions.items()
            for name in names
        ]
        places += [f"the city {name}" for one in self.segments for name in one.cities]
        twice = [place for place, count in Counter(places).items() if count > 1]
        if twice:
            raise DefinitionError(f"{twice[0].capitalize()} is named twice; leave it in one place.")

    @property
    def names(self) -> tuple[str, ...]:
        """Return every segment that an address can have."""
        return (*(one.name for one in self.segments), OTHER)

    def segment_of(self, country: ir.StringColumn, region: ir.StringColumn, city: ir.StringColumn) -> ir.StringColumn:
        """Return the segment of an address."""
        code = self._code_of(country.upper().fill_null(""))
        state, town = region.upper().fill_null(""), city.lower().fill_null("")
        has_no_code = code.length() != len("US")
        by_region = [
            ((code == split) & state.isin(names), one.name)
            for one in self.segments
            for split, names in one.regions.items()
        ]
        by_country = [(code.isin(one.countries), one.name) for one in self.segments if one.countries]
        by_city = [
            (town.isin(one.cities) & (has_no_code | (code.isin([*one.regions]) if one.regions else NO)), one.name)
            for one in self.segments
            if one.cities
        ]
        branches = [*by_region, *by_country, *by_city]
        return ibis.cases(*branches, else_=OTHER) if branches else ibis.literal(OTHER)

    def _code_of(self, country: ir.StringColumn) -> ir.StringColumn:
        """Return the code of a country however it is written, and the text itself where it is not known."""
        named = [(country.isin(names), code) for code, names in self.written.items() if names]
        return ibis.cases(*named, else_=country) if named else country
