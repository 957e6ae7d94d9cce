"""How visitors first came: the first event of each day, and the channels that it tells.

Not here: GA4's rules (`channel_groups.py`), later visits (`touches.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.customers import FirstTouches
from ecom_assets.transforms.channel_groups import ChannelRule
from ecom_assets.transforms.days import NO
from ecom_assets.transforms.traffic_source import with_source

KEY = ["event_date", "event_id"]
MAIL_WORDS = ("email", "e-mail", "e_mail", "newsletter")
"""As `utm_medium` or `utm_source`, in any case."""
MAIL_HOSTS = "^https?://([a-z0-9-]+[.])*(mail|webmail|outlook)[.]"
"""Referrers that show mail: mail.google.com, outlook.live.com, webmail.example.org."""
APP_REFERRERS = "^(android|ios)-app://"
APP_AGENTS = "(okhttp|cfnetwork|dalvik|dart/|; wv[)])"
"""What the libraries of apps call themselves, and Android's view of a page inside an app; in lower case."""


def first_touches(events: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return each visitor's first event of each day, with the channels that it tells.

    Args:
        events: Rows of `CleanEvents`, of whole days.
        rule: What makes GA4's `default_channel_group`; `acquisition_channel` needs none.
    """
    in_order = ibis.window(group_by=["event_date", "visitor_id"], order_by=["event_at", "event_id"])
    numbered = events.mutate(place=ibis.row_number().over(in_order))
    first = numbered.filter(numbered.place == 0)
    sourced = with_source(first.select(*KEY, "page_url", "referrer_url"), rule.lists, rule.own_domains)
    told = sourced.select(*KEY, default_channel_group=rule.channel(sourced.source, sourced.medium, sourced.campaign))
    both = first.left_join(told, KEY).select(first, "default_channel_group")
    return both.mutate(
        acquisition_channel=acquisition_channel(both.page_url, both.referrer_url, both.user_agent),
        default_channel_group=both.default_channel_group.fill_null("Direct"),
        source_lists_version=ibis.literal(rule.lists.version),
    ).select(*FirstTouches.columns)


def first_touch_ever(touches: ir.Table) -> ir.Table:
    """Return each visitor's first day, as `touched_date`, with the channels that it tells.

    Args:
        touches: All rows of `FirstTouches`.
    """
    in_order = ibis.window(group_by="visitor_id", order_by="event_date")
    numbered = touches.mutate(place=ibis.row_number().over(in_order))
    first = numbered.filter(numbered.place == 0)
    return first.select("visitor_id", "acquisition_channel", "default_channel_group", touched_date="event_date")


def acquisition_channel(
    page_url: ir.StringColumn, referrer_url: ir.StringColumn, user_agent: ir.StringColumn
) -> ir.StringColumn:
    """Return email_campaign if campaign or referrer say mail, mobile_app if an app asked, else website."""
    said = [page_url.re_extract(rf"[?&]utm_{name}=([^&#]*)", 1).lower() for name in ("medium", "source")]
    referrer, agent = referrer_url.lower(), user_agent.lower()
    is_mail = said[0].isin(MAIL_WORDS).fill_null(NO) | said[1].isin(MAIL_WORDS).fill_null(NO)
    is_mail = is_mail | referrer.re_search(MAIL_HOSTS).fill_null(NO)
    is_app = referrer.re_search(APP_REFERRERS).fill_null(NO) | agent.re_search(APP_AGENTS).fill_null(NO)
    return ibis.cases((is_mail, "email_campaign"), (is_app, "mobile_app"), else_="website")
