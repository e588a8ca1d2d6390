# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read the logs of many containers at the same time, each as a stream that nobody keeps."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_lines import LogScan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import (
    container_names,
    restarted_containers,
)

# Texts of the API server with which it says that there is no such log yet or any more
_NO_LOG = ("previous terminated container", "is waiting to start", "not found", "is terminated", "not available")
_GONE = "the pod vanished while the logs were read"


@dataclass(frozen=True)
class Log:
    """One log of one container; ``previous`` is that of its last life."""

    pod: str
    container: str
    previous: bool
    node: str | None = None


@dataclass
class LogRead:
    """What became of one log.

    Attributes:
        scan: what was read, also when the reading broke off.
        failure: why it was not read, or not to its end.
        absent: there is no such log.
    """

    log: Log
    scan: LogScan
    failure: Failure | None = None
    absent: bool = False


class _Progress:
    """Which nodes do not answer, and when anything came from the API server last.

    The API server fetches a log from the pod's node. With a dead node each of its pods would cost the whole time
    limit, so that after the first the others are not tried; the same when nothing comes from several nodes.
    """

    def __init__(self, limit_s: float, nodes: int) -> None:
        self._limit_s = limit_s
        self._enough_nodes = min(2, nodes)
        self._lock = threading.Lock()
        self._tried_nodes: set[str | None] = set()
        self._silent_nodes: set[str | None] = set()
        self._latest = time.monotonic()

    def came(self) -> None:
        """Something came."""
        self._latest = time.monotonic()

    def failed(self, log: Log, failure: Failure) -> None:
        """A log did not come."""
        with self._lock:
            if failure.cause == "timeout" and log.node:
                self._silent_nodes.add(log.node)

    def start(self, log: Log) -> Failure | None:
        """Note that a log is about to be read, or return why that would be of no use."""
        with self._lock:
            if log.node in self._silent_nodes:
                return Failure("timeout", f"another log of node {log.node} did not come; this one was not tried")
            silent_s = time.monotonic() - self._latest
            if silent_s > self._limit_s and len(self._tried_nodes) >= self._enough_nodes:
                return Failure("timeout", f"nothing came for {self._limit_s:g} s; this one was not tried")
            self._tried_nodes.add(log.node)
            return None


def logs_of(pods: Iterable[Mapping[str, Any]], *, previous: bool) -> list[Log]:
    """Return every log of the pods: of each container, and the previous one of what was restarted."""
    found: list[Log] = []
    for pod in pods:
        name, node = str(pod["metadata"]["name"]), (pod.get("spec") or {}).get("nodeName")
        found += [Log(name, container, previous=False, node=node) for container in container_names(pod)]
        if previous:
            found += [Log(name, container, previous=True, node=node) for container in sorted(restarted_containers(pod))]
    return found


def read_logs(
    cluster: Cluster,
    logs: Sequence[Log],
    query: Mapping[str, Any],
    new_scan: Callable[[], LogScan],
    parallel: int,
) -> list[LogRead]:
    """Read logs at the same time.

    Args:
        cluster: where.
        logs: which.
        query: parameters of the log endpoint for each of them.
        new_scan: makes what reads one log.
        parallel: how many at once.
    """
    progress = _Progress(cluster.limit_s, len({log.node for log in logs}))
    with ThreadPoolExecutor(max(1, min(parallel, len(logs))), thread_name_prefix="logs") as pool:
        pending = {log: pool.submit(_read, cluster, log, query, new_scan(), progress) for log in _node_after_node(logs)}
    return [pending[log].result() for log in logs]


def _node_after_node(logs: Sequence[Log]) -> list[Log]:
    """Return the logs so that neighbours are of different nodes: a dead one then does not hold up all readers."""
    by_node: defaultdict[str | None, list[Log]] = defaultdict(list)
    for log in logs:
        by_node[log.node].append(log)
    return [log for row in zip_longest(*by_node.values()) for log in row if log is not None]


def _read(cluster: Cluster, log: Log, query: Mapping[str, Any], scan: LogScan, progress: _Progress) -> LogRead:
    outcome = LogRead(log, scan, failure=progress.start(log))
    if outcome.failure:
        return outcome
    path = cluster.path("v1", "pods", log.pod, "log")
    try:
        for part in cluster.stream(path, container=log.container, previous=log.previous or None, **query):
            progress.came()
            scan.feed(part)
        progress.came()  # an empty log is an answer too
    except KubernetesError as error:
        _note(error.failure, outcome, progress)
    scan.finish()
    return outcome


def _note(failure: Failure, outcome: LogRead, progress: _Progress) -> None:
    if failure.status is not None:
        progress.came()
    if failure.cause == "invalid" and any(text in failure.message for text in _NO_LOG):
        outcome.absent = True
    elif failure.cause == "not_found":
        outcome.failure = Failure("not_found", _GONE, failure.status, failure.reason)
    else:
        progress.failed(outcome.log, failure)
        outcome.failure = failure
