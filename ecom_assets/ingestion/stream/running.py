"""A stream from its settings: where the command and tests meet."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ecom_assets.core.settings.intake import StreamKind
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.ingestion.sources.customer_api.records import load_customer_mapping
from ecom_assets.ingestion.sources.files.mapping import (
    RecordMapping,
    load_mapping,
    load_order_mapping,
)
from ecom_assets.ingestion.sources.landed_rows import CustomerMapper, Mapper, MessageMapper
from ecom_assets.ingestion.stream.address import StreamAddress, client_settings
from ecom_assets.ingestion.stream.consumer import TopicStream
from ecom_assets.ingestion.stream.decoding import RegistryDecoder, plain_lines
from ecom_assets.ingestion.stream.publishing import BatchPublisher
from ecom_assets.ingestion.stream.topic_ids import StreamTopics, TopicIds, ids_of_brokers


@contextmanager
def opened_stream(
    settings: Settings,
    address: StreamAddress,
    landing: Path,
    *,
    topic_ids: TopicIds | None = None,
    accepts_reset: bool,
) -> Iterator[TopicStream]:
    """Open a stream into a landing folder, and the engine that maps its messages.

    Raises:
        EcomError: A setting or a mapping is wrong, or the topics cannot be read.
    """
    config = client_settings(settings, address)
    with opened_publisher(settings, address.kind, landing) as publisher:
        topics = StreamTopics(address.topics, topic_ids or ids_of_brokers(config), accepts_reset)
        yield TopicStream(settings, config, topics, publisher)


@contextmanager
def opened_publisher(
    settings: Settings, kind: StreamKind, landing: Path
) -> Iterator[BatchPublisher]:
    """Open what writes batches into a landing folder, and the engine that maps their messages.

    Raises:
        EcomError: A setting or a mapping is wrong.
    """
    registry = settings.stream_registry_url.get_secret_value()
    decode = (
        RegistryDecoder(registry, settings.stream_unknown_schema_s).lines
        if registry
        else plain_lines
    )
    con = plain_connection(limit_of_run(settings))
    try:
        mapper, mapped_by = _mapper_of(settings, kind, con)
        yield BatchPublisher(landing, mapper, decode, mapped_by)
    finally:
        con.close()


def _mapper_of(
    settings: Settings, kind: StreamKind, con: duckdb.DuckDBPyConnection
) -> tuple[Mapper, str]:
    if kind == "customers":
        customers = load_customer_mapping(settings.customers_mapping)
        return CustomerMapper(customers), customers.name
    mapping: RecordMapping = (
        load_mapping(settings.events_mapping)
        if kind == "events"
        else load_order_mapping(settings.orders_mapping)
    )
    return MessageMapper(con, mapping, settings.timezone), mapping.name


def run_until_stopped(stream: TopicStream) -> None:
    """Run a stream until SIGINT or SIGTERM; what it has taken by then is published."""
    for stop_signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop_signal, lambda *_: stream.stop())
    stream.run()
