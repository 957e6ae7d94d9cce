"""Where visits came from: their source, medium and campaign as in GA4,
the channel group that follows, and touches.

A touch is a session with its source. First touches of visitors and conversions are here, too.

RE2, Postgres, Java and Snowflake read every regular expression here in the same way: it uses
character classes instead of escapes, plain groups, and lower case for ASCII letters only.

Terms: docs/glossary.md#touch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import or_
from string import ascii_lowercase, ascii_uppercase

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CAMPAIGN, CAMPAIGN_SCOPES
from ecom_assets.behaviour.sessions.sessions import UNIT
from ecom_assets.commerce.attribution.contracts import (
    AD_CLICKS,
    ADDRESS,
    DIRECT_CHANNEL,
    UNKNOWN_CHANNEL,
    Conversions,
    FirstTouches,
    SessionSources,
    Touches,
)
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import (
    NO,
    first_of_each,
    first_of_stored,
    once_per_distinct,
    union_all,
)

DIRECT, NO_MEDIUM, NOT_SET = "(direct)", "(none)", "(not set)"
NO_SOURCE = {"source": DIRECT, "medium": NO_MEDIUM, "campaign": NOT_SET}
"""What a visit has without a source."""
OF_DIRECT = {**NO_SOURCE, "channel": DIRECT_CHANNEL}
OF_UNKNOWN = dict.fromkeys(OF_DIRECT, UNKNOWN_CHANNEL)
"""What a visit has whose events cannot say where it came from."""
GOOGLE, *OTHER_PLATFORMS = AD_CLICKS
CLICK_IDS = f"[?&;]({'|'.join(AD_CLICKS[GOOGLE])})=[^&#]"
"""Click ids that Google Ads adds to a page URL; Google Analytics ignores those of other networks.
"""
OTHER_CLICKS = {click_id: name for name in OTHER_PLATFORMS for click_id in AD_CLICKS[name]}
OTHER_CLICK_IDS = f"[?&;]({'|'.join(OTHER_CLICKS)})=[^&#]"
"""Click ids of the other networks, which say where an advertisement was, but are no source."""
PARAMETERS = (
    "[?&;]([Uu][Tt][Mm]_|[Gg][Cc][Ll][Ii][Dd]=|[GgWw][Bb][Rr][Aa][Ii][Dd]=|"
    "[Mm][Ss][Cc][Ll][Kk][Ii][Dd]=|[FfTt][BbTt][Cc][Ll][Ii][Dd]=)"
)
"""What an address has, in any case, that has UTM parameters or a click id."""
TAGS = ("source", "medium", "campaign")
CAMPAIGN_SAYS = CAMPAIGN[:-1]
"""The columns of a campaign beside what it is of."""
NO_TOUCH = CAMPAIGN_SCOPES[2:]
"""The scopes of campaigns that are not those of the visit."""
SOURCED = ("source", "medium", "campaign", "channel", "source_lists_version")
"""What they say."""
AD = ("campaign_id", "ad_platform")
"""What they say of an advertisement, which may be all that they say."""
FOUND_AD = ("found_campaign_id", "found_ad_platform")
"""The same beside the fields that it is found in."""
HOST = "^([a-z][a-z0-9+.-]*://)?([^/?#]*@)?(www[.])?([^/?#:@]*[^/?#:@.])"
"""Scheme, user, `www.` and, as the fourth group, the host without port and final dot."""
IS_HOST = "^[^ %,()]+[.][^ %,()]+$"
ESCAPES = (
    ("+", " "),
    ("%20", " "),
    ("%28", "("),
    ("%29", ")"),
    ("%2b", "+"),
    ("%2c", ","),
    ("%2d", "-"),
    ("%2e", "."),
    ("%2f", "/"),
    ("%3a", ":"),
    ("%3d", "="),
    ("%5f", "_"),
    ("%7c", "|"),
    ("%26", "&"),
    ("%25", "%"),
)
"""Percent-encoded characters that are decoded, in this order; ordinary URLs do not encode letters.
"""


@dataclass(frozen=True)
class SourceLists:
    """Sites by category (engine, search, social, shopping, video, assistant),
    and the version of the lists.

    A site is a name or host, in lower case. A leading `*.` includes its subdomains; a trailing `.*`
    matches any country domain.
    """

    version: str
    sites: Mapping[str, tuple[str, ...]] = field(hash=False)

    def have(self, source: ir.StringValue, *categories: str) -> ir.BooleanValue:
        """Return whether a source is a site of the categories."""
        sites = {site for category in categories for site in self.sites[category]}
        with_others = sorted(site for site in sites if "*" in site)
        is_listed = source.isin(sorted(sites.difference(with_others)))
        if not with_others:
            return is_listed
        return is_listed | source.re_search(f"^({'|'.join(map(_pattern, with_others))})$")

    @property
    def engine_names(self) -> str:
        """Return a pattern whose group is the GA4 name of the search
        engine that a host belongs to.
        """
        names = sorted(name for name in self.sites["search"] if "." not in name)
        return f"(^|[.])({'|'.join(names)})[.]"


def with_arrival(events: ir.Table, rule: "ChannelRule") -> ir.Table:
    """Return the events that have a source or say an advertisement, with `SOURCED`, `AD` and
    `source_rank`: 0 if the event itself has a source, 1 if its session has, and 2 if it says an
    advertisement alone, which is direct.

    `source`, `medium` and `campaign` are in lower case. UTM parameters take precedence over Google
    click ids, and these over a referrer outside the shop. Visits from search engines of the lists
    are `organic`, not `referral`. The own domains of the rule are never a source, nor is the domain
    of the page. What the source of the events says in fields of its own goes before the addresses,
    if it is of the event; what it says of the session, after them.
    """
    rows = events.filter(_may_have_source(events))
    added = (*SOURCED, *FOUND_AD, "source_rank")
    compute = partial(_arrival_of_each, rule=rule)
    arrived = _per_address(rows, ADDRESS, added, compute, leaves_out=True)
    return arrived.drop("campaign_id").rename(dict(zip(AD, FOUND_AD, strict=True)))


def _arrival_of_each(addresses: ir.Table, rule: "ChannelRule") -> ir.Table:
    clues = _with_ad(_clues(addresses, rule.own_domains))
    says_ad = ibis.coalesce(*(clues[name] for name in FOUND_AD)).notnull()
    arrived = _direct_without_source(clues.filter(clues.has_source | says_ad), rule)
    rank = ibis.cases((~arrived.has_source, 2), (arrived.is_of_session, 1), else_=0)
    return arrived.mutate(source_rank=rank)


def _with_ad(clues: ir.Table) -> ir.Table:
    """Add which campaign of which advertising platform a page says that it was opened from.

    The id is that of `utm_id`, else a `utm_campaign` of digits. Of a campaign in fields, the fields
    alone say it.
    """
    click_id = ibis.coalesce(
        _extracted(clues.clicked, OTHER_CLICK_IDS, 1), _extracted(clues.page, OTHER_CLICK_IDS, 1)
    )
    tagged = _decoded(_extracted(clues.page, "[?&;]utm_id=([^&]*)", 1))
    named = _extracted(clues.page, "[?&;]utm_campaign=([0-9]+)(&|$)", 1)
    in_field = ibis.coalesce(clues.said_id, _extracted(clues.said_name, "^([0-9]+)$", 1))
    platform = ibis.cases(
        (clues.has_click_id, GOOGLE),
        *((click_id == parameter, name) for parameter, name in OTHER_CLICKS.items()),
        else_=ibis.null("string"),
    )
    says_field = clues.has_field_tags | clues.said_id.notnull()
    campaign_id = says_field.ifelse(in_field, ibis.coalesce(tagged, named))
    return clues.mutate(**dict(zip(FOUND_AD, (campaign_id, platform), strict=True)))


def _per_address(
    rows: ir.Table,
    names: Sequence[str],
    added: Sequence[str],
    compute: Callable[[ir.Table], ir.Table],
    *,
    leaves_out: bool = False,
) -> ir.Table:
    """Return what `once_per_distinct` does; of pages, `compute` sees what can say a source."""
    rows = rows.mutate(whole_page=rows.page_url, page_url=_source_page(rows.page_url))
    touched = once_per_distinct(rows, names, added, compute, leaves_out=leaves_out)
    return touched.mutate(page_url=touched.whole_page).drop("whole_page")


def _source_page(page_url: ir.StringValue) -> ir.StringValue:
    """Return what of a page can say a source: its site alone, without parameters of campaigns.

    So that a shop whose every page is another, by an id of its own, has few addresses.
    """
    site = ibis.coalesce(_origin(page_url).nullif(""), page_url)
    return _has_parameters(page_url).fill_null(NO).ifelse(page_url, site)


def _origin(page_url: ir.StringValue) -> ir.StringValue:
    return page_url.re_extract("^([^/?#]*//[^/?#]+)", 1)


def _has_parameters(page_url: ir.StringValue) -> ir.BooleanValue:
    return page_url.contains("=") & page_url.re_search(PARAMETERS)


def source_of_each(addresses: ir.Table, rule: "ChannelRule") -> ir.Table:
    """Return the addresses that say a source, with `SOURCED`, each looked at by itself."""
    clues = _clues(addresses, rule.own_domains)
    return _with_channel(_named(clues.filter(clues.has_source), rule.lists), rule)


def _source_or_direct(addresses: ir.Table, rule: "ChannelRule") -> ir.Table:
    """Return all addresses with `SOURCED`; without a source, `(direct)`, `(none)`, `(not set)`."""
    return _direct_without_source(_clues(addresses, rule.own_domains), rule)


def _direct_without_source(clues: ir.Table, rule: "ChannelRule") -> ir.Table:
    named = _named(clues, rule.lists)
    without = {
        name: named.has_source.ifelse(named[name], value) for name, value in NO_SOURCE.items()
    }
    return _with_channel(named.mutate(**without), rule)


def _with_channel(named: ir.Table, rule: "ChannelRule") -> ir.Table:
    return named.mutate(
        channel=rule.channel(named.source, named.medium, named.campaign),
        source_lists_version=ibis.literal(rule.lists.version),
    )


def _may_have_source(events: ir.Table) -> ir.BooleanValue:
    """Return whether an event needs a closer look, for a filter (null is no).

    Most events have no parameters of campaigns, and a referrer on the page's own site. Of the
    expressions of `_clues`, some twenty per event, this needs two.
    """
    origin = _origin(events.page_url)
    is_inside = (origin != "") & (
        (events.referrer_url == origin) | events.referrer_url.startswith(origin.concat("/"))
    )
    in_fields = ibis.coalesce(*(events[name] for name in CAMPAIGN_SAYS)).notnull()
    # Not with `fill_null(NO)`: within it, DuckDB looks for the pattern in every page.
    return (
        _has_parameters(events.page_url)
        | (events.referrer_url.notnull() & ~is_inside.fill_null(NO))
        | in_fields
    )


def _clues(events: ir.Table, own_domains: Sequence[str]) -> ir.Table:
    page = _small(events.page_url).re_extract("^([^#]*)", 1)
    events = events.mutate(page=page, referrer_host=host_of(_small(events.referrer_url)))
    events = _with_fields(events)
    events = events.mutate(
        page_host=host_of(events.page),
        has_page_click=events.page.re_search(CLICK_IDS).fill_null(NO),
        has_tags=events.page.re_search("[?&;]utm_(source|medium|campaign)=[^&]").fill_null(NO),
    )
    # Whether a referrer is the domain of the page, its subdomain or parent domain, or one of
    # `own_domains`.
    same = _is_within(events.referrer_host, events.page_host) | _is_within(
        events.page_host, events.referrer_host
    )
    in_own_domains = [
        _is_within(events.referrer_host, ibis.literal(domain)) for domain in own_domains
    ]
    is_outside = events.referrer_host.notnull() & ~reduce(or_, [same, *in_own_domains]).fill_null(
        NO
    )
    events = events.mutate(is_referred=is_outside)
    by_address = events.has_tags | events.has_page_click | events.is_referred
    # What a session came from is not what one of its events did, if that is known.
    events = events.mutate(counts=~events.is_said_of_session | ~by_address, by_address=by_address)
    clicked = events.counts.ifelse(events.clicked, ibis.null("string"))
    has_field_click = clicked.re_search(CLICK_IDS).fill_null(NO)
    has_field_tags = events.counts & events.has_said
    by_fields = has_field_tags | has_field_click
    return events.mutate(
        clicked=clicked,
        has_field_tags=has_field_tags,
        has_click_id=events.has_page_click | has_field_click,
        has_tags=events.has_tags | has_field_tags,
        is_of_session=by_fields & events.is_said_of_session,
        has_source=events.by_address | by_fields,
    )


def _with_fields(events: ir.Table) -> ir.Table:
    """Add what the fields of a campaign say of the event or its session: `said_source`,
    `said_medium`, `said_name` and `said_id`, `clicked`, which is the click id as a parameter, and
    whether they say a source at all, and of the session.
    """
    scope = _small(events.campaign_scope)
    is_touch = scope.notin(NO_TOUCH).fill_null(~NO)
    nothing = ibis.null("string")
    said = {
        f"said_{name}": _trimmed(_small(events[f"campaign_{name}"]))
        for name in ("source", "medium", "name")
    }
    said = {
        name: (is_touch & value.notin(tuple(NO_SOURCE.values()))).ifelse(value, nothing)
        for name, value in said.items()
    }
    clicked = ibis.literal("?").concat(_small(events.click_id))
    events = events.mutate(
        **said,
        said_id=is_touch.ifelse(_trimmed(events.campaign_id), nothing),
        clicked=is_touch.ifelse(clicked, nothing),
        is_said_of_session=(scope == "session").fill_null(NO),
    )
    return events.mutate(has_said=ibis.coalesce(*(events[name] for name in said)).notnull())


def _named(events: ir.Table, lists: SourceLists) -> ir.Table:
    tags = {
        f"utm_{name}": _decoded(_extracted(events.page, f"[?&;]utm_{name}=([^&]*)", 1))
        for name in TAGS
    }
    is_engine = lists.have(events.referrer_host, "engine")
    name = ibis.coalesce(
        _extracted(events.referrer_host, lists.engine_names, 2), events.referrer_host
    )
    in_fields = {
        f"utm_{name}": events.has_field_tags.ifelse(events[said], tags[f"utm_{name}"])
        for name, said in zip(TAGS, ("said_source", "said_medium", "said_name"), strict=True)
    }
    events = events.mutate(engine=is_engine.ifelse(name, ibis.null("string")), **in_fields)
    by_referrer = ibis.cases(
        (events.has_click_id, "google"),
        (events.is_referred, ibis.coalesce(events.engine, events.referrer_host)),
        else_=NOT_SET,
    )
    medium = ibis.cases(
        (events.has_click_id, "cpc"),
        (events.is_referred, events.engine.notnull().ifelse("organic", "referral")),
        else_=NOT_SET,
    )
    return events.mutate(
        source=events.has_tags.ifelse(events.utm_source.fill_null(NOT_SET), by_referrer),
        medium=events.has_tags.ifelse(events.utm_medium.fill_null(NOT_SET), medium),
        campaign=events.utm_campaign.fill_null(NOT_SET),
    )


def host_of(url: ir.StringValue) -> ir.StringValue:
    """Return the host of a URL in lower case, without `www.`, user and port;
    null without a host.
    """
    # Not `_extracted`: the second pattern refuses an empty text, too, and Spark extracts a host
    # once for each mention.
    host = url.re_extract(HOST, 4)
    return host.re_search(IS_HOST).fill_null(NO).ifelse(host, ibis.null("string"))


def _is_within(host: ir.StringValue, domain: ir.StringValue) -> ir.BooleanValue:
    dot = ibis.literal(".")
    return dot.concat(host).endswith(dot.concat(domain)).fill_null(NO)


def _small(text: ir.StringValue) -> ir.StringValue:
    # Engines change the case of non-ASCII letters differently, and Postgres does it by locale.
    return text.translate(ascii_uppercase, ascii_lowercase)


def _decoded(text: ir.StringValue) -> ir.StringValue:
    return _trimmed(reduce(lambda seen, pair: seen.replace(*pair), ESCAPES, text))


def _trimmed(text: ir.StringValue) -> ir.StringValue:
    # Not `strip`: Spark reads two characters of its white space list as the letters v and f.
    return _extracted(text, "^ *(.*[^ ])", 1)


def _extracted(text: ir.StringValue, pattern: str, group: int) -> ir.StringValue:
    # Some engines return an empty string if nothing matches.
    return text.re_extract(pattern, group).nullif("")


PAID = "^(.*cp.*|ppc|retargeting|paid.*)$"
SHOP_CAMPAIGN = "^(.*(([^a-df-z]|^)shop|shopping).*)$"
DISPLAY = ("display", "banner", "expandable", "interstitial", "cpm")
SOCIAL = ("social", "social-network", "social-media", "sm", "social network", "social media")
EMAIL = ("email", "e-mail", "e_mail", "e mail")
REFERRAL = ("referral", "app", "link")


@dataclass(frozen=True)
class ChannelRule:
    """The rule that maps a source to a channel.

    `lists`: the sites by category. `own_domains`: domains that are never a source, in addition to
    the domain of the page: other domains of the shop, and payment providers that redirect back to
    it. `ai_assistants`: whether AI Assistant is a channel; off by default, because GA4 has no such
    channel. `has_addresses`: whether events can say where visits came from, by a page or a
    referrer; an order report's activities have neither.
    """

    lists: SourceLists
    own_domains: tuple[str, ...] = ()
    ai_assistants: bool = False
    has_addresses: bool = True

    @property
    def without_source(self) -> dict[str, str]:
        """Source, medium, campaign and channel of a visit without a source:
        direct, or not known.
        """
        return OF_DIRECT if self.has_addresses else OF_UNKNOWN

    def channel(
        self, source: ir.StringValue, medium: ir.StringValue, campaign: ir.StringValue
    ) -> ir.StringValue:
        """Return the channel; the arguments are in lower case and never null."""
        is_paid = medium.re_search(PAID)
        is_shop = self.lists.have(source, "shopping") | campaign.re_search(SHOP_CAMPAIGN)
        is_search, is_social, is_video = (
            self.lists.have(source, *names)
            for names in (("engine", "search"), ("social",), ("video",))
        )
        assistant = (
            [(self.lists.have(source, "assistant"), "AI Assistant")] if self.ai_assistants else []
        )
        is_push = medium.re_search("(push$|mobile|notification)") | (source == "firebase")
        return ibis.cases(
            ((source == DIRECT) & medium.isin((NOT_SET, NO_MEDIUM)), DIRECT_CHANNEL),
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


TOP_LEVEL = "[.][a-z]+([.][a-z]+)?"
"""What a trailing `.*` of a site matches: com, de, co.uk."""


def _pattern(site: str) -> str:
    subdomain = "([a-z0-9.-]+[.])?" if site.startswith("*.") else ""
    top_level = TOP_LEVEL if site.endswith(".*") else ""
    return subdomain + site.removeprefix("*.").removesuffix(".*").replace(".", "[.]") + top_level


MAIL_WORDS = ("email", "e-mail", "e_mail", "newsletter")
"""Values of `utm_medium` or `utm_source` that mean e-mail, in any case."""
MAIL_HOSTS = "^https?://([a-z0-9-]+[.])*(mail|webmail|outlook)[.]"
"""Referrers of mail services: mail.google.com, outlook.live.com, webmail.example.org."""
APP_REFERRERS = "^(android|ios)-app://"
APP_AGENTS = "(okhttp|cfnetwork|dalvik|dart/|; wv[)])"
"""User agents of app libraries and of the Android web view, in lower case."""


TOUCHED = ("acquisition_channel", "default_channel_group", "source_lists_version")
"""What addresses and a user agent say of a first touch."""


def first_touches(events: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the first event of each visitor and day, with its channels,
    from rows of `CleanEvents` of whole days.

    The rule gives `default_channel_group` of GA4; `acquisition_channel` does not need it. Where
    events have no addresses, it is not known how a visitor came, and there is no row.
    """
    unit, order = ["event_date", "visitor_id"], ["event_at", "event_id"]
    first = first_of_stored(events.select(*unit, *order, *ADDRESS, "user_agent"), unit, order)
    # What the source knows of the first visit makes no touch, and is what a first touch is about.
    of_user = _small(first.campaign_scope) == "user"
    first = first.mutate(campaign_scope=of_user.ifelse("session", first.campaign_scope))
    touched = _per_address(first, (*ADDRESS, "user_agent"), TOUCHED, partial(_of_touch, rule=rule))
    return touched.select(*FirstTouches.columns)


def _of_touch(addresses: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return addresses and user agents with `TOUCHED`; only those with a source, if others say
    nothing.
    """
    sourced = (_source_or_direct if rule.has_addresses else source_of_each)(addresses, rule)
    says_mail = sourced.said_medium.isin(MAIL_WORDS) | sourced.said_source.isin(MAIL_WORDS)
    by_address = acquisition_channel(sourced.page_url, sourced.referrer_url, sourced.user_agent)
    is_mail = (sourced.has_field_tags & says_mail).fill_null(NO)
    channel = is_mail.ifelse("email_campaign", by_address)
    return sourced.mutate(acquisition_channel=channel, default_channel_group=sourced.channel)


def first_touch_ever(touches: ir.Table) -> ir.Table:
    """Return the first day of each visitor in `FirstTouches`, as `touched_date`,
    with its channels.
    """
    first = first_of_each(touches, "visitor_id", ["event_date", "event_at", "event_id"])
    return first.select(
        "visitor_id", "acquisition_channel", "default_channel_group", touched_date="event_date"
    )


def acquisition_channel(
    page_url: ir.StringColumn, referrer_url: ir.StringColumn, user_agent: ir.StringColumn
) -> ir.StringColumn:
    """Return email_campaign if UTM parameters or referrer show e-mail,
    mobile_app for an app, else website.
    """
    medium, source = (
        page_url.re_extract(rf"[?&]utm_{name}=([^&#]*)", 1).lower() for name in ("medium", "source")
    )
    referrer, agent = referrer_url.lower(), user_agent.lower()
    is_mail = medium.isin(MAIL_WORDS).fill_null(NO) | source.isin(MAIL_WORDS).fill_null(NO)
    is_mail = is_mail | referrer.re_search(MAIL_HOSTS).fill_null(NO)
    is_app = referrer.re_search(APP_REFERRERS).fill_null(NO) | agent.re_search(
        APP_AGENTS
    ).fill_null(NO)
    return ibis.cases((is_mail, "email_campaign"), (is_app, "mobile_app"), else_="website")


FRAGMENT = ["event_date", *UNIT, "fragment_started_at"]


def session_sources(events: ir.Table, session_events: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the first event with a source of each session fragment;
    sessions are split at midnight.

    The events are rows of `CleanEvents` and of `SessionEvents` of the same days.
    """
    sourced = with_arrival(events.select("event_id", "event_date", *ADDRESS), rule)
    placed = session_events.select("event_id", *FRAGMENT, "event_at", "event_number")
    return _first(placed.join(sourced, ["event_date", "event_id"]))


def sources_of_sessions(placed: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the first event with a source of each whole session;
    its `event_date` is the first day of the session.
    """
    return _first(with_arrival(placed, rule))


def _first(arrived: ir.Table) -> ir.Table:
    order = [arrived.source_rank, arrived.event_number]
    return first_of_each(arrived, FRAGMENT, order).select(*SessionSources.columns)


def touches(
    sessions: ir.Table, arrived: ir.Table, rule: ChannelRule, days: Days | None = None
) -> ir.Table:
    """Return one row per session that started on `days` (all if None),
    except sessions with refunds only.

    The arguments are all rows of `Sessions` and `SessionSources`; sessions without a source get the
    version of the rule's lists.
    """
    sessions = sessions.filter(sessions.event_count > sessions.refund_count)
    if days is not None:
        sessions = sessions.filter(days.contain(sessions.started_date))
        arrived = (
            arrived.limit(0)
            if days.is_none
            else arrived.filter(days.from_first(arrived.event_date))
        )
    crosses = sessions.ended_date > sessions.started_date
    columns = ("session_id", *UNIT, "started_at", "started_date", "is_bot", "ended_at")
    alone, crossing = (
        sessions.filter(condition).select(*columns) for condition in (~crosses, crosses)
    )
    arrived = arrived.select(*UNIT, "fragment_started_at", *SOURCED, *AD)
    rows = union_all(_of_one_fragment(alone, arrived), _of_several(crossing, arrived))
    nothing = {**rule.without_source, "source_lists_version": rule.lists.version}
    return rows.mutate(
        **{name: rows[name].fill_null(value) for name, value in nothing.items()}
    ).select(*Touches.columns)


def _of_one_fragment(sessions: ir.Table, arrived: ir.Table) -> ir.Table:
    is_same = [*_same_unit(sessions, arrived), sessions.started_at == arrived.fragment_started_at]
    return sessions.left_join(arrived, is_same).select(
        sessions, *(arrived[name] for name in (*SOURCED, *AD))
    )


def _same_unit(sessions: ir.Table, arrived: ir.Table) -> list[ir.BooleanValue]:
    return [sessions[name] == arrived[name] for name in UNIT]


def _of_several(sessions: ir.Table, arrived: ir.Table) -> ir.Table:
    inside = (sessions.started_at <= arrived.fragment_started_at) & (
        arrived.fragment_started_at <= sessions.ended_at
    )
    joined = sessions.left_join(arrived, [*_same_unit(sessions, arrived), inside])
    says = (*SOURCED, *AD)
    joined = joined.select(sessions, "fragment_started_at", *(arrived[name] for name in says))
    # What says an advertisement alone is direct; a source that comes later counts.
    is_without = (joined.source == DIRECT) & (joined.medium == NO_MEDIUM)
    order = [is_without.fill_null(NO).ifelse(1, 0), joined.fragment_started_at]
    return first_of_each(joined, "session_id", order).select(*sessions.columns, *says)


def conversions(session_events: ir.Table, lines: ir.Table, order_visits: ir.Table) -> ir.Table:
    """Return the purchases and refunds in `SessionEvents`,
    and the orders and refunds in rows of `UserOrderLog`, with visitors by all of `OrderVisits`.
    """
    return union_all(purchases(session_events), orders(lines, order_visits))


def purchases(session_events: ir.Table) -> ir.Table:
    """Return one row per purchase and refund event; its revenue is `cart_amount`,
    null if the event has none.
    """
    events = session_events.filter(session_events.event_type.isin(["purchase", "refund"]))
    is_refund = events.event_type == "refund"
    worth = events.cart_amount
    events = events.mutate(
        unit=ibis.literal("purchase"),
        is_refund=is_refund,
        revenue_amount=is_refund.ifelse(-worth, worth).cast(MONEY),
        is_renewal=NO,
        customer_id=events.visitor_id,
    )
    events = events.rename(
        converted_date="event_date", conversion_id="event_id", converted_at="event_at"
    )
    return events.select(*Conversions.columns)


def orders(lines: ir.Table, order_visits: ir.Table) -> ir.Table:
    """Return one row per order and day, and per refund and day;
    the lines of one order id are one order.

    Its visitor is that of its purchase event, also of a refund; without one, its customer.
    """
    is_refund = lines.status == "refunded"
    signed = is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY)
    lines = lines.select(
        converted_date="order_date",
        conversion_id="order_id",
        customer_id="customer_id",
        is_refund=is_refund,
        ordered_at="ordered_at",
        revenue_amount=signed,
        renewal=lines.is_renewal.fill_null(NO).ifelse(1, 0),
    )
    whole = lines.group_by("converted_date", "conversion_id", "customer_id", "is_refund").agg(
        converted_at=lines.ordered_at.min(),
        revenue_amount=lines.revenue_amount.sum().cast(MONEY),
        is_renewal=lines.renewal.max() > 0,
    )
    sold = order_visits.filter(order_visits.kind == "purchase")
    sold = sold.semi_join(whole, sold.order_id == whole.conversion_id)
    visited = first_of_each(sold, ["order_id", "customer_id"], ["order_date", "event_id"])
    visited = visited.select("visitor_id", met_order="order_id", met_customer="customer_id")
    met = [whole.conversion_id == visited.met_order, whole.customer_id == visited.met_customer]
    joined = whole.left_join(visited, met)
    return joined.mutate(
        unit=ibis.literal("order"),
        visitor_id=joined.visitor_id.fill_null(joined.customer_id),
    ).select(*Conversions.columns)
