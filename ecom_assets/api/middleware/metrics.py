"""Metrics for Prometheus: requests by route, cache look-ups, refusals, and the age of the data."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class ApiMetrics:
    """The metrics of one running API."""

    def __init__(self, age_s: Callable[[], float]) -> None:
        """Create the metrics; `age_s` returns the age of the served data in seconds, or NaN if there are none."""
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "ecom_api_request_seconds",
            "Time until a request was answered",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.in_progress = 0
        under_way = Gauge("ecom_api_requests_in_progress", "Requests under way", registry=self.registry)
        under_way.set_function(lambda: self.in_progress)
        self._cache = Counter(
            "ecom_api_cache_lookups",
            "Answers by what the cache had: hit, shared, miss",
            ("found",),
            registry=self.registry,
        )
        self._refused = Counter(
            "ecom_api_refused_requests", "Requests refused in front of the app", ("reason",), registry=self.registry
        )
        age = Gauge("ecom_api_snapshot_age_seconds", "Age of the data that are served", registry=self.registry)
        age.set_function(age_s)
        self._found = {result: self._cache.labels(result) for result in ("hit", "shared", "miss")}
        self._observers: dict[tuple[str, str, int], Histogram] = {}

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request. `route` is a pattern, never a path, so that arbitrary paths create no new series."""
        key = (method if method in _METHODS else "other", route, status)
        observer = self._observers.get(key)
        if observer is None:
            observer = self._observers[key] = self._seconds.labels(key[0], route, str(status))
        observer.observe(took_s)

    def before_the_app(self, cache: str, refused: str) -> None:
        """Count the result of the cache look-up and the reason of a refusal; either may be empty."""
        if cache:
            self._found[cache].inc()
        if refused:
            self._refused.labels(refused).inc()

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
