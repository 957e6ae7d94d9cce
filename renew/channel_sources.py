"""Renew Google's list of sources by channel: `make renew-channel-sources FILE=…`.

Google publishes it as a PDF on https://support.google.com/analytics/answer/9756891. FILE is its
text, such as `pdftotext -layout` makes it, or a CSV file of the same rows. Afterwards, raise
`VERSION` in `ecom_assets/ingestion/sources/site_lists.py`, and write the date of the list into
NOTICE.
"""

import csv
import re
import sys
from pathlib import Path

TARGET = (
    Path(__file__).parents[1]
    / "ecom_assets"
    / "ingestion"
    / "sources"
    / "google_channel_sources.csv"
)
ROW = re.compile(
    r"^\s*\"?(?P<source>\S.*?)\"?(?:\s*,\s*|\s+)(?P<category>SOURCE_CATEGORY_[A-Z]+)\s*$"
)
CATEGORIES = {f"SOURCE_CATEGORY_{name}" for name in ("SEARCH", "SHOPPING", "SOCIAL", "VIDEO")}
FEWEST = 500
"""A list that is shorter was not read whole."""


def main(file: Path) -> str:
    """Write the list that a file has, and return what changed."""
    rows = read(file.read_text(encoding="utf-8-sig"))
    with TARGET.open(encoding="utf-8", newline="") as before:
        earlier = {row["source"]: row["source_category"] for row in csv.DictReader(before)}
    with TARGET.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerows([("source", "source_category"), *sorted(rows.items())])
    added, removed = sorted(rows.keys() - earlier.keys()), sorted(earlier.keys() - rows.keys())
    moved = sorted(
        source for source in rows.keys() & earlier.keys() if rows[source] != earlier[source]
    )
    return f"{len(rows)} sources; added: {added}; removed: {removed}; in another category: {moved}"


def read(text: str) -> dict[str, str]:
    """Return the categories by source in a text; lines of another form,
    such as headings, are left out.

    Raises:
        SystemExit: The text has too few sources, or a category that is unknown.
    """
    rows = {row["source"]: row["category"] for row in map(ROW.match, text.splitlines()) if row}
    if len(rows) < FEWEST:
        raise SystemExit(f"Only {len(rows)} sources were found; give the text of the whole list.")
    if unknown := set(rows.values()) - CATEGORIES:
        raise SystemExit(
            f"The category {min(unknown)} is new; channels must say what it means before it is "
            "taken in."
        )
    return rows


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])) + "\n")
