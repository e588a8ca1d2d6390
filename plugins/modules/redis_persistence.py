# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine the files of Redis in its pod, and check them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_persistence
short_description: Examine the files of Redis in its pod, and check them
version_added: 0.1.0
description:
  - Runs a fixed script in a pod of Redis, which asks Redis where its files are and tells their sizes and times, and how
    full the disk is.
  - Says which volume claims hold them, and whether those are bound, for
    O(brandconnect.incidents.redis_info#module:claims).
  - Can check a snapshot and the append-only files by C(redis-check-rdb) and C(redis-check-aof) without C(--fix). The
    files are only read where they are, nothing is copied, and nothing is repaired.
  - A cluster that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: StatefulSet
  name:
    description: Name of the workload.
    type: str
    required: true
  container:
    description: The container. It may be left out when the pods have only one.
    type: str
  directory:
    description: Absolute path of the files in the container. Unless given Redis is asked for it.
    type: str
  port:
    description: Port that Redis listens on in the pod.
    type: int
    default: 6379
  check:
    description:
      - Whether the files are checked. That reads them once, and takes memory of the container for the largest value.
      - Where the container has a limit of its memory, and not twice the size of a file left of it, that file is not
        checked. The limit is known with version 2 of control groups.
      - Nothing is checked in check mode.
    type: bool
    default: false
  max_check_bytes:
    description: Files that are larger are not checked, at most 16 GiB.
    type: int
    default: 1073741824
  timeout_s:
    description: Seconds for the script, and for each check, 1 to 600.
    type: int
    default: 30
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - RV(ignore:changed) is always false.
  - It needs C(get) on the workload, C(list) on C(pods), C(get) on C(persistentvolumeclaims), and C(create) and C(get)
    on C(pods/exec).
  - The container needs C(sh), C(stat), C(df) and C(redis-cli), as the official images have. The login is
    E(REDISCLI_AUTH) or E(REDIS_PASSWORD) of the container.
seealso:
  - module: brandconnect.incidents.redis_info
  - module: brandconnect.incidents.redis_save
"""

EXAMPLES = r"""
- name: See what Redis has on disk
  brandconnect.incidents.redis_persistence:
    namespace: brandconnect
    name: redis
    check: true
  register: files
"""

RETURN = r"""
reachable:
  description: As of M(brandconnect.incidents.k8s_workload).
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the files could not be examined; V(null) when they could.
    - As of M(brandconnect.incidents.k8s_workload), or V(no_running_pod), V(ambiguous_container),
      V(unknown_container), V(exec_failed), V(directory_unknown) or V(directory_absent).
  returned: success
  type: str
  sample: null
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
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
pod:
  description: The pod that was looked into; null when there was none.
  returned: success
  type: str
  sample: redis-0
container:
  description: The container.
  returned: success
  type: str
  sample: redis
settings:
  description: C(dir), C(dbfilename), C(appendonly), C(appendfilename) and C(appenddirname), as far as Redis told them.
  returned: success
  type: dict
  sample: {dir: /data, dbfilename: dump.rdb, appendonly: "yes", appendfilename: appendonly.aof,
           appenddirname: appendonlydir}
settings_refused:
  description: Why Redis did not tell them, such as a login that may not C(CONFIG GET); null when it did.
  returned: success
  type: str
  sample: null
directory:
  description: The folder of the files.
  returned: success
  type: str
  sample: /data
disk:
  description: Its file system, with C(total_bytes), C(available_bytes) and C(used_ratio); null when not known.
  returned: success
  type: dict
  sample: {total_bytes: 1073741824, available_bytes: 536870912, used_ratio: 0.5}
files:
  description:
    - The files in the folder and in those below it, the newest first, at most 200, with C(name), C(bytes) and
      C(modified_at).
  returned: success
  type: list
  elements: dict
  sample: [{name: dump.rdb, bytes: 1048576, modified_at: "2026-11-24T15:00:00.000000Z"}]
files_total:
  description: How many there are; null when they could not be listed.
  returned: success
  type: int
  sample: 1
claims:
  description:
    - Volume claims of all pods, each with C(name), C(pod), C(mount_path) and C(phase), V(null) where it is not known.
      Null when the pods could not be listed or there are none.
  returned: success
  type: list
  elements: dict
  sample: [{name: data-redis-0, pod: redis-0, mount_path: /data, phase: Bound}]
checks:
  description:
    - What the checks found, with C(name), C(kind), V(rdb) or V(aof), C(bytes), C(ok), V(null) when it could not be
      checked, and C(reason), without names of keys. Empty without O(check) and in check mode.
    - A file that is not in order is checked once more, as Redis may have written meanwhile.
  returned: success
  type: list
  elements: dict
  sample: [{name: dump.rdb, kind: rdb, bytes: 1048576, ok: true, reason: RDB looks OK!}]
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_exec import (
    ExecResult,
    run_command,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import (
    add_unknown,
    nothing_read,
    read_parts,
    read_pods,
    unreadable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import redis_files
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_job import (
    choose_container,
    choose_pod,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_status import SUCCEEDED
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Examining the files of Redis"
LONGEST_S = 600
MOST_CHECK_BYTES = 16 * 2**30
LONGEST_PATH = 1024
_LIMITS = (("timeout_s", LONGEST_S), ("max_check_bytes", MOST_CHECK_BYTES), ("port", 2**16 - 1))


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look at the files. A sick cluster is a result; see RETURN."""
    _check(params)
    result = _nothing_known()
    try:
        cluster = Cluster(params)
    except KubernetesError as error:
        return result | unreadable(error.failure)
    with cluster:
        try:
            _examine(cluster, params, result, check=params["check"] and not check_mode)
        except KubernetesError as error:
            result |= unreadable(error.failure)
    return result


def _check(params: Mapping[str, Any]) -> None:
    for option, most in _LIMITS:
        if not 1 <= params[option] <= most:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be 1 to {most}, not {params[option]}")
    path = params["directory"] or "/"
    if not path.startswith("/") or not path.isprintable() or len(path) > LONGEST_PATH:
        raise IncidentsError(f"{ATTEMPTED}: directory must be an absolute path of at most {LONGEST_PATH} characters")


def _nothing_known() -> dict[str, Any]:
    names = ("pod", "container", "settings_refused", "directory", "disk", "files_total", "claims")
    return {**nothing_read(), **dict.fromkeys(names), "settings": {}, "files": [], "checks": []}


def _examine(cluster: Cluster, params: Mapping[str, Any], result: dict[str, Any], *, check: bool) -> None:
    kind, name = params["kind"], params["name"]
    workload = cluster.get(cluster.workload_path(kind, name))
    found = read_pods(cluster, kind, workload)
    if "pods" in found.failures:
        raise KubernetesError("Listing the pods", found.failures["pods"])
    add_unknown(result, found.failures)
    result["reachable"] = True
    result["claims"] = _claims(cluster, found.mine, params["container"] or None, result) if found.mine else None
    pod = choose_pod(found.mine) or redis_files.running_pod(found.mine)
    if pod is None:
        text = f"none of the {len(found.mine)} pods of {kind} {name} has a container that runs"
        _problem(result, "no_running_pod", text, "look at the pods and their claims")
        return
    container = choose_container(pod, params["container"] or None)
    if not isinstance(container, str):
        _problem(result, container[0], container[1], "set container")
        return
    result |= {"pod": str(pod["metadata"]["name"]), "container": container}
    address = str((pod.get("status") or {}).get("podIP") or "")
    command = redis_files.list_command(params["directory"] or "", address, params["port"])
    listed = run_command(cluster, result["pod"], container, command, timeout_s=params["timeout_s"])
    if _read(listed, result) and check:
        _check_files(cluster, params, result)


def _claims(
    cluster: Cluster, pods: Sequence[Mapping[str, Any]], container: str | None, result: dict[str, Any]
) -> list[dict[str, Any]]:
    """The claims of the pods, with their phases as far as they can be read."""
    claims = redis_files.claims_of(pods, container)
    paths = {each["name"]: cluster.path("v1", "persistentvolumeclaims", each["name"]) for each in claims}
    answers = read_parts({name: functools.partial(cluster.get, path) for name, path in paths.items()})
    add_unknown(result, answers.failures)
    phases = {name: (each.get("status") or {}).get("phase") for name, each in answers.values.items()}
    return [{**each, "phase": phases.get(each["name"])} for each in claims]


def _read(listed: ExecResult, result: dict[str, Any]) -> bool:
    """Whether there are files to check."""
    if listed.exit.status != SUCCEEDED:
        said = mask(bytes(listed.stderr.data).decode("utf-8", "replace")).strip().splitlines()[-1:]
        text = "; ".join(str(part)[:200] for part in (listed.exit.message, *said) if part)
        _problem(result, "exec_failed", text, "see whether the container has sh, stat and df, and raise timeout_s")
        return False
    listing = redis_files.read_listing(bytes(listed.stdout.data).decode("utf-8", "replace"))
    result |= {name: listing[name] for name in ("settings", "directory", "disk")}
    result["settings_refused"] = listing["refused"]
    if not listing["directory"]:
        text = f"Redis does not say where its files are: {listing['refused'] or 'it names no folder'}"
        _problem(result, "directory_unknown", text, "set directory, and look at the login of the container")
        return False
    if listing["absent"]:
        _problem(result, "directory_absent", "the folder is not in the container", "check directory and the volume")
        return False
    files = listing["files"]
    result |= {"files": files[: redis_files.MOST_FILES], "files_total": len(files)}
    return True


def _check_files(cluster: Cluster, params: Mapping[str, Any], result: dict[str, Any]) -> None:
    for target in redis_files.check_targets(result):
        if target["bytes"] > params["max_check_bytes"]:
            found = redis_files.read_check(target, None, "", "it is larger than max_check_bytes")
        else:
            found = _check_file(cluster, params, result, target)
            if found["ok"] is False:  # it may have been rewritten while it was read
                found = _check_file(cluster, params, result, target)
        result["checks"].append(found)


def _check_file(
    cluster: Cluster, params: Mapping[str, Any], result: Mapping[str, Any], target: Mapping[str, Any]
) -> dict[str, Any]:
    command = redis_files.check_command(target)
    try:
        done = run_command(cluster, result["pod"], result["container"], command, timeout_s=params["timeout_s"])
    except KubernetesError as error:
        return redis_files.read_check(target, None, "", error.failure.text)
    output = b"\n".join(bytes(each.data) for each in (done.stdout, done.stderr)).decode("utf-8", "replace")
    return redis_files.read_check(target, done.exit.exit_code, output, done.exit.message)


def _problem(result: dict[str, Any], cause: str, message: str, hint: str) -> None:
    result |= {"cause": cause, "message": message, "hint": hint}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "StatefulSet"},
        "name": {"type": "str", "required": True},
        "container": {"type": "str"},
        "directory": {"type": "str"},
        "port": {"type": "int", "default": 6379},
        "check": {"type": "bool", "default": False},
        "max_check_bytes": {"type": "int", "default": 1073741824},
        "timeout_s": {"type": "int", "default": 30},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
