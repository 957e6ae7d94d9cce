"""The lists of sites that channels are classified by, shipped as versioned data.

`google_channel_sources.csv` is the whole list that Google publishes with GA4's default channel
group, as a PDF (https://support.google.com/analytics/answer/9756891): names of sources and hosts,
each with its category. It is renewed by `make renew-channel-sources`. `channel_sources.csv` is ours
and comes on top: newer networks, patterns for the subdomains and countries of large sites, in the
category `engine` the hosts whose visits GA4 calls organic, which count as search too, and in the
category `assistant` assistants.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.questions.source import EventSource
from ecom_assets.behaviour.sessions.question import known_session_rule
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.answer import attribution_by
from ecom_assets.commerce.attribution.session_columns import with_session_columns
from ecom_assets.commerce.attribution.touches import ChannelRule, SourceLists
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.home_notes import have_activities
from ecom_assets.ingestion.sources.mapping_file import shipped_rows

VERSION = "2026-11b"
"""Increased with every change of the files: year and month,
plus a letter for a second change in a month.
"""
OURS, GOOGLES = "channel_sources.csv", "google_channel_sources.csv"


@cache
def source_lists() -> SourceLists:
    """Return the shipped lists."""
    sites: dict[str, list[str]] = defaultdict(list)
    for row in shipped_rows(GOOGLES):
        # GA4 compares names in any case; here, sources are in lower case.
        sites[row["source_category"].removeprefix("SOURCE_CATEGORY_").lower()].append(
            row["source"].lower()
        )
    for row in shipped_rows(OURS):
        sites[row["category"]].append(row["site"])
    return SourceLists(VERSION, {category: tuple(names) for category, names in sites.items()})


def channel_rule(settings: Settings) -> ChannelRule:
    """Return what the channels of a shop are: by the shipped lists, and its settings."""
    has_addresses = not have_activities(settings)
    return ChannelRule(
        source_lists(), settings.own_domains, settings.ai_assistant_channel, has_addresses
    )


def with_channels(
    con: SQLBackend, events: ir.Table, names: Iterable[str], source: EventSource
) -> ir.Table:
    """Return the events of a source with these columns of `SessionColumns`,
    by the shop's session rule and channels.

    Raises:
        DefinitionError: The session rule needs session ids that the events do not have.
    """
    cut_by = SessionRule.preset(known_session_rule(None, source))
    settings = source.settings
    return with_session_columns(
        con, events, names, cut_by, channel_rule(settings), landing_pages=settings.landing_pages
    )


def _channels_of(source: EventSource) -> ChannelRule:
    return channel_rule(source.settings)


ATTRIBUTION: Final = attribution_by(_channels_of)
"""The question of attribution, to the channels of these lists."""
