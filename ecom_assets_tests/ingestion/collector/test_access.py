"""Write keys: which may send, from where, how much; Segment's libraries;
what browsers ask first.
"""

import base64
import json
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # it has no stubs

from ecom_assets.core.errors import SettingError, UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets.ingestion.collector.visitors import (
    country_lookup,
    kept_agent,
    kept_properties,
    shortened,
)
from ecom_assets_tests.command import ecom
from ecom_assets_tests.ingestion.collector.served import (
    IPHONE,
    CollectClient,
    collect_settings,
    collecting,
)

SHOP, OTHER = "https://shop.example", "https://other.example"
CALL = {
    "messageId": "m-1",
    "timestamp": "2026-11-24T04:00:00.000Z",
    "sentAt": "2026-11-24T04:00:00.000Z",
}


@pytest.fixture(scope="module")
def keys(key_file: KeyFile) -> dict[str, str]:
    made = {
        "write": key_file.create("shop", (Scope.COLLECT,), (SHOP,))[1],
        "read": key_file.create("reports", (Scope.READ,))[1],
        "server": key_file.create("server", (Scope.COLLECT, Scope.LINK))[1],
    }
    revoked, made["revoked"] = key_file.create("old", (Scope.COLLECT,))
    key_file.revoke(revoked.key_id)
    return made


def view(key: str = "", event_id: str = "1") -> dict[str, object]:
    return {
        "event_id": event_id,
        "event_type": "page_view",
        "user_id": "anna",
        **({"key": key} if key else {}),
    }


def test_only_a_write_key_of_this_shop_may_send(
    client: CollectClient, keys: dict[str, str]
) -> None:
    answers = [
        client.post(view(key))
        for key in ("", "ecom_of_another_shop_0123456789", keys["revoked"], keys["read"])
    ]
    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == [
        (401, "missing_key"),
        (401, "wrong_key"),
        (401, "wrong_key"),
        (403, "wrong_scope"),
    ]
    assert client.post(view(keys["write"])).json()["accepted"] == 1
    assert client.wait_for(1)[0]["properties"] is None  # the key is no property


def test_a_page_of_a_foreign_origin_is_refused(client: CollectClient, keys: dict[str, str]) -> None:
    refused = client.post(view(keys["write"]), origin=OTHER)
    assert (refused.status_code, refused.json()["reason"]) == (403, "foreign_origin")
    assert client.post(view(keys["write"]), origin=SHOP).status_code == 200
    assert (
        client.post(view(keys["server"]), origin=OTHER).status_code == 200
    )  # this key names no sites
    client.wait_for(2)


def test_a_write_key_reads_nothing(client: CollectClient, keys: dict[str, str]) -> None:
    assert client.get("/metrics", authorization=f"Bearer {keys['write']}").status_code == 403
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", authorization=f"Bearer {keys['read']}").status_code == 200
    assert client.get("/health").status_code == 200


def test_a_browser_may_ask_before_it_sends(client: CollectClient) -> None:
    import requests  # noqa: PLC0415 (only here)

    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = requests.options(f"{client.address}/v1/t", headers=asked, timeout=10)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "x-retry-count" in answer.headers["access-control-allow-headers"]


def test_analytics_js_is_told_to_come_back_here(client: CollectClient) -> None:
    body = client.get("/v1/projects/KEY/settings", origin=SHOP).json()
    destination = body["integrations"]["Segment.io"]
    assert destination == {
        "apiKey": "KEY",
        "apiHost": f"{client.address.removeprefix('http://')}/v1",
        "protocol": "http",
    }


def test_segment_s_calls_arrive_as_their_mapping_reads_them(
    client: CollectClient, keys: dict[str, str]
) -> None:
    basic = {"authorization": "Basic " + base64.b64encode(f"{keys['server']}:".encode()).decode()}
    product = {"product_id": "4711", "category": "Lamps", "price": 19.9, "url": f"{SHOP}/lamps"}
    context = {"userAgent": IPHONE, "ip": "203.0.113.7", "traits": {"email": "anna@example.com"}}
    calls: dict[str, dict[str, object]] = {
        "/v1/t": {
            "event": "Product Added",
            "anonymousId": "a-1",
            "properties": product,
            "context": context,
        },
        "/v1/page": {
            "anonymousId": "a-1",
            "context": {"page": {"url": f"{SHOP}/", "referrer": OTHER}},
        },
        "/v1/identify": {
            "anonymousId": "a-1",
            "userId": "anna",
            "traits": {"email": "anna@example.com"},
        },
        "/a": {"userId": "anna", "previousId": "anna-before"},
    }
    for number, (path, call) in enumerate(calls.items()):
        answer = client.post(
            {**CALL, **call, "messageId": f"m-{number}"}, path, content_type="text/plain", **basic
        )
        assert answer.json()["accepted"] == 1, answer.text
    batch = [
        {**CALL, "type": "track", "event": "Order Completed", "userId": "anna", "messageId": "m-4"}
    ]
    client.post({"batch": batch, "sentAt": CALL["sentAt"], "writeKey": keys["server"]}, "/v1/batch")
    rows = {row["event_id"]: row for row in client.wait_for(5)}
    types = [rows[f"m-{number}"]["event_type"] for number in range(5)]
    assert types == ["add_to_cart", "page_view", "identify", "alias", "purchase"]
    added = rows["m-0"]
    assert (added["product_id"], added["cart_value"], added["user_agent"]) == (
        "4711",
        "19.9",
        IPHONE,
    )
    assert (rows["m-1"]["page_url"], rows["m-1"]["referrer_url"]) == (f"{SHOP}/", OTHER)
    assert (rows["m-2"]["user_id"], rows["m-2"]["anonymous_id"]) == ("anna", "a-1")
    assert json.loads(rows["m-3"]["properties"])["previousId"] == "anna-before"
    kept = json.dumps(rows, default=str)
    assert "anna@example.com" not in kept
    assert "203.0.113.7" not in kept


def test_beyond_its_quota_a_key_is_told_when_to_come_back(tmp_path: Path) -> None:
    with collecting(
        collect_settings(tmp_path, collect_rate_key="3/hour", collect_rate_address="none")
    ) as client:
        assert client.post([view(event_id="1"), view(event_id="2")]).status_code == 200
        refused = client.post([view(event_id="3"), view(event_id="4")], origin=SHOP)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 3600
        assert refused.headers["access-control-expose-headers"] == "retry-after"
        assert client.post(view(event_id="3")).status_code == 200
        assert len(client.wait_for(3)) == 3


def test_the_collector_is_not_open_to_other_machines_without_a_key(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="--scope collect"),
        collecting(
            collect_settings(tmp_path, collect_host="0.0.0.0")  # noqa: S104 (refused)
        ),
    ):
        pass


def test_addresses_and_user_agents_are_shortened_as_set(tmp_path: Path) -> None:
    assert shortened("203.0.113.77") == "203.0.113.0"
    assert shortened("2001:db8:aaaa:bbbb::1") == "2001:db8:aaaa::"
    assert not shortened("unix")
    short = collect_settings(tmp_path, collect_user_agent="short", collect_address="short")
    assert kept_agent(short, IPHONE) == "Safari iPhone Mobile"
    assert kept_agent(short, "Mozilla/5.0 (compatible; Googlebot/2.1)") == "bot"
    settings = short.model_copy(update={"collect_country_header": "CF-IPCountry"})
    with collecting(settings) as client:
        client.post(view(), origin=SHOP, user_agent=IPHONE, cf_ipcountry="de")
        (row,) = client.wait_for(1)
    assert (row["user_agent"], json.loads(row["properties"])) == (
        "Safari iPhone Mobile",
        {"country": "DE", "ip": "127.0.0.0"},
    )


def countries(path: Path) -> Path:
    """Write a small database, as MaxMind's and as IPinfo's have countries."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
    writer.insert_network(IPSet(["127.0.0.0/8"]), {"country": {"iso_code": "NL"}})
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country": "FR"})
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"registered_country": {"iso_code": "BE"}})
    writer.to_db_file(str(path))
    return path


def test_the_country_of_an_address_is_found_in_a_file_before_the_address_is_dropped(
    tmp_path: Path,
) -> None:
    settings = collect_settings(tmp_path, collect_country_file=countries(tmp_path / "c.mmdb"))
    country_of = country_lookup(settings)
    asked = ("203.0.113.77", "198.51.100.1", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "unix")
    assert [country_of(address) for address in asked] == ["FR", "BE", "", "", "", ""]
    with collecting(settings) as client:
        client.post(view(), origin=SHOP, user_agent=IPHONE)
        (row,) = client.wait_for(1)
    assert json.loads(row["properties"]) == {"country": "NL"}
    named = settings.model_copy(update={"collect_country_header": "CF-IPCountry"})
    assert kept_properties(named, {b"cf-ipcountry": b"de"}, "127.0.0.1", country_of) == {
        "country": "DE"
    }
    assert kept_properties(named, {b"cf-ipcountry": b"??"}, "127.0.0.1", country_of) == {
        "country": "NL"
    }


def test_a_file_that_is_no_database_of_countries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.mmdb").write_text("no database")
    for name in ("c.mmdb", "missing.mmdb"):
        with pytest.raises(SettingError, match="which is no MaxMind database"):
            country_lookup(collect_settings(tmp_path, collect_country_file=tmp_path / name))


def test_a_key_with_its_sites_is_made_and_listed(tmp_path: Path) -> None:
    arguments = (
        "api-key",
        "create",
        "--name",
        "shop",
        "--scope",
        "collect",
        "--origin",
        f"{SHOP}/",
        "--json",
    )
    made = ecom(*arguments, home=tmp_path).json
    assert made["origins"] == [SHOP]
    assert SHOP in ecom("api-key", "list", home=tmp_path).out
    wrong = ecom("api-key", "create", "--name", "x", "--origin", "shop.example", home=tmp_path)
    assert (wrong.exit_code, "https://shop.example" in wrong.sentence) == (2, True)
