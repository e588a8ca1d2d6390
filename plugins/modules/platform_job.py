# SPDX-License-Identifier: GPL-3.0-or-later
"""Contain a breach by the platform's own jobs, for named users or accounts, in batches."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: platform_job
short_description: Contain a breach by the platform's own jobs, for named users or accounts, in batches
version_added: 0.1.0
description:
  - Has the platform's own job revoke refresh tokens, reset passwords, require a second factor, or revoke the OAuth
    grants of social accounts, in a Ready pod of its workload.
  - It always names the ids. There is no way to say "all", because a job whose arguments get lost does everything.
  - For npm, C(--) is put before the arguments, because npm takes flags before it for its own.
  - Before it acts, a dry run of the first batch has to say what the job is narrowed to. Where that is not what was
    asked, as of a job that does not know the option, nothing is done.
  - The job's answer counts only where it says what it was narrowed to. Where that is not what was asked, the run ends
    at once with V(failed), and RV(reason) says that it may have done more.
  - The first batch that does not succeed ends the run.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  job:
    description:
      - V(revoke_tokens) ends the refresh tokens of the users O(ids) that were issued since O(since).
      - V(reset_credentials) ends the passwords of the users O(ids), and sends each a link for a new one, once for each
        incident. E-mails cannot be taken back.
      - V(require_2fa) requires a second factor of the users O(ids) from their next login on.
      - V(revoke_oauth) revokes the grants of the social accounts O(ids) at their platforms and deletes them here.
        Their metrics stop until their owners consent again.
    type: str
    choices: [revoke_tokens, reset_credentials, require_2fa, revoke_oauth]
    required: true
  ids:
    description: Users, or with O(job=revoke_oauth) social accounts. None is nothing to do.
    type: list
    elements: int
    default: []
  ids_file:
    description: File of one's own with more of them, one a line, that nobody else may read.
    type: path
  since:
    description:
      - With O(job=revoke_tokens) the moment from which on, RFC 3339 with a time zone, from the incident's timeline.
      - A duration such as C(1hour) is refused, since it means another moment each time.
    type: str
  incident:
    description: Our identifier of the incident.
    type: str
    required: true
  max_ids:
    description: Refuse when there are more ids than that. More than 10000 are never done in one run.
    type: int
    default: 200
  batch_size:
    description: Ids of one call of the job, at most 200.
    type: int
    default: 50
  kind:
    description: Kind of the workload whose pods have the jobs.
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
  npm_script:
    description:
      - Script of the application's C(package.json), where it is not C(jobs:revoke-tokens),
        C(jobs:send-password-resets), C(jobs:require-2fa) or C(jobs:revoke-oauth).
      - It takes C(--actor-ids) and C(--since), C(--user-ids) and C(--incident), C(--user-ids), or C(--account-ids), and
        C(--dry-run) and C(--json).
      - It prints C(affected), how many it changed; C(everything), V(false) where it was narrowed; C(scope), the
        values of its options; C(ids), those that it changed (of tokens with V(revoke_tokens)); C(failed), the ids
        that it could not do; and C(dry_run), V(true) where it changed nothing.
    type: str
  ids_option:
    description:
      - The option of the script that takes the ids, without C(--), where it is not C(actor-ids), C(user-ids) or
        C(account-ids). The script's answer names it so in C(scope).
    type: str
  job_timeout_s:
    description:
      - Seconds to wait for the end of one batch, 1 to 600. Then the connection is cut, and RV(status) is V(unknown),
        because the job may go on.
    type: int
    default: 120
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.evidence_gate
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode the pod is chosen and nothing runs in it. A plan can be made before there is evidence.
  - A script that lets options pass that it does not know may not know C(--dry-run) either, and act in the dry run.
    Then RV(status) is V(unknown). Try out scripts by hand, away from production, before they are needed.
  - It needs C(get) on the workload, C(list) on C(pods) and C(replicasets), and C(create) and C(get) on C(pods/exec).
  - Up to 50 ids stand in the plan; of more, their number and their SHA-256.
  - Ids are the platform's numbers, never e-mail addresses.
  - End sessions and tokens before passwords and factors, or whoever is in a session sets their own.
seealso:
  - module: brandconnect.incidents.k8s_exec_job
  - module: brandconnect.incidents.breach_notice
"""

EXAMPLES = r"""
- name: Which users' passwords would be reset?
  brandconnect.incidents.platform_job:
    job: reset_credentials
    ids_file: "{{ scope.affected.file.path }}"
    incident: data-breach-20261128T180000Z-3fa1
    namespace: brandconnect
    name: backend
  check_mode: true
  register: plan

- name: Reset those, and no others
  brandconnect.incidents.platform_job:
    job: reset_credentials
    ids_file: "{{ scope.affected.file.path }}"
    incident: data-breach-20261128T180000Z-3fa1
    namespace: brandconnect
    name: backend
    evidence_anchor: "{{ snapshot.anchor }}"
    targets: "{{ plan.targets }}"

- name: Revoke what the suspect was issued since it began
  brandconnect.incidents.platform_job:
    job: revoke_tokens
    ids: [17]
    since: "2026-11-21T02:10:00Z"
    incident: data-breach-20261128T180000Z-3fa1
    namespace: brandconnect
    name: backend
    evidence_anchor: "{{ snapshot.anchor }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when all batches succeeded.
    - V(nothing_to_do) when the job found nothing left to change, or there are no ids.
    - V(partial) when some succeeded, V(failed) when none did, or when a job did more than it was asked.
    - V(unknown) when it is not known what became of a batch. So it is where a job ended with an exit code other than
      0, 126 and 127 and did not say that it did none, since it may have done a part, where its answer counts others
      than it names, and where its dry run did not say that it was one.
    - V(refused) with the word in RV(refusal).
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: 3 changed
refusal:
  description:
    - With V(refused), V(plan_changed), V(no_evidence), V(over_max_ids), V(no_ready_pod), V(ambiguous_container),
      V(unknown_container), V(invalid_script), V(no_dry_run), V(dry_run_failed) or V(scope_not_kept).
    - With V(nothing_to_do), V(no_ids) or V(no_change).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-28T18:30:12.110000Z"
targets:
  description:
    - What runs for whom. C(ids) is null when they are more than 50, C(ids_sha256) stands for all of them.
    - The pod is not part of it, one is as good as another.
  returned: success
  type: list
  elements: dict
  sample:
    - job: reset_credentials
      script: jobs:send-password-resets
      option: user-ids
      since: null
      count: 3
      ids: [3, 4, 9]
      ids_sha256: c2aa4f6c8f9c1e0c5e3b1d8f4d2a7b60c2aa4f6c8f9c1e0c5e3b1d8f4d2a7b60
      kind: Deployment
      name: backend
      namespace: brandconnect
      uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
      container: backend
before:
  description: Always empty; what there was the job does not say.
  returned: success
  type: dict
  sample: {}
after:
  description: C(affected), how many tokens, users or accounts the job changed. Empty in check mode.
  returned: success
  type: dict
  sample: {affected: 3}
results:
  description:
    - What became of each batch, with C(batch), C(count), C(result), C(reason), C(affected) and C(open_ids), those of
      a batch that was tried of which it is not known that they were done.
    - C(result) is V(succeeded), V(partial), V(failed), V(exceeded), V(unknown), V(not_attempted) or V(would_run).
  returned: success
  type: list
  elements: dict
  sample:
    - {batch: 1, count: 3, result: succeeded, reason: null, affected: 3, open_ids: []}
caveats:
  description: What to know before approving, and what speaks against the evidence.
  returned: success
  type: list
  elements: str
  sample:
    - passwords end and e-mails go out, neither can be taken back; revoke sessions and tokens first
    - a dry run shows first whether it keeps to --user-ids; a script that ignores options it does not know, --dry-run
      too, would do it for all users
job:
  description: The job.
  returned: success
  type: str
  sample: reset_credentials
script:
  description: Its npm script.
  returned: success
  type: str
  sample: jobs:send-password-resets
ids_count:
  description: How many ids were given, each counted once.
  returned: success
  type: int
  sample: 3
pod:
  description: The pod it ran in, or would; null when there was none.
  returned: success
  type: str
  sample: backend-7d4b9c-x2x7k
container:
  description: The container.
  returned: success
  type: str
  sample: backend
evidence:
  description: C(path) and C(sha256) of the seal of the evidence, C(partial), and the C(override) where there is one.
  returned: success
  type: dict
  sample:
    path: /var/lib/runbook/incidents/data-breach-20261128T180000Z-3fa1/evidence/20261128T181000Z/tagmanifest-sha256.txt
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    partial: false
    override: null
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

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_precondition import (
    evidence_options,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.platform_job import PlatformJob
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_evidence import (
    read_ids as read_file,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_clock import read_moment
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.platform_job import KINDS
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Containing a breach by a job of the platform"
# the blast radius, whatever the options say: option, least, most
LIMITS: tuple[tuple[str, int, int], ...] = (("max_ids", 1, 10000), ("batch_size", 1, 200), ("job_timeout_s", 1, 600))
_INCIDENT = re.compile(r"[A-Za-z0-9._-]{1,120}")
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Run the job; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or does not let the job start; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    ids, since = read_ids(params), read_since(params)
    for option, least, most in LIMITS:
        if not least <= params[option] <= most:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be from {least} to {most}, not {params[option]}")
    if not _INCIDENT.fullmatch(params["incident"]):
        raise IncidentsError(f"{ATTEMPTED}: incident must be 1 to 120 letters, digits, dots, dashes and underscores")
    if params["ids_option"] and not _OPTION.fullmatch(params["ids_option"]):
        raise IncidentsError(f"{ATTEMPTED}: ids_option must be the name of an option, without -- and =")
    work = PlatformJob(params, ids, since)
    with Cluster(params) as cluster, recording_progress(work.plain, KubernetesError):
        work.do(cluster, check_mode=check_mode)
    return work.plain()


def read_ids(params: Mapping[str, Any]) -> list[int]:
    """Return the ids in order, each once.

    Raises:
        IncidentsError: one is none.
    """
    lines = [line.strip() for line in read_file(params["ids_file"])]
    for number, line in enumerate(lines, start=1):
        if line and not (line.isascii() and line.isdecimal()):
            raise IncidentsError(f"{ATTEMPTED}: line {number} of ids_file is no whole number; check the file")
    found = {*params["ids"], *(int(line[:20]) for line in lines if line)}
    if any(each < 1 for each in found):
        raise IncidentsError(f"{ATTEMPTED}: ids must be positive whole numbers; check the list")
    return sorted(found)


def read_since(params: Mapping[str, Any]) -> dt.datetime | None:
    """Return the moment from which on tokens are revoked.

    Raises:
        IncidentsError: it is none, or the job takes none.
    """
    takes = params["job"] == "revoke_tokens"
    if takes != (params["since"] is not None):
        word = "give the moment since which, from the timeline" if takes else "since is for revoke_tokens only"
        raise IncidentsError(f"{ATTEMPTED}: {word}")
    if params["since"] is None:
        return None
    try:
        since = read_moment(params["since"])
    except ValueError as error:
        raise IncidentsError(f"{ATTEMPTED}: since is no moment: {error}") from error
    if since > dt.datetime.now(dt.UTC):
        raise IncidentsError(f"{ATTEMPTED}: since lies in the future; check it and its time zone")
    return since


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        **evidence_options(),
        "job": {"type": "str", "choices": list(KINDS), "required": True},
        "ids": {"type": "list", "elements": "int", "default": []},
        "ids_file": {"type": "path"},
        "since": {"type": "str"},
        "incident": {"type": "str", "required": True},
        "max_ids": {"type": "int", "default": 200},
        "batch_size": {"type": "int", "default": 50},
        "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "container": {"type": "str"},
        "npm_script": {"type": "str"},
        "ids_option": {"type": "str"},
        "job_timeout_s": {"type": "int", "default": 120},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
