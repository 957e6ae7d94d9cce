"""What a key in a public page may send: events of its own, and nothing that
joins users or is of long ago.
"""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets.ingestion.collector.events import (
    EventSender,
    Reader,
    call_of,
    native_event,
    taken_events,
)
from ecom_assets.ingestion.collector.rights import SendingRights, rights_of
from ecom_assets.ingestion.collector.sealing import SegmentSealer
from ecom_assets.ingestion.collector.segments import SegmentLayout
from ecom_assets_tests.command import FEW_TABLES, HEADER, ecom
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.ingestion.collector.served import CollectClient, collect_settings, collecting

SHOP, OTHER = "https://shop.example", "https://other.example"
NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
PUBLIC: Final = SendingRights(is_public=True, oldest=timedelta(days=30))
Send = Callable[[CollectClient, str, dict[str, Any]], requests.Response]


@pytest.fixture(scope="module")
def keys(key_file: KeyFile) -> dict[str, str]:
    return {
        "page": key_file.create("page", (Scope.COLLECT,))[1],
        "shop": key_file.create("shop", (Scope.COLLECT,), (SHOP,))[1],
        "mail": key_file.create("mails", (Scope.COLLECT,), (), ("mail_open", "page_view"))[1],
        "server": key_file.create("server", (Scope.COLLECT, Scope.LINK))[1],
        "admin": key_file.create("admin", (Scope.ADMIN,))[1],
    }


NATIVE_ALIAS: Final = {"event_type": "alias", "user_id": "mallory", "previous_id": "anna"}
CALL_ALIAS: Final = {"type": "alias", "userId": "mallory", "previousId": "anna"}
HIDDEN_ALIAS: Final = {"type": "track", "event": "alias", "userId": "mallory", "previousId": "anna"}


def in_body(path: str, call: dict[str, Any]) -> Send:
    return lambda client, key, more: client.post({**call, **more, "key": key}, path)


def in_header(path: str, call: dict[str, Any]) -> Send:
    return lambda client, key, more: client.post(
        {**call, **more}, path, authorization=f"Bearer {key}"
    )


def in_named_header(path: str, call: dict[str, Any]) -> Send:
    return lambda client, key, more: client.post([{**call, **more}], path, x_api_key=key)


def as_user(path: str, call: dict[str, Any]) -> Send:
    def send(client: CollectClient, key: str, more: dict[str, Any]) -> requests.Response:
        basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        return client.post({**call, **more}, path, authorization=basic)

    return send


def in_query(path: str, call: dict[str, Any]) -> Send:
    def send(client: CollectClient, key: str, more: dict[str, Any]) -> requests.Response:
        return client.post(
            {**call, **more}, f"{path}?key={key}", content_type="text/plain", origin=SHOP
        )

    return send


def in_batch(path: str, call: dict[str, Any]) -> Send:
    return lambda client, key, more: client.post(
        {"batch": [{**call, **more}], "writeKey": key}, path
    )


def as_image(path: str, call: dict[str, Any]) -> Send:
    return lambda client, key, more: client.get(f"{path}?{urlencode({**call, **more, 'key': key})}")


DOORS: Final = {
    **{
        f"{way.__name__} {path}": way(path, NATIVE_ALIAS)
        for path in ("/collect", "/v1/collect")
        for way in (in_body, in_header, in_named_header, as_user, in_query, in_batch)
    },
    **{
        f"{way.__name__} {path}": way(path, CALL_ALIAS)
        for path in ("/v1/alias", "/v1/a", "/alias", "/v1/track")
        for way in (in_body, in_header, as_user, in_query)
    },
    **{
        f"{way.__name__} {path}": way(path, CALL_ALIAS)
        for path in ("/v1/batch", "/b", "/import")
        for way in (in_body, in_batch, in_named_header)
    },
    "a track call of that name": in_body("/v1/t", HIDDEN_ALIAS),
    "image": as_image("/collect.gif", NATIVE_ALIAS),
    "image with version": as_image("/v1/collect.gif", NATIVE_ALIAS),
}
"""Every way in, with the key in every place in which it may stand."""


@pytest.mark.slow
@pytest.mark.parametrize("send", DOORS.values(), ids=DOORS)
def test_a_public_key_joins_no_users_on_any_path(
    client: CollectClient, keys: dict[str, str], send: Send
) -> None:
    answer = send(client, keys["page"], {})
    assert answer.status_code == 200  # so that no library repeats it
    (letter,) = client.wait_for_letters(1)
    assert letter["reason"] == "alias_needs_link"
    assert client.events() == []
    assert send(client, keys["server"], {}).status_code == 200
    (row,) = client.wait_for(1)
    assert (row["event_type"], row["user_id"]) == ("alias", "mallory")


def test_the_answer_says_which_key_joins_users_and_metrics_count_it(
    client: CollectClient, keys: dict[str, str]
) -> None:
    (refused,) = client.post(
        {**CALL_ALIAS, "writeKey": keys["page"], "messageId": "m-1"}, "/v1/a"
    ).json()["refused"]
    assert (refused["event_id"], refused["reason"]) == ("m-1", "alias_needs_link")
    assert "--scope collect --scope link" in refused["detail"]
    counted = client.get("/metrics", authorization=f"Bearer {keys['admin']}").text
    assert 'ecom_collect_refused_events_total{reason="alias_needs_link"}' in counted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "call"),
    [
        (
            "/v1/a",
            {"userId": "anna", "previousId": "a-1", "anonymousId": "a-1"},
        ),  # as analytics.js sends it
        ("/v1/a", {"userId": "anna", "anonymousId": "a-1"}),
        (
            "/collect",
            {"event_type": "alias", "user_id": "anna", "anonymous_id": "a-1", "previous_id": "a-1"},
        ),
        (
            "/collect",
            {
                "event_type": "alias",
                "user_id": "anna",
                "anonymous_id": "a-1",
                "properties": {"previousId": "a-1"},
            },
        ),
    ],
)
def test_an_alias_of_the_own_anonymous_id_is_an_identify(
    client: CollectClient, keys: dict[str, str], path: str, call: dict[str, Any]
) -> None:
    assert client.post({**call, "key": keys["page"]}, path).json()["accepted"] == 1
    (row,) = client.wait_for(1)
    assert (row["event_type"], row["user_id"], row["anonymous_id"]) == ("identify", "anna", "a-1")
    assert row["properties"] is None


def test_an_identify_of_a_page_links_the_anonymous_id_of_its_own_call_only(
    client: CollectClient, keys: dict[str, str]
) -> None:
    event = {
        "event_type": "identify",
        "user_id": "anna",
        "anonymous_id": "a-1",
        "session_id": "s-of-berta",
    }
    client.post({**event, "previous_id": "berta", "plan": "gold", "key": keys["page"]})
    (row,) = client.wait_for(1)
    assert (row["anonymous_id"], row["session_id"], row["properties"]) == (
        "a-1",
        None,
        '{"plan":"gold"}',
    )


def test_an_event_of_long_ago_is_a_dead_letter_of_a_public_key_only(
    client: CollectClient, keys: dict[str, str]
) -> None:
    now = datetime.now(UTC)
    times = [now - timedelta(days=31), now - timedelta(days=29), datetime(1999, 1, 1, tzinfo=UTC)]
    batch = [
        {
            "event_type": "page_view",
            "user_id": "anna",
            "event_id": str(number),
            "event_timestamp": time.isoformat(),
        }
        for number, time in enumerate(times)
    ]
    answer = client.post({"batch": batch, "key": keys["page"]}).json()
    assert [(entry["event_id"], entry["reason"]) for entry in answer["refused"]] == [
        ("0", "too_old"),
        ("2", "too_old"),
    ]
    assert client.post({"batch": batch, "key": keys["server"]}).json()["accepted"] == 3
    calls = [{"type": "page", "userId": "anna", "timestamp": time.isoformat()} for time in times]
    answer = client.post({"batch": calls, "writeKey": keys["page"]}, "/v1/batch").json()
    assert [entry["reason"] for entry in answer["refused"]] == ["too_old", "too_old"]
    # with its own clock a page says how long ago it was, so a wrong clock makes nothing old
    late = {
        "batch": batch[:1],
        "sent_at": (times[0] + timedelta(seconds=5)).isoformat(),
        "key": keys["page"],
    }
    assert client.post(late).json()["accepted"] == 1
    assert {letter["reason"] for letter in client.wait_for_letters(4)} == {"too_old"}


def test_an_event_of_a_public_key_may_be_thirty_days_old(tmp_path: Path) -> None:
    settings = collect_settings(tmp_path)
    _, key = KeyFile(settings.home).create("page", (Scope.COLLECT,))
    with collecting(settings) as client:
        for days, accepted in ((29, 1), (31, 0)):
            happened = (datetime.now(UTC) - timedelta(days=days)).isoformat()
            old = {"event_type": "page_view", "user_id": "anna", "event_timestamp": happened}
            assert client.post({**old, "key": key}).json()["accepted"] == accepted


PICTURE: Final = "/collect.gif?event_type=page_view&user_id=anna&key="


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"origin": SHOP}, 200, None),
        ({"referer": f"{SHOP}/lamps?a=1"}, 200, None),
        ({"referer": SHOP.upper()}, 200, None),
        ({"origin": OTHER, "referer": f"{SHOP}/"}, 403, "foreign_origin"),
        ({"referer": f"{OTHER}/{SHOP}"}, 403, "foreign_origin"),
        ({"referer": "https://shop.example@other.example/"}, 403, "foreign_origin"),
        ({"referer": "https://shop.example.other.example/"}, 403, "foreign_origin"),
        ({"origin": "null"}, 403, "foreign_origin"),
        ({"referer": "about:blank"}, 403, "missing_origin"),
        ({"referer": "https://["}, 403, "missing_origin"),
        ({}, 403, "missing_origin"),
    ],
)
def test_the_sites_of_a_key_hold_for_the_picture_too(
    client: CollectClient,
    keys: dict[str, str],
    headers: dict[str, str],
    status: int,
    reason: str | None,
) -> None:
    answer = client.get(PICTURE + keys["shop"], **headers)
    assert (answer.status_code, answer.json()["reason"] if reason else None) == (status, reason)
    assert len(client.wait_for(1 if status == 200 else 0)) == (status == 200)


@pytest.mark.slow
def test_mails_have_a_key_of_their_own_for_some_types_of_events(
    client: CollectClient, keys: dict[str, str]
) -> None:
    opened = client.get(f"/collect.gif?event_type=mail_open&user_id=anna&key={keys['mail']}")
    assert opened.status_code == 200
    client.wait_for(1)
    for path, body in {
        "/collect": {"event_type": "purchase", "user_id": "anna", "cart_value": 5},
        "/v1/t": {"event": "Order Completed", "userId": "anna"},
        "/v1/i": {"userId": "anna", "anonymousId": "a-1"},
        "/v1/a": {"userId": "anna", "anonymousId": "a-1", "previousId": "a-1"},
    }.items():
        (refused,) = client.post(body, path, authorization=f"Bearer {keys['mail']}").json()[
            "refused"
        ]
        assert refused["reason"] == "event_type_not_allowed"
        assert "mail_open, page_view" in refused["detail"]
    assert (
        client.post({"userId": "anna"}, "/v1/page", authorization=f"Bearer {keys['mail']}").json()[
            "accepted"
        ]
        == 1
    )
    assert (
        client.get(f"/collect.gif?event_type=purchase&user_id=anna&key={keys['mail']}").status_code
        == 200
    )
    client.wait_for_letters(5)
    assert len(client.wait_for(2)) == 2


def test_whom_a_mail_names_is_not_whose_browser_shows_it(
    client: CollectClient, keys: dict[str, str]
) -> None:
    cookie = {"cookie": "ecom_device=device-of-berta"}
    of_user = "/collect.gif?event_type=page_view&user_id=mallory&key="
    client.get(of_user + keys["mail"], **cookie)  # a forwarded mail
    client.get(
        of_user + keys["page"], **cookie, sec_fetch_mode="navigate"
    )  # somebody follows a link
    client.get(of_user + keys["page"], **cookie, sec_fetch_site="cross-site")
    assert [row["anonymous_id"] for row in client.wait_for(3)] == [None, None, None]
    client.get(of_user + keys["shop"], **cookie, referer=f"{SHOP}/", sec_fetch_site="same-site")
    assert {row["anonymous_id"] for row in client.wait_for(4)} == {None, "device-of-berta"}


def test_without_keys_programs_of_this_machine_join_users_and_pages_do_not(tmp_path: Path) -> None:
    with collecting(collect_settings(tmp_path)) as client:
        assert client.post(NATIVE_ALIAS).json()["accepted"] == 1
        assert (
            client.post(NATIVE_ALIAS, origin=OTHER, content_type="text/plain").json()["accepted"]
            == 0
        )
        client.get("/collect.gif?" + urlencode(NATIVE_ALIAS))
        assert len(client.wait_for(1)) == 1
        client.wait_for_letters(2)


def test_a_key_file_and_a_setting_of_before_work_as_keys_of_pages(tmp_path: Path) -> None:
    made, key = KeyFile(tmp_path / "home").create("shop", (Scope.COLLECT,), (SHOP,))
    path = tmp_path / "home" / "api_keys.json"
    document = json.loads(path.read_text())
    del document["keys"][0]["event_types"]  # as an older version wrote it
    path.write_text(json.dumps(document))
    (read,) = KeyFile(tmp_path / "home").all()
    assert (read.caller.scopes, read.caller.event_types) == (
        frozenset({Scope.COLLECT}),
        frozenset(),
    )
    setting = "collect:of-the-page-0123456789,collect+link:of-the-server-0123456789"
    with collecting(collect_settings(tmp_path, api_keys=setting)) as client:
        accepted = [
            client.post({**NATIVE_ALIAS, "key": sent}).json()["accepted"]
            for sent in (key, "of-the-page-0123456789", "of-the-server-0123456789")
        ]
    assert (made.key_id, accepted) == (read.key_id, [0, 0, 1])


@pytest.mark.parametrize(
    "scopes", [(Scope.COLLECT,), (Scope.COLLECT, Scope.READ, Scope.PERSONAL, Scope.WRITE)]
)
def test_only_link_and_admin_make_a_key_a_server_s(scopes: tuple[Scope, ...]) -> None:
    def is_public(*more: Scope) -> bool:
        caller = Caller("key:1", frozenset({*scopes, *more}))
        return rights_of(caller, is_from_page=False, most_days=30).is_public

    assert (is_public(), is_public(Scope.LINK), is_public(Scope.ADMIN)) == (True, False, False)


WORDS: Final = (
    "alias",
    "Alias",
    " alias",
    "alias\t",
    "ALIAS",
    "alias\u2003",
    "\ufeffalias",
    "identify",
    "page_view",
)
IDS: Final = st.sampled_from(("anna", "berta", "a-1", "7"))
EVENTS: Final = st.fixed_dictionaries(
    {},
    optional={
        "event_type": st.sampled_from(WORDS),
        "type": st.sampled_from((*WORDS, "track", "page", "screen", "group")),
        "event": st.sampled_from(WORDS),
        "user_id": IDS,
        "userId": IDS,
        "anonymous_id": IDS,
        "anonymousId": IDS,
        "previous_id": IDS,
        "previousId": IDS,
        "previous_user_id": IDS,
        "session_id": IDS,
        "properties": st.dictionaries(
            st.sampled_from(("previous_id", "previousId", "session_id", "type")), IDS
        ),
    },
)


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SegmentSealer]:
    landing = tmp_path_factory.mktemp("mapped")
    result = SegmentSealer(landing, "UTC")
    yield result
    result.close()


@pytest.mark.slow
@examples(200)
@given(
    events=st.lists(EVENTS, min_size=1, max_size=20),
    kind=st.sampled_from(("", "track", "alias", "identify")),
)
def test_no_event_of_a_public_key_becomes_an_alias_whatever_it_says(
    sealer: SegmentSealer, events: list[dict[str, Any]], kind: str
) -> None:
    reader: Reader = call_of(kind) if kind else native_event
    layout = SegmentLayout.SEGMENT if kind else SegmentLayout.NATIVE
    sender = EventSender("key:1", NOW, rights=PUBLIC)
    result = taken_events(events, reader, None, sender, 32_768)
    assert len(result.lines) + len(result.letters) == len(events)
    for row in landed_rows(sealer, layout, result.lines):
        assert row["event_type"].strip() != "alias"


def landed_rows(
    sealer: SegmentSealer, layout: SegmentLayout, lines: list[bytes]
) -> list[dict[str, Any]]:
    """Return the rows that the sealer's own mapping makes of lines."""
    mapper = sealer._mappers[layout]  # noqa: SLF001 (the mapping of the collector, without files)
    rows: list[dict[str, Any]] = mapper.rows([line.strip() for line in lines]).table.to_pylist()
    return rows


def test_a_key_whose_limits_contradict_its_scopes_is_not_made(tmp_path: Path) -> None:
    def sentence(*arguments: str) -> str:
        run = ecom("api-key", "create", "--name", "x", *arguments, home=tmp_path)
        assert run.exit_code == 2
        return run.sentence

    assert "--scope link goes with --scope collect" in sentence("--scope", "link")
    assert "make two keys" in sentence("--scope", "collect", "--scope", "link", "--origin", SHOP)
    assert "--event-type goes with --scope collect" in sentence("--event-type", "mail_open")
    assert "is not a type of events" in sentence("--scope", "collect", "--event-type", " mail_open")
    made = ecom(
        "api-key",
        "create",
        "--name",
        "m",
        "--scope",
        "collect",
        "--event-type",
        "mail_open",
        "--json",
        home=tmp_path,
    ).json
    assert made["event_types"] == ["mail_open"]
    assert "mail_open" in ecom("api-key", "list", home=tmp_path).out


def keys_of_doctor(home: Path, **environment: str) -> dict[str, Any]:
    findings = json.loads(ecom("doctor", "--json", home=home, env=environment).out)
    return next(finding for finding in findings if finding["subject"] == "keys")


def test_doctor_names_the_keys_that_sent_aliases(tmp_path: Path) -> None:
    settings, events = collect_settings(tmp_path), str(tmp_path / "events")
    assert keys_of_doctor(settings.home)["found"] == "none may send events from pages"
    made, key = KeyFile(settings.home).create("shop", (Scope.COLLECT,), (SHOP,))
    KeyFile(settings.home).create("server", (Scope.COLLECT, Scope.LINK))
    with collecting(settings) as client:
        client.post(
            {
                "key": key,
                "batch": [NATIVE_ALIAS, NATIVE_ALIAS, {"event_type": "x", "user_id": "anna"}],
            }
        )
        client.wait_for(1)
        client.wait_for_letters(2)
        assert keys_of_doctor(settings.home)["found"] == "1 may send events and join no users"
        finding = keys_of_doctor(settings.home, ECOM_EVENTS=events)
    # not a failure, since anybody can send an alias with the key of a page
    assert (finding["ok"], finding["found"]) == (
        True,
        f"aliases were refused: 2 by key {made.key_id} (shop)",
    )
    assert "--scope collect --scope link" in finding["fix"]


@pytest.mark.slow
def test_doctor_says_that_stored_aliases_may_be_of_a_key_in_a_page(tmp_path: Path) -> None:
    lines = [
        f"{HEADER},properties",
        'j1,anna,alias,2026-01-01T09:00:00Z,,,,,,,"{""previous_id"": ""berta""}"',
    ]
    (tmp_path / "events.csv").write_text("\n".join(lines) + "\n")
    assert (
        ecom(
            "run", "--events", tmp_path / "events.csv", *FEW_TABLES, home=tmp_path / "home"
        ).exit_code
        == 0
    )
    assert not keys_of_doctor(tmp_path / "home")["fix"], "no key is in a page"
    made, _ = KeyFile(tmp_path / "home").create("shop", (Scope.COLLECT,))
    finding = keys_of_doctor(tmp_path / "home")
    assert finding["found"] == (
        "staging.identity_aliases has 1, and before there was the scope link, "
        f"key {made.key_id} (shop) could send aliases"
    )
