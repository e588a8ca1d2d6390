# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read the results of the modules that auth-down asks into the facts of its decision. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_facts import (
    AS_EXPECTED,
    CLASSES,
    DIFFERS,
    MISSING,
    NEEDED_CLASSES,
    UNUSABLE,
    Facts,
    Key,
    Probe,
    Redis,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_restart import restart_risk
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

Json = Mapping[str, Any]

RESULTS = (
    *("probe", "redis", "redis_workload", "redis_secret", "vault", "secret", "workload", "service", "logs", "postgres"),
)
_FAILING = ("unreachable", "rate_limited", "dependency", "stale_replica", "key_or_clock", "token_rejected")
_FAILS = {**dict.fromkeys(_FAILING, True), "ok": False, "wrong_password_accepted": False}
_SAYS_NOTHING = frozenset({"not_configured", "too_soon", "wrong_credentials", "unexpected"})
# causes of pg_activity that keep ordinary logins out although a reserved one got in
_FULL = frozenset({"server_slots_exhausted", "pooler_exhausted", "in_recovery", "shutting_down", "disk_full"})
# what keeps only the runbooks from asking the database
_OURS = frozenset({"not_configured", "auth"})
_MEMORY = "OOMKilled"
_PORT = "wrong_target_port"
_NOWHERE = frozenset({"selector_matches_nothing", "no_endpoints", _PORT})
_LENGTH = 200


@dataclass(frozen=True)
class Places:
    """Where the signing key is, and what it should be.

    Attributes:
        secret_key: key of the Secret.
        vault_key: key of the secret in Vault.
        expected: fingerprint of the one that was in use when all was well; ``None`` where that is not known.
    """

    secret_key: str
    vault_key: str
    expected: str | None = None


def read_facts(results: Json, places: Places, *, now: dt.datetime, recent_s: float) -> Facts:
    """Return what is known.

    Args:
        results: by the names of the module's options; empty for what was not asked.
        places: of the signing key.
        recent_s: seconds within which a pod of Redis must have run out of memory.
    """
    gaps: list[str] = []
    notes: list[str] = []
    workload = results["workload"]
    replicas = (workload.get("workload") or {}).get("replicas")
    ready = workload.get("pods_ready")
    if replicas is None or ready is None:
        gaps.append(_unread("the pods of the API", workload))
    return Facts(
        probe=_probe(results["probe"], gaps),
        redis=_redis(results, now, recent_s, gaps, notes),
        key=_key(results, places, gaps, notes),
        replicas=replicas,
        pods_ready=ready,
        waiting=_waiting(workload.get("pods") or ()),
        leads_nowhere=_nowhere(results["service"]),
        database_down=_database(results["postgres"], gaps, notes),
        lines=_lines(results["logs"], gaps),
        newest_line_s=_newest_line(results["logs"], now),
        gaps=gaps,
        notes=notes,
    )


def _probe(result: Json, gaps: list[str]) -> Probe:
    verdict = result.get("verdict")
    if verdict is None:
        gaps.append(_unread("logging in", result))
        return Probe()
    why = plain_line(str(result.get("reason") or verdict), _LENGTH)
    silent = verdict == "unreachable" and not result.get("answered", result.get("reachable"))
    if verdict in _SAYS_NOTHING or silent:
        gaps.append(f"whether people can log in is not known: {why}")
    clock = result.get("clock") or {}
    failing = None if silent else _FAILS.get(str(verdict))
    skew = clock.get("issued_skew_s") if clock.get("issued_skew_s") is not None else clock.get("date_skew_s")
    return Probe(str(verdict), why, failing, clock.get("wrong"), skew, silent)


def _redis(results: Json, now: dt.datetime, recent_s: float, gaps: list[str], notes: list[str]) -> Redis:
    said, pods = results["redis"], results["redis_workload"]
    replicas, ready = (pods.get("workload") or {}).get("replicas"), pods.get("pods_ready")
    read = replicas is not None and ready is not None
    if pods.get("cause") == "not_found":
        notes.append(f"the workload of Redis is not in the cluster: {pods.get('message') or 'not found'}")
    elif not read:
        gaps.append(_unread("the pods of Redis", pods))
    if not said.get("reachable") or said.get("cause"):
        gaps.append(_unread("Redis", said))
    writes = said.get("writes") or {}
    if said.get("reachable") and not said.get("cause") and writes.get("verdict") not in {"accepted", "refused"}:
        doubts = [str(each.get("message")) for each in writes.get("doubts") or ()]
        gaps.append(f"whether Redis takes writes is not known: {'; '.join(doubts) or 'not said'}")
    clients = results["redis_secret"]
    if not clients.get("reachable"):
        notes.append("whether pods have an older password of Redis than its Secret is not known")
    listed = pods.get("pods") if read else None  # none that were read is not none that are there
    loading = said.get("loading") or {}
    return Redis(
        asked=bool(said),
        reachable=said.get("reachable"),
        cause=said.get("cause"),
        message=plain_line(str(said.get("message") or said.get("cause") or ""), _LENGTH),
        loading=bool(loading.get("active")) or said.get("cause") == "loading",
        percent=loading.get("percent"),
        role=said.get("role"),
        refusals={
            str(each.get("cause")): plain_line(str(each.get("message") or ""), _LENGTH)
            for each in writes.get("reasons") or ()
        },
        writes=str(writes.get("verdict") or "unknown"),
        replicas=replicas,
        ready=ready,
        trouble=_waiting(listed or ()),
        out_of_memory=_out_of_memory(listed or (), now, recent_s),
        restart=restart_risk(said, listed, None) if said or listed is not None else None,
        stale_clients=_still_old(clients, results["workload"]),
    )


def _key(results: Json, places: Places, gaps: list[str], notes: list[str]) -> Key:
    secret, vault = results["secret"], results["vault"]
    found: Json = (secret.get("keys") or {}).get(places.secret_key) or {}
    exists = secret.get("exists")
    if exists is None or (exists and found.get("exists") is None):
        gaps.append(_unread("the Secret with the signing key", secret))
    fingerprint = found.get("fingerprint")
    kept, problem = _kept(vault, places.vault_key)
    if problem:
        gaps.append(f"the signing key in Vault is not known: {problem}")
    if kept and places.expected and kept != places.expected:
        notes.append("the signing key in Vault is not the one that is expected")
    stored = _stored(exists, found, places.expected or kept)
    return Key(
        stored=stored,
        secret_exists=exists,
        blocked=_blocked(secret),
        fingerprint=fingerprint,
        vault_fingerprint=kept,
        vault_version=vault.get("version"),
        vault_versions=_versions(vault, fingerprint),
        vault_problem=problem,
        expected_version=next(iter(_versions(vault, places.expected)), None) if kept != places.expected else None,
        stale_pods=_still_old(secret, results["workload"]),
        rotation=_rotation(kept, places.expected, fingerprint, doubt=bool(secret.get("pods_older"))),
    )


def _versions(vault: Json, fingerprint: str | None) -> list[int]:
    """Those of Vault that have a key, the newest first."""
    return [
        int(each["version"])
        for each in vault.get("versions") or ()
        if fingerprint and each.get("fingerprint") == fingerprint and each.get("version") is not None
    ]


def _still_old(secret: Json, workload: Json) -> list[str]:
    """Pods that use what a Secret had before; a container reads it when it starts, one that was restarted anew."""
    older = {str(each.get("name")) for each in secret.get("pods_older") or ()}
    return [
        str(pod.get("name"))
        for pod in workload.get("pods") or ()
        if str(pod.get("name")) in older and (containers := pod.get("containers")) and all(map(_first_run, containers))
    ]


def _first_run(container: Json) -> bool:
    return container.get("state") == "running" and container.get("restarts") == 0


def _kept(vault: Json, name: str) -> tuple[str | None, str | None]:
    """The fingerprint of what Vault has, and why there is none."""
    state = vault.get("state")
    if state != "present":
        said = vault.get("message") or vault.get("hint") or vault.get("cause")
        return None, f"it is {state}, {said}" if state and said else str(said or state or "not asked")
    found: Json = (vault.get("keys") or {}).get(name) or {}
    if not found.get("exists") or found.get("empty") or not found.get("fingerprint"):
        return None, f"it has no key {name}, or an empty one"
    return str(found["fingerprint"]), None


def _stored(exists: bool | None, found: Json, wanted: str | None) -> str | None:
    if exists is False or (exists and (found.get("exists") is False or found.get("empty"))):
        return MISSING
    if not exists or not found.get("fingerprint"):
        return None
    if wanted and found["fingerprint"] == wanted:
        return AS_EXPECTED
    if found.get("trailing_whitespace"):
        return UNUSABLE
    return DIFFERS if wanted else None


def _blocked(secret: Json) -> str | None:
    """Why the Secret cannot be written by hand."""
    if secret.get("immutable"):
        return "the Secret is immutable; make a new one and change the reference"
    manager = secret.get("managed_by")
    if manager:
        return f"{plain_line(str(manager.get('tool')), 60)} writes the Secret; restore it at the source"
    return None


def _rotation(kept: str | None, expected: str | None, fingerprint: str | None, *, doubt: bool) -> bool | None:
    """Whether Vault's key differs from the one in use. Pods older than the Secret use nobody knows which one."""
    if kept is None:
        return None
    if expected:
        return kept != expected
    return None if doubt or not fingerprint else kept != fingerprint


def _database(result: Json, gaps: list[str], notes: list[str]) -> str | None:
    """Why the database cannot be used; one that answers and refuses our question is up, and our login is ours."""
    said = plain_line(str(result.get("message") or result.get("cause") or ""), _LENGTH)
    if result.get("reachable") and result.get("cause") not in _FULL:
        if said:
            notes.append(f"the database answers, and not to what it was asked: {said}")
        return None
    gaps.append(_unread("the database", result))
    return said if said and result.get("cause") not in _OURS else None


def _lines(result: Json, gaps: list[str]) -> dict[str, int]:
    total, read = result.get("pods_total"), result.get("pods_read")
    if not result.get("reachable") or total is None:
        gaps.append(_unread("the logs of the API", result))
    elif read != total or not total or result.get("pods_unread"):
        gaps.append(f"logs of {read} of {total} pods of the API were read")
    elif result.get("truncated"):
        gaps.append(f"{len(result['truncated'])} logs of the API were cut off")
    classes = result.get("classes") or {}
    return {name: int(classes[name].get("count") or 0) for name in CLASSES if name in classes}


def _nowhere(result: Json) -> str | None:
    """Why the Service leads to no pod, where that is proven; one port of several that leads to none is not."""
    if result.get("verdict") not in _NOWHERE or not result.get("certain"):
        return None
    if any(port.get("resolved") is not False for port in result.get("ports") or ()) and result["verdict"] == _PORT:
        return None
    return plain_line(str(result.get("reason") or result["verdict"]), _LENGTH)


def _newest_line(result: Json, now: dt.datetime) -> float | None:
    """The age of the newest line that says that the API lacks what a login needs, in seconds."""
    classes = result.get("classes") or {}
    times = [parse_instant((classes.get(name) or {}).get("last_at")) for name in NEEDED_CLASSES]
    newest = max((each for each in times if each), default=None)
    return (now - newest).total_seconds() if newest else None


def _waiting(pods: Iterable[Json]) -> list[str]:
    """What keeps pods from being ready, each in one line."""
    found = []
    for pod in pods:
        if pod.get("ready"):
            continue
        containers = pod.get("containers") or ()
        last = [(each.get("last_termination") or {}).get("reason") for each in containers]
        words = [each.get("reason") for each in containers] + [pod.get("reason"), *last, pod.get("phase")]
        found.append(f"{pod.get('name')}: {next((str(word) for word in words if word), 'not ready')}")
    return found


def _out_of_memory(pods: Iterable[Json], now: dt.datetime, recent_s: float) -> bool:
    for pod in pods:
        for container in pod.get("containers") or ():
            last = container.get("last_termination") or {}
            ended = parse_instant(last.get("finished_at"))
            recent = ended is not None and (now - ended).total_seconds() <= recent_s
            if container.get("reason") == _MEMORY or (
                last.get("reason") == _MEMORY and (recent or not pod.get("ready"))
            ):
                return True
    return False


def _unread(what: str, result: Json) -> str:
    said = plain_line(str(result.get("message") or result.get("cause") or "not asked"), _LENGTH)
    return f"{what} could not be examined: {said}"
