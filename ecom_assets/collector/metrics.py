"""The metrics of one process of the collector."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ecom_assets.collector.segments import SegmentLayout

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0)


class CollectMetrics:
    """What came, what became of it, and how far the disk and the landing folder are behind."""

    def __init__(self, waiting_bytes: Callable[[], float], unsealed_bytes: Callable[[], float]) -> None:
        """Create the metrics; the functions return sizes as they are now."""
        self.registry = registry = CollectorRegistry()
        self._seconds = Histogram(
            "ecom_collect_request_seconds", "Time until a request was answered", ("status",), buckets=BUCKETS_S,
            registry=registry,
        )  # fmt: skip
        self._events = Counter("ecom_collect_events", "Events taken and durable", registry=registry)
        self._refused = Counter("ecom_collect_refused_events", "Events refused", ("reason",), registry=registry)
        self._rejected = Counter(
            "ecom_collect_refused_requests", "Requests of which nothing was taken", ("reason",), registry=registry
        )
        self._sealed = Counter("ecom_collect_sealed_rows", "Rows landed", ("layout",), registry=registry)
        self._files = Counter("ecom_collect_sealed_files", "Segments sealed", ("layout",), registry=registry)
        waiting = Gauge("ecom_collect_waiting_bytes", "Events that wait for the disk", registry=registry)
        waiting.set_function(waiting_bytes)
        unsealed = Gauge("ecom_collect_unsealed_bytes", "Durable events that could not be landed", registry=registry)
        unsealed.set_function(unsealed_bytes)

    def answered(self, status: int, took_s: float) -> None:
        """Count a request."""
        self._seconds.labels(str(status)).observe(took_s)

    def took(self, event_count: int, refused_reasons: list[str]) -> None:
        """Count the events of a request that are durable or refused."""
        self._events.inc(event_count)
        for reason in refused_reasons:
            self._refused.labels(reason).inc()

    def refused_request(self, reason: str) -> None:
        """Count a request of which nothing was taken."""
        self._rejected.labels(reason).inc()

    def sealed(self, layout: SegmentLayout, row_count: int) -> None:
        """Count a sealed segment."""
        self._sealed.labels(layout.value).inc(row_count)
        self._files.labels(layout.value).inc()

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
