"""GA4's channels by its own rules, from the addresses that events carry."""

import csv
import random
from collections import Counter
from functools import cache
from importlib import resources
from urllib.parse import urlencode

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from ecom_assets.commerce.attribution.contracts import ADDRESS, CHANNELS, UNKNOWN_CHANNEL
from ecom_assets.commerce.attribution.touches import (
    SOURCED,
    ChannelRule,
    source_of_each,
    with_arrival,
)
from ecom_assets.core.warehouse.local import DuckDBDialect, connect
from ecom_assets.ingestion.sources.site_lists import VERSION, source_lists
from ecom_assets_tests.builders import addresses
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_sandbox.shop.traffic import SHOP_URL, SOURCES

SHOP = "https://www.shop.example/"
Source = tuple[str, str, str]
"""Source, medium and campaign."""


@cache
def warehouse() -> Backend:
    con = connect()
    for name, columns in (
        ("visits", ADDRESS),
        ("sources", ("source", "medium", "campaign")),
    ):
        con.con.register(name, pa.table({column: pa.array([], pa.string()) for column in columns}))
    return con


def sourced_events(events: ir.Table, rule: ChannelRule) -> ir.Table:
    """Return the events that have a source; those that say an advertisement alone have none."""
    arrived = with_arrival(events, rule)
    return arrived.filter(arrived.source_rank < 2)


@cache
def source_sql(own: tuple[str, ...]) -> str:
    actual = sourced_events(warehouse().table("visits"), ChannelRule(source_lists(), own))
    return str(warehouse().compile(actual.select("source", "medium", "campaign")))


@cache
def channel_sql(ai_assistants: bool) -> str:  # noqa: FBT001 (a rule's field)
    answer = warehouse().table("sources")
    rule = ChannelRule(source_lists(), ai_assistants=ai_assistants)
    return str(
        warehouse().compile(
            answer.select(channel=rule.channel(answer.source, answer.medium, answer.campaign))
        )
    )


def source_of(page: str | None, referrer: str | None, own: tuple[str, ...] = ()) -> Source | None:
    """Return the source that the addresses of one event give; None where they give none."""
    said = {"page_url": page, "referrer_url": referrer}
    row = pa.table({name: pa.array([said.get(name)], pa.string()) for name in ADDRESS})
    warehouse().con.register("visits", row)
    actual: list[Source] = warehouse().con.sql(source_sql(own)).fetchall()
    return actual[0] if actual else None


def channel_of(
    source: str, medium: str, campaign: str = "(not set)", *, ai_assistants: bool = False
) -> str:
    """Return the channel of a source."""
    row = {"source": [source], "medium": [medium], "campaign": [campaign]}
    warehouse().con.register("sources", pa.table(row))
    (actual,) = warehouse().con.sql(channel_sql(ai_assistants)).fetchall()
    return str(actual[0])


BY_RULES = [
    ("(direct)", "(none)", "", "Direct"),
    ("(direct)", "(not set)", "", "Direct"),
    ("google", "cpc", "x cross-network y", "Cross-network"),
    ("amazon.co.uk", "cpc", "", "Paid Shopping"),
    ("google", "cpc", "shopping_feed", "Paid Shopping"),
    ("bing", "ppc", "", "Paid Search"),
    ("google", "cpm", "", "Paid Search"),  # before Display: the medium has "cp" in it
    ("facebook", "paid_social", "", "Paid Social"),
    ("m.facebook.com", "retargeting", "", "Paid Social"),
    ("youtube", "cpv", "", "Paid Video"),
    ("adnetwork", "cpm", "", "Display"),  # before Paid Other, though the medium has "cp" in it
    ("adnetwork", "banner", "", "Display"),
    ("adnetwork", "cpa", "", "Paid Other"),
    ("de.pinterest.com", "cpc", "", "Paid Social"),
    ("etsy.com", "referral", "", "Organic Shopping"),
    ("newsletter", "email", "summer shop", "Organic Shopping"),
    (
        "newsletter",
        "email",
        "workshop",
        "Email",
    ),  # "shop" counts after a sign, a space or an e alone
    ("partner", "sm", "", "Organic Social"),
    ("t.co", "referral", "", "Organic Social"),
    ("vimeo.com", "referral", "", "Organic Video"),
    ("partner", "brand-video", "", "Organic Video"),
    ("ecosia.org", "referral", "", "Organic Search"),
    ("unknown-engine", "organic", "", "Organic Search"),
    ("forum.example", "referral", "", "Referral"),
    ("partner", "link", "", "Referral"),
    ("e-mail", "(not set)", "", "Email"),
    ("crm", "e mail", "", "Email"),
    ("blog", "affiliate", "", "Affiliates"),
    ("spotify", "audio", "", "Audio"),
    ("sms", "(not set)", "", "SMS"),
    ("crm", "web-push", "", "Mobile Push Notifications"),
    ("firebase", "(not set)", "", "Mobile Push Notifications"),
    ("crm", "notification", "", "Mobile Push Notifications"),
    ("leaflet", "print", "", "Unassigned"),
    ("chatgpt.com", "referral", "", "Referral"),
]
"""Source, medium and campaign, and the channel."""


@pytest.mark.slow
@each("source, medium, campaign, channel", BY_RULES)
def test_the_first_rule_that_fits_decides(
    source: str, medium: str, campaign: str, channel: str
) -> None:
    assert channel_of(source, medium, campaign) == channel


def test_every_channel_of_ga4_has_a_case_above() -> None:
    assert {case[3] for case in BY_RULES} == {*CHANNELS} - {"AI Assistant", UNKNOWN_CHANNEL}


def test_assistants_are_a_channel_where_that_is_wanted() -> None:
    assert channel_of("chatgpt.com", "referral", ai_assistants=True) == "AI Assistant"
    assert channel_of("www2.perplexity.ai", "(not set)", ai_assistants=True) == "AI Assistant"
    assert channel_of("chatgpt.com", "cpc", ai_assistants=True) == "Paid Other"
    assert channel_of("forum.example", "referral", ai_assistants=True) == "Referral"


@pytest.mark.slow
@each(
    "referrer, answer",
    [
        ("https://www.google.com/search?q=hats", ("google", "organic")),
        ("https://www.google.co.uk/", ("google", "organic")),
        ("HTTPS://WWW.GOOGLE.DE/", ("google", "organic")),
        ("http://user:secret@www.google.com:8080/x", ("google", "organic")),
        ("https://de.search.yahoo.com/search", ("yahoo", "organic")),
        ("https://www.ecosia.org/", ("ecosia", "organic")),
        ("https://mail.google.com/mail/u/0/", ("mail.google.com", "referral")),
        ("https://l.facebook.com./?u=1", ("l.facebook.com", "referral")),
        ("android-app://com.google.android.gm/", ("com.google.android.gm", "referral")),
        ("https://xn--mnchen-3ya.example/#a", ("xn--mnchen-3ya.example", "referral")),
        ("https://münchen.example/ü", ("münchen.example", "referral")),
        ("forum.example/best-shops", ("forum.example", "referral")),
        ("https://notgoogle.com/", ("notgoogle.com", "referral")),
        ("https://google.com.evil.example/", ("google.com.evil.example", "referral")),
    ],
)
def test_a_referrer_is_its_host_or_its_engine(referrer: str, answer: tuple[str, str]) -> None:
    assert source_of(SHOP, referrer) == (*answer, "(not set)")


@pytest.mark.slow
@each(
    "referrer",
    [
        None,
        "",
        "-",
        "null",
        "about:blank",
        "/cart",
        "https://",
        "https:///x",
        "not a url.x",
        "://x.example",
        "direct",
        "https://shop.example/cart",
        "https://SHOP.example:443/",
        "https://pay.shop.example/",
        "http://localhost:3000/",
        "https://[::1]/",
        "https://%zz.example/",
        "?a.b",
    ],
)
def test_the_shop_itself_and_what_is_no_address_are_no_source(referrer: str | None) -> None:
    assert source_of(SHOP, referrer) is None


def test_own_domains_are_no_source_either() -> None:
    assert source_of(SHOP, "https://www.pay.example/done") == (
        "pay.example",
        "referral",
        "(not set)",
    )
    assert source_of(SHOP, "https://www.pay.example/done", ("pay.example",)) is None
    assert source_of(SHOP, "https://repay.example/", ("pay.example",)) == (
        "repay.example",
        "referral",
        "(not set)",
    )


@each(
    "query, answer",
    [
        ("utm_source=Google&utm_medium=CPC&utm_campaign=Summer", ("google", "cpc", "summer")),
        ("a=b&UTM_Source=x&amp;utm_medium=email", ("x", "email", "(not set)")),
        ("utm_medium=e%20mail&utm_source=The+CRM", ("the crm", "e mail", "(not set)")),
        ("utm_source=a%2526b%2Db", ("a%26b-b", "(not set)", "(not set)")),
        ("utm_campaign=only", ("(not set)", "(not set)", "only")),
        ("gclid=abc", ("google", "cpc", "(not set)")),
        ("x=1&WBRAID=abc", ("google", "cpc", "(not set)")),
        ("gclid=abc&utm_source=partner&utm_medium=cpa", ("partner", "cpa", "(not set)")),
        ("utm_source=x#utm_medium=hidden", ("x", "(not set)", "(not set)")),
    ],
)
def test_what_the_page_says_comes_before_the_referrer(query: str, answer: Source) -> None:
    assert source_of(f"{SHOP}?{query}", "https://www.bing.com/") == answer


@each("query", ["utm_source=", "gclid=", "xutm_source=a", "fbclid=a", "#utm_source=a"])
def test_empty_and_foreign_parameters_say_nothing(query: str) -> None:
    assert source_of(f"{SHOP}?{query}", None) is None


@pytest.mark.slow
@each(
    "query, campaign_id, platform",
    [
        ("gclid=a&utm_id=17", "17", "google_ads"),
        ("GBRAID=a", None, "google_ads"),
        ("x=1&wbraid=a&utm_campaign=123&y=2", "123", "google_ads"),
        ("msclkid=a&utm_campaign=summer2026", None, "microsoft_ads"),
        ("FBCLID=a&utm_id=Sale%2D7&utm_campaign=99", "sale-7", "meta"),
        ("ttclid=a", None, "tiktok"),
        ("fbclid=a&gclid=b", None, "google_ads"),
        ("utm_id=5", "5", None),
    ],
)
def test_click_ids_and_campaign_ids_say_the_advertisement(
    query: str, campaign_id: str | None, platform: str | None
) -> None:
    """Source, medium and channel are not by them, but for Google's click ids, as in GA4."""
    con = connect()
    page = f"{SHOP}?{query}"
    con.con.register("visits", pa.table({"page_url": [page], "referrer_url": ["https://t.co/"]}))
    rule = ChannelRule(source_lists())
    (row,) = with_arrival(addresses(con), rule).to_pyarrow().to_pylist()
    assert (row["campaign_id"], row["ad_platform"]) == (campaign_id, platform)
    (sourced,) = source_of_each(addresses(con), rule).to_pyarrow().to_pylist()
    assert {name: row[name] for name in SOURCED} == {name: sourced[name] for name in SOURCED}


@pytest.mark.slow
@each("query", ["fbclid=", "xfbclid=a", "utm_campaign=12a", "#ttclid=a"])
def test_what_is_no_click_id_says_no_advertisement(query: str) -> None:
    con = connect()
    page = f"{SHOP}?{query}"
    con.con.register("visits", pa.table({"page_url": [page], "referrer_url": ["https://t.co/"]}))
    (row,) = with_arrival(addresses(con), ChannelRule(source_lists())).to_pyarrow().to_pylist()
    assert (row["campaign_id"], row["ad_platform"]) == (None, None)


def test_the_shipped_lists_are_whole() -> None:
    lists = source_lists()
    assert lists.version == VERSION
    assert set(lists.sites) == {"engine", "search", "social", "shopping", "video", "assistant"}
    sites = [site for names in lists.sites.values() for site in names]
    assert all(site == site.lower().strip() and site for site in sites)
    lists_of = {category: set(names) for category, names in lists.sites.items()}
    assert sum(map(len, lists.sites.values())) == sum(map(len, lists_of.values())), (
        "a site is in a list once"
    )
    channels = ("search", "social", "shopping", "video")
    named = [site for category in channels for site in lists_of[category]]
    assert len(named) == len(set(named)), "a site is in one list"


CHANNEL_OF = {"SEARCH": "Search", "SHOPPING": "Shopping", "SOCIAL": "Social", "VIDEO": "Video"}


@pytest.mark.slow
def test_the_whole_list_of_google_has_its_channels() -> None:
    """Each of the 819 sources, in its own spelling, as a tag of a page and as GA4's source."""
    text = (
        resources.files("ecom_assets.ingestion.sources")
        .joinpath("google_channel_sources.csv")
        .read_text(encoding="utf-8")
    )
    listed = [
        (row["source"], row["source_category"].rpartition("_")[2])
        for row in csv.DictReader(text.splitlines())
    ]
    assert Counter(category for _, category in listed) == {
        "SOCIAL": 590,
        "SEARCH": 131,
        "SHOPPING": 52,
        "VIDEO": 46,
    }
    pages = [f"{SHOP}?{urlencode({'utm_source': source})}" for source, _ in listed]
    nothing = pa.array([None] * len(pages), pa.string())
    rows = pa.table({**dict.fromkeys(ADDRESS, nothing), "page_url": pages})
    warehouse().con.register("visits", rows)
    rule = ChannelRule(source_lists())
    visits = sourced_events(warehouse().table("visits"), rule)
    for medium, kind in (("(not set)", "Organic"), ("cpc", "Paid")):
        channel = rule.channel(visits.source, ibis.literal(medium), ibis.literal("(not set)"))
        actual = warehouse().to_pyarrow(visits.select("page_url", channel=channel)).to_pylist()
        channels = {row["page_url"]: row["channel"] for row in actual}
        expected = [f"{kind} {CHANNEL_OF[category]}" for _, category in listed]
        assert [channels[page] for page in pages] == expected


@pytest.mark.parametrize("source", ["Google%20Shopping", "google+shopping", "GOOGLE SHOPPING"])
def test_google_shopping_without_a_medium_is_shopping(source: str) -> None:
    answer = source_of(f"{SHOP}?utm_source={source}", None)
    assert answer == ("google shopping", "(not set)", "(not set)")
    assert channel_of(*answer) == "Organic Shopping"


def test_what_is_not_listed_is_no_site() -> None:
    assert channel_of("43things.example", "referral") == "Referral"
    assert channel_of("googlex", "referral") == "Referral", "a plus is no sign of a pattern"
    assert channel_of("mygoogle", "cpc") == "Paid Other"


PLANTED = {
    "google organic": "Organic Search",
    "google brand ads": "Paid Search",
    "google shopping": "Paid Shopping",
    "bing organic": "Organic Search",
    "duckduckgo organic": "Organic Search",
    "facebook ads": "Paid Social",
    "facebook again": "Paid Social",
    "facebook posts": "Organic Social",
    "stories": "Organic Social",
    "pinterest": "Organic Social",
    "youtube": "Organic Video",
    "newsletter": "Email",
    "reminder": "Email",
    "direct": "Direct",
    "coupons": "Affiliates",
    "blog": "Affiliates",
    "referral": "Referral",
    "banner": "Display",
    "assistant": "Referral",
}
"""What each source of the simulated shop is to GA4, worked out by hand from its rules."""


@pytest.mark.slow
def test_the_simulated_shop_s_sources_are_the_channels_that_they_stand_for() -> None:
    actual = {}
    for source in SOURCES:
        answer = source_of(
            f"{SHOP_URL}/?{source.utm}" if source.utm else f"{SHOP_URL}/", source.referrer or None
        )
        actual[source.name] = channel_of(*(answer or ("(direct)", "(none)", "(not set)")))
    assert actual == PLANTED


PARTS_OF_ADDRESS = (
    "https:",
    "HTTPS:",
    "//",
    "/",
    "www.",
    "me@",
    "shop.example",
    "Shop.Example.",
    "google.com",
    ":80",
    "hat",
    "?",
    "&",
    ";",
    "#",
    "=",
    "utm_source",
    "UTM_Medium=email",
    "utm_campaign=May",
    "utm_id=7",
    "gclid=1",
    "fbclid=1",
    "WBRAID=2",
    "q=hat",
    " ",
)


@pytest.mark.slow
@pytest.mark.parametrize("joins", [True, False])
@pytest.mark.parametrize("seed", seeds(range(40)))
def test_addresses_are_looked_at_by_what_of_them_says_a_source(
    seed: int,
    joins: bool,  # noqa: FBT001 (what engines differ in)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DuckDBDialect, "joins_cheaply", joins)
    dice = random.Random(seed)  # noqa: S311 (addresses that can be repeated)

    def address() -> str | None:
        start = dice.choice(("", "", "https://shop.example/", "https://www.google.com/?"))
        text = start + "".join(dice.choices(PARTS_OF_ADDRESS, k=dice.randrange(9)))
        return dice.choice((text, text, text, text, None))

    pages = [address() for _ in range(300)]
    referrers = [address() for _ in range(300)]
    con = connect()
    columns = {"number": range(300), "page_url": pages, "referrer_url": referrers}
    con.con.register("visits", pa.table({name: list(of) for name, of in columns.items()}))
    visits, rule = addresses(con), ChannelRule(source_lists(), ("google.com",))
    names = ("number", "page_url", "referrer_url", *SOURCED)
    looked_up, one_by_one = (
        sorted(tuple(row.values()) for row in rows.select(*names).to_pyarrow().to_pylist())
        for rows in (sourced_events(visits, rule), source_of_each(visits, rule))
    )
    assert looked_up == one_by_one
    assert {row[1] for row in looked_up} <= set(pages)
    assert 20 < len(looked_up) < 280
