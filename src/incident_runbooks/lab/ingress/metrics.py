# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ingress tells Prometheus: how long requests take as clients see it, by ingress-nginx' name for that.

https://kubernetes.github.io/ingress-nginx/user-guide/monitoring/
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest

PATH = "/metrics"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class IngressMetrics:
    """Counts requests.

    Args:
        namespace: of the Service behind the ingress.
        service: its name.
    """

    def __init__(self, namespace: str, service: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # ingress-nginx has none
        self._registry = CollectorRegistry()
        self._of = (namespace, service, service)
        self._requests = Histogram(
            "nginx_ingress_controller_request_duration_seconds",
            "The request processing time in seconds",
            ("namespace", "ingress", "service", "method", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def request(self, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(*self._of, method, str(status)).observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
