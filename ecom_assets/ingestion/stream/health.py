"""What a stream does now: at `/health` and `/metrics`, and in a file for `ecom status`."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ecom_assets.core.errors import UsageError
from ecom_assets.core.json_text import json_text
from ecom_assets.ingestion.sources.stream_ledger import note_process
from ecom_assets.ingestion.stream.consumer import TopicStream

STATE_EVERY_S: Final = 5.0


def stream_state(stream: TopicStream) -> dict[str, Any]:
    """Return what a stream reads, its lag, and what holds it up."""
    counts = stream.counts
    partitions = [
        {
            "topic": topic,
            "partition": number,
            "published_to": reader.published_to,
            "lag": reader.lag,
            "waiting_bytes": reader.size,
            "lost": counts.lost_counts.get((topic, number), 0),
            "error": reader.error,
        }
        for (topic, number), reader in sorted(counts.readers.items())
    ]
    return {
        "status": "waiting" if counts.last_error else "ok",
        "error": counts.last_error,
        "process": os.getpid(),
        "at": time.time(),
        "messages": counts.message_count,
        "events": counts.event_count,
        "refused": counts.refused_count,
        "files": counts.file_count,
        "partitions": partitions,
    }


class _StreamMetrics(Collector):
    def __init__(self, stream: TopicStream) -> None:
        self._stream = stream

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the numbers of the stream's state."""
        state = stream_state(self._stream)
        for name in ("messages", "events", "refused", "files"):
            metric = CounterMetricFamily(
                f"ecom_stream_{name}", f"{name.title()} since the process began"
            )
            metric.add_metric([], state[name])
            yield metric
        for name in ("lag", "waiting_bytes", "lost"):
            gauge = GaugeMetricFamily(
                f"ecom_stream_{name}", f"{name} of a partition", labels=["topic", "partition"]
            )
            for entry in state["partitions"]:
                gauge.add_metric([entry["topic"], str(entry["partition"])], entry[name])
            yield gauge


@contextmanager
def shown(stream: TopicStream, host: str, port: int) -> Iterator[str]:
    """Serve `/health` and `/metrics`, and keep the state's file, while the block runs;
    yield the address.

    Raises:
        UsageError: The port is taken.
    """
    ended = threading.Event()
    keeper = threading.Thread(
        target=_keep_state, args=(stream, ended), name="stream-state", daemon=True
    )
    keeper.start()
    server = _new_server(stream, host, port) if port else None
    try:
        if server:
            threading.Thread(target=server.serve_forever, name="stream-health", daemon=True).start()
        yield f"http://{host}:{port}/health" if port else ""
    finally:
        if server:
            server.shutdown()
            server.server_close()
        ended.set()
        keeper.join()


def _keep_state(stream: TopicStream, ended: threading.Event) -> None:
    while True:
        path = None
        with suppress(
            OSError, RuntimeError
        ):  # a full disk, or the readers changed meanwhile: the next one says it
            path = note_process(stream.landing, stream_state(stream))
        if ended.wait(STATE_EVERY_S):
            break
    if path:
        path.unlink(missing_ok=True)


def _new_server(stream: TopicStream, host: str, port: int) -> ThreadingHTTPServer:
    registry = CollectorRegistry()
    registry.register(_StreamMetrics(stream))

    class Handler(BaseHTTPRequestHandler):
        timeout = STATE_EVERY_S

        def do_GET(self) -> None:
            """Answer a probe."""
            if self.path == "/health":
                state = stream_state(stream)
                status = (
                    HTTPStatus.OK if state["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
                )
                self._answer(status, "application/json", json_text(state).encode())
            elif self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/health and /metrics")

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: probes ask every few seconds."""

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise UsageError(
            f"/health cannot be served at {host}:{port} ({error}); set ECOM_STREAM_PORT to "
            "another port, or to 0."
        ) from error
