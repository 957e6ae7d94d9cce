"""GA4's default channel group: 18 rules in order, the first that fits decides, else Unassigned.

Source: https://support.google.com/analytics/answer/9756891. Paid channels come before organic ones, so the order is
part of the definition. Not here: source and medium (`traffic_source.py`), the lists of sites (`sources/`).
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.source_lists import SourceLists
from ecom_assets.transforms.traffic_source import DIRECT, NO_MEDIUM, NOT_SET

PAID = "^(.*cp.*|ppc|retargeting|paid.*)$"
SHOP_CAMPAIGN = "^(.*(([^a-df-z]|^)shop|shopping).*)$"
DISPLAY = ("display", "banner", "expandable", "interstitial", "cpm")
SOCIAL = ("social", "social-network", "social-media", "sm", "social network", "social media")
EMAIL = ("email", "e-mail", "e_mail", "e mail")
REFERRAL = ("referral", "app", "link")


@dataclass(frozen=True)
class ChannelRule:
    """How a source becomes a channel.

    `lists`: the sites. `own_domains`: domains that are no source, beside the page's own: the shop's others, and payment
    providers that send people back. `ai_assistants`: whether AI Assistant is a channel, as peers' users ask for; GA4
    has none, so it is off.
    """

    lists: SourceLists
    own_domains: tuple[str, ...] = ()
    ai_assistants: bool = False

    def channel(self, source: ir.StringValue, medium: ir.StringValue, campaign: ir.StringValue) -> ir.StringValue:
        """Return the channel; the three are in lower case and never null."""
        is_paid = medium.re_search(PAID)
        is_shop = source.re_search(self.lists.pattern("shopping")) | campaign.re_search(SHOP_CAMPAIGN)
        is_search, is_social, is_video = (
            source.re_search(self.lists.pattern(*names)) for names in (("engine", "search"), ("social",), ("video",))
        )
        assistant = [(source.re_search(self.lists.pattern("assistant")), "AI Assistant")] if self.ai_assistants else []
        is_push = medium.re_search("(push$|mobile|notification)") | (source == "firebase")
        return ibis.cases(
            ((source == DIRECT) & medium.isin((NOT_SET, NO_MEDIUM)), "Direct"),
            (campaign.contains("cross-network"), "Cross-network"),
            (is_shop & is_paid, "Paid Shopping"),
            (is_search & is_paid, "Paid Search"),
            (is_social & is_paid, "Paid Social"),
            (is_video & is_paid, "Paid Video"),
            (medium.isin(DISPLAY), "Display"),
            (is_paid, "Paid Other"),
            (is_shop, "Organic Shopping"),
            (is_social | medium.isin(SOCIAL), "Organic Social"),
            (is_video | medium.contains("video"), "Organic Video"),
            (is_search | (medium == "organic"), "Organic Search"),
            *assistant,
            (medium.isin(REFERRAL), "Referral"),
            (source.isin(EMAIL) | medium.isin(EMAIL), "Email"),
            (medium == "affiliate", "Affiliates"),
            (medium == "audio", "Audio"),
            ((source == "sms") | (medium == "sms"), "SMS"),
            (is_push, "Mobile Push Notifications"),
            else_="Unassigned",
        )
