# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a restart of Redis would cost, and what to do instead. Pure, no I/O.

A restart clears nothing that is on disk or in a configuration: of the causes of an outage it helps only with a
process that hangs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DISRUPTIVE, DESTRUCTIVE, POINTLESS, UNKNOWN = "disruptive", "destructive", "pointless", "unknown"

Json = dict[str, Any]

# cause of redis_info -> (word, why a restart does not help)
_INSTEAD: Mapping[str, tuple[str, str]] = {
    "noauth": ("fix_credentials", "it runs and wants a login"),
    "wrongpass": ("fix_credentials", "it runs and does not know the login"),
    "no_password_set": ("fix_credentials", "it runs and has no password, while one is sent"),
    "noperm": ("fix_credentials", "it runs, and the login may not do it"),
    "protected_mode": ("fix_network", "it runs and takes connections from its own host only"),
    "max_clients": ("find_the_leak", "it runs and takes no more clients; they would be back at once"),
    "loading": ("wait", "it reads its data from disk, and a restart begins anew"),
    "masterdown": ("fix_master", "it is a replica without its master"),
    "readonly": ("use_the_master", "it is a replica, and stays one"),
    "oom": ("free_memory", "its memory is full, and the same data would be loaded again"),
    "misconf": ("fix_disk", "it cannot save; what is not saved would be lost, and the disk be as full as before"),
    "noreplicas": ("fix_replicas", "too few replicas are near enough"),
    "clusterdown": ("fix_cluster", "its cluster does not cover all slots"),
    "dns": ("fix_network", "its name is not known"),
    "tls": ("fix_credentials", "it answers, and the certificate or the encryption does not fit"),
    "no_answer": ("fix_network", "something else answers in its place, or the encryption does not fit"),
}
_PODS: Mapping[str, tuple[str, str]] = {
    "OOMKilled": ("raise_memory", "it was killed as it took more memory than its limit, and would be again"),
    "Evicted": ("free_node", "its node had no room for it"),
    "Unschedulable": ("fix_scheduling", "no node takes it, or its volume is not bound"),
    "ContainerCreating": ("fix_volume", "its container is not made yet, often as its volume is not attached"),
    "ImagePullBackOff": ("fix_image", "its image cannot be had"),
    "ErrImagePull": ("fix_image", "its image cannot be had"),
    "CreateContainerConfigError": ("fix_configuration", "a Secret or ConfigMap that it needs is not there"),
    "CrashLoopBackOff": ("read_its_log", "it ends soon after each start; its last log says why"),
}


def restart_risk(
    redis: Mapping[str, Any], pods: Sequence[Mapping[str, Any]] | None, claims: Sequence[Mapping[str, Any]] | None
) -> Json:
    """Return what a restart would do.

    Args:
        redis: the result of ``redis_info``.
        pods: those of ``k8s_workload``; ``None`` when they are not known.
        claims: the volume claims of Redis, each with ``name`` and ``phase``; ``None`` when they are not known, empty
            when it has none, so that its files go with the pod.

    Returns:
        ``risk``: ``disruptive`` when nothing but seconds are lost, ``destructive`` when data is, ``pointless`` when it
        would not help, whatever it costs, ``unknown`` when that cannot be told, which is no permission.
        ``instead``: what to do first or instead, as a word, and ``reason``.
        ``save_first``: whether a snapshot before the restart keeps what would be lost.
        ``lost_changes``: changes that no file has; ``None`` when not known. ``lost_keys``: keys, the same.
        ``notes``: what else counts.
    """
    loss = _loss(redis, claims)
    better = _of_claims(claims) or _of_pods(pods) or _of_answers(redis, pods)
    if better:
        return {**loss, "risk": POINTLESS, "instead": better[0], "reason": better[1], "save_first": False}
    if loss["risk"] == DESTRUCTIVE and loss["save_first"]:
        return {**loss, "instead": "save"}
    return {**loss, "instead": None}


def _of_claims(claims: Sequence[Mapping[str, Any]] | None) -> tuple[str, str] | None:
    for claim in claims or ():
        phase = claim.get("phase")
        if phase in {"Pending", "Lost"}:
            return "fix_volume", f"its volume claim {claim.get('name')} is {phase}"
    return None


def _of_pods(pods: Sequence[Mapping[str, Any]] | None) -> tuple[str, str] | None:
    if pods is None:
        return None
    if not pods:
        return "scale_up", "it has no pods, so there is nothing to restart"
    for pod in pods:
        if pod.get("ready"):
            continue
        containers = pod.get("containers") or ()
        last = [str((each.get("last_termination") or {}).get("reason")) for each in containers]
        for word in (*last, *(str(each.get("reason")) for each in containers), str(pod.get("reason"))):
            if word in _PODS:
                return _PODS[word]
    return None


def _of_answers(redis: Mapping[str, Any], pods: Sequence[Mapping[str, Any]] | None) -> tuple[str, str] | None:
    """What the server itself, or its silence, says."""
    cause = str(redis.get("cause"))
    if cause in _INSTEAD:
        return _INSTEAD[cause]
    if cause == "refused" and pods and all(pod.get("ready") for pod in pods):
        return "fix_network", "its pods are ready, and nothing listens at its address"
    if (redis.get("loading") or {}).get("active"):
        return _INSTEAD["loading"]
    for reason in (redis.get("writes") or {}).get("reasons") or ():
        if reason.get("cause") in _INSTEAD:
            return _INSTEAD[str(reason["cause"])]
    return None


def _loss(redis: Mapping[str, Any], claims: Sequence[Mapping[str, Any]] | None) -> Json:
    """What would be gone, were it restarted now."""
    keys, persistence = redis.get("keys"), redis.get("persistence") or {}
    found: Json = {"save_first": False, "lost_changes": None, "lost_keys": None, "notes": _notes(redis, claims)}
    if keys is None:
        return found | {"risk": UNKNOWN, "reason": "it does not say what it holds, so nobody knows what would be lost"}
    if not keys:
        return found | {"risk": DISRUPTIVE, "reason": "it holds no keys", "lost_changes": 0, "lost_keys": 0}
    if claims is not None and not claims:
        lost = {"lost_keys": keys, "lost_changes": persistence.get("rdb_changes_since_last_save")}
        return found | lost | {"risk": DESTRUCTIVE, "reason": "it has no volume, so all of its keys go with the pod"}
    return found | _of_files(persistence)


def _of_files(persistence: Mapping[str, Any]) -> Json:
    """The same where files outlive the pod. With an append-only file, Redis loads that and no snapshot."""
    changes = persistence.get("rdb_changes_since_last_save")
    log = persistence.get("aof_enabled")
    if log is None:
        return {"risk": UNKNOWN, "reason": "it does not say whether it has an append-only file"}
    if log and (persistence.get("aof_rewrite_in_progress") or persistence.get("aof_last_bgrewrite_ok") is False):
        # where it was switched on while Redis ran, the file has nothing before its first rewrite has ended
        text = "its append-only file is being rewritten, or could not be, and may not have what was there before"
        return {"risk": UNKNOWN, "reason": text}
    if log and persistence.get("aof_last_write_ok"):
        return {
            "risk": DISRUPTIVE,
            "reason": "its append-only file has every change",
            "lost_changes": 0,
            "lost_keys": 0,
        }
    if log:
        text = "its append-only file could not be written, and a snapshot is not loaded while there is one"
        return {"risk": DESTRUCTIVE, "reason": text, "lost_changes": changes}
    if changes is None:
        return {"risk": UNKNOWN, "reason": "it does not say how many changes are not saved"}
    if not changes and persistence.get("rdb_last_save_at") and persistence.get("rdb_last_bgsave_ok"):
        return {"risk": DISRUPTIVE, "reason": "its last snapshot has every change", "lost_changes": 0, "lost_keys": 0}
    never = persistence.get("rdb_save_points") is False
    text = f"{changes} changes are in no file" + (", and it never saves by itself" if never else "")
    return {
        "risk": DESTRUCTIVE,
        "reason": text,
        "save_first": True,
        "lost_changes": changes,
    }


def _notes(redis: Mapping[str, Any], claims: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """What a person should know before."""
    notes = []
    server, replication = redis.get("server") or {}, redis.get("replication") or {}
    if claims is None:
        notes.append("whether its files outlive the pod is not known; look at its volume claims")
    if server.get("mode") in {"cluster", "sentinel"} or (replication.get("replicas") or 0) > 0:
        notes.append("it has replicas or a cluster; fail over in order rather than restart the master")
    if (redis.get("persistence") or {}).get("aof_fsync") == "no":
        notes.append("its append-only file is flushed by the system only; a crash of the node loses up to 30 seconds")
    return notes
