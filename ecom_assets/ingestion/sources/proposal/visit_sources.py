"""Where visits come from, in a file whose addresses do not say it and another column does: a person
says the channel of each of its words, and the words become UTM parameters of the page.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.proposal.fields import FoundField, bare, source_columns
from ecom_assets.ingestion.sources.proposal.questions import CHANNELS_OF, OpenQuestion, shown
from ecom_assets.ingestion.sources.proposal.values import FileValues, Value

DIRECT: Final = "Direct"
TAGS: Final[Mapping[str, str]] = {
    "Paid Search": "utm_source=google&utm_medium=cpc",
    "Organic Search": "utm_source=search&utm_medium=organic",
    "Paid Social": "utm_source=facebook&utm_medium=cpc",
    "Organic Social": "utm_source=social&utm_medium=social",
    "Email": "utm_source=email&utm_medium=email",
    "Display": "utm_source=display&utm_medium=display",
    "Organic Video": "utm_source=video&utm_medium=video",
    "Affiliates": "utm_source=affiliate&utm_medium=affiliate",
    "Referral": "utm_source=referral&utm_medium=referral",
    "SMS": "utm_source=sms&utm_medium=sms",
}
"""UTM parameters by which a visit is of a channel, whatever its page."""
CHANNELS: Final = (*TAGS, DIRECT)
LIKELY: Final = (
    ("Paid Search", ("adwords", "googleads", "bingads", "sea", "sem", "cpc", "ppc", "paidsearch")),
    ("Paid Social", ("paidsocial", "facebookads", "metaads", "fbads", "instagramads")),
    ("Email", ("email", "mail", "newsletter", "klaviyo", "mailchimp", "courriel", "correo")),
    ("Organic Video", ("youtube", "vimeo", "video")),
    (
        "Organic Social",
        ("facebook", "instagram", "tiktok", "pinterest", "twitter", "linkedin", "social"),
    ),
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
    for channel, names in LIKELY:
        if letters in names or any(len(name) > 4 and name in letters for name in names):  # noqa: PLR2004 (short ones are parts of others)
            return channel
    return ""


def column_of_sources(values: FileValues, found: Mapping[str, FoundField]) -> Value | None:
    """Return the column that says where visits come from, if most of its words are known and no
    address of the file says it.
    """
    page, referrer = found.get("page_url"), found.get("referrer_url")
    if referrer or (page and values.matching(page.value, f"(?i){SAYS_SOURCE}")):
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


def tagged_page(page: Value | None, column: Value, channels: Sequence[tuple[str, str]]) -> str:
    """Return the SQL of the page of a row with the UTM parameters of its channel.

    Args:
        page: The value with the page; None for files without, whose visits have `/`.
        column: The value with the word.
        channels: The words and their channels.
    """
    address = page.sql if page else "'/'"
    cases = [
        f"WHEN {text(word)} THEN {text(TAGS[channel])}"
        for word, channel in channels
        if channel in TAGS
    ]
    if not cases:
        return address
    tags = f"CASE trim({column.sql}) {' '.join(cases)} END"
    joint = f"CASE WHEN contains({address}, '?') THEN '&' ELSE '?' END"
    return f"{address} || coalesce({joint} || {tags}, '')"
