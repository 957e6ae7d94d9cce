"""Renew the list of robots: `make renew-robots`,
which gives a folder with the package crawler-user-agents.

The list is shipped, so neither runs nor tests need the network. The package is kept by many
(https://github.com/monperrus/crawler-user-agents, MIT). Of its patterns those are taken that no
general word for robots finds, and that nobody's browser or program can have: what apps and servers
of a shop send with (`http-library`, and `seo`, which has much else), browsers inside other apps
(`social-preview`), readers and assistants that a person uses are no robots here. Afterwards, write
the version into NOTICE and the change into CHANGELOG.md.
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ecom_assets.behaviour.events.robots import GENERAL_WORDS

TARGET = Path(__file__).parents[1] / "ecom_assets" / "behaviour" / "events" / "known_robots.py"
TAGS = {
    "search-engine",
    "scanner",
    "monitoring",
    "archiver",
    "academic",
    "ai-crawler",
    "advertising",
}
LEAST_CHARACTERS = 5
"""Shorter names are in words of people, too."""
SIMPLE = re.compile(r"(?:[\w .\-]|\\[./+()-])+")
"""A pattern that every engine reads in the same way: letters, digits and what stands for itself."""
FEWEST = 150


def main(folder: Path) -> str:
    """Write the list that the package in a folder has, and return how many names it has."""
    (wheel,) = folder.glob("crawler_user_agents-*.whl")
    version = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as package:
        entries = json.loads(package.read("crawleruseragents/crawler-user-agents.json"))
    names = sorted(set(names_of(entries)))
    if len(names) < FEWEST:
        raise SystemExit(f"Only {len(names)} names were found; the package has another form.")
    lines = "".join(f"    {json.dumps(name)},\n" for name in names)
    TARGET.write_text(
        '"""Patterns of robots that no general word finds; `renew/robots.py` writes this '
        'file."""\n'
        "\n"
        f'VERSION = "crawler-user-agents {version}"\n'
        "KNOWN_ROBOTS = (\n"
        f"{lines})\n",
        encoding="utf-8",
    )
    return f"{len(names)} names of {version}"


def names_of(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the patterns that are taken."""
    general = re.compile(GENERAL_WORDS)
    for entry in entries:
        pattern, instances = entry["pattern"], entry.get("instances") or []
        bare = re.sub(r"\\(.)", r"\1", pattern)
        is_found = all(general.search(agent.lower()) for agent in instances or [bare])
        is_of_people = not {*entry.get("tags", ())} & TAGS or {*entry["tags"]} - TAGS
        if (
            not (is_found or is_of_people)
            and SIMPLE.fullmatch(pattern)
            and len(bare) >= LEAST_CHARACTERS
        ):
            yield re.sub(r"\\([/-])", r"\1", pattern)


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
