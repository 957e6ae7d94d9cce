"""Which market an address belongs to: METRICS `market_segment`. Not here: customers.

Countries are ISO 3166 codes of two letters. Of the United States the region decides, else the city; where there is no
such code at all, a city that is known here does.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.days import NO

EU_CENTRAL = ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
"""Central Europe, and no more: France, Spain or Sweden are `other`."""
APAC = (
    "AU", "BD", "BN", "CN", "FJ", "HK", "ID", "IN", "JP", "KH", "KR", "LA", "LK", "MM", "MN", "MO", "MY", "NP", "NZ",
    "PG", "PH", "PK", "SG", "TH", "TW", "VN",
)  # fmt: skip
US_WEST = ("AK", "AZ", "CA", "CO", "HI", "ID", "MT", "NM", "NV", "OR", "UT", "WA", "WY")
"""States of the Mountain and Pacific time zones and beyond."""
US_EAST = (
    "AL", "AR", "CT", "DC", "DE", "FL", "GA", "IA", "IL", "IN", "KS", "KY", "LA", "MA", "MD", "ME", "MI", "MN", "MO",
    "MS", "NC", "ND", "NE", "NH", "NJ", "NY", "OH", "OK", "PA", "RI", "SC", "SD", "TN", "TX", "VA", "VT", "WI", "WV",
)  # fmt: skip
"""All others."""
CITIES = {
    "US-West": (
        "denver", "las vegas", "los angeles", "oakland", "phoenix", "portland", "sacramento", "salt lake city",
        "san diego", "san francisco", "san jose", "seattle",
    ),
    "US-East": (
        "atlanta", "austin", "boston", "charlotte", "chicago", "dallas", "detroit", "houston", "miami", "new york",
        "philadelphia", "washington",
    ),
    "EU-Central": (
        "berlin", "bratislava", "budapest", "cologne", "frankfurt", "hamburg", "munich", "prague", "vienna", "warsaw",
        "zurich",
    ),
    "APAC": (
        "bangkok", "beijing", "delhi", "hong kong", "jakarta", "manila", "melbourne", "mumbai", "osaka", "seoul",
        "shanghai", "singapore", "sydney", "taipei", "tokyo",
    ),
}  # fmt: skip
"""Cities that tell the market by themselves, in lower case."""


def market_segment(country: ir.StringColumn, region: ir.StringColumn, city: ir.StringColumn) -> ir.StringColumn:
    """Return US-West, US-East, EU-Central, APAC or other."""
    code, state, town = country.upper().fill_null(""), region.upper().fill_null(""), city.lower().fill_null("")
    is_us = code.isin(("US", "USA"))
    may_be = {segment: is_us if segment.startswith("US-") else NO for segment in CITIES}
    has_no_code = code.length() != len("US")
    return ibis.cases(
        (is_us & state.isin(US_WEST), "US-West"),
        (is_us & state.isin(US_EAST), "US-East"),
        (code.isin(EU_CENTRAL), "EU-Central"),
        (code.isin(APAC), "APAC"),
        *(
            (town.isin(names) & (may_be[segment] | (has_no_code & ~is_us)), segment)
            for segment, names in CITIES.items()
        ),
        else_="other",
    )
