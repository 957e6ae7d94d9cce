"""Events over HTTP: the native shape, answers, devices, dead letters."""

import gzip
import json
import socket
from datetime import UTC, datetime, timedelta

import pytest

from ecom_assets_tests.ingestion.collector.served import IPHONE, CollectClient

SHOP = "https://shop.example"


def event(event_id: str = "1", **values: object) -> dict[str, object]:
    return {"event_id": event_id, "event_type": "page_view", "user_id": "anna", **values}


def test_an_event_is_in_the_landing_folder_when_the_answer_says_so(client: CollectClient) -> None:
    answer = client.post(
        event(page_url=f"{SHOP}/lamps", cart_value=19.9, colour="red", properties={"size": 3})
    )
    assert answer.json() == {"success": True, "accepted": 1, "refused_count": 0, "refused": []}
    (row,) = client.wait_for(1)
    assert (row["event_id"], row["user_id"], row["page_url"]) == ("1", "anna", f"{SHOP}/lamps")
    assert row["cart_value"] == "19.9"
    assert json.loads(row["properties"]) == {"colour": "red", "size": 3}
    age = datetime.now(UTC) - datetime.fromisoformat(row["received_at"])
    assert timedelta(0) < age < timedelta(seconds=15)


def test_a_batch_keeps_its_good_events_and_says_why_others_are_refused(
    client: CollectClient,
) -> None:
    batch = [
        event("1"),
        "no event",
        event("2", event_type=""),
        event("3", user_id=None),
        event("4", product_id=[1]),
    ]
    batch += [event("5", event_timestamp="yesterday"), event("6")]
    answer = client.post({"batch": batch}).json()
    assert answer["accepted"] == 2
    assert [
        (refused["index"], refused["event_id"], refused["reason"]) for refused in answer["refused"]
    ] == [
        (1, None, "not_an_object"),
        (2, "2", "missing_event_type"),
        (3, "3", "missing_identity"),
        (4, "4", "wrong_type"),
        (5, "5", "unparseable_timestamp"),
    ]
    assert [row["event_id"] for row in client.wait_for(2)] == ["1", "6"]
    letters = client.wait_for_letters(5)
    assert sorted(letter["reason"] for letter in letters) == sorted(
        r["reason"] for r in answer["refused"]
    )
    assert b'"no event"' in [letter["value"] for letter in letters]


def test_an_event_without_an_id_or_a_time_gets_both(client: CollectClient) -> None:
    client.post([{"event_type": "search", "user_id": 7}])
    (row,) = client.wait_for(1)
    assert len(row["event_id"]) == 36
    assert row["user_id"] == "7"
    assert datetime.fromisoformat(row["event_timestamp"]) == datetime.fromisoformat(
        row["received_at"]
    )


def test_a_wrong_clock_of_the_sender_does_not_move_events(client: CollectClient) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=5)
    batch = [event("1", event_timestamp=(ahead - timedelta(seconds=90)).isoformat())]
    client.post({"batch": batch, "sent_at": ahead.isoformat()})
    (row,) = client.wait_for(1)
    happened, arrived = (
        datetime.fromisoformat(row["event_timestamp"]),
        datetime.fromisoformat(row["received_at"]),
    )
    assert arrived - happened == timedelta(seconds=90)


def test_a_page_gets_a_device_that_no_script_reads(client: CollectClient) -> None:
    anonymous = {"event_type": "page_view"}
    proposal = {"batch": [anonymous | {"event_id": "1"}], "device": "proposed-by-the-page"}
    first = client.post(proposal, origin=SHOP, content_type="text/plain", user_agent=IPHONE)
    cookie = first.headers["set-cookie"]
    assert (
        cookie
        == "ecom_device=proposed-by-the-page; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax"
    )
    assert first.headers["access-control-allow-origin"] == SHOP
    # Safari has removed what the script stored; the cookie stays
    again = {"batch": [anonymous | {"event_id": "2"}], "device": "another-proposal"}
    client.post(again, origin=SHOP, cookie="x=1; ecom_device=proposed-by-the-page")
    rows = client.wait_for(2)
    assert {row["anonymous_id"] for row in rows} == {"proposed-by-the-page"}
    assert rows[0]["user_agent"] == IPHONE


def test_a_server_gets_no_device_and_lends_no_browser(client: CollectClient) -> None:
    answer = client.post(event("1", anonymous_id="its-own"), user_agent="python-requests/2.34")
    assert "set-cookie" not in answer.headers
    (row,) = client.wait_for(1)
    assert (row["anonymous_id"], row["user_agent"]) == ("its-own", None)
    refused = client.post({"event_type": "page_view"}).json()["refused"]
    assert [entry["reason"] for entry in refused] == ["missing_identity"]


@pytest.mark.parametrize(
    "written",
    ["undefined", "NULL", " - ", "(not set)", "00000000-0000-0000-0000-000000000000", "0"],
)
def test_a_placeholder_is_nobody(client: CollectClient, written: str) -> None:
    batch = [
        event("1", user_id=written),
        event("2", user_id=written, session_id="s-1"),
        event("3", user_id="0001"),
    ]
    answer = client.post({"batch": batch}).json()
    assert [(entry["event_id"], entry["reason"]) for entry in answer["refused"]] == [
        ("1", "missing_identity")
    ]
    assert f"user_id is {written!r}" in answer["refused"][0]["detail"]
    assert [row["event_id"] for row in client.wait_for(2)] == ["2", "3"]
    call = {"type": "track", "event": "Sale", "userId": written, "anonymousId": written}
    assert client.post(call, "/v1/track").json()["refused"][0]["reason"] == "missing_identity"


def test_a_placeholder_does_not_hide_the_device_of_a_page(client: CollectClient) -> None:
    batch = [
        event("1", user_id="undefined", anonymous_id="undefined"),
        event("2", anonymous_id="(no consent)"),
    ]
    client.post({"batch": batch, "device": "proposed-by-the-page"}, origin=SHOP)
    assert [row["anonymous_id"] for row in client.wait_for(2)] == [
        "proposed-by-the-page",
        "(no consent)",
    ]


def test_an_image_takes_an_event_from_pages_without_scripts(client: CollectClient) -> None:
    answer = client.get(
        "/collect.gif?event_type=mail_open&user_id=anna&campaign=may", user_agent=IPHONE
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.headers["cache-control"] == "no-store"
    (row,) = client.wait_for(1)
    assert (row["event_type"], json.loads(row["properties"])) == ("mail_open", {"campaign": "may"})


def test_a_body_that_is_no_json_is_kept_as_it_came(client: CollectClient) -> None:
    for body in (b'{"event_type": "page_view', b'{"event_type": "caf\xe9"}', b"7"):
        assert client.post(body).status_code == 400
    client.wait_until_sealed()
    assert {letter["value"] for letter in client.letters()} == {
        b'{"event_type": "page_view',
        b'{"event_type": "caf\xe9"}',
        b"7",
    }
    assert client.events() == []


def test_a_gzip_bomb_is_refused_without_unpacking_it(client: CollectClient) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 60_000
    answer = client.post(bomb, content_encoding="gzip")
    assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")
    packed = gzip.compress(json.dumps([event("1"), event("2")]).encode())
    assert client.post(packed, content_encoding="gzip").json()["accepted"] == 2
    assert client.post(packed[:-9], content_encoding="gzip").json()["reason"] == "wrong_encoding"
    assert len(client.wait_for(2)) == 2


def test_a_gzip_body_of_several_members_is_read_whole(client: CollectClient) -> None:
    """As `cat a.gz b.gz` writes it;
    together its members may not be larger than one, nor very many.
    """
    first, second = (
        b"[%b," % json.dumps(event("1")).encode(),
        b"%b]" % json.dumps(event("2")).encode(),
    )
    packed = gzip.compress(first) + gzip.compress(second)
    assert client.post(packed + bytes(512), content_encoding="gzip").json()["accepted"] == 2
    assert [row["event_id"] for row in client.wait_for(2)] == ["1", "2"]
    for wrong in (packed + b"rest", packed[:-1], packed + gzip.compress(b"") * 99):
        answer = client.post(wrong, content_encoding="gzip")
        assert (answer.status_code, answer.json()["reason"]) == (400, "wrong_encoding")
    bomb = gzip.compress(b" " * 300_000) * 2
    assert client.post(bomb, content_encoding="gzip").status_code == 413


def test_a_large_event_is_refused_and_the_rest_taken(client: CollectClient) -> None:
    at_most = event("1", note="")
    at_most["note"] = "x" * (32_768 - len(json.dumps(at_most, separators=(",", ":"))))
    over = {**at_most, "event_id": "2", "note": f"{at_most['note']}x"}
    answer = client.post([at_most, over]).json()
    assert (answer["accepted"], [entry["reason"] for entry in answer["refused"]]) == (
        1,
        ["event_too_large"],
    )
    client.wait_for(1)
    assert client.post(event(note="x" * 10_000_000)).status_code == 413


def test_ten_megabytes_in_pieces_are_refused_at_the_limit(client: CollectClient) -> None:
    host, port = client.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /collect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        for _ in range(9):
            connection.sendall(chunk)
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_future_events_are_taken_and_quarantined_by_cleaning(client: CollectClient) -> None:
    future = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert client.post(event(event_timestamp=future)).json()["accepted"] == 1
    assert len(client.wait_for(1)) == 1


def test_odd_texts_arrive_as_they_were_sent(client: CollectClient) -> None:
    odd = 'Ünï\u2028"quoted"\\ \n\ttab 🛒'
    client.post(
        event(page_url=odd, properties={"näme": odd, "deep": {"list": [1, None, {"x": odd}]}})
    )
    (row,) = client.wait_for(1)
    assert row["page_url"] == odd
    assert json.loads(row["properties"]) == {"näme": odd, "deep": {"list": [1, None, {"x": odd}]}}


def test_health_and_metrics_say_what_happens(client: CollectClient) -> None:
    client.post([event("1"), "x"])
    client.wait_for(1)
    assert client.get("/health").json() == {"status": "ok", "waiting_bytes": 0, "unsealed_bytes": 0}
    assert (
        'ecom_collect_refused_events_total{reason="not_an_object"}' in client.get("/metrics").text
    )
    assert client.get("/nothing").status_code == 404
    assert client.get("/collect").status_code == 405
