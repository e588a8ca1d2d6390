# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow API of the lab as it is seen from outside: by its clients, Prometheus, the database and the cluster."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import psutil
import requests

from incident_runbooks.lab.lab import Lab

WINDOW = "5s"
PATIENCE_S = 30.0
METRIC = "http_request_duration_seconds"


class Seen:
    """The lab from outside."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.platform = lab.platform()

    def ask(self, query: str) -> dict[tuple[str, ...], float]:
        """The samples of a query by the values of their labels, asked without the lab's own client."""
        url = f"{self.lab.prometheus.url}/api/v1/query"
        answer = requests.get(url, params={"query": query}, timeout=10).json()
        assert answer["status"] == "success", answer
        found = answer["data"]["result"]
        return {tuple(value for _, value in sorted(each["metric"].items())): float(each["value"][1]) for each in found}

    def number(self, query: str) -> float:
        return next(iter(self.ask(query).values()), 0.0)

    def mean(self, metric: str, labels: str = "", by: str = "pod") -> dict[str, float]:
        """How many seconds it takes on average, by a label: sums and counts, where the faults look at buckets."""
        rates = [f"sum by ({by}) (rate({metric}_{part}{{{labels}}}[{WINDOW}]))" for part in ("sum", "count")]
        found = self.ask(" / ".join(rates)).items()
        return {name: value for (name,), value in found if not math.isnan(value)}

    def share(self, metric: str, labels: str = "") -> float:
        """The share of the time of requests."""
        part = f"sum(rate({metric}_sum{{{labels}}}[{WINDOW}]))"
        return self.number(f'{part} / sum(rate({METRIC}_sum{{route!~"/api/health.*|/metrics"}}[{WINDOW}]))')

    def within(self, route: str, seconds: float) -> float:
        """The share of a route's requests that took no longer, which is to be a limit of the histogram; 1.0 is all."""
        labels = f'route="{route}"'
        counts = (f'bucket{{{labels},le="{seconds}"}}', f"count{{{labels}}}")
        return self.number(" / ".join(f"sum(rate({METRIC}_{each}[{WINDOW}]))" for each in counts))

    def is_slow(self, route: str, seconds: float) -> bool:
        """Whether requests take longer on average in every pod that there is."""
        means = self.mean(METRIC, f'route="{route}"')
        return all(means.get(pod, 0.0) > seconds for pod in self.pods())

    def is_fast(self, route: str, seconds: float) -> bool:
        """Whether 95 % of the requests take no longer, and on average in every pod that there is."""
        means = self.mean(METRIC, f'route="{route}"')
        return self.within(route, seconds) >= 0.95 and all(means.get(pod, math.inf) < seconds for pod in self.pods())

    def took(self, path: str) -> float:
        """How many seconds one request of our own takes, through the ingress."""
        began = time.monotonic()
        answer = requests.get(self.lab.ingress.url + path, verify=str(self.lab.ingress.ca_cert), timeout=20)
        assert answer.status_code == 200, answer.text
        return time.monotonic() - began

    def sql(self, query: str, *parameters: Any) -> list[Any]:
        with self.lab.server.connect(self.lab.server.superuser) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def deployment(self) -> Any:
        return self.platform.api.get("/apis/apps/v1/namespaces/brandconnect/deployments/backend")

    def pool_max(self) -> str:
        container = self.deployment()["spec"]["template"]["spec"]["containers"][0]
        return next(each["value"] for each in container["env"] if each["name"] == "TYPEORM_POOL_MAX")

    def revision(self) -> str:
        return str(self.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"])

    def pods(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.platform.pods("backend")}

    def standing(self) -> dict[str, Any]:
        """What a remediation may change: the autoscaler, the backend's settings, revision and pods, and all indexes."""
        autoscaler = self.platform.api.get(
            "/apis/autoscaling/v2/namespaces/brandconnect/horizontalpodautoscalers/backend"
        )
        deployment = self.deployment()["spec"]
        return {
            "limits": (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]),
            "replicas": deployment["replicas"],
            "env": deployment["template"]["spec"]["containers"][0]["env"],
            "revision": self.revision(),
            "pods": {pod["metadata"]["uid"] for pod in self.platform.pods("backend")},
            "indexes": self.sql(
                "SELECT indexrelid, indisvalid, indisready, pg_get_indexdef(indexrelid) FROM pg_index"
                " JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
            ),
        }

    def customers(self) -> list[int]:
        """The processes that send requests."""
        marker = str(self.lab.directory.marker)
        found = []
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if "incident_runbooks.lab.customers" in command and marker in command:
                found.append(process.pid)
        return found


def wait_until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)
