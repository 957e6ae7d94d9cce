"""The lists of sites that channels are classified by, shipped as versioned data.

`channel_sources.csv` follows the "source categories" that Google publishes with GA4's default channel group
(https://support.google.com/analytics/answer/9756891). It has the sites that still send visitors, with patterns instead
of one line per country, and adds newer networks. The category `engine` has the hosts whose visits GA4 calls organic;
they count as search too. The category `assistant` is our addition.
"""

import csv
from functools import cache
from importlib import resources

from ecom_assets.attribution.channels import SourceLists

VERSION = "2026-11"
"""Increased with every change of the file: year and month, plus a letter for a second change in a month."""
FILE = "channel_sources.csv"


@cache
def source_lists() -> SourceLists:
    """Return the shipped lists."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    sites: dict[str, list[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        sites.setdefault(row["category"], []).append(row["site"])
    return SourceLists(VERSION, {category: tuple(names) for category, names in sites.items()})
