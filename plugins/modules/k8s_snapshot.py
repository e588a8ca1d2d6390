# SPDX-License-Identifier: GPL-3.0-or-later
"""Save logs, events and objects of a workload before an action destroys them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_snapshot
short_description: Save logs, events and objects of a workload before an action destroys them
version_added: 0.1.0
description:
  - Saves the logs of all containers of a workload's pods, the previous logs of restarted ones, the events about them,
    and the objects themselves, on the host that runs the module.
  - Changes nothing in the cluster. Every run makes a new folder; nothing is overwritten.
  - Files can be read by their owner only. Each is either complete or not there, and has its SHA-256.
  - Secrets are not read. In the objects, values of variables that look like secrets are masked; logs stay as they are.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  kind:
    description: Kind of the workload.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  name:
    description: Name of the workload.
    type: str
    required: true
  directory:
    description:
      - Folder in which the new folder C(evidence/<instant>-<kind>-<name>) is made. It is made when only it is missing.
      - One that everybody may read or enter, as C(/tmp), is refused. It is needed except in check mode.
    type: path
  previous:
    description: Whether to save the previous logs of restarted containers.
    type: bool
    default: true
  limit_bytes:
    description: Bytes of each log to keep, at least 1024. Of a longer one the end is kept, and C(truncated) says so.
    type: int
    default: 10485760
  max_parallel:
    description: Logs to read at the same time, at least 1.
    type: int
    default: 16
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode it is read what there is, no log is fetched and nothing is written.
  - It needs C(get) on the workload and on C(pods/log), and C(list) on C(pods), C(replicasets) and C(events).
  - The API server serves the newest file of a log only; what the node has rotated away is not there.
seealso:
  - module: brandconnect.incidents.evidence
  - module: brandconnect.incidents.k8s_rollout
"""

EXAMPLES = r"""
- name: Save what a restart would destroy
  brandconnect.incidents.k8s_snapshot:
    namespace: brandconnect
    name: backend
    directory: /var/lib/incident-runbooks/incidents/20261123T214012Z-pool-exhaustion-3f9a
  register: snapshot

- name: Record it
  brandconnect.incidents.evidence:
    files: "{{ snapshot.files }}"
"""

RETURN = r"""
status:
  description: V(planned) in check mode, V(done) when all of it was saved, V(partial) when something was not.
  returned: success
  type: str
  sample: done
reason:
  description: What was saved, in one sentence.
  returned: success
  type: str
  sample: 5 files of 2 pods saved, 1048812 bytes
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T21:40:12.110000Z"
directory:
  description: The new folder; in check mode, or without O(directory), its path inside O(directory).
  returned: success
  type: str
  sample: /srv/incidents/3f9a/evidence/20261123T214012.110000Z-deployment-backend
complete:
  description: Whether nothing is missing.
  returned: success
  type: bool
  sample: true
pods_total:
  description: Pods of the workload.
  returned: success
  type: int
  sample: 2
files:
  description:
    - Every file, as M(brandconnect.incidents.evidence) takes it. C(name) is the path inside RV(directory).
    - In check mode C(sha256) and C(bytes) are null.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /srv/incidents/3f9a/evidence/20261123T214012.110000Z-deployment-backend/pods/backend-7d4b9c-x2x7k/app.log
      name: pods/backend-7d4b9c-x2x7k/app.log
      source: GET /api/v1/namespaces/brandconnect/pods/backend-7d4b9c-x2x7k/log?container=app&timestamps=true
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      bytes: 1048576
      truncated: false
missing:
  description: What could not be saved, each with C(source), C(cause) and C(message).
  returned: success
  type: list
  elements: dict
  sample: []
denied:
  description: Missing permissions, as in RV(brandconnect.incidents.k8s_workload#module:denied).
  returned: always
  type: list
  elements: dict
  sample: []
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: refused
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: "nothing listens there: check the address of the API server and whether it runs"
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_snapshot import Snapshot
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LEAST = {"limit_bytes": 1024, "max_parallel": 1}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Save the evidence; see RETURN.

    Raises:
        KubernetesError: the workload or its pods cannot be read, so there is nothing to save.
        IncidentsError: the options make no sense, or nothing can be written.
    """
    attempted = "Saving evidence"
    for option, least in LEAST.items():
        if params[option] < least:
            raise IncidentsError(f"{attempted}: {option} must be {least} or more, not {params[option]}")
    if not params["directory"] and not check_mode:
        raise IncidentsError(f"{attempted}: directory is needed; give a folder that only you can read")
    with Cluster(params) as cluster:
        snapshot = Snapshot(cluster, params, dt.datetime.now(dt.UTC))
        snapshot.look()
        if not check_mode:
            snapshot.save()
        return snapshot.plain(check_mode=check_mode)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "directory": {"type": "path"},
        "previous": {"type": "bool", "default": True},
        "limit_bytes": {"type": "int", "default": 10 * 2**20},
        "max_parallel": {"type": "int", "default": 16},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
