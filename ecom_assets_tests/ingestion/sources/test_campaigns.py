"""Where real sources keep campaigns: each place in its documented form, through its mapping to the
channels of visits.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.session_columns import with_session_columns
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.site_lists import channel_rule

Record = dict[str, Any]
EPOCH_S = 1_772_442_000  # 2026-03-02T09:00:00Z
SHOP = "https://shop.example/"
SHOWN = ("source", "medium", "campaign", "channel")
DIRECT = ("(direct)", "(none)", "(not set)", "Direct")
LETTER = ("news", "email", "spring", "Email")


def sessions(tmp_path: Path, mapping: str, *records: Record) -> list[tuple[str, ...]]:
    """Return source, medium, campaign and channel of the visit of each event, by time."""
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    settings = Settings(events_mapping=mapping, home=tmp_path / "home")
    events = FileEvents.open([str(path)], settings)
    rule = channel_rule(settings)
    rows = with_session_columns(events.con, events.clean(), SHOWN, SessionRule(), rule)
    return [tuple(row[name] for name in SHOWN) for row in rows_of(rows.order_by("event_at"))]


def ga4(minute: int, **more: Any) -> Record:
    at = EPOCH_S * 1_000_000 + minute * 60_000_000
    page = {"key": "page_location", "value": {"string_value": SHOP}}
    return {
        "event_timestamp": str(at),
        "event_name": "page_view",
        "event_params": [page],
        "user_pseudo_id": "1.1",
        **more,
    }


TAGGED = {"manual_source": "News", "manual_medium": "email", "manual_campaign_name": "spring"}
ADS = {"campaign_id": "77", "campaign_name": "Lamps DE", "customer_id": "1"}
DAY = 24 * 60


@pytest.mark.slow
def test_ga4_knows_what_an_event_was_sent_with(tmp_path: Path) -> None:
    """The tags of the address as collected, and the first visit of the user, which is none."""
    first = {"source": "bing", "medium": "organic", "name": "(organic)"}
    found = sessions(
        tmp_path,
        "ga4_export",
        ga4(0, collected_traffic_source=TAGGED, traffic_source=first),
        ga4(1, traffic_source=first),
        ga4(DAY, traffic_source=first),
    )
    assert found == [LETTER, LETTER, DIRECT]


@pytest.mark.slow
def test_an_ad_clicked_in_ga4_has_the_campaign_that_ads_knows(tmp_path: Path) -> None:
    """The click has an id alone; Ads' record of the visit's last click says which campaign. The
    next day's visit has none of its own: GA4 carries the click over.
    """
    last = {"google_ads_campaign": ADS, "manual_campaign": {"source": "(not set)"}}
    found = sessions(
        tmp_path,
        "ga4_export",
        ga4(
            0,
            collected_traffic_source={"gclid": "Cj0K"},
            session_traffic_source_last_click=last,
        ),
        ga4(DAY, session_traffic_source_last_click=last),
    )
    assert found == [("google", "cpc", "lamps de", "Paid Search"), DIRECT]


@pytest.mark.slow
def test_an_ad_whose_campaign_nobody_says_is_still_an_ad(tmp_path: Path) -> None:
    record = ga4(0, collected_traffic_source={"gclid": "Cj0K"}, traffic_source={"source": "bing"})
    assert sessions(tmp_path, "ga4_export", record) == [
        ("google", "cpc", "(not set)", "Paid Search")
    ]


@pytest.mark.slow
def test_ga4s_words_for_nothing_are_no_source(tmp_path: Path) -> None:
    nothing = {"manual_source": "(direct)", "manual_medium": "(none)"}
    assert sessions(tmp_path, "ga4_export", ga4(0, collected_traffic_source=nothing)) == [DIRECT]


def call(**more: Any) -> Record:
    return {
        "messageId": "m1",
        "type": "track",
        "event": "Product Viewed",
        "anonymousId": "d1",
        "timestamp": "2026-03-02T09:00:00.000Z",
        "properties": {},
        **more,
    }


CAMPAIGN = {"name": "spring", "source": "news", "medium": "email"}


@pytest.mark.slow
@pytest.mark.parametrize("mapping", ["segment", "rudderstack"])
def test_calls_of_apps_have_their_campaign_in_the_context(tmp_path: Path, mapping: str) -> None:
    assert sessions(tmp_path, mapping, call(context={"campaign": CAMPAIGN})) == [LETTER]


@pytest.mark.slow
def test_warehouse_tables_of_calls_have_it_in_columns(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "anonymous_id": "d1",
        "timestamp": "2026-03-02T09:00:00Z",
        "event": "product_viewed",
        **{f"context_campaign_{name}": value for name, value in CAMPAIGN.items()},
    }
    assert sessions(tmp_path, "segment_tables", row) == [LETTER]


TAGS = {"utm_source": "news", "utm_medium": "email", "utm_campaign": "spring"}


def posthog(number: int, day: int, **properties: Any) -> Record:
    return {
        "uuid": str(number),
        "distinct_id": "d1",
        "event": "$pageview",
        "timestamp": f"2026-03-0{day}T09:0{number}:00Z",
        "properties": {"$device_id": "d1", "$current_url": SHOP, **properties},
    }


@pytest.mark.slow
def test_posthog_keeps_tags_for_a_visit_and_those_of_the_first_apart(tmp_path: Path) -> None:
    first = {"$set_once": {f"$initial_{name}": value for name, value in TAGS.items()}}
    click = {**TAGS, "utm_source": "google", "utm_medium": "cpc", "gclid": "Cj0K"}
    found = sessions(
        tmp_path,
        "posthog",
        posthog(1, 2, **TAGS),
        posthog(2, 3, **first),
        posthog(3, 4, **click),
        posthog(4, 5, gclid="Cj0K"),
    )
    assert found == [
        LETTER,
        DIRECT,
        ("google", "cpc", "spring", "Paid Search"),
        ("google", "cpc", "(not set)", "Paid Search"),
    ]


def mixpanel(day: int, page: str, **properties: Any) -> Record:
    seconds = EPOCH_S + day * 86_400
    named = {"distinct_id": "ann", "time": seconds, "$insert_id": f"i{day}", "$current_url": page}
    return {"event": "$mp_web_page_view", "properties": {**named, **properties}}


@pytest.mark.slow
def test_mixpanel_repeats_the_tags_of_an_earlier_visit(tmp_path: Path) -> None:
    """Its library adds them to every event: the tagged page is the visit that they are of."""
    initial = {f"initial_{name}": value for name, value in TAGS.items()}
    found = sessions(
        tmp_path,
        "mixpanel",
        mixpanel(0, f"{SHOP}?utm_source=news&utm_medium=email&utm_campaign=spring", **TAGS),
        mixpanel(1, SHOP, **TAGS),
        mixpanel(2, SHOP, **initial),
    )
    assert found == [LETTER, DIRECT, DIRECT]


def amplitude(number: int, **more: Any) -> Record:
    return {
        "uuid": str(number),
        "device_id": "d1",
        "event_type": "[Amplitude] Page Viewed",
        "event_time": f"2026-03-0{number} 09:00:00.000000",
        **more,
    }


@pytest.mark.slow
def test_amplitude_keeps_a_campaign_of_the_visit_with_the_user(tmp_path: Path) -> None:
    empty = dict.fromkeys(TAGS, "EMPTY")
    initial = {f"initial_{name}": value for name, value in TAGS.items()}
    other = {**TAGS, "utm_medium": "sms"}
    found = sessions(
        tmp_path,
        "amplitude",
        amplitude(1, user_properties={**TAGS, **initial}),
        amplitude(2, user_properties={**empty, **initial}),
        amplitude(3, user_properties=TAGS, event_properties=other),
    )
    assert found == [LETTER, DIRECT, ("news", "sms", "spring", "SMS")]


def matomo(visit: int, url: str = SHOP, **more: Any) -> Record:
    action = {"type": "action", "url": url, "timestamp": EPOCH_S + visit * 86_400, "pageId": "1"}
    return {
        "idSite": "1",
        "idVisit": str(visit),
        "visitorId": "v1",
        "actionDetails": [action],
        **more,
    }


@pytest.mark.slow
def test_matomo_says_the_campaign_of_a_visit_or_tags_its_pages(tmp_path: Path) -> None:
    plugin = {"campaignName": "spring", "campaignSource": "news", "campaignMedium": "email"}
    page = f"{SHOP}?mtm_campaign=spring&mtm_source=news&mtm_medium=email"
    found = sessions(
        tmp_path,
        "matomo",
        matomo(0, referrerType="campaign", referrerName="spring", **plugin),
        matomo(1, page),
        matomo(2, f"{SHOP}?pk_campaign=spring"),
        matomo(3, referrerType="campaign", referrerName="spring"),
        matomo(4, referrerType="search", referrerName="Google"),
        matomo(5, referrerType="direct", referrerName=""),
    )
    unnamed = ("(not set)", "(not set)", "spring", "Unassigned")
    searched = ("google", "organic", "(not set)", "Organic Search")
    assert found == [LETTER, LETTER, unnamed, unnamed, searched, DIRECT]


def snowplow(number: int, **more: Any) -> Record:
    return {
        "event_id": str(number),
        "event_name": "page_view",
        "collector_tstamp": f"2026-03-0{number}T09:00:00Z",
        "domain_userid": "d1",
        "domain_sessionid": f"s{number}",
        "useragent": "",
        **more,
    }


@pytest.mark.slow
def test_snowplow_takes_tags_and_clicks_off_the_address(tmp_path: Path) -> None:
    tags = {"mkt_source": "news", "mkt_medium": "email", "mkt_campaign": "spring"}
    found = sessions(
        tmp_path,
        "snowplow",
        snowplow(1, **tags),
        snowplow(2, mkt_clickid="Cj0K", mkt_network="Google"),
        snowplow(3, mkt_clickid="ab", mkt_network="DoubleClick"),
    )
    assert found == [LETTER, ("google", "cpc", "(not set)", "Paid Search"), DIRECT]


def pixel(number: int, search: str, referrer: str = "") -> Record:
    """Return an event of Shopify's web pixels: the campaign stands in its page's address only."""
    location = {"href": f"{SHOP}{search}", "search": search, "host": "shop.example"}
    return {
        "id": str(number),
        "name": "page_viewed",
        "timestamp": f"2026-03-0{number}T09:00:00.000Z",
        "clientId": "c1",
        "data": {},
        "context": {"document": {"location": location, "referrer": referrer}},
    }


@pytest.mark.slow
def test_shopifys_pixel_has_it_in_the_address_of_the_page(tmp_path: Path) -> None:
    found = sessions(
        tmp_path,
        "shopify_pixel",
        pixel(1, "?utm_source=news&utm_medium=email&utm_campaign=spring"),
        pixel(2, "?gclid=Cj0K"),
        pixel(3, "", "https://www.google.com/"),
        pixel(4, ""),
    )
    clicked = ("google", "cpc", "(not set)", "Paid Search")
    searched = ("google", "organic", "(not set)", "Organic Search")
    assert found == [LETTER, clicked, searched, DIRECT]


def own(number: int, **more: Any) -> Record:
    return {
        "event_id": str(number),
        "user_id": "ann",
        "event_type": "page_view",
        "event_timestamp": f"2026-03-02T{number:02}:00:00Z",
        "product_id": "",
        "product_category": "",
        "session_id": f"s{number}",
        "page_url": SHOP,
        "referrer_url": "",
        "cart_value": "",
        **more,
    }


FIELDS = {"campaign_source": "News ", "campaign_medium": "email", "campaign_name": "spring"}


def test_the_own_layout_has_fields_of_its_own(tmp_path: Path) -> None:
    """Source, medium and campaign come from one place: the fields before the address, and what is
    of the session after it. Nobody's first visit, and nothing inherited, is a touch.
    """
    tagged = f"{SHOP}?utm_source=ad&utm_medium=cpc&utm_campaign=x"
    found = sessions(
        tmp_path,
        "ecommerce",
        own(1, **FIELDS),
        own(3, **FIELDS, page_url=tagged),
        own(5, campaign_name="spring", page_url=tagged),
        own(7, **FIELDS, campaign_scope="session", page_url=tagged),
        own(9, **FIELDS, campaign_scope="session"),
        own(11, **FIELDS, campaign_scope="inherited"),
        own(13, **FIELDS, campaign_scope="user", click_id="gclid=a"),
    )
    assert found == [
        LETTER,
        LETTER,
        ("(not set)", "(not set)", "spring", "Unassigned"),
        ("ad", "cpc", "x", "Paid Other"),
        LETTER,
        DIRECT,
        DIRECT,
    ]


def test_a_visits_own_source_goes_before_that_of_its_session(tmp_path: Path) -> None:
    of_session = {**FIELDS, "campaign_scope": "session"}
    search = {"referrer_url": "https://www.google.com/"}
    rows = [own(1, **of_session), own(1, **search)]
    rows[1] |= {"event_id": "2", "event_timestamp": "2026-03-02T01:05:00Z"}
    found = sessions(tmp_path, "ecommerce", *rows)
    assert {row[3] for row in found} == {"Organic Search"}
