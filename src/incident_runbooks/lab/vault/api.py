# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's Vault answers: the state of the server, who asks, which engine a path belongs to.

https://developer.hashicorp.com/vault/api-docs
"""

from __future__ import annotations

import json
from typing import Any

from incident_runbooks.lab.services.call import Answer, Call, RefusedError
from incident_runbooks.lab.vault import control
from incident_runbooks.lab.vault.control import Control
from incident_runbooks.lab.vault.keys import Keys
from incident_runbooks.lab.vault.kv import Version1, Version2, envelope, refused

VERSION = "1.18.3"
NAMESPACE = "platform"  # the one that there is beside the root
MOUNTS = {
    ("", "secret"): "2",
    ("", "kv"): "1",
    (NAMESPACE, "secret"): "2",
}
_CLUSTER = {"cluster_name": "vault-cluster-lab", "cluster_id": "1f1ab6a5-6b5d-4f0e-9a60-6b7b0b6a2d11"}
_PREFLIGHT = 'preflight capability check returned 403, please ensure client\'s policies grant access to path "{}/"'

Json = dict[str, Any]


class Vault:
    """The server.

    Args:
        stored: what the engines hold, ``namespace|mount`` to their own.
        keys: the tokens.
        faults: those in effect.
    """

    def __init__(self, stored: Json, keys: Keys, faults: Control) -> None:
        self._stored = stored
        self._keys = keys
        self._faults = faults

    def handle(self, call: Call) -> Answer:
        """Return the answer; *call*'s path is without ``/v1/``."""
        kind = self._faults.kind()
        try:
            if call.path in _STATES:
                return _STATES[call.path](kind)
            broken = control.answer(kind) if kind else None
            return broken or self._served(call)
        except RefusedError as error:
            return error.answer

    def _served(self, call: Call) -> Answer:
        token = self._token(call)
        if call.path == "auth/token/lookup-self":
            return Answer(200, envelope({"display_name": "token", "ttl": 0, "renewable": False, "type": "service"}))
        method = "LIST" if call.value("list") == "true" else call.method
        namespace = call.headers.get("X-Vault-Namespace", "").strip("/")
        preflight = "sys/internal/ui/mounts/"
        if call.path.startswith(preflight):
            return self._mount(namespace, call.path.removeprefix(preflight).strip("/"), token)
        mount, _, rest = call.path.partition("/")
        self._permit(token, method, MOUNTS.get((namespace, mount)), rest)
        if (namespace, mount) not in MOUNTS:
            raise refused(404, f'no handler for route "{call.path}". route entry not found.')
        held = self._stored.setdefault(f"{namespace}|{mount}", {})
        engine = Version2(held) if MOUNTS[namespace, mount] == "2" else Version1(held)
        return engine.handle(method, rest, call.value("version"), _json(call.body))

    def _token(self, call: Call) -> str:
        token = call.headers.get("X-Vault-Token") or call.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            raise refused(403, "permission denied")
        if token not in self._keys.secrets():
            raise refused(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        return token

    def _permit(self, token: str, method: str, version: str | None, path: str) -> None:
        keys = self._keys
        if token == keys.root_token:
            return
        reads = method in ("GET", "LIST") and version is not None
        if token == keys.reader_token and reads:
            return
        if token == keys.data_token and reads and not (version == "2" and path.startswith("metadata/")):
            return
        raise refused(403, "1 error occurred:\n\t* permission denied\n\n")

    def _mount(self, namespace: str, path: str, token: str) -> Answer:
        """Of a path without an engine Vault says no more than of one that a token may not see."""
        mount = path.partition("/")[0]
        version = MOUNTS.get((namespace, mount))
        if version is None or token == self._keys.stranger_token:
            raise refused(403, _PREFLIGHT.format(path))
        data = {
            "accessor": f"kv_{mount}",
            "config": {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0},
            "description": "key/value secret storage",
            "external_entropy_access": False,
            "local": False,
            "options": {"version": version},
            "path": f"{mount}/",
            "seal_wrap": False,
            "type": "kv",
            "uuid": "5d9f1d0f-3a3a-4b35-9a62-2f8bb5c5e6a0",
        }
        return Answer(200, envelope(data))


def _health(kind: str | None) -> Answer:
    found = control.health(kind)
    body = {
        "initialized": found.initialized,
        "sealed": found.sealed,
        "standby": found.standby,
        "performance_standby": found.performance_standby,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": found.dr_mode,
        "server_time_utc": 1795860000,
        "version": VERSION,
        "enterprise": False,
        **({} if found.sealed else _CLUSTER),
    }
    return Answer(found.status, body)


def _seal_status(kind: str | None) -> Answer:
    found = control.health(kind)
    shares = {"t": 3, "n": 5} if found.initialized else {"t": 0, "n": 0}
    body = {
        "type": "shamir",
        "initialized": found.initialized,
        "sealed": found.sealed,
        **shares,
        "progress": 0,
        "nonce": "",
        "version": VERSION,
        "storage_type": "raft",
        **({} if found.sealed else _CLUSTER),
    }
    return Answer(200, body)


_STATES = {"sys/health": _health, "sys/seal-status": _seal_status}


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        raise refused(400, "failed to parse JSON input: invalid character") from None
