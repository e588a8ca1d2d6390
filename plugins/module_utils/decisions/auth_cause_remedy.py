# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What helps when people cannot log in, how risky that is, and what speaks against it. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_case import SILENT, Case
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_facts import (
    AS_EXPECTED,
    Facts,
)

RESTART_REDIS, RESTORE_KEY, RESTART_AUTH = "restart_redis", "restore_jwt_secret", "restart_auth"
SAFE, DISRUPTIVE, DESTRUCTIVE, IRREVERSIBLE = "safe", "disruptive", "destructive", "irreversible"

Json = dict[str, Any]

_NEXT: Mapping[str, str] = {
    "password_not_checked": "this is a breach: take the login offline, and tell security at once",
    "database_down": "bring the database back, see the runbook pool-exhaustion; no restart of the API helps before",
    "redis_loading": "wait until it has read its data; a restart would begin anew",
    "redis_auth": "find out which password is right, put it into the Secret, and restart what uses it",
    "redis_replica": "let the API use the master, and look at the last failover",
    "redis_persistence_failing": "look at the disk and the log of Redis; do not restart it, what is not saved is lost",
    "redis_memory": "free memory or raise maxmemory; a restart would load the same data again",
    "redis_unreachable": "look at Service, endpoints, NetworkPolicy and TLS between the API and Redis",
    "backend_down": "look at why the pods of the API do not get ready",
    "clock_skew": "set the time of the node right, and cordon it until then",
    "rate_limited": "look at who tries to log in, and limit them at the edge; if passwords were stolen, it is a breach",
    "unreachable": "look at ingress, name, certificate and Service of the API",
    "dependency": "look at the log of the API for what it needs and does not get",
    "unknown": "look at what is not known",
}
_INSTEAD: Mapping[str, str] = {
    "scale_up": "scale Redis up again",
    "raise_memory": "raise the memory limit of Redis, or find what fills it",
    "fix_volume": "look at the volume claim of Redis",
    "fix_scheduling": "look at why no node takes the pod of Redis, such as a volume that is not bound",
    "fix_image": "look at the image of Redis",
    "fix_configuration": "look at the Secret and the ConfigMap that Redis needs",
    "free_node": "make room on the node of Redis",
    "read_its_log": "read the last log of Redis: it ends soon after each start",
    "find_the_leak": "find what opens so many connections to Redis",
}


def remedy(cause: str, case: Case) -> Json:
    """Return ``remedy``, ``risk``, ``objection``, ``instead`` and ``next_step``."""
    facts = case.facts
    found: Json = {"remedy": None, "risk": SAFE, "objection": None, "instead": None, "next_step": _NEXT.get(cause)}
    if cause in {"jwt_key_missing", "jwt_key_differs"}:
        return found | _restore(facts)
    if cause == "jwt_stale":
        return found | (_restart_auth(facts) if case.tokens_refused else _leave(facts))
    if cause == "redis_auth" and facts.redis.stale_clients and facts.redis.serves:
        return found | _restart_clients(facts)
    if cause.startswith("redis_"):
        return found | _restart_redis(cause, case)
    return found


def _restore(facts: Facts) -> Json:
    key = facts.key
    objection = key.blocked
    if key.secret_exists is False:
        objection = "the Secret itself is gone; apply its manifest first, then restore the key"
    if key.expected_version is not None:
        version = f"version {key.expected_version} of Vault has the key that was in use"
        instead = "or change auth_jwt_fingerprint where another one is right"
        objection = objection or f"{version}: restore it with --vault-version {key.expected_version}, {instead}"
    elif key.vault_fingerprint is None:
        objection = f"there is nothing to restore from: {key.vault_problem or 'Vault was not asked'}"
    elif key.vault_fingerprint == key.fingerprint:
        objection = "Vault has the same key as the Secret; find out which version is the right one"
    if objection:
        return {"objection": objection, "next_step": objection}
    risk = DESTRUCTIVE if key.rotation is False else IRREVERSIBLE
    return {"remedy": RESTORE_KEY, "risk": risk, "next_step": None}


def _restart_auth(facts: Facts) -> Json:
    if facts.key.stored != AS_EXPECTED:
        text = "whether the Secret has the right key is not known, and pods that restart would use it"
        return {"objection": text, "next_step": "find out by Vault whether the Secret has the right key"}
    return {"remedy": RESTART_AUTH, "risk": DISRUPTIVE, "next_step": None}


def _leave(facts: Facts) -> Json:
    """Nobody is seen to be kept out by a key: a restart could void the tokens of all who are in."""
    if facts.key.stored != AS_EXPECTED:
        return _restart_auth(facts)
    text = "no token is seen to be refused, and pods that restart may void those that older pods have signed"
    return {"objection": text, "next_step": "find out what was changed in the Secret with the signing key"}


def _restart_clients(facts: Facts) -> Json:
    """Pods that restart for the password of Redis read the signing key as well."""
    if facts.key.stored == AS_EXPECTED and facts.key.stale_pods:
        text = "its pods may sign with an older key, and those that restart would void these tokens"
        return {"objection": text, "next_step": "find out what was changed in the Secret with the signing key"}
    return _restart_auth(facts)


def _restart_redis(cause: str, case: Case) -> Json:
    """A restart helps with a process that hangs only; what it says of itself, a restart does not change."""
    facts = case.facts
    risk = facts.redis.restart or {}
    instead = risk.get("instead")
    if cause not in {"redis_pod", "redis_unreachable"} or facts.redis.serves:
        return {"instead": instead if instead != "save" else None}
    if not risk or instead not in {None, "save"}:
        return {
            "instead": instead,
            "next_step": _INSTEAD.get(str(instead), _NEXT[cause if cause in _NEXT else "unknown"]),
        }
    if not facts.redis.ready and not facts.redis.trouble:
        text = "its pods are not known, so nobody knows whether a restart helps"
        return {"objection": text, "next_step": "look at the pods of Redis"}
    nobody_gets_there = facts.redis.ready == 0 or (facts.redis.cause in SILENT and case.logged("redis_refused"))
    if not (case.fails and nobody_gets_there):
        text = "nothing shows that the API gets no answer of Redis either, so that a restart may not help"
        if facts.probe.silent:
            text = "logging in could not be tried from here, so that nothing shows that a restart is needed"
        return {"objection": text, "next_step": "look at the way to Redis, from here and from the pods of the API"}
    known = risk.get("risk") == DISRUPTIVE
    return {"remedy": RESTART_REDIS, "risk": DISRUPTIVE if known else DESTRUCTIVE, "next_step": None}
