"""Lists of sites as patterns that every engine reads alike. Not here: the sites (`sources/channel_sources.csv`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TOP_LEVEL = "[.][a-z]+([.][a-z]+)?"
"""What `.*` at the end of a site stands for: com, de, co.uk."""


@dataclass(frozen=True)
class SourceLists:
    """Sites by category (engine, search, social, shopping, video, assistant), and the version of the lists.

    A site is a name or host; `*.` before it stands for itself and everything below it, `.*` behind it for any country.
    """

    version: str
    sites: Mapping[str, tuple[str, ...]] = field(hash=False)

    def pattern(self, *categories: str) -> str:
        """Return a pattern of the sites of some categories."""
        return f"^({'|'.join(_pattern(site) for category in categories for site in self.sites[category])})$"

    @property
    def engine_names(self) -> str:
        """Return a pattern whose group is the name of the search engine that a host belongs to, as GA4 calls it."""
        names = sorted(name for name in self.sites["search"] if "." not in name)
        return f"(^|[.])({'|'.join(names)})[.]"


def _pattern(site: str) -> str:
    below = "([a-z0-9.-]+[.])?" if site.startswith("*.") else ""
    behind = TOP_LEVEL if site.endswith(".*") else ""
    return below + site.removeprefix("*.").removesuffix(".*").replace(".", "[.]") + behind
