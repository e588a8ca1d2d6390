# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an allowed application job in a Ready pod and read its exit status."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_exec_job
short_description: Run an allowed application job in a Ready pod and read its exit status
version_added: 0.1.0
description:
  - Chooses the Ready pod of a workload that has run longest and runs one command in it, without a shell, without a
    terminal and without input.
  - The exit status comes from the API server. When it is missing, RV(status) is V(unknown); it is never taken for
    success.
  - For npm, C(--) is put before the arguments, because npm takes flags before it for its own.
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
  container:
    description: The container. It may be left out when the pods have only one.
    type: str
  command:
    description: Program and arguments. C(npm) is refused here, see O(npm_script).
    type: list
    elements: str
  npm_script:
    description: Script of the application's C(package.json), run as C(npm run --silent SCRIPT -- ARGUMENTS).
    type: str
  arguments:
    description: Further arguments.
    type: list
    elements: str
    default: []
  allowed:
    description: Shell patterns of the programs and npm scripts that may run. Nothing else does.
    type: list
    elements: str
    required: true
  allowed_arguments:
    description: Shell patterns of the arguments that may be given. Without it any may.
    type: list
    elements: str
  timeout_s:
    description:
      - Seconds to wait for the end, at least 1. Then the connection is cut, and RV(status) is V(unknown), because the
        job may go on.
    type: int
    default: 120
  expect_json:
    description: Whether the job must print a JSON document, as all of its output or as its last line.
    type: bool
    default: false
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode the pod is chosen and nothing runs in it.
  - It needs C(get) on the workload, C(list) on C(pods) and C(replicasets), and C(create) and C(get) on C(pods/exec).
  - Arguments stand in results and journals. Never put a secret into them.
seealso:
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: Run the import of the last hour once more
  brandconnect.incidents.k8s_exec_job:
    namespace: brandconnect
    name: metric-worker
    npm_script: metrics:backfill
    arguments: [--since=1hour]
    allowed: ["metrics:*"]
    allowed_arguments: ["--since=*"]
    expect_json: true
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode.
    - V(done) when it ended with exit code 0 and, with O(expect_json), printed JSON.
    - V(failed) when it ended with another code, could not be started, or printed no JSON.
    - V(unknown) when nobody said how it ended.
    - V(refused) with the word in RV(refusal).
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: it ended with exit code 0
refusal:
  description:
    - With V(refused), V(not_allowed), V(argument_not_allowed), V(npm_as_command), V(invalid_script), V(no_command),
      V(no_ready_pod), V(ambiguous_container), V(unknown_container) or V(plan_changed).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T21:40:12.110000Z"
targets:
  description: What runs where. The pod is not part of it, one is as good as another.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Deployment
      name: metric-worker
      namespace: brandconnect
      uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
      container: metric-worker
      argv: &argv [npm, run, --silent, "metrics:backfill", --, --since=1hour]
before:
  description: Always empty; what the job found it says itself.
  returned: success
  type: dict
  sample: {}
after:
  description: Likewise.
  returned: success
  type: dict
  sample: {}
results:
  description: What became of it, with C(result), V(succeeded), V(failed), V(unknown), V(would_run) or V(not_attempted).
  returned: success
  type: list
  elements: dict
  sample:
    - {pod: metric-worker-7d4b9c-x2x7k, container: metric-worker, result: succeeded, exit_code: 0, reason: null}
caveats:
  description: Always empty.
  returned: success
  type: list
  elements: str
  sample: []
pod:
  description: The pod it ran in, or would; null when there was none.
  returned: success
  type: str
  sample: metric-worker-7d4b9c-x2x7k
container:
  description: The container.
  returned: success
  type: str
  sample: metric-worker
argv:
  description: Program and arguments.
  returned: success
  type: list
  elements: str
  sample: *argv
exit_code:
  description: Its exit code; null when there is none.
  returned: success
  type: int
  sample: 0
json:
  description: The JSON that it printed; null when there is none.
  returned: success
  type: raw
  sample: {imported: 17}
stdout:
  description: The beginning of its output, at most 4096 characters, with what looks like a secret masked.
  returned: success
  type: str
  sample: '{"imported": 17}'
stderr:
  description: Likewise of its error output.
  returned: success
  type: str
  sample: ""
truncated:
  description: The outputs of which something was left out.
  returned: success
  type: list
  elements: str
  sample: []
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the login lacks create on pods/exec in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: create, resource: pods, subresource: exec, api_group: "", namespace: brandconnect, name: backend-0}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_job import JobRun
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Run the job; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or does not let the job start.
        IncidentsError: the options make no sense.
    """
    if params["timeout_s"] < 1:
        raise IncidentsError(f"Running a job in a pod: timeout_s must be 1 or more, not {params['timeout_s']}")
    job = JobRun(params)
    with Cluster(params) as cluster, recording_progress(job.plain, KubernetesError):
        job.do(cluster, check_mode=check_mode)
    return job.plain()


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "container": {"type": "str"},
        "command": {"type": "list", "elements": "str"},
        "npm_script": {"type": "str"},
        "arguments": {"type": "list", "elements": "str", "default": []},
        "allowed": {"type": "list", "elements": "str", "required": True},
        "allowed_arguments": {"type": "list", "elements": "str"},
        "timeout_s": {"type": "int", "default": 120},
        "expect_json": {"type": "bool", "default": False},
        "targets": {"type": "list", "elements": "dict"},
    },
    constraints={"mutually_exclusive": [("command", "npm_script")], "required_one_of": [("command", "npm_script")]},
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
