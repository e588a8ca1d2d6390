# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from incident_runbooks.lab.workloads.backend.pool import PoolCounts
from incident_runbooks.lab.workloads.backend.stripe_metrics import StripeMetrics

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds; 0.5 is the objective


class Metrics:
    """The backend's metrics.

    Args:
        counts: tells how full the connection pool is.

    Attributes:
        stripe: what it tells of payments and webhook events.
    """

    def __init__(self, counts: Callable[[], PoolCounts]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # Node.js' client has none
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_PoolCollector(counts))
        self._requests = Histogram(
            "http_request_duration_seconds",
            "How long requests take.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._queries = self._histogram("db_query_duration_seconds", "How long the database takes for a request.")
        self._acquired = self._histogram(
            "db_pool_acquire_duration_seconds", "How long is waited for a session of the connection pool."
        )
        self.stripe = StripeMetrics(self._registry)

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(name, what, buckets=_BUCKETS, registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def query(self, seconds: float) -> None:
        """Count a statement of a request."""
        self._queries.observe(seconds)

    def acquired(self, seconds: float) -> None:
        """Count a wait for a session of the pool, whether there was one in the end or not."""
        self._acquired.observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _PoolCollector(Collector):
    """Asks the pool when Prometheus asks us."""

    def __init__(self, counts: Callable[[], PoolCounts]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        counts = self._counts()
        sessions = GaugeMetricFamily("db_pool_connections", "Sessions of the connection pool.", labels=["state"])
        sessions.add_metric(["idle"], counts.idle)
        sessions.add_metric(["used"], counts.size - counts.idle)
        yield sessions
        yield GaugeMetricFamily("db_pool_connections_max", "How many there may be.", value=counts.maximum)
        yield GaugeMetricFamily("db_pool_waiting_requests", "Requests waiting for a session.", value=counts.waiting)
