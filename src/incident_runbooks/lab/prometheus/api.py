# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab itself asks its Prometheus."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlencode

import urllib3

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.prometheus.part import JOB, PrometheusPart

Json = dict[str, Any]

_ANSWER_S = 5.0
_REFUSED = 400


class PrometheusApi:
    """The API of the lab's Prometheus.

    Args:
        part: which runs.
    """

    def __init__(self, part: PrometheusPart) -> None:
        self._url = part.url
        self._pool = urllib3.PoolManager(timeout=_ANSWER_S, retries=False, maxsize=1)

    def value(self, query: str) -> float | None:
        """Return the value of a query with one sample; ``None`` where it has none, or no number.

        Raises:
            RunbookError: there is no answer, or the query is refused.
        """
        result = self._ask("GET", "/api/v1/query", query=query)["result"]
        number = float(result[0]["value"][1]) if result else math.nan
        return None if math.isnan(number) else number

    def targets(self) -> dict[str, str]:
        """Return the health of each target of the backend, by pod: ``up``, ``down``, or ``unknown`` before a scrape."""
        active = self._ask("GET", "/api/v1/targets", state="active")["activeTargets"]
        return {each["labels"].get("pod", ""): each["health"] for each in active if each["labels"]["job"] == JOB}

    def forget(self) -> None:
        """Drop every sample: a rate then begins with what comes next."""
        self._ask("POST", "/api/v1/admin/tsdb/delete_series", **{"match[]": '{job=~".+"}'})

    def _ask(self, method: str, path: str, **fields: str) -> Json:
        try:
            answer = self._pool.request(method, f"{self._url}{path}?{urlencode(fields)}")
        except urllib3.exceptions.HTTPError as error:
            raise RunbookError(f"Asking the lab's Prometheus at {self._url} for {path}: {error}") from error
        if answer.status >= _REFUSED:
            said = answer.data.decode("utf-8", "replace")[:300]
            raise RunbookError(f"Asking the lab's Prometheus at {self._url} for {path}: {said}")
        return answer.json()["data"] if answer.data else {}
