"""The table of a shop whose tags are not called as its campaigns are: ECOM_CAMPAIGN_TAGS."""

from pathlib import Path
from typing import Final

from ecom_assets.commerce.marketing.campaigns import CampaignTag
from ecom_assets.core.errors import DefinitionError
from ecom_assets.ingestion.sources.files.lists import MOST_OF_LINE, opened_list

COLUMNS: Final = ("tag", "campaign")
PLATFORM: Final = "platform"
MOST_TAGS: Final = 1_000
"""Each is a case of one expression, with which every tag of visits is compared."""


def read_campaign_tags(path: Path) -> tuple[CampaignTag, ...]:
    """Return the lines of a file with `tag`, `campaign` and optionally `platform`.

    Raises:
        DefinitionError: It lacks a value, has too many lines, or says two campaigns of one tag.
        SourceError: It cannot be read, or lacks a column.
    """
    with opened_list(path) as listed:
        listed.require(COLUMNS, optional=[PLATFORM])
        listed.require_whole()
        rows = listed.rows((*COLUMNS, PLATFORM))
    seen: dict[tuple[str, str], int] = {}
    tags = []
    for number, row in enumerate(rows, start=2):
        tag, campaign, platform = ((cell or "").strip().lower() for cell in row.values())
        if not tag or not campaign:
            said = (tag or campaign or platform)[:MOST_OF_LINE]
            raise DefinitionError(
                f"{path}, line {number}, has no tag or no campaign ({said!r}); write both, or "
                "remove the line."
            )
        if (first := seen.setdefault((tag, platform), number)) != number:
            raise DefinitionError(
                f"{path} has the tag {tag[:MOST_OF_LINE]!r} in lines {first} and {number}."
            )
        tags.append(CampaignTag(tag, campaign, platform))
    if len(tags) > MOST_TAGS:
        raise DefinitionError(f"{path} has more than {MOST_TAGS:,} tags.")
    return tuple(sorted(tags, key=lambda row: not row.platform))
