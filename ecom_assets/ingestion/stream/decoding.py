"""From a message's bytes to JSON: as it is, or by the schema whose id it begins with."""

import io
import struct
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, Final

import orjson

from ecom_assets.core.errors import WorkError
from ecom_assets.core.http.retry import ResponseBounds, bounded_session
from ecom_assets.core.optional_imports import packages_of

with packages_of("kafka", "`ecom stream`"):
    import fastavro
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

    # Whichever of httpx and its successor the client uses.
    from confluent_kafka.schema_registry.common._httpx_compat import httpx
    from confluent_kafka.schema_registry.error import SchemaRegistryError

MAGIC: Final = 0
_HEAD: Final = struct.Struct(">bI")
UNKNOWN_SCHEMA: Final = "unknown_schema"
UNDECODABLE: Final = "undecodable"
NOT_FOUND: Final = 404
OF_REGISTRY: Final = ResponseBounds(10.0, most_mb=10.0)
"""How long the registry may take to answer, and how large a schema may be."""

Lines = tuple[list[bytes | None], dict[int, str]]
"""The JSON of messages, and why some have none, by their positions."""


class RegistryDownError(WorkError):
    """The schema registry does not answer; messages wait."""


Decoder = Callable[[Sequence[bytes | None]], Lines]
"""Turns the values of messages into JSON."""


def plain_lines(values: Sequence[bytes | None]) -> Lines:
    """Return messages that are JSON as they are."""
    return list(values), {}


class RegistryDecoder:
    """Messages begin with the id of a schema of a registry: Avro, or JSON."""

    def __init__(
        self, url: str, unknown_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Connect to a registry; a schema that it lacks is asked for
        again for `unknown_s` seconds.
        """
        self._client = SchemaRegistryClient({"url": url, "max.retries": 0})
        rest = self._client._rest_client  # noqa: SLF001 (the client takes no transport)
        rest.session = httpx.Client(auth=rest.auth, transport=_BoundedTransport())
        self._unknown_s = unknown_s
        self._clock = clock
        self._missing_since: dict[int, float] = {}
        self._readers: dict[int, Callable[[bytes], bytes]] = {}

    def lines(self, values: Sequence[bytes | None]) -> Lines:
        """Return the JSON of each message.

        Raises:
            RegistryDownError: The registry does not answer, or lacks a schema for less than the
                limit.
        """
        lines: list[bytes | None] = []
        reasons: dict[int, str] = {}
        for position, value in enumerate(values):
            line, reason = self._line(value) if value else (None, "")
            lines.append(line)
            if reason:
                reasons[position] = reason
        return lines, reasons

    def _line(self, value: bytes) -> tuple[bytes | None, str]:
        if len(value) < _HEAD.size or value[0] != MAGIC:
            return None, UNDECODABLE
        schema_id = _HEAD.unpack_from(value)[1]
        reader = self._reader(schema_id)
        if reader is None:
            return None, UNKNOWN_SCHEMA
        try:
            return reader(value[_HEAD.size :]), ""
        except Exception:  # noqa: BLE001 (the Avro reader raises whatever the bytes lead to)
            return None, UNDECODABLE

    def _reader(self, schema_id: int) -> Callable[[bytes], bytes] | None:
        if reader := self._readers.get(schema_id):
            return reader
        try:
            schema = self._client.get_schema(schema_id)
            reader = self._reader_of(schema)
        except SchemaRegistryError as error:
            if error.http_status_code != NOT_FOUND:
                raise RegistryDownError(
                    f"The schema registry refuses schema {schema_id} ({error})."
                ) from error
            self._wait_for(schema_id)
            return None
        except Exception as error:  # its HTTP client has errors of its own
            raise RegistryDownError(
                f"The schema registry does not answer ({type(error).__name__})."
            ) from error
        self._readers[schema_id] = reader
        return reader

    def _wait_for(self, schema_id: int) -> None:
        since = self._missing_since.setdefault(schema_id, self._clock())
        if self._clock() - since < self._unknown_s:
            raise RegistryDownError(
                f"The schema registry lacks schema {schema_id}; its messages wait."
            )

    def _reader_of(self, schema: Schema) -> Callable[[bytes], bytes]:
        if schema.schema_type != "AVRO":
            return lambda body: body
        named: dict[str, Any] = {}
        self._parse_references(schema, named)
        parsed = fastavro.parse_schema(orjson.loads(schema.schema_str or ""), named_schemas=named)
        return lambda body: orjson.dumps(
            fastavro.schemaless_reader(io.BytesIO(body), parsed, None), default=_json_value
        )

    def _parse_references(self, schema: Schema, named: dict[str, Any]) -> None:
        for reference in schema.references or []:
            other = self._client.get_version(
                reference.subject or "", reference.version or "latest"
            ).schema
            self._parse_references(other, named)
            fastavro.parse_schema(orjson.loads(other.schema_str or ""), named_schemas=named)


class _BoundedTransport(httpx.BaseTransport):
    """Sends requests of the registry's client as all others are sent."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with bounded_session(OF_REGISTRY) as session:
            answer = session.request(
                request.method,
                str(request.url),
                data=request.read(),
                headers=dict(request.headers),
                timeout=OF_REGISTRY.most_s,
                allow_redirects=False,
            )
        return httpx.Response(answer.status_code, content=answer.content, request=request)


def _json_value(value: object) -> object:
    """Return a value of Avro's logical types as JSON has it."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")  # as Avro's own JSON encoding
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime | date | time_of_day):
        return value.isoformat()
    raise TypeError(type(value).__name__)
