# SPDX-License-Identifier: GPL-3.0-or-later
"""Preserve evidence of a suspected breach in a bundle that a stranger can check."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: evidence_snapshot
short_description: Preserve evidence of a suspected breach in a bundle that a stranger can check
version_added: 0.1.0
description:
  - Collects the logs of every container of a namespace, current and previous, its objects, events and images, the audit
    trail of the database as CSV, some tables as an encrypted dump, the sessions in Redis and ranges of Prometheus.
  - Everything streams to the disk of the host that runs the module, into a bag as RFC 8493 lays it out, with SHA-256
    lists and a custody log. Directories have the mode 0700 and files 0600 while they are written, then 0500 and 0400.
  - A system that is down or refuses stops no other. The bundle is then V(partial), and says so itself.
  - A run that was cut off is gone on with by the next one with the same O(name). What was collected is kept. A source
    that cannot be reached then makes it V(partial), unless all that it has had been asked for.
  - The audit trail and the dump are of one snapshot of the database. The number of rows is compared with C(count(*))
    in that snapshot, and missing ids are reported.
  - Of Secrets the metadata alone is asked for. Keys and values of Redis are kept as SHA-256 only. In objects, values of
    variables that look like secrets are masked. Logs and the audit trail stay as they are, and may hold personal data.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  directory:
    description:
      - Directory of the incident, one's own with the mode 0700. The bundle is C(evidence/NAME) in it.
      - It is needed except in check mode.
    type: path
  incident:
    description: Id of the incident.
    type: str
    required: true
  custodian:
    description: Who answers for the evidence.
    type: str
    required: true
  name:
    description: Name of the bundle. One that is finished stays as it is; to collect again, give another name.
    type: str
    default: snapshot
  anchor_sha256:
    description:
      - RV(sha256) of the finished bundle, as the incident's journal has it. The module fails when the bundle is not
        that one, or not finished; C(changed_files) then names them.
      - Without it, nobody finds out that every list of a bundle was rewritten.
    type: str
  sources:
    description: What is collected.
    type: list
    elements: str
    choices: [kubernetes, audit, dump, redis, prometheus]
    default: [kubernetes, audit, redis, prometheus]
  since:
    description: Beginning of the time that matters, RFC 3339. It is needed for V(audit) and V(prometheus).
    type: str
  until:
    description: End of that time, which is not in it, RFC 3339. It is now unless given.
    type: str
  encrypt_to:
    description:
      - Public keys of those who may read the dump, as age takes them, C(age1...), C(ssh-ed25519 ...) or C(ssh-rsa ...).
      - They are needed for V(dump), which is encrypted while it streams and is never on the disk in the clear.
    type: list
    elements: str
    default: []
  max_bytes:
    description: Bytes of the bundle. What does not fit counts as failed; what had come until then is kept.
    type: int
    default: 21474836480
  source_timeout:
    description: Seconds for each statement in the database, and for the dump.
    type: int
    default: 3600
  kubernetes:
    description: What of the namespace is collected.
    type: dict
    suboptions:
      logs:
        description: Whether the logs are.
        type: bool
        default: true
      log_limit_bytes:
        description: Bytes of each log to keep, from its beginning. RV(truncated) tells which were longer.
        type: int
        default: 1073741824
      max_parallel:
        description: Logs to read at the same time.
        type: int
        default: 8
  audit:
    description: Where the audit trail is.
    type: dict
    suboptions:
      schema:
        description: Its schema.
        type: str
        default: public
      table:
        description: Its table.
        type: str
        default: audit_logs
      time_column:
        description: When something happened, an instant.
        type: str
        default: created_at
      id_column:
        description: What numbers the rows. Gaps are looked for where these are integers.
        type: str
        default: id
  dump:
    description: What is dumped.
    type: dict
    suboptions:
      tables:
        description: Tables, each as C(schema.table).
        type: list
        elements: str
        default: []
      program:
        description: The program pg_dump, of the server's major version or a newer one.
        type: str
        default: pg_dump
  redis:
    description: Which sessions are collected.
    type: dict
    suboptions:
      pattern:
        description: Pattern of their keys.
        type: str
        default: sess:*
      max_keys:
        description: More keys than so many are a failure.
        type: int
        default: 100000
  prometheus:
    description: What is asked of Prometheus.
    type: dict
    suboptions:
      queries:
        description: PromQL by name.
        type: dict
        default: {}
      step_s:
        description: Seconds between the points.
        type: int
        default: 60
  postgres_ca_cert:
    description: File with the certificates of the authorities that may have signed the database server's certificate.
    type: path
  ca_cert:
    description: File with the certificates of the authorities that may have signed the API server's certificate.
    type: path
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.postgres
  - brandconnect.incidents.redis
  - brandconnect.incidents.prometheus
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
requirements:
  - pyrage >= 1.2 for the dump, which also needs the program pg_dump, on the host that runs the module
notes:
  - In check mode every system is asked what there is and how large it may be. Nothing is collected or written.
  - A bundle that was finished before is compared with its lists and its custody log, in check mode as well. Sizes are
    compared of all files, the content of the smallest, 256 MiB together; C(runbook verify) reads all of it. When
    something differs, the module fails and C(changed_files) names them.
  - The reserved login of the database is not used, and O(statement_timeout) is replaced by O(source_timeout).
  - Whether a log is of the container that was there is asked once more when it was read; a container that was started
    again meanwhile is one of RV(missing), and its previous log is collected too.
  - In Kubernetes it needs C(get) on C(pods/log), and C(list) on C(pods), C(services), C(events), C(secrets),
    C(deployments), C(replicasets), C(statefulsets) and C(daemonsets).
  - In PostgreSQL it needs C(SELECT) on the audit trail, and on what is dumped, with the sequences of its columns. A
    dump holds the rows that a C(SELECT) gives, no deleted ones and no write-ahead log; keep those by the means of the
    storage.
  - In Redis it needs C(INFO), C(SCAN), C(TYPE), C(PTTL), C(GET) and C(DUMP) on the sessions.
  - The API server serves the newest file of a log only; what the node has rotated away is not there.
seealso:
  - module: brandconnect.incidents.evidence
  - module: brandconnect.incidents.k8s_snapshot
  - name: BagIt
    description: How the bundle is laid out.
    link: https://www.rfc-editor.org/rfc/rfc8493
"""

EXAMPLES = r"""
- name: Preserve what is known of the last week
  brandconnect.incidents.evidence_snapshot:
    directory: /var/lib/incident-runbooks/incidents/20261123T214012Z-data-breach-3f9a
    incident: 20261123T214012Z-data-breach-3f9a
    custodian: alice
    sources: [kubernetes, audit, dump, redis]
    since: "2026-11-16T00:00:00Z"
    encrypt_to: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
    dump:
      tables: [public.audit_logs, public.users]
  register: snapshot

- name: Let the journal vouch for it
  brandconnect.incidents.evidence:
    files: "{{ snapshot.files }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, V(done) when all of it was collected, V(partial) when something was not.
    - V(nothing_to_do) when a bundle of that name is finished already, in check mode as well.
  returned: success
  type: str
  sample: done
reason:
  description: What was preserved, in one sentence.
  returned: success
  type: str
  sample: 31 files preserved, 18874368 bytes
started_at:
  description: When it began, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T21:40:12.110000Z"
directory:
  description: The bundle; in check mode without O(directory), its path inside O(directory).
  returned: success
  type: str
  sample: /srv/incidents/3f9a/evidence/snapshot
resumed:
  description: Whether an earlier run had begun this bundle.
  returned: success
  type: bool
  sample: false
partial:
  description: Whether something could not be collected; V(null) in check mode, unless it was finished before.
  returned: success
  type: bool
  sample: false
sha256:
  description:
    - SHA-256 of C(tagmanifest-sha256.txt), which stands for every byte of the bundle.
    - V(null) in check mode, unless it was finished before.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
anchor:
  description:
    - The same as one of the files of M(brandconnect.incidents.evidence).
    - V(null) in check mode, unless it was finished before.
  returned: success
  type: dict
  sample:
    path: /srv/incidents/3f9a/evidence/snapshot/tagmanifest-sha256.txt
    name: tagmanifest-sha256.txt
    source: evidence bundle of 31 files, 18874368 bytes
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    bytes: 431
    truncated: false
files:
  description: A list of RV(anchor), for M(brandconnect.incidents.evidence); empty where that is V(null).
  returned: success
  type: list
  elements: dict
  sample: []
files_total:
  description: Files that were collected; in check mode, that would be.
  returned: success
  type: int
  sample: 31
bytes_total:
  description: Their size in bytes; in check mode, as far as it can be estimated.
  returned: success
  type: int
  sample: 18874368
free_bytes:
  description: What the disk has room for.
  returned: success
  type: int
  sample: 53687091200
sources:
  description:
    - What each source has. C(estimate_bytes) is V(null) where nobody knows, C(paths) are at most 200.
    - Empty when there was nothing to do.
  returned: success
  type: list
  elements: dict
  sample:
    - source: audit
      reachable: true
      error: null
      items: 1
      paths: [db/audit_logs.csv]
      estimate_bytes: 1048576
missing:
  description: What could not be collected, each with C(source), C(path) and C(error).
  returned: success
  type: list
  elements: dict
  sample:
    - source: redis
      path: redis/sessions.jsonl
      error: "Connecting to Redis at 10.0.0.7:6379: nothing listens there"
truncated:
  description: Paths of the files that were cut off.
  returned: success
  type: list
  elements: str
  sample: []
facts:
  description: What is known of the content, by path, at most 50 files of the database, of Redis and of Prometheus.
  returned: success
  type: dict
  sample:
    db/audit_logs.csv: {rows: 181, counted: 181}
caveats:
  description: What a person should know.
  returned: success
  type: list
  elements: str
  sample: []
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_work import (
    Preserving,
    is_finished,
    open_bundle,
    was_begun,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.prometheus import (
    prometheus_argument_spec,
    prometheus_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import (
    redis_argument_spec,
    redis_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import evidence_sources as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_FACTS = 50


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Preserve the evidence; see RETURN.

    Raises:
        IncidentsError: the options make no sense, the bundle cannot be written, or was changed by somebody.
    """
    now = dt.datetime.now(dt.UTC)
    work = Preserving(params, now)
    if not params["directory"] and (params["anchor_sha256"] or not check_mode):
        raise IncidentsError(f"{decisions.ATTEMPTED}: directory is needed; give the incident's")
    recorded = bool(params["anchor_sha256"])
    if check_mode and not recorded and not (params["directory"] and is_finished(work.directory)):
        work.plan()
        return _result(work, now) | decisions.planned(work.sources)
    resumed = was_begun(work.directory)
    with open_bundle(params, work.directory) as bundle:
        finished = bundle.sealed
        if not finished:
            work.collect(bundle)
        sealed = bundle.found if check_mode and bundle.found else bundle.finish()
    return _result(work, now) | _sealed(sealed, finished=finished) | {"resumed": resumed and not finished}


def _result(work: Preserving, now: dt.datetime) -> dict[str, Any]:
    return {
        "changed": True,
        "started_at": now,
        "directory": str(work.directory),
        "resumed": False,
        **dict.fromkeys(("partial", "sha256", "anchor")),
        "files": [],
        "missing": [],
        "truncated": [],
        "facts": {},
        "caveats": [],
        "sources": work.sources,
        "free_bytes": work.free_bytes,
    }


def _sealed(sealed: Sealed, *, finished: bool) -> dict[str, Any]:
    manifest = sealed.manifest
    told = decisions.told(manifest, finished=finished)
    facts = {entry["name"]: entry["facts"] for entry in manifest["files"] if not entry["error"]}
    shown = {name: said for name, said in facts.items() if name.partition("/")[0] in {"db", "redis", "prom"}}
    return {
        **told,
        "changed": not finished,
        "partial": sealed.partial,
        "sha256": sealed.sha256,
        "anchor": sealed.anchor,
        "files": [sealed.anchor],
        "files_total": len(manifest["files"]),
        "bytes_total": manifest["bytes"],
        "facts": dict(list(shown.items())[:MOST_FACTS]),
    }


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    yield from kubernetes_secrets(params)
    yield from postgres_secrets(params)
    yield from redis_secrets(params)
    yield from prometheus_secrets(params)


def _suboptions(source: str) -> dict[str, Any]:
    kinds: dict[type, str] = {bool: "bool", int: "int", str: "str", list: "list", dict: "dict"}
    options = {
        name: {"type": kinds[type(value)], "default": value, **({"elements": "str"} if value == [] else {})}
        for name, value in decisions.DEFAULTS[source].items()
    }
    return {"type": "dict", "options": options}


_DATABASE = postgres_argument_spec()
SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **_DATABASE,
        **kubernetes_argument_spec(),
        **redis_argument_spec(),
        **prometheus_argument_spec(),
        "postgres_ca_cert": _DATABASE["ca_cert"],
        "directory": {"type": "path"},
        "incident": {"type": "str", "required": True},
        "custodian": {"type": "str", "required": True},
        "name": {"type": "str", "default": "snapshot"},
        "anchor_sha256": {"type": "str"},
        "sources": {
            "type": "list",
            "elements": "str",
            "choices": ["kubernetes", "audit", "dump", "redis", "prometheus"],
            "default": ["kubernetes", "audit", "redis", "prometheus"],
        },
        "since": {"type": "str"},
        "until": {"type": "str"},
        "encrypt_to": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "max_bytes": {"type": "int", "default": 20 * 2**30},
        "source_timeout": {"type": "int", "default": 3600},
        **{source: _suboptions(source) for source in decisions.SOURCES},
    },
    constraints={
        "mutually_exclusive": [["prometheus_token", "prometheus_username"]],
        "required_by": {"prometheus_password": ["prometheus_username"]},
    },
    secrets=_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
