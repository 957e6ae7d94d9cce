"""The lists of sites that tell channels apart, shipped as data with a version.

`channel_sources.csv` follows the "source categories" that Google publishes with GA4's default channel group
(https://support.google.com/analytics/answer/9756891): the sites of it that still send visitors, written as patterns
where it has a line per country, with networks that came later. `engine` holds the hosts whose visits GA4 calls organic;
they count as search too. `assistant` is ours.
"""

import csv
from functools import cache
from importlib import resources

from ecom_assets.attribution.channels import SourceLists

VERSION = "2026-11"
"""Raised with every change of the file: a year and month, with a letter for a second one."""
FILE = "channel_sources.csv"


@cache
def source_lists() -> SourceLists:
    """Return the shipped lists."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    sites: dict[str, list[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        sites.setdefault(row["category"], []).append(row["site"])
    return SourceLists(VERSION, {category: tuple(names) for category, names in sites.items()})
