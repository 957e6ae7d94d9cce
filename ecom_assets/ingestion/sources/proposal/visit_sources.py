"""Where visits come from, in a file whose addresses do not say it and another column does: a person
says the channel of each of its words, and the words become source and medium of the visit.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.fields import FoundField, source_columns
from ecom_assets.ingestion.sources.proposal.questions import CHANNELS_OF, OpenQuestion, shown
from ecom_assets.ingestion.sources.proposal.values import FileValues, Value

DIRECT: Final = "Direct"
TAGS: Final[Mapping[str, tuple[str, str]]] = {
    "Paid Search": ("google", "cpc"),
    "Organic Search": ("search", "organic"),
    "Paid Social": ("facebook", "cpc"),
    "Organic Social": ("social", "social"),
    "Email": ("email", "email"),
    "Display": ("display", "display"),
    "Organic Video": ("video", "video"),
    "Affiliates": ("affiliate", "affiliate"),
    "Referral": ("referral", "referral"),
    "SMS": ("sms", "sms"),
}
"""Source and medium by which a visit is of a channel, whatever its page."""
CHANNELS: Final = (*TAGS, DIRECT)
_PAID: Final = frozenset({"cpc", "ppc", "paid", "sea", "sem"})
_SOCIAL: Final = ("facebook", "instagram", "tiktok", "pinterest", "twitter", "linkedin", "social")
LIKELY: Final = (
    ("Paid Search", ("adwords", "googleads", "bingads", "sea", "sem", "cpc", "ppc", "paidsearch")),
    ("Paid Social", ("paidsocial", "facebookads", "metaads", "fbads", "instagramads")),
    ("Email", ("email", "mail", "newsletter", "klaviyo", "mailchimp", "courriel", "correo")),
    ("Organic Video", ("youtube", "vimeo", "video")),
    ("Organic Social", _SOCIAL),
    ("Display", ("display", "banner")),
    ("Affiliates", ("affiliate", "affiliates")),
    ("SMS", ("sms",)),
    ("Organic Search", ("organic", "organicsearch", "search", "seo", "google", "bing", "yahoo")),
    ("Referral", ("referral", "referrer", "verweis")),
    (DIRECT, ("direct", "none", "direkt", "typein")),
)
"""Words by which a channel is known, the more certain first."""
SAYS_SOURCE: Final = r".*([?&;](utm_[a-z]+|gclid|gbraid|wbraid)=).*"


def likely_channel(word: str) -> str:
    """Return the channel that a word of a file usually means; empty if it is not known."""
    letters = bare(word)
    if _PAID & {*re.findall(r"[a-z]+", word.casefold())}:  # google / cpc
        is_social = any(name in letters for name in _SOCIAL)
        return "Paid Social" if is_social else "Paid Search"
    for channel, names in LIKELY:
        if letters in names or any(len(name) > 4 and name in letters for name in names):  # noqa: PLR2004 (short ones are parts of others)
            return channel
    return ""


def column_of_sources(values: FileValues, found: Mapping[str, FoundField]) -> Value | None:
    """Return the column that says where visits come from, if most of its words are known and no
    address or other field of the file says it.
    """
    page, referrer = found.get("page_url"), found.get("referrer_url")
    in_fields = "campaign_source" in found or "campaign_medium" in found
    if referrer or in_fields or (page and values.matching(page.value, f"(?i){SAYS_SOURCE}")):
        return None
    for value in source_columns(values, found):
        words = [word for word, _ in values.counts(value, len(CHANNELS_OF) + 1)]
        known_count = sum(bool(likely_channel(word)) for word in words)
        if value.is_column and len(words) <= len(CHANNELS_OF) and known_count * 2 >= len(words):
            return value
    return None


def source_questions(values: FileValues, column: Value) -> list[OpenQuestion]:
    """Return the questions which channel each word of a column is; those of words that are not
    known guess that nobody sent the visitor.
    """
    return [
        OpenQuestion(
            key,
            f"the channel of visits from {shown(word)!r} ({count:,} rows)",
            CHANNELS,
            likely_channel(word) or DIRECT,
            is_optional=True,
            subject=word,
            note=f"{count:,} rows",
        )
        for key, (word, count) in zip(
            CHANNELS_OF, values.counts(column, len(CHANNELS_OF)), strict=False
        )
    ]


def campaign_lines(column: Value, channels: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the SQL of source and medium of a row by their fields; none where every word is
    direct.

    Args:
        column: The value with the word.
        channels: The words and their channels.
    """
    known = [(word, TAGS[channel]) for word, channel in channels if channel in TAGS]
    if not known:
        return {}
    return {
        field: f"CASE trim({column.sql}) "
        + " ".join(f"WHEN {text(word)} THEN {text(tags[place])}" for word, tags in known)
        + " END"
        for place, field in enumerate(("campaign_source", "campaign_medium"))
    }
