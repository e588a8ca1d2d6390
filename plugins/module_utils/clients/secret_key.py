# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Set one key of a Secret by one patch, and report what became of it. What is decided is in ``decisions``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import written
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    KubernetesError,
    read_request,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_key import (
    Plan,
    describe,
    fingerprint_of,
)

Decide = Callable[[Mapping[str, Any]], Plan]

PART = 8  # characters in a row that give a value away


def secret_key_argument_spec() -> dict[str, dict[str, Any]]:
    """The options that say what is set and under which plan. Keep the doc fragment ``secret_key`` in step."""
    return {
        "name": {"type": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
        "expected_fingerprint": {"type": "str"},
        "targets": {"type": "list", "elements": "dict"},
        "incident": {"type": "str"},
    }


def set_key(params: Mapping[str, Any], decide: Decide, report: Report, *, check_mode: bool) -> dict[str, Any]:
    """Look at the Secret, decide, and unless in check mode patch it; return the result.

    Args:
        params: the options of :func:`secret_key_argument_spec` and of the connection to the cluster.
        decide: makes the plan for the Secret as it is.
        report: what happens is noted here.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
    """
    with Cluster(params) as cluster, recording_progress(report.plain, KubernetesError):
        _act(cluster, str(params["name"]), str(params["key"]), decide, report, check_mode=check_mode)
    return report.plain()


def _act(cluster: Cluster, name: str, key: str, decide: Decide, report: Report, *, check_mode: bool) -> None:
    path = cluster.path("v1", "secrets", name)
    secret = cluster.get(path)
    plan = decide(secret)
    report.before = report.after = describe(secret, key)
    report.targets, report.caveats = list(plan.targets), list(plan.caveats)
    if plan.status != "planned":
        report.end(plan.status, plan.reason, plan.word)
        _note(report, name, key, "not_attempted", plan.reason)
        return
    report.changed = True
    if check_mode:
        report.end("planned", plan.reason)
        _note(report, name, key, "would_set", plan.reason)
        return
    patched = _patch(cluster, path, key, plan, report)
    if patched is None:
        _note(report, name, key, "not_attempted", report.reason)
        return
    report.after = describe(patched, key)
    found = fingerprint_of(patched, key)
    if found == plan.targets[0]["to"]:
        report.end("done", plan.reason)
        _note(report, name, key, "set", f"the key has the fingerprint {found}")
        return
    reason = f"the cluster took the patch, but the key has the fingerprint {found}; look for what rewrites Secrets"
    report.end("failed", f"{plan.reason}; {reason}")
    _note(report, name, key, "differs", reason)


def _patch(cluster: Cluster, path: str, key: str, plan: Plan, report: Report) -> dict[str, Any] | None:
    """Send the patch and return the Secret; ``None`` on a conflict, when nothing was changed."""
    try:
        return cluster.patch(path, plan.patch, "merge")
    except KubernetesError as refused:
        error = _untold(refused, path, base64.b64decode((plan.patch or {})["data"][key]))
        if error.failure.cause == "conflict":
            report.changed = False
            text = "the Secret was changed while it was looked at; look again and make a new plan"
            report.end("refused", text, "plan_changed")
            return None
        report.changed = may_have_happened(error.failure.cause, error.failure.status)
        report.end("unknown" if report.changed else "failed", error.message)
        report.results = [{"result": "unknown" if report.changed else "not_attempted", "reason": error.failure.text}]
        raise error from None


def _untold(error: KubernetesError, path: str, value: bytes) -> KubernetesError:
    """The error without what the cluster said, where that quotes the value, plain or encoded, in full or in part.

    Texts are cut to a length, and with them the value, so that to look for all of it is not enough.
    """
    said, forms = error.failure.message, set(written(value.decode()))
    parts = {said[at : at + PART] for at in range(len(said) - PART + 1)}
    if not any(form in said or any(part in form for part in parts) for form in forms):
        return error
    hidden = replace(error.failure, message="what the cluster said to it quotes the value, and is not shown")
    return KubernetesError(read_request("PATCH", path).text, hidden)


def _note(report: Report, name: str, key: str, result: str, reason: str) -> None:
    report.results = [{"secret_name": name, "key": key, "result": result, "reason": reason}]
