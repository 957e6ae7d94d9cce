"""From the collector to answers: copies count once, also those of a stream,
and ids that belong together are joined.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.landing import LANDED, day_folder, land, stream_file_name
from ecom_assets_tests.command import FEW_TABLES, ecom
from ecom_assets_tests.ingestion.collector.served import CollectClient, collect_settings, collecting
from ecom_assets_tests.outputs.serving.conftest import real_time

Answer = dict[str, Any]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[CollectClient]:
    with collecting(collect_settings(tmp_path)) as client:
        yield client


def trend(client: CollectClient, tmp_path: Path, *arguments: str) -> Answer:
    answer = ecom("trend", "--events", client.folder, *arguments, "--json", home=tmp_path / "home")
    result: Answer = answer.json
    return result


def total(answer: Answer, number: int = 0) -> float:
    return sum(value or 0 for value in answer["series"][number]["values"])


@pytest.mark.slow
def test_copies_count_once_whether_a_client_repeats_itself_or_a_stream_brings_them_too(
    client: CollectClient, tmp_path: Path
) -> None:
    purchase = {"event_type": "purchase", "user_id": "anna", "cart_value": 20}
    batch = [{**purchase, "event_id": "p-1"}, {**purchase, "event_id": "p-2"}]
    client.post(batch)
    client.post(batch)  # its answer had been lost
    call = {"type": "track", "event": "Order Completed", "userId": "anna", "messageId": "p-1"}
    client.post(call | {"properties": {"revenue": 20}}, "/v1/track")
    rows = client.wait_for(5)
    now = datetime.now(UTC)
    streamed = {
        **{name: rows[0][name] for name in ("event_id", "user_id", "event_type", "cart_value")}
    }
    streamed |= {"event_timestamp": now.isoformat(), "received_at": now}
    target = day_folder(client.folder, now.date()) / stream_file_name("topic", 0, 0)
    assert land(pa.Table.from_pylist([streamed], schema=LANDED), target)
    answer = trend(
        client, tmp_path, "--series", "purchase", "--series", "purchase:sum(cart_amount)"
    )
    assert (total(answer, 0), total(answer, 1)) == (2, 40)
    assert (answer["rows"]["read"], answer["rows"]["rejected"]["duplicate"]) == (6, 4)


@pytest.mark.slow
def test_amounts_of_two_currencies_are_not_added_up(client: CollectClient, tmp_path: Path) -> None:
    """10 euros in the native shape, and 20 dollars, 18 euros, by Segment's."""
    client.post({"event_type": "purchase", "user_id": "anna", "cart_value": 10, "currency": "eur"})
    call = {"type": "track", "event": "Order Completed", "userId": "bob"}
    client.post(call | {"properties": {"revenue": 20, "currency": "USD"}}, "/v1/track")
    refused = client.post(
        {"event_type": "purchase", "user_id": "cem", "cart_value": 5, "currency": "€"}
    ).json()
    assert [entry["reason"] for entry in refused["refused"]] == ["wrong_currency"]
    assert sorted(row["currency"] for row in client.wait_for(2)) == ["EUR", "USD"]
    asked = ("trend", "--events", client.folder, "--series", "purchase:sum(cart_amount)", "--json")
    # Without a set currency, one of them is the shop's, and the other amount is not known.
    assert total(ecom(*asked, home=tmp_path / "home").json) in {10, 20}
    live = real_time(Settings(home=tmp_path, events=str(client.folder)), datetime.now(UTC))
    assert live["windows"][0]["revenue_amount"] in {10, 20}
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2026-01-01,USD,0.9\n")
    env = {"ECOM_CURRENCY": "EUR", "ECOM_RATES": str(tmp_path / "rates.csv")}
    assert total(ecom(*asked, home=tmp_path / "home", env=env).json) == 28
    converting = Settings(
        home=tmp_path, events=str(client.folder), currency="EUR", rates=tmp_path / "rates.csv"
    )
    assert real_time(converting, datetime.now(UTC))["windows"][0]["revenue_amount"] == 28


@pytest.mark.slow
def test_identify_and_alias_join_what_a_visitor_did_before(
    client: CollectClient, tmp_path: Path
) -> None:
    views = [
        {"event_type": "page_view", "anonymous_id": "device-1"},
        {"event_type": "page_view", "user_id": "anna-old"},
    ]
    client.post(views)
    client.post({"userId": "anna", "anonymousId": "device-1"}, "/v1/identify")
    client.post({"userId": "anna", "previousId": "anna-old"}, "/v1/alias")
    client.post({"event_type": "page_view", "user_id": "bob"})
    client.wait_for(5)
    assert total(trend(client, tmp_path, "--series", "page_view:visitors")) == 2
    assert (
        total(trend(client, tmp_path, "--series", "page_view:visitors", "--identity", "user")) == 3
    )


@pytest.mark.slow
def test_a_run_has_what_was_collected_in_its_tables(client: CollectClient, tmp_path: Path) -> None:
    import duckdb  # noqa: PLC0415 (only here)

    client.post([{"event_id": "1", "event_type": "page_view", "user_id": "anna"}] * 2)
    client.wait_for(2)
    home = tmp_path / "home"
    assert ecom("run", "--events", client.folder, *FEW_TABLES, home=home).exit_code == 0
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        assert con.execute("SELECT event_id, visitor_id FROM staging.events").fetchall() == [
            ("1", "anna")
        ]
        assert con.execute("SELECT sum(session_count) FROM mart.engagement_daily").fetchall() == [
            (1,)
        ]
