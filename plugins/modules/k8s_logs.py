# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the logs of all pods of a workload and count what they say."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_logs
short_description: Count and sample log lines of all pods of a workload by class
version_added: 0.1.0
description:
  - Reads the log of every container of every pod, and of containers that were restarted also the log of the life
    before, where the reason of a crash stands. All at the same time, as streams, in little memory.
  - Lines are counted by class. Of a line in JSON the fields C(level), C(msg) or C(message), and C(err) or C(error)
    are matched, each on its own; of any other line all of it. A line belongs to the first class that matches.
  - Samples are masked. What looks like a key, a token, a password or a login in a URL is not shown.
  - What could not be read is reported, so that an absence of lines can be told from an absence of logs.
  - An API server that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  name:
    description: Name of the workload. Logs of its own pods are read.
    type: str
  selector:
    description: Label selector, instead of O(name). Logs of all pods that match are read.
    type: str
  patterns:
    description:
      - Regular expressions of Python by class. The order of the classes counts.
      - Expressions are matched line by line. One with a fixed word outside of brackets is much faster than one
        without.
    type: dict
    default: {}
  since_s:
    description: Only lines of the last so many seconds.
    type: int
    default: 900
  tail_lines:
    description: Only so many last lines of each log.
    type: int
  limit_bytes:
    description: Only so many bytes of each log, the oldest. What was cut off is reported in RV(truncated).
    type: int
    default: 5242880
  previous:
    description: Whether the previous logs of restarted containers are read too.
    type: bool
    default: true
  max_samples:
    description: Samples for each class, from as many logs as possible.
    type: int
    default: 5
  max_parallel:
    description: Logs that are read at the same time.
    type: int
    default: 16
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.k8s_workload
  - module: brandconnect.incidents.k8s_snapshot
"""

EXAMPLES = r"""
- name: See what the backend says
  brandconnect.incidents.k8s_logs:
    namespace: brandconnect
    name: backend
    patterns:
      server_slots:
        - too many clients already
        - remaining connection slots are reserved
        - '\b53300\b'
      app_pool:
        - timeout exceeded when trying to connect
        - (?i)timeout acquiring a connection
      refused: [ECONNREFUSED]
    rbac_role: pool-exhaustion-diagnose
  register: logs
"""

RETURN = r"""
reachable:
  description: As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: bool
  sample: true
cause:
  description: Why no logs could be read; V(null) when they were. As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: str
  sample: forbidden
message:
  description: What the API server or the network said to that, in one line.
  returned: success
  type: str
  sample: HTTP 403, pods is forbidden
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: the login lacks list on pods in namespace brandconnect; bind a Role that grants it
denied:
  description: Permissions that the login lacks.
  returned: success
  type: list
  elements: dict
  sample: []
unknown:
  description: Other parts that could not be read.
  returned: success
  type: list
  elements: dict
  sample: []
pods_total:
  description: Pods of the workload; V(null) when they could not be listed.
  returned: success
  type: int
  sample: 3
pods_read:
  description: Pods of which every log was read.
  returned: success
  type: int
  sample: 3
pods_unread:
  description:
    - Logs that were not read, or not to their end, with C(pod), C(container), C(previous), C(cause) and C(message).
    - A container that has no log yet is not among them.
  returned: success
  type: list
  elements: dict
  sample: [{pod: backend-6f9c-x2x4l, container: backend, previous: false, cause: timeout, message: nothing came}]
containers_read:
  description: Current logs of containers that were read.
  returned: success
  type: int
  sample: 3
previous_read:
  description: Previous logs of containers that were read.
  returned: success
  type: int
  sample: 1
lines:
  description: Lines read.
  returned: success
  type: int
  sample: 12034
bytes:
  description: Bytes read.
  returned: success
  type: int
  sample: 1048576
lines_cut:
  description: Lines so long that only their beginning was looked at.
  returned: success
  type: int
  sample: 0
truncated:
  description: Logs that reach O(limit_bytes), so that their newest lines are missing; with C(pod), C(container) and
    C(previous).
  returned: success
  type: list
  elements: dict
  sample: []
restarted:
  description: Containers that were restarted, with C(pod), C(container) and C(restarts).
  returned: success
  type: list
  elements: dict
  sample: [{pod: backend-6f9c-x2x4l, container: backend, restarts: 4}]
classes:
  description:
    - Every class of O(patterns), also those without a line.
    - Each has C(count), C(pods) (lines by pod, most first), C(previous) (lines in previous logs), C(first_at),
      C(last_at) and C(samples) with C(pod), C(container), C(previous), C(at) and C(text) of at most 300 characters.
  returned: success
  type: dict
  sample:
    server_slots:
      count: 118
      pods: {backend-6f9c-x2x4l: 118}
      previous: 118
      first_at: "2026-11-24T15:10:02.123456Z"
      last_at: "2026-11-24T15:12:40.000001Z"
      samples:
        - pod: backend-6f9c-x2x4l
          container: backend
          previous: true
          at: "2026-11-24T15:10:02.123456Z"
          text: error sorry, too many clients already 53300
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 6
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_logs import (
    LogRead,
    logs_of,
    read_logs,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    add_unknown,
    nothing_read,
    read_pods,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_lines import LogScan, summary
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_patterns import (
    LogPatterns,
    compile_patterns,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import pod_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_PARALLEL = 32  # as many connections as the client keeps


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Read and count. A sick cluster is a result; see RETURN."""
    patterns = _checked(params)
    result = _nothing_known()
    result["classes"] = summary([], _names(patterns), 0)
    try:
        cluster = Cluster(params)
    except KubernetesError as error:
        return result | unreadable(error.failure)
    with cluster:
        try:
            pods = _pods(cluster, params, result)
        except KubernetesError as error:
            result |= unreadable(error.failure)
        else:
            result["reachable"] = True
            _read_all(cluster, pods, params, patterns, result)
        result["requests"] = cluster.requests
    return result


def _nothing_known() -> dict[str, Any]:
    return {
        **nothing_read(),
        "pods_total": None,
        **dict.fromkeys(("pods_read", "containers_read", "previous_read", "lines", "bytes", "lines_cut"), 0),
        **{name: [] for name in ("pods_unread", "truncated", "restarted")},
        "classes": {},
        "requests": 0,
    }


def _checked(params: Mapping[str, Any]) -> LogPatterns:
    for option, least in (("since_s", 1), ("tail_lines", 1), ("limit_bytes", 1), ("max_parallel", 1)):
        if params[option] is not None and params[option] < least:
            raise IncidentsError(f"Reading logs: {option} must be {least} or more")
    if params["max_parallel"] > MOST_PARALLEL:
        raise IncidentsError(f"Reading logs: max_parallel must be {MOST_PARALLEL} or less")
    if not params.get("name") and not params.get("selector"):
        raise IncidentsError("Reading logs: neither name nor selector is given")
    given = {
        str(name): [str(item) for item in ([expressions] if isinstance(expressions, str) else expressions)]
        for name, expressions in params["patterns"].items()
    }
    try:
        return compile_patterns(given)
    except ValueError as error:
        raise IncidentsError(f"Reading logs: {error}; check patterns") from None


def _names(patterns: LogPatterns) -> list[str]:
    return [name for name, _ in patterns.classes]


def _pods(cluster: Cluster, params: Mapping[str, Any], result: dict[str, Any]) -> list[Mapping[str, Any]]:
    if params.get("selector"):
        return [*cluster.list(cluster.path("v1", "pods"), labelSelector=params["selector"])]
    workload = cluster.get(cluster.workload_path(params["kind"], params["name"]))
    found = read_pods(cluster, params["kind"], workload)
    if "pods" in found.failures:
        raise KubernetesError("Listing the pods", found.failures["pods"])
    add_unknown(result, found.failures)
    return found.mine


def _read_all(
    cluster: Cluster,
    pods: list[Mapping[str, Any]],
    params: Mapping[str, Any],
    patterns: LogPatterns,
    result: dict[str, Any],
) -> None:
    query = {
        "sinceSeconds": params["since_s"],
        "tailLines": params["tail_lines"],
        "limitBytes": params["limit_bytes"],
        "timestamps": True,
    }
    reads = read_logs(
        cluster,
        logs_of(pods, previous=params["previous"]),
        query,
        lambda: LogScan(patterns, params["max_samples"]),
        params["max_parallel"],
    )
    result["pods_total"] = len(pods)
    result["restarted"] = [
        {"pod": facts["name"], "container": container["name"], "restarts": container["restarts"]}
        for facts in map(pod_facts, pods)
        for container in facts["containers"]
        if container["restarts"]
    ]
    _add_counts(reads, params["limit_bytes"], result)
    _add_unread(reads, result)
    scans = [(read.log.pod, read.log.container, read.log.previous, read.scan) for read in reads]
    result["classes"] = summary(scans, _names(patterns), params["max_samples"])


def _add_counts(reads: list[LogRead], limit_bytes: int, result: dict[str, Any]) -> None:
    whole = [read for read in reads if read.failure is None and not read.absent]
    result["containers_read"] = sum(not read.log.previous for read in whole)
    result["previous_read"] = sum(read.log.previous for read in whole)
    result["lines"] = sum(read.scan.lines for read in reads)
    result["bytes"] = sum(read.scan.received for read in reads)
    result["lines_cut"] = sum(read.scan.cut_lines for read in reads)
    result["truncated"] = [_about(read) for read in reads if read.scan.received >= limit_bytes]


def _add_unread(reads: list[LogRead], result: dict[str, Any]) -> None:
    by_pod: defaultdict[str, bool] = defaultdict(lambda: True)
    for read in reads:
        by_pod[read.log.pod] &= read.failure is None
        failure = read.failure
        if failure is None:
            continue
        result["pods_unread"].append({**_about(read), "cause": failure.cause, "message": failure.text})
        if failure.denied and not result["denied"]:
            result["denied"] = [{**failure.denied, "name": ""}]  # one permission, not one for each pod
            result |= {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}
    result["pods_read"] = sum(by_pod.values())


def _about(read: LogRead) -> dict[str, Any]:
    return {"pod": read.log.pod, "container": read.log.container, "previous": read.log.previous}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str"},
        "selector": {"type": "str"},
        "patterns": {"type": "dict", "default": {}},
        "since_s": {"type": "int", "default": 900},
        "tail_lines": {"type": "int"},
        "limit_bytes": {"type": "int", "default": 5242880},
        "previous": {"type": "bool", "default": True},
        "max_samples": {"type": "int", "default": 5},
        "max_parallel": {"type": "int", "default": 16},
    },
    constraints={"mutually_exclusive": [["name", "selector"]], "required_one_of": [["name", "selector"]]},
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
