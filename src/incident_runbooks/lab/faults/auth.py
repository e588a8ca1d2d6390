# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody gets in, or not everybody: Redis does not do what the login needs, or the keys of the tokens do not fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from incident_runbooks.lab.faults import workloads
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.workloads.manifests import NAMESPACE
from incident_runbooks.lab.workloads.scenarios import FaultFile, Restart

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab
    from incident_runbooks.lab.login import Login

_RUNBOOK = "auth-down"
_BACKEND = "backend"
_KEY = "JWT_SECRET"
_SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/jwt-secret"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_REDIS = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/redis"
_SERVICE = f"/api/v1/namespaces/{NAMESPACE}/services/redis"
_API_SERVICE = f"/api/v1/namespaces/{NAMESPACE}/services/backend"
_FULL_AT = "1mb"  # less than Redis needs for itself
_NOBODY = ("127.0.0.1", "1")  # where no master listens

Do = Callable[["Lab", "Login"], None]
Shows = Callable[["Login"], bool]


def _inject(lab: Lab, name: str, do: Do, shows: Shows) -> None:
    from incident_runbooks.lab.login import Login  # noqa: PLC0415 - the command's help must not wait for it

    lab.wait_until_payments_flow()  # else nobody can tell what comes of the fault
    login = Login(lab)
    do(lab, login)
    lab.wait_until(lambda: shows(login), f"the fault {name} is in effect")


def _undone(undo: Callable[[Login], None] | None) -> Callable[[Lab], None] | None:
    if undo is None:
        return None

    def heal(lab: Lab) -> None:
        from incident_runbooks.lab.login import Login  # noqa: PLC0415 - as above

        undo(Login(lab))

    return heal


def _fails(login: Login) -> bool:
    return login.fails()


# Redis


def _scale_down(_: Lab, login: Login) -> None:
    login.platform.api.patch(_REDIS, {"spec": {"replicas": 0}})


def _redis(*command: str) -> Do:
    return lambda _, login: login.redis(*command)


def _undo_redis(*command: str) -> Callable[[Login], None]:
    return lambda login: login.redis(*command)


def _change_password(_: Lab, login: Login) -> None:
    login.redis("CONFIG", "SET", "requirepass", login.next_redis_password, end_clients=True)


def _hide_service(_: Lab, login: Login) -> None:
    login.platform.api.patch(_SERVICE, {"spec": {"selector": {"app": "redis-primary"}}})
    login.redis("PING", end_clients=True)  # connections that there are stay


def _show_service(login: Login) -> None:
    login.platform.api.patch(_SERVICE, {"spec": {"selector": {"app": "redis"}}})


def _block_snapshots(_: Lab, login: Login) -> None:
    login.snapshot.unlink(missing_ok=True)
    (login.snapshot / "in-the-way").mkdir(parents=True)  # no file can be put in the place of a folder
    login.redis("BGSAVE")


def _allow_snapshots(login: Login) -> None:
    if login.snapshot.is_dir():
        (login.snapshot / "in-the-way").rmdir()
        login.snapshot.rmdir()
    login.redis("BGSAVE")


# The way to the API


def _hide_api(_: Lab, login: Login) -> None:
    login.platform.api.patch(_API_SERVICE, {"spec": {"selector": {"app": "backend-v2"}}})


def _show_api(login: Login) -> None:
    login.platform.api.patch(_API_SERVICE, {"spec": {"selector": {"app": "backend"}}})


# The key of the tokens


def _lose_key(_: Lab, login: Login) -> None:
    """Remove the key from its Secret, and replace one pod, which then cannot start."""
    login.platform.api.patch(_SECRET, {"data": {_KEY: None}})
    login.platform.api.delete(f"{_PODS}/{login.pods()[0]}", gracePeriodSeconds=1)


def _use_another_key(lab: Lab, login: Login) -> None:
    login.platform.api.patch(_SECRET, {"stringData": {_KEY: login.next_key}})
    workloads.carry_out(Restart(_BACKEND), lab, login.platform)
    lab.wait_until(login.is_settled, "the pods of the backend are replaced")


def _leave_one_pod_with_another_key(lab: Lab, login: Login) -> None:
    """Let one pod start while the Secret has another key, which is then put right."""
    right = lab.cluster.credentials.jwt_secret
    login.platform.api.patch(_SECRET, {"stringData": {_KEY: login.next_key}})
    login.platform.api.delete(f"{_PODS}/{login.pods()[0]}", gracePeriodSeconds=1)
    lab.wait_until(login.is_settled, "one pod of the backend is replaced")
    time.sleep(1.1)  # times in the cluster are whole seconds; the pods must be seen to be older
    login.platform.api.patch(_SECRET, {"stringData": {_KEY: right}})


def _skew_one_pod(lab: Lab, login: Login) -> None:
    workloads.carry_out(FaultFile(_BACKEND, "clock-skew", pods=1), lab, login.platform)


def _storm(_: Lab, login: Login) -> None:
    login.storm()


def _fault(
    name: str,
    what: str,
    cause: str,
    do: Do,
    shows: Shows,
    recommends: tuple[str, ...] = (),
    undo: Callable[[Login], None] | None = None,
) -> Fault:
    return Fault(
        name,
        what,
        cause,
        lambda lab: _inject(lab, name, do, shows),
        needs_cluster=True,
        needs_payments=True,
        needs_data=True,
        runbook=_RUNBOOK,
        recommends=recommends,
        undo=_undone(undo),
    )


FAULTS = (
    _fault(
        "redis-down",
        "somebody has scaled Redis to no pods: logins are answered with 503",
        "redis_pod",
        _scale_down,
        _fails,
    ),
    _fault(
        "redis-hangs",
        "the process of Redis hangs: it takes connections and answers nothing",
        "redis_unreachable",
        lambda _, login: login.stop_redis(),
        _fails,
        ("restart-redis",),
        undo=lambda login: login.continue_redis(),
    ),
    _fault(
        "redis-service-without-pods",
        "the Service of Redis selects no pod: Redis is well, and nobody gets to it",
        "redis_unreachable",
        _hide_service,
        _fails,
        undo=_show_service,
    ),
    _fault(
        "redis-memory-full",
        "Redis has reached maxmemory and evicts nothing: it answers PONG and refuses writes",
        "redis_memory",
        _redis("CONFIG", "SET", "maxmemory", _FULL_AT),
        _fails,
        undo=_undo_redis("CONFIG", "SET", "maxmemory", "0"),
    ),
    _fault(
        "redis-password-changed",
        "Redis has another password than the Secret: the backend's login is refused",
        "redis_auth",
        _change_password,
        _fails,
        undo=lambda login: login.restore_redis_password(),
    ),
    _fault(
        "redis-persistence-failing",
        "Redis cannot write its snapshot, and refuses writes until it can",
        "redis_persistence_failing",
        _block_snapshots,
        _fails,
        undo=_allow_snapshots,
    ),
    _fault(
        "redis-replica",
        "Redis has become a replica of a master that is not there: it refuses writes",
        "redis_replica",
        _redis("REPLICAOF", *_NOBODY),
        _fails,
        undo=_undo_redis("REPLICAOF", "NO", "ONE"),
    ),
    _fault(
        "jwt-key-missing",
        "the key of the tokens was removed from its Secret: a pod that starts now does not",
        "jwt_key_missing",
        _lose_key,
        lambda login: login.one_pod_waits_for("CreateContainerConfigError"),
        ("restore-jwt-secret",),
    ),
    _fault(
        "jwt-key-wrong",
        "the Secret and the pods have another key than Vault: everybody was logged out",
        "jwt_key_differs",
        _use_another_key,
        lambda login: login.is_settled(),
    ),
    _fault(
        "jwt-key-stale",
        "one pod started while the Secret had another key: the tokens of one pod are refused by the other",
        "jwt_stale",
        _leave_one_pod_with_another_key,
        lambda login: login.tokens_are_refused(),
        ("restart-auth",),
        undo=lambda login: login.replace_pods(),
    ),
    _fault(
        "auth-clock-skew",
        "the clock of one pod is a quarter of an hour ahead: its tokens are not valid yet elsewhere",
        "clock_skew",
        _skew_one_pod,
        lambda login: login.tokens_are_refused(),
    ),
    _fault(
        "backend-service-without-pods",
        "the Service of the API selects no pod: its pods are well, and nobody gets to them",
        "unreachable",
        _hide_api,
        _fails,
        undo=_show_api,
    ),
    _fault(
        "login-rate-limited",
        "somebody tries passwords: logins are refused with 429",
        "rate_limited",
        _storm,
        lambda login: login.is_limited(),
        undo=lambda login: login.forget_tries(),
    ),
)
