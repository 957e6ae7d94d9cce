"""The table of a shop whose tags are not called as its campaigns are: ECOM_CAMPAIGN_TAGS."""

import csv
from pathlib import Path
from typing import Final

from ecom_assets.commerce.marketing.campaigns import CampaignTag
from ecom_assets.core.errors import DefinitionError

COLUMNS: Final = ("tag", "campaign")
MOST_TAGS: Final = 1_000
"""Each is a case of one expression, with which every tag of visits is compared."""


def read_campaign_tags(path: Path) -> tuple[CampaignTag, ...]:
    """Return the lines of a CSV file with `tag`, `campaign` and optionally `platform`.

    Raises:
        DefinitionError: It cannot be read, lacks a column or a value, has too many lines, or says
            two campaigns of one tag.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path} cannot be read: {error}.") from error
    rows = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise DefinitionError(f"{path} has no column {' and '.join(missing)} in its first line.")
    seen: dict[tuple[str, str], int] = {}
    tags = []
    for number, row in enumerate(rows, start=2):
        tag, campaign, platform = (
            (row.get(name) or "").strip().lower() for name in (*COLUMNS, "platform")
        )
        if not tag or not campaign:
            raise DefinitionError(f"{path}, line {number}, has no tag or no campaign.")
        if (first := seen.setdefault((tag, platform), number)) != number:
            raise DefinitionError(f"{path} has the tag {tag!r} in lines {first} and {number}.")
        tags.append(CampaignTag(tag, campaign, platform))
    if len(tags) > MOST_TAGS:
        raise DefinitionError(f"{path} has more than {MOST_TAGS:,} tags.")
    return tuple(sorted(tags, key=lambda row: not row.platform))
