# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Evidence of Prometheus: what it recorded in the time that matters, one document a query, piece by piece."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_source import Item
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.prometheus import ATTEMPTED, Prometheus
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_sources import part_of_path
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import instant
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

POINTS = 1000  # of each series in one answer; Prometheus refuses more than 11000
TOO_LARGE = "the answer is larger"  # the transport's limit


class PrometheusEvidence:
    """Some queries over a time.

    Args:
        params: the options of the connection.
        options: ``queries`` by name, and ``step_s``.
        window: beginning and end.
    """

    name = "prometheus"
    parallel = 4

    def __init__(
        self, params: Mapping[str, Any], options: Mapping[str, Any], window: tuple[dt.datetime, dt.datetime]
    ) -> None:
        self._prometheus = Prometheus(params)
        self._queries: Mapping[str, str] = options["queries"]
        self._step_s = int(options["step_s"])
        # on the grid of the step, so that two looks see the same points
        self._start, self._end = (int(moment.timestamp()) // self._step_s * self._step_s for moment in window)
        self.first = f"prom/{part_of_path(next(iter(self._queries), 'queries'))}.json"

    def look(self) -> list[Item]:
        """See :meth:`Source.look`."""
        (reply,) = self._prometheus.ask([instant("time()")]).values()
        if reply.failure:
            raise IncidentsError(
                f"{ATTEMPTED} at {self._prometheus.service}: {reply.failure.text}; {reply.failure.next_step}"
            )
        return [self._item(name, query) for name, query in self._queries.items()]

    def close(self) -> None:
        """See :meth:`Source.close`."""
        self._prometheus.close()

    def _item(self, name: str, query: str) -> Item:
        facts: Json = {"series": 0, "points": 0, "answers": 0}
        return Item(
            path=f"prom/{part_of_path(name)}.json",
            source=f"GET /api/v1/query_range?query={query}",
            chunks=lambda: self._chunks(query, facts),
            collected_from={"server": self._prometheus.service, "start": self._start, "end": self._end},
            facts=lambda: facts,
        )

    def _chunks(self, query: str, facts: Json) -> Iterator[bytes]:
        head = {"query": query, "start": self._start, "end": self._end, "step_s": self._step_s}
        yield json.dumps(head).encode()[:-1] + b', "answers": ['
        position, points = self._start, POINTS
        while position <= self._end:
            end = min(position + (points - 1) * self._step_s, self._end)
            data = self._ask(query, position, end, may_halve=points > 1)
            if data is None:
                points = max(points // 2, 1)
                continue
            series = data.get("result") or []
            facts["series"] = max(facts["series"], len(series))
            facts["points"] += sum(len(entry.get("values") or []) for entry in series)
            facts["answers"] += 1
            yield (b",\n" if position > self._start else b"\n") + json.dumps(data).encode()
            position = end + self._step_s
        yield b"\n]}\n"

    def _ask(self, query: str, start: int, end: int, *, may_halve: bool) -> Mapping[str, Any] | None:
        """Return one answer; ``None`` when it is too large and a shorter time may do."""
        parameters = {"query": query, "start": start, "end": end, "step": self._step_s}
        request = ("query_range", tuple((name, str(value)) for name, value in parameters.items()))
        reply = self._prometheus.ask([request])[request]
        if reply.data is not None:
            return reply.data
        why = reply.failure
        if may_halve and why is not None and why.message.startswith(TOO_LARGE):
            return None
        text = f"{why.text}; {why.next_step}" if why else "no answer"
        raise IncidentsError(f"{ATTEMPTED} at {self._prometheus.service}: {text}")
