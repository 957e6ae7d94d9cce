"""Messages by a schema registry, addresses and settings of brokers, and the days of messages."""

import io
import json
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import fastavro
import pytest

from ecom_assets.core.errors import EcomError, SettingError, UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.stream import topic_ids
from ecom_assets.ingestion.stream.address import StreamAddress, client_settings
from ecom_assets.ingestion.stream.decoding import RegistryDecoder, RegistryDownError
from ecom_assets.ingestion.stream.publishing import Partition, PartitionReader
from ecom_assets_tests.each import each
from ecom_assets_tests.ports import free_port

PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
AT = {"type": "long", "logicalType": "timestamp-millis"}
EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_timestamp", "type": AT},
        {"name": "cart_value", "type": ["null", PRICE]},
    ],
}
SCHEMAS = {
    1: {"schema": json.dumps(EVENT)},
    2: {"schema": '{"type": "object"}', "schemaType": "JSON"},
}


class Registry:
    """A schema registry on this machine."""

    def __init__(self) -> None:
        self.schemas = dict(SCHEMAS)
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = int(self.path.partition("?")[0].rsplit("/", 1)[1])
                found = registry.schemas.get(number)
                body = json.dumps(
                    found or {"error_code": 40403, "message": "Schema not found"}
                ).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        """Stop it, so that nobody answers."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry()
    yield registry
    registry.stop()


def framed(schema_id: int, body: bytes) -> bytes:
    return struct.pack(">bI", 0, schema_id) + body


def avro(event_id: str) -> bytes:
    out = io.BytesIO()
    at = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    fastavro.schemaless_writer(
        out, EVENT, {"event_id": event_id, "event_timestamp": at, "cart_value": Decimal("19.90")}
    )
    return framed(1, out.getvalue())


def test_avro_and_json_by_their_schemas(registry: Registry) -> None:
    decoder = RegistryDecoder(registry.url, unknown_s=60)
    lines, reasons = decoder.lines(
        [avro("a"), framed(2, b'{"event_id": "b"}'), b"{}", framed(1, b"\xff"), None]
    )
    assert json.loads(lines[0] or b"") == {
        "event_id": "a",
        "event_timestamp": "2026-11-24T07:00:00+00:00",
        "cart_value": "19.90",
    }
    assert lines[1] == b'{"event_id": "b"}'
    assert reasons == {2: "undecodable", 3: "undecodable"}


def test_a_schema_that_comes_late_is_waited_for_and_one_that_never_comes_is_a_dead_letter(
    registry: Registry,
) -> None:
    seconds = [0.0]
    decoder = RegistryDecoder(registry.url, unknown_s=60, clock=lambda: seconds[0])
    with pytest.raises(RegistryDownError, match="lacks schema 7"):
        decoder.lines([framed(7, b"{}")])
    seconds[0] = 61
    assert decoder.lines([framed(7, b"{}")]) == ([None], {0: "unknown_schema"})
    registry.schemas[7] = SCHEMAS[2]
    assert decoder.lines([framed(7, b"{}")]) == ([b"{}"], {})


def test_a_registry_that_is_down_makes_messages_wait() -> None:
    registry = Registry()
    decoder = RegistryDecoder(registry.url, unknown_s=0)
    registry.stop()
    with pytest.raises(RegistryDownError, match="does not answer"):
        decoder.lines([avro("a")])


@each("address", ["", "broker/topic", "kafka://", "kafka://b", "kafka:///t", "kafka://b/t/u"])
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(UsageError, match="kafka://HOST:PORT/TOPIC"):
        StreamAddress.parse(address)


def test_a_password_belongs_into_the_file_of_settings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ECOM_STREAM_CONFIG_FILE") as refused:
        StreamAddress.parse("kafka://user:secret@b:9092/t")
    assert "secret" not in str(refused.value)
    path = tmp_path / "client.properties"
    path.write_text("# of the shop\nsasl.password = a=b\n\n")
    settings = Settings(home=tmp_path, stream_config_file=str(path))
    address = StreamAddress.parse("kafka://a:9092,b:9092/t,u")
    assert address.topics == ("t", "u")
    chosen = client_settings(settings, address)
    assert (chosen["sasl.password"], chosen["bootstrap.servers"]) == ("a=b", "a:9092,b:9092")


@pytest.mark.parametrize(
    ("lines", "reason"), [("enable.auto.commit=true", "must be false"), ("secret", "without `=`")]
)
def test_settings_that_would_lose_messages_are_refused(
    tmp_path: Path, lines: str, reason: str
) -> None:
    path = tmp_path / "client.properties"
    path.write_text(lines)
    with pytest.raises(SettingError, match=reason) as refused:
        client_settings(
            Settings(home=tmp_path, stream_config_file=str(path)),
            StreamAddress.parse("kafka://b/t"),
        )
    assert isinstance(refused.value, EcomError)
    assert "secret" not in str(refused.value)


def ms(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_a_batch_ends_at_the_shops_midnight_and_days_only_go_forward() -> None:
    zone = ZoneInfo("Europe/Berlin")  # midnight of the 25th is 23:00 UTC on the 24th
    reader = PartitionReader(Partition("t", "id", 0), 0, zone, date(2000, 1, 1))
    now = ms(25, 12)
    sent = [
        ms(24, 22, 59),
        ms(24, 23, 0),
        ms(24, 22, 58),
        0,
        ms(29, 0),
    ]  # late by a minute; without a time; future
    for offset, sent_ms in enumerate(sent):
        reader.take(offset, sent_ms, b"{}", now, 0.0)
    assert [(batch.day.day, batch.start, batch.end) for batch in reader.batches] == [
        (24, 0, 1),
        (25, 1, 5),
    ]
    assert reader.batches[1].arrivals_ms == [ms(24, 23, 0), ms(24, 23, 0), now, now]
    assert [batch.start for batch in reader.due(0.0, 60, 1_000)] == [0], (
        "a day that is over waits for nothing"
    )


def test_offsets_that_hold_nothing_belong_to_the_range() -> None:
    reader = PartitionReader(Partition("t", "id", 0), 5, ZoneInfo("UTC"), date(2000, 1, 1))
    for offset in (3, 7, 9):  # 3 was in the client's queue; 5, 6 and 8 were compacted away
        reader.take(offset, ms(24, 1), b"x", ms(24, 2), 0.0)
    (batch,) = reader.batches
    assert (batch.start, batch.end, batch.offsets, reader.next_offset) == (5, 10, [7, 9], 10)


def test_what_keeps_brokers_from_answering_is_in_the_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(topic_ids, "TIMEOUT_S", 0.5)
    ids = topic_ids.ids_of_brokers(
        {"bootstrap.servers": f"127.0.0.1:{free_port()}", "log_level": "2"}
    )
    with pytest.raises(topic_ids.BrokerDownError, match=r"do not answer \(.* Connection refused"):
        ids(["events"])
